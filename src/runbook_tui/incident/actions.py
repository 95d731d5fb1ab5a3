"""The registry of user actions: name, key, words, when allowed. Every front end and its help read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runbook_tui.incident.findings import untaken
from runbook_tui.incident.lines import open_lines
from runbook_tui.incident.plan import what_is_next
from runbook_tui.incident.state import IncidentState
from runbook_tui.playbook.model import Playbook


@dataclass(frozen=True, slots=True, repr=False)
class Action:
    """One thing the operator can do. `asks` names the texts it takes; `word` is what the plain front end is told."""

    name: str
    key: str
    word: str
    help: str
    asks: tuple[str, ...] = ()


ACTIONS: tuple[Action, ...] = (
    Action("run", "enter", "run", "do the next step"),
    Action("skip", "s", "skip", "skip the step, with a reason", ("reason",)),
    Action("note", "n", "note", "write a note into the record", ("text",)),
    Action("tripwire", "C", "contain", "evidence of use: contain now", ("reason",)),
    Action("attest", "a", "attest", "say by name what you saw, for a line no machine can prove", ("line", "what")),
    Action("waive", "w", "waive", "waive an open line, by name and with a reason", ("line", "name", "reason")),
    Action("take", "f", "take", "take a credential that a search found into the incident", ("finding",)),
    Action("clear", "k", "clear", "settle an unknown outcome by your own look", ("op", "as", "reason")),
    Action("reopen", "u", "reopen", "reopen a finished step", ("step", "reason")),
    Action("stop", "x", "stop", "stop the running step: its search, or its waiting for a proof"),
    Action("steps", "tab", "list", "show all steps"),
    Action("timeline", "t", "timeline", "show the timeline"),
    Action("report", "p", "report", "preview the report"),
    Action("close", "X", "close", "close the incident", ("reason",)),
    Action("take_over", "D", "drive", "drive from this terminal"),
    Action("quit", "q", "leave", "leave; the incident stays open"),
)


def by_name(name: str) -> Action:
    return next(action for action in ACTIONS if action.name == name)


def why_disallowed(book: Playbook, state: IncidentState, name: str, now: datetime, *, driving: bool = True) -> str:
    """Why the action cannot be used now, or "" when it can: a dead key says why."""
    if name in ("steps", "timeline", "report", "quit", "note"):
        return ""
    if name == "take_over":
        return "you are driving already" if driving else ""
    if not driving:
        return f"{state.driver or 'another terminal'} drives; press D to take over"
    if state.closed:
        return "the incident is closed"
    running = next((step for step, one in state.steps.items() if one.status == "running"), "")
    if name == "stop":
        return "" if running else "nothing is running"
    if name == "tripwire":
        # It does not wait for a running step, unless that step decides the order at this moment.
        deciding = running and book.step(running).action == "decide"
        return "it is contain-now already" if state.tripwire else f"{running} is running" if deciding else ""
    if running and name not in ("attest", "waive"):
        return f"{running} is running"
    if name in ("run", "skip"):
        following = what_is_next(book, state, now)
        return "" if following.step else following.why
    return _nothing_to_say(state, name)


def stopping(book: Playbook, state: IncidentState) -> str:
    """What the stop key ends now, in words."""
    running = next((step for step, one in state.steps.items() if one.status == "running"), "")
    return "stop the scan" if running and book.step(running).action == "scan" else "stop waiting"


def reopenable(state: IncidentState) -> list[str]:
    """The steps that can be done again: finished, failed or waiting ones."""
    return [name for name, one in state.steps.items() if one.status not in ("pending", "running")]


def _nothing_to_say(state: IncidentState, name: str) -> str:
    """Why there is nothing that this word of the operator could be about, or "" when there is."""
    if name == "clear":
        return "" if state.unknown_operations() else "no outcome is unknown"
    if name == "reopen":
        return "" if reopenable(state) else "no step is finished yet"
    if name == "take":
        return "" if untaken(state) else "nothing that was found by rule is left to take"
    if name == "waive":
        return "" if open_lines(state) else "no line is open"
    if name == "attest":
        # An unknown outcome is settled, not attested.
        attestable = [line for line in open_lines(state) if not line.id.startswith("operation:")]
        return "" if attestable else "no line is open that a person could attest"
    return ""
