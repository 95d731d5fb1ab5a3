"""Moments of an incident: what is known of when, how precisely, and from where.

A moment may be a range. Durations between two events of one boot come from the monotonic clock, all others from wall
time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_tui.foundation.clock import parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.events import Event
from runbook_tui.incident.state import IncidentState

Range = tuple[float | None, float | None]  # seconds, shortest and longest; None: that bound is not known

# Changing operations that take power from the old credential.
KILLING = frozenset({"revoke", "disable", "rotate", "offboard", "delete"})
OURS_WITHIN = 3.0  # seconds between a call of ours and its entry in the provider's log
_TIME_KEYS = ("time", "at", "timestamp", "created_at", "createdAt", "created", "date", "eventTime")


@dataclass(frozen=True, slots=True, repr=False)
class Anchor:
    """A moment between `lo` and `hi` (equal when exact; `lo` None: no earliest bound) and where it is known from."""

    lo: datetime | None
    hi: datetime
    source: str
    event: Event | None = None

    @classmethod
    def of(cls, event: Event, source: str) -> Anchor:
        moment = parse_instant(event.ts)
        return cls(moment, moment, f"{source} (event {event.seq})", event)


@dataclass(frozen=True, slots=True, repr=False)
class Life:
    """What is known of one credential or account in time."""

    slot: str
    exposed: Anchor | None = None
    new_live: Anchor | None = None
    kill_call: Anchor | None = None
    dead: Anchor | None = None  # first seen dead, with no later sign of life
    proof: str = "none"  # of that sighting
    window: Range | None = None  # seconds between exposed and dead


def span(start: Anchor | None, end: Anchor | None) -> Range | None:
    """Shortest and longest time from `start` to `end`; None when one is missing."""
    if start is None or end is None:
        return None
    if start.event and end.event and start.event.boot_id == end.event.boot_id:
        exact = (end.event.mono_ns - start.event.mono_ns) / 1e9
        if (exact >= 0) == (end.event.seq >= start.event.seq):  # else a simulated clock began anew
            return exact, exact
    shortest = (end.lo - start.hi).total_seconds() if end.lo else None
    longest = (end.hi - start.lo).total_seconds() if start.lo else None
    return shortest, longest


def first(events: Iterable[Event], source: str, wanted: Callable[[Event], bool]) -> Anchor | None:
    """The first event that `wanted` accepts."""
    return next((Anchor.of(one, source) for one in events if wanted(one)), None)


def last(events: Iterable[Event], source: str) -> Anchor | None:
    """The last of `events`, by number."""
    latest = max(events, key=lambda one: one.seq, default=None)
    return Anchor.of(latest, source) if latest else None


def latest(anchors: Iterable[Anchor]) -> Anchor | None:
    """The anchor whose event came last."""
    return max(anchors, key=lambda one: one.event.seq if one.event else 0, default=None)


def stated(state: IncidentState, fact: str) -> Anchor | None:
    """A moment that a person stated as a fact."""
    moment = instant(state.facts.get(fact))
    return Anchor(moment, moment, f"stated: {fact.replace('_', ' ')}") if moment else None


def instant(value: Any) -> datetime | None:
    """A time out of foreign data: RFC 3339 text, or seconds since 1970; None for anything else."""
    try:
        if isinstance(value, str):
            return parse_instant(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 1e8 < value < 1e11:
            return datetime.fromtimestamp(value, UTC)
    except (RunbookError, ValueError, OverflowError, OSError):
        return None
    return None


def entry_time(entry: Any) -> datetime | None:
    """When an entry of a provider's log happened, as far as it says."""
    if not isinstance(entry, Mapping):
        return None
    return next((moment for key in _TIME_KEYS if (moment := instant(entry.get(key)))), None)


def with_ours(items: Sequence[Any], calls: Sequence[tuple[str, str]]) -> tuple[list[Any], int]:
    """The entries of a provider's log, those at the time of one of our own calls marked `ours`, and how many.

    `calls` are (from, until). Clocks differ and logs round, so a few seconds to either side count.
    """
    near = timedelta(seconds=OURS_WITHIN)
    spans = [(parse_instant(start) - near, parse_instant(end) + near) for start, end in calls]
    marked: list[Any] = []
    count = 0
    for entry in items:
        moment = entry_time(entry)
        ours = moment is not None and any(start <= moment <= end for start, end in spans)
        marked.append({**entry, "ours": True} if ours else entry)
        count += ours
    return marked, count


def first_foreign_use(state: IncidentState, events: Sequence[Event]) -> Anchor | None:
    """The first use that was not ours: stated, or from the log entries marked `ours: false`."""
    if known := stated(state, "first_foreign_use"):
        return known
    foreign = [
        moment
        for event in events
        if event.kind == "audit"
        for entry in event.data.get("items") or []
        if isinstance(entry, Mapping) and entry.get("ours") is False and (moment := entry_time(entry))
    ]
    return Anchor(min(foreign), min(foreign), "the provider's log, first entry that is not ours") if foreign else None


def first_action(events: Sequence[Event]) -> Anchor | None:
    """The first change that took effect: a call that was sent and done, a pasted new secret, an attested end."""
    effective = {one.data["op"] for one in events if one.kind == "outcome" and one.data["result"] == "done"}
    effective |= {one.data["op"] for one in events if one.kind == "cleared" and one.data["as"] == "done"}

    def acts(one: Event) -> bool:
        return (one.kind == "sending" and one.data["op"] in effective) or one.kind in ("new_credential", "attested")

    return first(events, "first change that took effect", acts)


def first_used(events: Iterable[Event]) -> Iterable[Event]:
    """For each consumer now on the new secret, the event that first saw it there."""
    seen: dict[str, Event] = {}
    uses: dict[str, str] = {}  # consumer -> slot
    for event in events:
        if event.kind == "consumer":
            uses[event.data["id"]] = event.data.get("credential", "")
        elif event.kind == "new_credential":
            seen = {one: first for one, first in seen.items() if uses.get(one) != event.data["slot"]}
        elif event.kind == "consumer_state":
            consumer = event.data["consumer"]
            if event.data["stage"] != "used":
                seen.pop(consumer, None)
            else:
                seen.setdefault(consumer, event)
    return seen.values()


def life_of(slot: str, state: IncidentState, events: Sequence[Event]) -> Life:
    """What the events tell of one credential or account."""
    dead: tuple[Event, str] | None = None
    new_live: Event | None = None
    # Without an overlap the new one kills the old one.
    kills = KILLING | {"create"} if state.subjects[slot].overlap == "none" else KILLING
    killing: set[str] = set()
    kill_call: Event | None = None
    for event in events:
        data = event.data
        if event.kind == "intent" and data.get("subject") == slot and data.get("operation") in kills:
            killing.add(data["op"])
        elif event.kind == "sending" and data["op"] in killing and dead is None:
            kill_call = event
        elif event.kind in ("verification", "attested") and data["slot"] == slot:
            verdict = data.get("verdict", "dead" if data["side"] == "old" else "alive")
            proof = "attested" if event.kind == "attested" else data.get("proof", "none")
            if data["side"] == "old" and verdict == "alive":
                dead = None
            elif data["side"] == "old" and verdict == "dead" and proof != "none" and dead is None:
                dead = (event, proof)
            elif data["side"] == "new" and verdict == "alive" and new_live is None:
                new_live = event
    exposed = _exposed(slot, state, events)
    death = Anchor.of(dead[0], f"seen dead, proof: {dead[1]}") if dead else None
    return Life(
        slot,
        exposed,
        Anchor.of(new_live, "new one first accepted") if new_live else None,
        Anchor.of(kill_call, "call that kills the old one") if kill_call else None,
        death,
        dead[1] if dead else "none",
        span(exposed, death),
    )


def _exposed(slot: str, state: IncidentState, events: Sequence[Event]) -> Anchor | None:
    """Not before what was stated (or the first commit that holds it), not after the first sign of it."""
    subject = state.subjects[slot]
    if subject.kind != "credential":
        return None
    lo, source = instant(state.facts.get("exposed_since")), "stated"
    if lo is None:
        names = {slot, subject.name, subject.fingerprint} - {""}
        commits = [
            moment
            for event in events
            if event.kind == "scan"
            for one in event.data["result"].get("credentials", [])
            if one.get("credential") in names and one.get("pushed") is not False
            if (moment := instant(one.get("earliest")))
        ]
        lo, source = (min(commits), "first commit that holds it (commit dates can be wrong)") if commits else (None, "")
    signs = [
        (anchor.hi, anchor.source)
        for anchor in (
            stated(state, "exposed_latest"),
            first_foreign_use(state, events),
            stated(state, "detected_at"),
        )
        if anchor
    ]
    if not signs:
        return Anchor(lo, lo, source) if lo and source == "stated" else None
    hi, sign = min(signs)
    earliest = f"earliest: {source}" if lo else "earliest: not determined"
    return Anchor(lo, hi, f"{earliest}; latest: {sign}")
