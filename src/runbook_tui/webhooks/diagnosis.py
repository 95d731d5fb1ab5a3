"""From what a bench saw to the likely cause and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runbook_tui.webhooks.findings import Finding
from runbook_tui.webhooks.scheme import Scheme
from runbook_tui.webhooks.transport import Transport
from runbook_tui.webhooks.verdicts import Result


@dataclass(frozen=True)
class Advice:
    """`cases` are the ids of the results it explains."""

    id: str
    cause: str
    fix: str
    cases: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        return asdict(self)


def diagnose(
    scheme: Scheme, results: Sequence[Result], transport: Transport | None, checks: Sequence[Finding], stopped: str
) -> list[Advice]:
    """The likely causes, the most specific first."""
    return []
