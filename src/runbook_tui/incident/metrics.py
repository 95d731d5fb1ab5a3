"""The numbers of an incident: anchors (moments, possibly a range) and the figures between them.

Nothing is guessed: a figure whose anchor is missing has no value and says what is missing. Negative values are kept as
they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runbook_tui.incident.anchors import (
    Anchor,
    Life,
    Range,
    first,
    first_action,
    first_foreign_use,
    first_used,
    last,
    latest,
    life_of,
    span,
    stated,
)
from runbook_tui.incident.events import Event
from runbook_tui.incident.lines import counts
from runbook_tui.incident.state import IncidentState, fold
from runbook_tui.playbook.model import Playbook


@dataclass(frozen=True, slots=True, repr=False)
class Figure:
    """One metric. `seconds` or `count` holds its value; with neither it is not determined and `how` says why."""

    id: str
    title: str
    seconds: Range | None = None
    count: tuple[int, int] | None = None
    target: float | None = None
    how: str = ""
    text: str = ""  # a finding in words, such as `none seen`

    def verdict(self) -> str:
        """`met`, `missed`, `not determined`, or "" where there is no target."""
        if self.count is not None and self.count[1]:
            return "met" if self.count[0] == self.count[1] else "missed"
        if self.target is None:
            return ""
        lo, hi = self.seconds or (None, None)
        if hi is not None and hi <= self.target:
            return "met"
        return "missed" if lo is not None and lo > self.target else "not determined"

    def negative(self) -> bool:
        """Whether the value shows an order that should not be (or, for the overlap, an outage)."""
        return any(bound is not None and bound < 0 for bound in self.seconds or ())


@dataclass(frozen=True, slots=True, repr=False)
class StepSpan:
    """A step in time; `seconds` until it was finished, None while it is not."""

    id: str
    title: str
    phase: str
    status: str
    start: Event
    end: Event | None
    seconds: float | None
    target: float | None


@dataclass(frozen=True, slots=True, repr=False)
class Measures:
    """Everything measured; `anchors` by id without the `t_`, missing ones absent."""

    anchors: Mapping[str, Anchor]
    lives: tuple[Life, ...]
    steps: tuple[StepSpan, ...]
    figures: tuple[Figure, ...]

    def figure(self, figure_id: str) -> Figure:
        return next(figure for figure in self.figures if figure.id == figure_id)

    def document(self) -> dict[str, Any]:
        """For `--json`: {id: {seconds: [lo, hi] | null, count, target, verdict, how}}; null is not determined."""
        return {
            figure.id: {
                "seconds": list(figure.seconds) if figure.seconds else None,
                "count": list(figure.count) if figure.count else None,
                "target": figure.target,
                "verdict": figure.verdict(),
                "how": figure.text or figure.how,
            }
            for figure in self.figures
        }


def measure(book: Playbook | None, events: Sequence[Event]) -> Measures:
    """All anchors and figures of the incident; without the playbook no step has a target or a phase."""
    state = fold(events)
    lives = tuple(life_of(slot, state, events) for slot in state.subjects)
    steps = tuple(_steps(book, state, events))
    anchors = _anchors(state, events, lives, steps)
    return Measures(anchors, lives, steps, tuple(_figures(state, events, anchors, lives, steps)))


# -- anchors -----------------------------------------------------------------------------------------------------------


def _anchors(
    state: IncidentState, events: Sequence[Event], lives: Sequence[Life], steps: Sequence[StepSpan]
) -> dict[str, Anchor]:
    exposed = [life.exposed for life in lives if life.exposed]
    deaths = [life.dead for life in lives if life.dead]
    born = [life.new_live for life in lives if life.new_live]
    used = {one.data["consumer"]: one for one in first_used(events)}
    all_used = bool(state.consumers) and all(one.stage == "used" for one in state.consumers.values())
    after = [step for step in steps if step.phase in ("audit", "search", "recover")]
    found = {
        "exposed": min(exposed, key=lambda one: (one.lo or one.hi, one.hi), default=None),
        "first_use": first_foreign_use(state, events),
        "detected": stated(state, "detected_at"),
        "ack": first(events, "the run was opened", lambda one: one.kind == "opened"),
        "first_action": first_action(events),
        "new_live": min(born, key=lambda one: one.hi, default=None),
        "rolled_out": last(used.values(), "last consumer seen using the new one") if all_used else None,
        "contained": latest(deaths) if lives and len(deaths) == len(lives) else None,
        "eradicated": last([one.end for one in after if one.end], "last audit, search or recovery step")
        if after and all(one.status == "done" for one in after)
        else None,
        "closed": first(events, "closed", lambda one: one.kind == "closed"),
    }
    return {name: anchor for name, anchor in found.items() if anchor is not None}


# -- steps -------------------------------------------------------------------------------------------------------------


def _steps(book: Playbook | None, state: IncidentState, events: Sequence[Event]) -> Iterable[StepSpan]:
    known = {step.id: step for step in book} if book else {}
    for name, one in state.steps.items():
        marks = [event for event in events if event.data.get("step") == name]
        start = next((event for event in marks if event.kind == "step_started"), None)
        if start is None:
            continue
        ends = [event for event in marks if event.kind in ("step_done", "step_failed", "step_skipped")]
        end = ends[-1] if ends and one.status not in ("running", "waiting", "pending") else None
        step = known.get(name)
        taken = span(Anchor.of(start, ""), Anchor.of(end, "")) if end else None
        yield StepSpan(
            name,
            step.title if step else name,
            step.phase if step else "",
            one.status,
            start,
            end,
            taken[0] if taken else None,
            step.target if step else None,
        )


def _held(events: Sequence[Event]) -> float:
    """Seconds that steps were waiting, as recorded; a wait that still runs counts up to the last event."""
    total = 0.0
    for index, event in enumerate(events):
        if event.kind == "step_waiting":
            later = [one for one in events[index + 1 :] if one.data.get("step") == event.data["step"]]
            end = later[0] if later else events[-1]
            total += (span(Anchor.of(event, ""), Anchor.of(end, "")) or (0.0, 0.0))[0] or 0.0
    return total


# -- figures -----------------------------------------------------------------------------------------------------------


def _figures(
    state: IncidentState,
    events: Sequence[Event],
    anchors: Mapping[str, Anchor],
    lives: Sequence[Life],
    steps: Sequence[StepSpan],
) -> Iterable[Figure]:
    target = state.target or None

    def figure(name: str, title: str, start: str, end: str, target: float | None = None) -> Figure:
        missing = [word for word in (start, end) if word not in anchors]
        how = f"missing: {', '.join(missing)}" if missing else f"{anchors[start].source} to {anchors[end].source}"
        return Figure(name, title, span(anchors.get(start), anchors.get(end)), None, target, how)

    window = _union(state, lives)
    how = (
        "from readable by outsiders to seen dead, over all keys" if window else "missing: a bound, or a proof of death"
    )
    yield Figure("exposure", "Exposure window", window, how=how)
    yield figure("detect", "Time to detect", "exposed", "detected")
    yield figure("acknowledge", "Time to acknowledge", "detected", "ack")
    yield figure("first_action", "Time to first action", "ack", "first_action")
    yield figure("contain", "Time to contain, from detection", "detected", "contained", target)
    yield figure("contain_from_ack", "Time to contain, from acknowledgement", "ack", "contained", target)
    yield figure("roll_out", "Time to roll out", "new_live", "rolled_out")
    yield figure("eradicate", "Time to eradicate", "contained", "eradicated")
    yield Figure("recover", "Time to recover", how="missing: a quiet period of 30 minutes is not recorded")
    yield _dwell(state, events, anchors)
    for life in lives:
        if state.subjects[life.slot].kind == "credential":
            name = state.subjects[life.slot].name
            overlap, lag = span(life.new_live, life.dead), span(life.kill_call, life.dead)
            how = "from new one accepted to old one seen dead; negative: an outage"
            yield Figure(f"overlap:{life.slot}", f"Overlap of old and new, {name}", overlap, how=how)
            how = "from the call to the proof"
            yield Figure(f"lag:{life.slot}", f"Verification lag, {name}", lag, how=how)
    dead, all_dead, live, all_live = counts(state)
    yield Figure("dead", "Proven dead", count=(dead, all_dead), how="refused, listed or attested")
    yield Figure("live", "Consumers proven live", count=(live, all_live), how="seen using the new one")
    timed = [step for step in steps if step.target and step.seconds is not None]
    hits = sum(step.seconds <= step.target for step in timed if step.seconds is not None and step.target)
    yield Figure("steps", "Steps within target", count=(hits, len(timed)) if timed else None, how="finished steps")
    held = _held(events)
    yield Figure("held", "Time steps were waiting", (held, held), how="not subtracted anywhere")


def _dwell(state: IncidentState, events: Sequence[Event], anchors: Mapping[str, Anchor]) -> Figure:
    name, title = "dwell", "Attacker dwell"
    if "first_use" in anchors:
        dwell = span(anchors["first_use"], anchors.get("contained"))
        return Figure(name, title, dwell, how=anchors["first_use"].source)
    audits = [event.data for event in events if event.kind == "audit"]
    entries = [entry for audit in audits for entry in audit.get("items") or []]
    judged = all(isinstance(entry, Mapping) and entry.get("ours") is True for entry in entries)
    if audits and judged and state.facts.get("used_by_others") != "yes":
        return Figure(name, title, text="none seen", how="as far as the provider's log shows")
    why = "the log's entries are not judged" if entries else "no log was read" if not audits else "no time is known"
    return Figure(name, title, how=f"missing: first use by others; {why}")


def _union(state: IncidentState, lives: Sequence[Life]) -> Range | None:
    """Shortest and longest time in which at least one credential was exposed and not dead."""
    keys = [life for life in lives if state.subjects[life.slot].kind == "credential"]
    ended = [(life.exposed, life.dead) for life in keys if life.exposed and life.dead]
    if not ended or len(ended) < len(keys):
        return None
    known = [(exposed.lo, dead.hi) for exposed, dead in ended if exposed.lo]
    longest = _length(known) if len(known) == len(ended) else None
    return _length([(exposed.hi, dead.hi) for exposed, dead in ended]), longest


def _length(spans: list[tuple[datetime, datetime]]) -> float:
    if len(spans) == 1:
        return (spans[0][1] - spans[0][0]).total_seconds()  # a negative one stays visible
    total, end = 0.0, datetime.min.replace(tzinfo=UTC)
    for start, stop in sorted(spans):
        total += max(0.0, (stop - max(start, end)).total_seconds())
        end = max(end, stop)
    return total
