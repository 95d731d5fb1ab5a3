"""What a step found out, line by line: facts of the key, entries of the log, copies in git, answers of an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runbook_tui.foundation.text import one_line
from runbook_tui.incident.cleanup import advice
from runbook_tui.incident.events import Event
from runbook_tui.incident.findings import told

# The provider's log may have thousands of entries; the report and `incident show --json` hold all of them.
_MOST = 30


def details(event: Event) -> list[str]:
    """The lines that belong under an event, [] for most kinds. Foreign text in them has no control characters."""
    tell = _TELL.get(event.kind)
    found = [one_line(line, 240) for line in tell(event.data)] if tell else []
    left = len(found) - _MOST
    shown = [*found[:_MOST], f"… and {left} more, in the report"] if left > 0 else found
    if event.kind != "scan":
        return shown
    result = event.data["result"]
    return [*(one_line(line, 240) for line in told(result)), *shown, *(one_line(one, 700) for one in advice(result))]


def _recorded(data: Mapping[str, Any]) -> Iterator[str]:
    for name, value in data["values"].items():
        if name not in ("evidence", "by", "operation", "seen") and value not in (None, "", []):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{data.get('item', '')} {name.replace('_', ' ')}: {shown}".strip()


def _audit(data: Mapping[str, Any]) -> Iterator[str]:
    for entry in data["items"]:
        first = [str(entry.get(name) or "") for name in ("at", "actor", "event")]
        rest = [f"{name} {value}" for name, value in entry.items() if value and name not in ("at", "actor", "event")]
        yield " ".join(part for part in [*first, *rest] if part)


def _scan(data: Mapping[str, Any]) -> Iterator[str]:
    for repository in data["result"]["repositories"]:
        for hit in repository["hits"]:
            if not hit.get("rule"):
                yield hit_line(hit)
        for gap in repository["not_scanned"]:
            yield f"not seen: {gap['what']}: {gap['why']}"


def hit_line(hit: Mapping[str, Any]) -> str:
    """One place of a scan's document; while the scan still runs, paths and commits may not be known."""
    where = ", ".join(map(str, hit.get("paths") or [])) or f"{hit.get('type', 'object')} {hit.get('object', '')[:10]}"
    since = f", since {hit['first'][0]['time']}" if hit.get("first") else ""
    lost = "" if hit.get("reachable", "ref") == "ref" else f", reachable from: {hit['reachable']}"
    line = f", line {hit['line']}" if hit.get("line") and not hit.get("paths") else ""
    name = str(hit.get("credential") or "")
    who = f"{name}: " if name.startswith("fp:") else ""
    return f"{who}{hit.get('form', 'found')} in {where}{line}{since}{lost}"


def _deliveries(data: Mapping[str, Any]) -> Iterator[str]:
    for one in data["results"]:
        yield f"{one['title']}: {one['verdict']}, {one['reason']}"


_TELL: dict[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "recorded": _recorded,
    "audit": _audit,
    "scan": _scan,
    "deliveries": _deliveries,
}
