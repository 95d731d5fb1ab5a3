"""The result of a run in the form of `run --json` and `drill --json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runbook_tui.incident.events import Event
from runbook_tui.incident.lines import lines, open_lines
from runbook_tui.incident.metrics import measure
from runbook_tui.incident.state import IncidentState, Side
from runbook_tui.playbook.model import Playbook

_NEW = {"alive": "live", "dead": "refused", "undetermined": "undetermined"}


def result(book: Playbook, state: IncidentState, events: Sequence[Event]) -> dict[str, Any]:
    """`{incident, mode, state, credentials, consumers, metrics, score, report}`; `score` is {} for an unscored run."""
    subjects = list(state.subjects.values())
    live = sum(consumer.stage == "used" for consumer in state.consumers.values())
    return {
        "incident": state.incident,
        "mode": state.mode,
        "state": run_state(state),
        "credentials": [
            {
                "name": one.name,
                "fingerprint": one.fingerprint,
                "old": one.old.state,
                "proof": _proof(one.old),
                "new": _NEW[one.new.state],
            }
            for one in subjects
        ],
        "consumers": {"live": live, "total": len(state.consumers)},
        "metrics": measure(book, events).document(),
        "score": {},
        "report": state.report,
    }


def run_state(state: IncidentState) -> str:
    """contained | closed | open | failed."""
    if state.closed == "abandoned":
        return "failed"
    if not open_lines(state) and state.subjects:
        waived = any(line.is_waived() for line in lines(state))
        return "closed" if waived else "contained"
    return "closed" if state.closed else "open"


def _proof(side: Side) -> str:
    return side.proof if side.proof in ("refused", "listed", "attested") else "none"
