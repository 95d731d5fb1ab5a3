"""What a webhook bench means for the step that ran it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_TITLES = 5  # of cases that are told one by one


def bench_outcome(reply: Mapping[str, Any]) -> tuple[str, str]:
    """What a bench means for the step: it is done when the rotation is proven and nothing failed, although some cases
    may stay open (an endpoint without an observer tells nobody what it did).
    """
    ways = [*((reply["transport"] or {}).get("findings") or ()), *reply["checks"]]
    failed = [one["title"] for one in (*reply["results"], *ways) if one["verdict"] == "fail"]
    unsure = [one["title"] for one in reply["results"] if one["verdict"] == "inconclusive"]
    if failed:
        return "refuted", _some(failed) + _cause(reply)
    if reply["rotation"] not in ("pass", "warn"):
        return "undetermined", (reply["stopped"] or _some(unsure)) + _cause(reply)
    proven = "the new secret is accepted, the old one and none are refused"
    taken = [one["id"] for one in reply["results"] if _taken(one)]
    if taken:
        proven = f"the new secret is accepted; {', '.join(taken)} got a success too, and had no effect"
    return "done", f"{proven}; {len(unsure)} cases stay open" if unsure else proven


def _taken(one: Mapping[str, Any]) -> bool:
    """The old secret or none was answered with a success, which passed as a warning: nothing came of it."""
    wrong = one["id"] in ("N1", "N3") or one["id"].startswith("N3-")
    return wrong and one["verdict"] == "warn" and 200 <= (one["status"] or 0) < 300


def _some(titles: Sequence[str]) -> str:
    more = len(titles) - _TITLES
    return "; ".join(titles[:_TITLES]) + (f" and {more} more" if more > 0 else "")


def _cause(reply: Mapping[str, Any]) -> str:
    """The first likely cause with its fix; the report has all."""
    first = next(iter(reply["diagnosis"]), None)
    return f". Likely: {first['cause']}; {first['fix']}" if first else ""
