"""Taking a secret out of the record, on record: what stands for the data of purged events, and who purged when.

A `purged` event holds, for each event it names, data with the secret masked. The journal then loses the original, and
every reader takes what stands for it. So one rule serves every kind of event, and nothing that was done is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbook_tui.foundation.clock import parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.events import Event
from runbook_tui.incident.state import IncidentState, fold

PURGED = "«purged»"
Entry = dict[str, Any]  # {seq, data}

# Words and ids of ours at the top of an event's data: without them nobody knows what was done. The rest is free text.
# fmt: off
_OURS = frozenset({
    "incident", "mode", "op", "step", "item", "operation", "subject", "slot", "side", "verdict", "proof", "result",
    "status", "state", "as", "stage", "consumer", "credential", "line", "order", "recommended", "rule", "options",
    "kind", "provider", "until", "overlap", "can", "playbook", "id", "fingerprint", "format", "sha256",
})
# fmt: on
_OURS_OF_KIND = {
    "opened": {"title", "vault", "tool"},
    "driver": {"name"},
    "input": {"name"},
    "subject": {"name", "key_id", "provider_name", "mask"},
    "new_credential": {"name", "key_id", "stored_in", "mask"},
    "consumer": {"title", "where"},
}
_PLAIN_WORDS = frozenset({"", "yes", "no", "unknown", "public", "private", "internal"})


@dataclass(frozen=True, slots=True)
class Purge:
    """Event `seq` lost its data: who, when and why, and the event that says so."""

    seq: int
    by: str
    at: str
    reason: str
    event: int

    def __str__(self) -> str:
        return f"event {self.seq}: data purged by {self.by} on {self.at} (event {self.event})"


def stand_ins(purged: Iterable[tuple[int, Mapping[str, Any] | None]]) -> dict[int, tuple[int, Any]]:
    """seq -> (the `purged` event that names it, what stands for its data).

    `purged` are number and data of every `purged` event, data None where it is gone: one can be purged by a later one.
    """
    found: dict[int, tuple[int, Any]] = {}
    for number, own in sorted(purged, key=lambda one: one[0], reverse=True):
        data = found[number][1] if number in found else own
        entries = data.get("events") if isinstance(data, Mapping) else None
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping) and isinstance(entry.get("data"), dict) and entry.get("seq", number) < number:
                found.setdefault(entry["seq"], (number, entry["data"]))
    return found


def without_purged(events: Sequence[Event]) -> list[Event]:
    """The events as the record now tells them."""
    stands = stand_ins((event.seq, event.data) for event in events if event.kind == "purged")
    return [replace(event, data=stands[event.seq][1]) if event.seq in stands else event for event in events]


def purges(events: Sequence[Event]) -> list[Purge]:
    """Every purge on record, by the number of the event that lost its data."""
    known = {event.seq: event for event in events if event.kind == "purged"}
    stands = stand_ins((event.seq, event.data) for event in known.values())
    found = [(seq, known[by]) for seq, (by, _) in sorted(stands.items())]
    return [Purge(seq, by.actor, by.ts, str(by.data.get("reason", "")), by.seq) for seq, by in found]


def holding(events: Sequence[Event], clean: Callable[[Any], Any]) -> list[Entry]:
    """What to purge so that nothing `clean` (a redactor's `data`) would change is left: [{seq, data}]."""
    gone = {purge.seq for purge in purges(events)}
    cleaned = [(event, clean(event.data)) for event in events if event.seq not in gone]
    return [{"seq": event.seq, "data": data} for event, data in cleaned if data != event.data]


def named(events: Sequence[Event], seqs: Collection[int]) -> list[Entry]:
    """Those events with all their free text masked: [{seq, data}]. RunbookError for a number that cannot be purged."""
    gone = {purge.seq: purge for purge in purges(events)}
    known = {event.seq: event for event in events}
    for seq in sorted(seqs):
        if seq not in known:
            raise RunbookError(f"there is no event {seq}", f"the record has {len(events)} events")
        if seq in gone:
            hint = f"what stands for it is in event {gone[seq].event}: purge that, or use --matching"
            raise RunbookError(f"{gone[seq]}", hint)
    return [{"seq": seq, "data": _without_free_text(known[seq])} for seq in sorted(seqs)]


def check(events: Sequence[Event], entries: Sequence[Entry]) -> None:
    """RunbookError when the record would no longer tell what was done."""
    masked = {entry["seq"]: entry["data"] for entry in entries}
    after = [replace(event, data=masked.get(event.seq, event.data)) for event in events]
    try:
        same = _done(fold(without_purged(after))) == _done(fold(events))
    except (KeyError, TypeError, ValueError, AttributeError):
        same = False
    if not same:
        raise RunbookError(
            "without it the record would not tell any more what was done: nothing was purged",
            "name the events that hold free text only, or write the report, close the incident and remove its folder",
        )


def _done(state: IncidentState) -> tuple[Any, ...]:
    """What a purge leaves as it is. Names may be masked, so only what they stand for is compared."""
    subjects = [(one.old.state, one.old.proof, one.new.state, one.new.proof) for one in state.subjects.values()]
    steps = [(one.status, one.acted, len(one.items)) for one in state.steps.values()]
    operations = [(one.status, one.cleared) for one in state.operations.values()]
    stages = [one.stage for one in state.consumers.values()]
    whole = (state.mode, state.closed, state.contained_at, state.order, bool(state.tripwire), len(state.waivers))
    return whole, subjects, steps, operations, stages


def _without_free_text(event: Event) -> dict[str, Any]:
    ours = _OURS | _OURS_OF_KIND.get(event.kind, set())
    return {
        key: value if key in ours and not (key == "result" and isinstance(value, dict)) else _masked(value)
        for key, value in event.data.items()
    }


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return value if value in _PLAIN_WORDS or _is_time(value) else PURGED
    if isinstance(value, list | tuple):
        return [_masked(one) for one in value]
    if isinstance(value, Mapping):
        return {key: one if key == "seq" else _masked(one) for key, one in value.items()}
    return value


def _is_time(text: str) -> bool:
    try:
        parse_instant(text)
    except RunbookError:
        return False
    return True
