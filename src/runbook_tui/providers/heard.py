"""Everything that came back from one call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from runbook_tui.net.fault import NetFault
from runbook_tui.providers.answers import Parsed


@dataclass
class Heard:
    """Everything that came back from one call."""

    request: str  # method and address, masked
    at: datetime
    pages: list[Parsed] = field(default_factory=list)
    fault: NetFault | None = None
    complete: bool = True  # every page of a list was read
    tries: int = 0
    seconds: float = 0.0

    @property
    def last(self) -> Parsed | None:
        """The latest answer."""
        return self.pages[-1] if self.pages else None
