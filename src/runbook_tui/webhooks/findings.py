"""One thing that was looked at besides the deliveries: the way to the endpoint, its answers' speed, its URL token."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

VERDICTS = ("pass", "fail", "warn", "inconclusive", "not_applicable")


@dataclass(frozen=True)
class Finding:
    """What was found, and why. Nothing in it is secret; `data()` is fit for the journal and the report."""

    id: str
    title: str
    verdict: str  # one of VERDICTS
    reason: str  # one sentence, without a full stop

    def data(self) -> dict[str, Any]:
        return asdict(self)
