"""What is known about an incident: a frozen value, rebuilt by applying one event after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.incident.events import Event
from runbook_tui.incident.model import Consumer, IncidentState, Operation, Side, StepState, Subject

__all__ = [
    "Consumer",
    "IncidentState",
    "Operation",
    "Side",
    "StepState",
    "Subject",
    "age",
    "apply",
    "began",
    "fold",
    "old_is_closed",
]

_LONGEST_CALL = 3_600_000  # milliseconds; more is no measurement


def fold(events: Iterable[Event], state: IncidentState | None = None) -> IncidentState:
    """The state after all events."""
    current = state or IncidentState()
    for event in events:
        current = apply(current, event)
    return current


def apply(state: IncidentState, event: Event) -> IncidentState:
    """The state after one more event. An event of a kind without a rule only moves `seq`."""
    rule = _RULES.get(event.kind)
    after = rule(state, event) if rule else state
    after = replace(after, seq=event.seq, last_at=event.ts)
    contained = bool(after.subjects) and all(map(old_is_closed, after.subjects.values()))
    if contained == bool(after.contained_at):
        return after
    return replace(after, contained_at=event.ts if contained else "")


def old_is_closed(subject: Subject) -> bool:
    """Whether the old one was seen dead (refused or listed) or a named person attested it."""
    return subject.old.state == "dead" and subject.old.proof != "none"


def _opened(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    return replace(
        state,
        incident=data["incident"],
        mode=data["mode"],
        title=data["title"],
        target=data["target"],
        commander=data.get("commander", ""),
        opened_at=event.ts,
    )


def _closed(state: IncidentState, event: Event) -> IncidentState:
    return replace(state, closed=event.data["state"], closed_at=event.ts)


def _input(state: IncidentState, event: Event) -> IncidentState:
    return replace(state, inputs={**state.inputs, event.data["name"]: event.data["value"]})


def _subject(state: IncidentState, event: Event) -> IncidentState:
    known = Subject.__dataclass_fields__
    fields = {key: value for key, value in event.data.items() if key in known}
    return _with_subject(state, Subject(**fields))


def _learned(state: IncidentState, event: Event) -> IncidentState:
    subject = state.subjects.get(event.data["slot"])
    if subject is None:
        return state
    attributes = {**subject.attributes, **event.data["attributes"]}
    return _with_subject(state, replace(subject, key_id=event.data["key_id"] or subject.key_id, attributes=attributes))


def _with_subject(state: IncidentState, subject: Subject) -> IncidentState:
    return replace(state, subjects={**state.subjects, subject.slot: subject})


def _consumer(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    consumer = Consumer(data["id"], data["kind"], data["title"], data["credential"], data["where"], data["proof"])
    return replace(state, consumers={**state.consumers, consumer.id: consumer})


def _consumer_state(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    consumer = state.consumers.get(data["consumer"])
    if consumer is None:
        return state
    moved = replace(
        consumer, stage=data["stage"], proof=data.get("proof", "none"), reason=data.get("reason", ""), at=event.ts
    )
    return replace(state, consumers={**state.consumers, consumer.id: moved})


def _facts(state: IncidentState, event: Event) -> IncidentState:
    return replace(state, facts={**state.facts, **event.data["values"]})


def _decision(state: IncidentState, event: Event) -> IncidentState:
    return replace(state, order=event.data["order"], rule=event.data["rule"])


def _tripwire(state: IncidentState, event: Event) -> IncidentState:
    facts = {**state.facts, "used_by_others": "yes"}
    return replace(state, facts=facts, tripwire=event.data["reason"])


def _with_step(state: IncidentState, event: Event, **changes: Any) -> IncidentState:
    step = replace(state.step(event.data["step"]), **changes)
    return replace(state, steps={**state.steps, event.data["step"]: step})


def _step_started(state: IncidentState, event: Event) -> IncidentState:
    before = state.step(event.data["step"])
    started = before.started or event.ts
    # `until` stays: a wait that is started again knows how long it was to last.
    changes = {"status": "running", "started": started, "attempts": before.attempts + 1, "reason": ""}
    return _with_step(state, event, **changes)


def _step_ended(status: str) -> Callable[[IncidentState, Event], IncidentState]:
    def rule(state: IncidentState, event: Event) -> IncidentState:
        return _with_step(
            state,
            event,
            status=event.data.get("status", status),
            reason=event.data.get("reason", ""),
            ended=event.ts,
            manual=tuple(event.data.get("manual", ())),
        )

    return rule


def _step_waiting(state: IncidentState, event: Event) -> IncidentState:
    return _with_step(state, event, status="waiting", until=event.data["until"], reason=event.data.get("reason", ""))


def _step_reopened(state: IncidentState, event: Event) -> IncidentState:
    changes = {"status": "pending", "items": frozenset(), "acted": False, "until": ""}
    return _with_step(state, event, reason=event.data.get("reason", ""), **changes)


def _recorded(state: IncidentState, event: Event) -> IncidentState:
    step = state.step(event.data["step"])
    item = event.data.get("item", "")
    values = event.data["values"]
    recorded = {**step.recorded, **({item: values} if item else values)}
    after = _with_step(state, event, recorded=recorded)
    return _called(after, event.data.get("subject", ""), began(event, values.get("evidence")), event.ts)


def _action_done(state: IncidentState, op: Operation, at: str) -> IncidentState:
    """The call took effect: running the step again only proves it, or goes on with the rest of its batch."""
    if op.operation == "rollout":
        consumer, subject = state.consumers.get(op.item), state.subjects.get(op.subject)
        if consumer is None or subject is None or consumer.stage not in ("pending", "failed") or op.at < subject.new_at:
            return state  # what it was given then is not the new one of now
        stored = replace(consumer, stage="stored", proof="none", at=at)
        return replace(state, consumers={**state.consumers, op.item: stored})
    step = state.step(op.step)
    after = replace(step, items=step.items | {op.item}) if op.item else replace(step, acted=True)
    return replace(state, steps={**state.steps, op.step: after})


def _called(state: IncidentState, slot: str, start: str, end: str) -> IncidentState:
    """Keep when we called the provider about this credential: the provider's log shows these calls too."""
    if slot not in state.subjects:
        return state
    calls = (*state.own_calls.get(slot, ()), (start, end))
    return replace(state, own_calls={**state.own_calls, slot: calls})


def began(event: Event, evidence: Any) -> str:
    """When the call behind an event began, as far as its evidence says."""
    took = evidence.get("milliseconds") if isinstance(evidence, Mapping) else None
    if isinstance(took, bool) or not isinstance(took, int | float) or not 0 <= took < _LONGEST_CALL:
        return event.ts
    return iso(parse_instant(event.ts) - timedelta(milliseconds=took))


def _intent(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    op = Operation(
        data["op"],
        data["step"],
        data.get("item", ""),
        data["operation"],
        data["what"],
        "intent",
        event.ts,
        subject=data.get("subject", ""),
    )
    return replace(state, operations={**state.operations, op.op: op})


def _with_operation(state: IncidentState, event: Event, **changes: Any) -> IncidentState:
    op = state.operations.get(event.data["op"])
    if op is None:
        return state
    return replace(state, operations={**state.operations, op.op: replace(op, **changes)})


def _sending(state: IncidentState, event: Event) -> IncidentState:
    return _with_operation(state, event, status="sending", sent_at=event.ts)


def _outcome(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    before = state.operations.get(data["op"])
    # An unknown outcome is sticky: only `cleared` takes it away.
    status = "unknown" if before is not None and before.status == "unknown" else data["result"]
    after = _with_operation(state, event, status=status, reason=data.get("reason", ""))
    if before is None:
        return after
    if before.operation != "rollout" and before.sent_at:
        after = _called(after, before.subject, before.sent_at, event.ts)
    return _action_done(after, before, event.ts) if status == "done" else after


def _cleared(state: IncidentState, event: Event) -> IncidentState:
    after = _with_operation(state, event, cleared=event.data["as"], reason=event.data.get("reason", ""))
    op = after.operations.get(event.data["op"])
    return _action_done(after, op, event.ts) if op is not None and event.data["as"] == "done" else after


def _new_credential(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    subject = state.subjects.get(data["slot"])
    if subject is None:
        return state
    # Whatever was proven or waived of an earlier new one says nothing about this one.
    behind = [one for one in state.consumers.values() if one.credential == subject.slot and one.stage != "pending"]
    lines = {f"new:{subject.slot}", *(f"consumer:{one.id}" for one in behind)}
    anew = {one.id: replace(one, stage="pending", proof="none", reason="", at=event.ts) for one in behind}
    after = replace(
        state,
        consumers={**state.consumers, **anew},
        waivers={line: waiver for line, waiver in state.waivers.items() if line not in lines},
    )
    fields = ("name", "key_id", "mask", "fingerprint", "op")
    changes = {f"new_{name}": data.get(name, "") for name in fields}
    return _with_subject(after, replace(subject, **changes, new=Side(), new_at=event.ts, new_asked=""))


def _verification(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    subject = state.subjects.get(data["slot"])
    if subject is None:
        return state
    after = _called(state, subject.slot, began(event, data.get("evidence")), event.ts)
    if data["side"] == "new":
        subject = replace(subject, new_asked=event.ts)
        after = _with_subject(after, subject)
    before = subject.old if data["side"] == "old" else subject.new
    since = before.since if before.state == data["verdict"] else event.ts
    side = Side(data["verdict"], data.get("proof", "none"), data.get("reason", ""), event.ts, since)
    if side.state == "undetermined" and before.state != "undetermined":
        return after  # no answer does not take back an answer
    if side.state == before.state and _grade(side) < _grade(before):
        return after  # a weaker proof of the same does not lower the grade
    return _with_side(after, subject, data["side"], side)


def _grade(side: Side) -> int:
    """Ranks proofs of one state: seen refused, seen listed, a person's word, none. Seen alive is above a word."""
    if side.state == "alive":
        return 1 if side.proof == "attested" else 2
    return {"refused": 3, "listed": 2, "attested": 1}.get(side.proof, 0)


def _attested(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    subject = state.subjects.get(data["slot"])
    if subject is None:
        return state
    verdict = "dead" if data["side"] == "old" else "alive"
    before = subject.old if data["side"] == "old" else subject.new
    since = before.since if before.state == verdict else event.ts
    side = Side(verdict, "attested", data["what"], event.ts, since, data["by"])
    if before.state == verdict and _grade(before) > _grade(side):
        return state  # what was seen stands above what somebody says
    if before.state not in (verdict, "undetermined"):
        side = replace(side, reason=f"{side.reason} (it was seen {before.state} at {before.at})")
    return _with_side(state, subject, data["side"], side)


def _with_side(state: IncidentState, subject: Subject, which: str, side: Side) -> IncidentState:
    return _with_subject(state, replace(subject, old=side) if which == "old" else replace(subject, new=side))


def _waiver(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    return replace(state, waivers={**state.waivers, data["line"]: (data["name"], data["reason"])})


_RULES: dict[str, Callable[[IncidentState, Event], IncidentState]] = {
    "opened": _opened,
    "driver": lambda state, event: replace(state, driver=event.data["name"]),
    "closed": _closed,
    "input": _input,
    "subject": _subject,
    "learned": _learned,
    "consumer": _consumer,
    "consumer_state": _consumer_state,
    "facts": _facts,
    "decision": _decision,
    "tripwire": _tripwire,
    "step_started": _step_started,
    "step_acted": lambda state, event: _with_step(state, event, acted=True),
    "step_done": _step_ended("done"),
    "step_failed": _step_ended("failed"),
    "step_skipped": _step_ended("skipped"),
    "step_waiting": _step_waiting,
    "step_reopened": _step_reopened,
    "recorded": _recorded,
    "intent": _intent,
    "sending": _sending,
    "outcome": _outcome,
    "cleared": _cleared,
    "new_credential": _new_credential,
    "verification": _verification,
    "attested": _attested,
    "waiver": _waiver,
    "note": lambda state, event: replace(state, notes=state.notes + 1),
    "exported": lambda state, event: replace(state, report=event.data["path"]),
}


def age(state: IncidentState, now: datetime) -> float:
    """Seconds since the run was opened, stopped at containment or closing for the clock's second hand to rest."""
    if not state.opened_at:
        return 0.0
    end = state.contained_at or state.closed_at
    return ((parse_instant(end) if end else now) - parse_instant(state.opened_at)).total_seconds()
