"""How soon an endpoint acknowledges valid deliveries. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from runbook_tui.net.client import Timing
from runbook_tui.webhooks.findings import Finding

_ENOUGH = 5  # deliveries
_SECOND = 1.0  # what the vendors' integration guides ask of a handler
_TITLES = {
    "ack-second": "Valid deliveries are answered within a second",
    "ack-limit": "Valid deliveries are answered within the vendor's limit",
}


def percentile_95(values: Sequence[float]) -> float:
    """The nearest-rank 95th percentile; of fewer than 20 values the largest."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def acknowledgement(timings: Sequence[Timing], limit: float) -> list[Finding]:
    """How soon valid deliveries were answered: `ack-second` and `ack-limit`.

    `timings` are those of accepted deliveries, the first one (a warm-up) left out by the caller; what counts is from
    the ready connection to the first byte. `limit` is how long the vendor waits, in seconds, 0 when not published.
    """
    if len(timings) < _ENOUGH:
        why = f"{len(timings)} valid deliveries were measured; {_ENOUGH} are needed"
        return [_ack(name, "inconclusive", why) for name in ("ack-second", "ack-limit")]
    slow = percentile_95([timing.first_byte for timing in timings])
    said = f"95th percentile {slow * 1000:.0f} ms of {len(timings)} deliveries, without the time to connect"
    second = _ack("ack-second", "pass" if slow < _SECOND else "warn", said)
    if limit <= 0:
        return [second, _ack("ack-limit", "not_applicable", "the vendor publishes none")]
    good = "pass" if slow < limit else "fail"
    return [second, _ack("ack-limit", good, f"{said}; the vendor waits {limit:g} s")]


def _ack(name: str, verdict: str, reason: str) -> Finding:
    return Finding(name, _TITLES[name], verdict, reason)
