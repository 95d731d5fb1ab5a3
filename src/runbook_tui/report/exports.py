"""The report for programs: one JSON document, and the timeline as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from runbook_tui.foundation.clock import iso
from runbook_tui.incident.events import Event
from runbook_tui.incident.lines import counts, lines
from runbook_tui.incident.metrics import measure
from runbook_tui.incident.state import IncidentState
from runbook_tui.playbook.model import Playbook
from runbook_tui.report.safe import cell, words

FORMAT = 1


def document(
    playbook: Playbook | None,
    state: IncidentState,
    events: Sequence[Event],
    *,
    tool: str,
    now: datetime,
    public: bool = False,
    head: tuple[int, str] | None = None,
) -> dict[str, Any]:
    """{format, incident, mode, state, metrics, lines, closed_loop, head, events}; a public one has bare events."""
    dead, all_dead, live, all_live = counts(state)
    numbers = {subject: f"subject {number}" for number, subject in enumerate(state.subjects, 1)}
    metrics = {
        ":".join([name.partition(":")[0], numbers.get(name.partition(":")[2], "")]).strip(":") if public else name: one
        for name, one in measure(playbook, events).document().items()
    }
    shown: dict[str, Any] = {
        "format": FORMAT,
        "tool": tool,
        "written": iso(now),
        "incident": state.incident,
        "mode": state.mode,
        "state": state.closed or ("contained" if state.contained_at else "open"),
        "opened": state.opened_at or None,
        "closed": state.closed_at or None,
        "closed_loop": {"dead": [dead, all_dead], "live": [live, all_live]},
        "metrics": metrics,
        "head": {"seq": head[0], "hash": head[1]} if head else None,
    }
    if public:
        return {**shown, "events": [{"seq": one.seq, "ts": one.ts, "kind": one.kind} for one in events]}
    return {
        **shown,
        "playbook": {"id": playbook.id, "version": playbook.version, "sha256": playbook.sha256} if playbook else None,
        "lines": [
            {"id": one.id, "state": one.state, "proof": one.proof, "closed": one.closed, "waived_by": one.waived_by}
            for one in lines(state)
        ],
        "events": [
            {
                "seq": one.seq,
                "ts": one.ts,
                "mono_ns": one.mono_ns,
                "boot_id": one.boot_id,
                "actor": one.actor,
                "kind": one.kind,
                "data": one.data,
            }
            for one in events
        ],
    }


def timeline_csv(events: Sequence[Event], *, public: bool = False) -> str:
    """The timeline, every cell quoted, none of them a formula; a public one has no actors and no data."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(["seq", "recorded_utc", "happened", "kind", *([] if public else ["actor", "step", "data"])])
    for event in events:
        happened = event.data.get("at") or "" if event.kind == "note" and not public else ""
        row: list[Any] = [event.seq, event.ts, cell(happened), cell(event.kind)]
        if not public:
            row += [cell(event.actor), cell(event.data.get("step", "")), cell(words(event.data, 2000))]
        writer.writerow(row)
    return out.getvalue()
