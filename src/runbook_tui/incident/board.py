"""What every screen shows, as plain text and numbers: widgets and the plain front end only draw it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from runbook_tui.foundation.clock import clock_text, duration_text, parse_instant
from runbook_tui.foundation.text import one_line
from runbook_tui.incident.events import Event
from runbook_tui.incident.findings import credentials, untaken
from runbook_tui.incident.lines import Line, closed_loop, lines
from runbook_tui.incident.plan import plan, what_is_next
from runbook_tui.incident.state import IncidentState, age
from runbook_tui.playbook.model import CHANGES, Playbook, Step
from runbook_tui.playbook.values import resolve

# A mark and a word for every state: colour is never the only sign.
MARKS = {
    "done": "✓",
    "running": "▶",
    "waiting": "◷",
    "failed": "✗",
    "refuted": "✗",
    "undetermined": "?",
    "unknown": "!",
    "skipped": "⤼",
    "pending": "·",
}


@dataclass(frozen=True, slots=True, repr=False)
class StepRow:
    """One step in the list."""

    id: str
    number: int
    phase: str
    title: str
    mark: str
    status: str
    seconds: str  # how long it took, "" when it has not
    reason: str
    current: bool


@dataclass(frozen=True, slots=True, repr=False)
class Board:
    """Everything on the incident screen."""

    mode: str  # LIVE | DRILL | DRY-RUN
    title: str
    incident: str
    driver: str
    clock: str
    target: str
    left: str  # "2:49 left" or "0:31 over"
    used: float  # share of the target, may exceed 1
    contained: bool
    closed: str
    step_word: str  # "step 4 of 9"
    loop: str  # "3 of 4 dead, 5 of 5 live"
    saved: str  # UTC time of the last event
    rows: tuple[StepRow, ...]
    next_step: Step | None
    next_title: str
    next_lines: tuple[str, ...]  # what the box under the title says
    waiting: tuple[str, ...]
    lines: tuple[Line, ...]
    alerts: tuple[str, ...]  # unknown outcomes, tripwire, closed


def board(book: Playbook, state: IncidentState, now: datetime) -> Board:
    """The board of an incident at `now`."""
    following = what_is_next(book, state, now)
    steps = plan(book, state)
    elapsed = age(state, now)
    left = state.target - elapsed
    rows = tuple(_row(state, step, number, following.step) for number, step in enumerate(steps, 1))
    at = next((row.number for row in rows if row.current), len(rows))
    return Board(
        mode=state.mode.upper(),
        title=one_line(state.title),
        incident=state.incident,
        driver=one_line(state.driver or state.commander),
        clock=clock_text(elapsed),
        target=clock_text(state.target),
        left=f"{clock_text(left)} left" if left >= 0 else f"{clock_text(-left)} over",
        used=elapsed / state.target if state.target else 0.0,
        contained=bool(state.contained_at),
        closed=state.closed,
        step_word=f"step {at} of {len(rows)}",
        loop=closed_loop(state),
        saved=state.last_at[11:19],
        rows=rows,
        next_step=following.step,
        next_title=_text(following.step.title, state) if following.step else following.why,
        next_lines=_details(state, following.step) if following.step else (),
        waiting=following.waiting,
        lines=tuple(lines(state)),
        alerts=_alerts(state),
    )


def _row(state: IncidentState, step: Step, number: int, current: Step | None) -> StepRow:
    one = state.step(step.id)
    seconds = ""
    if one.started and one.ended:
        seconds = duration_text((parse_instant(one.ended) - parse_instant(one.started)).total_seconds())
    is_current = (current is not None and step.id == current.id) or one.status == "running"
    mark = "▶" if is_current and one.status == "pending" else MARKS[one.status]
    reason = one_line(one.reason, 160)
    return StepRow(step.id, number, step.phase, _text(step.title, state), mark, one.status, seconds, reason, is_current)


def _details(state: IncidentState, step: Step) -> tuple[str, ...]:
    shown: list[str] = []
    if step.why:
        shown.append(f"Why     {_text(step.why, state)}")
    if step.expect:
        shown.append(f"Expect  {_text(step.expect, state)}")
    if step.verify:
        shown.append(f"Check   {_check(step)}")
    if step.spec.get("operation") in CHANGES or step.undo:
        shown.append(f"Undo    {'yes: ' + step.undo if step.undo else 'no'}")
    if step.target:
        shown.append(f"Target  {duration_text(step.target)}")
    one = state.step(step.id)
    if one.status != "pending":
        shown.append(f"Was     {one.status}: {one_line(one.reason)}" if one.reason else f"Was     {one.status}")
    return tuple(shown)


def _check(step: Step) -> str:
    assert step.verify is not None
    verify = step.verify
    if verify.slot:
        wanted = "refused" if verify.wanted == "dead" else "accepted"
        return f"automatic: the {verify.side} one is seen {wanted}"
    return "automatic: each is seen gone" if verify.wanted == "gone" else "each consumer is seen using the new one"


def _alerts(state: IncidentState) -> tuple[str, ...]:
    shown = [f"UNKNOWN OUTCOME: {one_line(op.what)} ({op.step})" for op in state.unknown_operations()]
    if state.tripwire:
        shown.append(f"CONTAIN NOW: {one_line(state.tripwire)}")
    if left := untaken(state):
        more = f" and {state.findings_left} more that are not listed" if state.findings_left else ""
        shown.append(f"FOUND BY RULE, NOT TAKEN: {credentials(len(left))}{more}")
    if state.closed:
        shown.append(f"CLOSED: {state.closed.replace('_', ' ')}")
    return tuple(shown)


def _text(text: str, state: IncidentState) -> str:
    from runbook_tui.foundation.errors import RunbookError
    from runbook_tui.incident.plan import scope

    try:
        return one_line(str(resolve(text, scope(state))))
    except RunbookError:
        return one_line(text)


def timeline(events: Iterable[Event]) -> list[str]:
    """One line per event an operator cares about: UTC time and what happened."""
    return [f"{event.ts[11:19]} {said}" for event in events if (said := sentence(event))]


def sentence(event: Event) -> str:
    """The event in words, or "" when it is not worth a line."""
    say = _SENTENCES.get(event.kind)
    if say is None:
        return ""
    values = {key: one_line(str(value), 200) for key, value in event.data.items() if value is not None}
    values["code"] = f" {values['status']}" if values.get("status") else ""
    values["because"] = f": {values['reason']}" if values.get("reason") else ""
    if "op" in values:
        # INCIDENT.STEP.ATTEMPT[.ITEM]: the operator knows the step and the item
        parts = values["op"].split(".")
        values["call"] = " ".join([*parts[1:2], *parts[3:]]) or values["op"]
    return say.format_map(_Blank(values)).strip()


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


_SENTENCES: dict[str, str] = {
    "opened": "{mode} incident {incident} opened: {title}",
    "driver": "{name} drives",
    "resumed": "resumed",
    "closed": "closed: {state}{because}",
    "subject": "{slot} is {name} at {provider_name} {key_id} {finding}",
    "decision": "order {order} by {rule}{because}",
    "tripwire": "contain now: {reason}",
    "step_started": "{step}: started",
    "step_done": "{step}: done{because}",
    "step_failed": "{step}: {status}{because}",
    "step_waiting": "{step}: waits until {until}{because}",
    "step_skipped": "{step}: skipped{because}",
    "step_reopened": "{step}: reopened{because}",
    "intent": "{step}: about to {what}",
    "outcome": "{call}: {result}{code}{because}",
    "cleared": "{call}: settled as {as} by {by}{because}",
    "new_credential": "new secret {name} {key_id} {fingerprint} stored in {stored_in}",
    "verification": "{slot} {side}: {verdict} ({proof}){because}",
    "consumer_state": "{consumer}: {stage}{because}",
    "attested": "{by} attests that {slot} {side} is closed: {what}",
    "waiver": "{name} waives {line}: {reason}",
    "note": "note: {text}",
    "exported": "report written: {path}",
    "purged": "data purged from the record: {reason}",
    "clock_step": "the wall clock went back by {seconds} s",
}
