"""What is known about an incident: a frozen value, rebuilt by applying one event after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from runbook_tui.foundation.clock import parse_instant
from runbook_tui.incident.events import Event

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """The old or the new one of a credential, as last seen. `proof` is refused, listed, attested or none."""

    state: str = "undetermined"  # dead | alive | undetermined
    proof: str = "none"
    reason: str = ""
    at: str = ""  # when it was seen, RFC 3339
    by: str = ""  # who attested


@dataclass(frozen=True, slots=True)
class Subject:
    """A credential or an account that the incident is about. `slot` is its name in the playbook."""

    slot: str
    kind: str  # credential | account
    name: str
    provider: str = ""
    provider_name: str = ""
    key_id: str = ""
    fingerprint: str = ""
    mask: str = ""
    overlap: str = "none"
    can: Mapping[str, str] = field(default_factory=dict)  # operation -> api | manual
    has_secret: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    old: Side = field(default_factory=Side)
    new: Side = field(default_factory=Side)
    new_name: str = ""  # vault name of the new secret; "" while there is none
    new_key_id: str = ""
    new_mask: str = ""
    new_fingerprint: str = ""

    def label(self) -> str:
        """How the operator recognises it: the public key id, else the mask, else the name."""
        return self.key_id or self.mask or self.name

    def scope(self) -> dict[str, Any]:
        """What a playbook's conditions and references see."""
        return {
            "slot": self.slot,
            "name": self.name,
            "provider": self.provider,
            "key_id": self.key_id,
            "overlap": self.overlap,
            "can": dict(self.can),
            "has_secret": self.has_secret,
            **self.attributes,
            "old": {"state": self.old.state, "proof": self.old.proof},
            "new": {"state": self.new.state, "name": self.new_name, "key_id": self.new_key_id},
        }


@dataclass(frozen=True, slots=True)
class Consumer:
    """A place that uses a credential. Only `used` counts as live."""

    id: str
    kind: str
    title: str
    credential: str  # slot
    where: str
    proof_kind: str  # vendor-last-used | health | attested
    stage: str = "pending"  # pending | stored | loaded | used | failed
    proof: str = "none"
    reason: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class StepState:
    """Where a step stands. `items` holds the entries of a for_each that are finished."""

    status: str = "pending"  # pending running waiting done failed refuted undetermined unknown skipped
    reason: str = ""
    attempts: int = 0
    started: str = ""
    ended: str = ""
    until: str = ""  # of a waiting step
    manual: tuple[str, ...] = ()
    recorded: Mapping[str, Any] = field(default_factory=dict)
    items: frozenset[str] = frozenset()
    acted: bool = False  # the action is done: running the step again only proves it


@dataclass(frozen=True, slots=True)
class Operation:
    """One attempt of one changing call. `unknown` stays until it is cleared by proof or by the operator."""

    op: str
    step: str
    item: str
    operation: str
    what: str
    status: str  # intent | sending | done | rejected | not_sent | unknown
    at: str
    sent_at: str = ""
    cleared: str = ""  # done | not_done
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IncidentState:
    """Everything known after `seq` events."""

    seq: int = 0
    incident: str = ""
    mode: str = "live"  # live | drill | dry-run
    title: str = ""
    target: float = 0.0
    commander: str = ""
    driver: str = ""
    opened_at: str = ""
    last_at: str = ""
    closed: str = ""
    closed_at: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    order: str = ""
    rule: str = ""
    tripwire: str = ""
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    consumers: Mapping[str, Consumer] = field(default_factory=dict)
    steps: Mapping[str, StepState] = field(default_factory=dict)
    operations: Mapping[str, Operation] = field(default_factory=dict)
    waivers: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # line -> (name, reason)
    contained_at: str = ""
    notes: int = 0
    report: str = ""

    def step(self, step_id: str) -> StepState:
        return self.steps.get(step_id, StepState())

    def unknown_operations(self) -> list[Operation]:
        """Attempts whose outcome nobody knows yet."""
        return [op for op in self.operations.values() if op.status == "unknown" and not op.cleared]


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
    contained = not after.contained_at and bool(after.subjects) and all(map(old_is_closed, after.subjects.values()))
    return replace(after, contained_at=event.ts) if contained else after


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
    subject = state.subjects[event.data["slot"]]
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
    changes = {"status": "running", "started": started, "attempts": before.attempts + 1, "reason": "", "until": ""}
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
    changes = {"status": "pending", "items": frozenset(), "acted": False}
    return _with_step(state, event, reason=event.data.get("reason", ""), **changes)


def _recorded(state: IncidentState, event: Event) -> IncidentState:
    step = state.step(event.data["step"])
    item = event.data.get("item", "")
    values = event.data["values"]
    recorded = {**step.recorded, **({item: values} if item else values)}
    return _with_step(state, event, recorded=recorded)


def _item_done(state: IncidentState, step_id: str, item: str) -> IncidentState:
    step = state.step(step_id)
    return replace(state, steps={**state.steps, step_id: replace(step, items=step.items | {item})})


def _intent(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    op = Operation(data["op"], data["step"], data.get("item", ""), data["operation"], data["what"], "intent", event.ts)
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
    if status == "done" and before is not None and before.item:
        return _item_done(after, before.step, before.item)
    return after


def _cleared(state: IncidentState, event: Event) -> IncidentState:
    after = _with_operation(state, event, cleared=event.data["as"], reason=event.data.get("reason", ""))
    op = after.operations.get(event.data["op"])
    if op is not None and op.item and event.data["as"] == "done":
        return _item_done(after, op.step, op.item)
    return after


def _new_credential(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    subject = state.subjects[data["slot"]]
    fields = {"new_name": "name", "new_key_id": "key_id", "new_mask": "mask", "new_fingerprint": "fingerprint"}
    changes = {ours: data.get(theirs, "") for ours, theirs in fields.items()}
    return _with_subject(state, replace(subject, **changes, new=Side()))


def _verification(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    subject = state.subjects.get(data["slot"])
    if subject is None:
        return state
    side = Side(data["verdict"], data.get("proof", "none"), data.get("reason", ""), event.ts)
    before = subject.old if data["side"] == "old" else subject.new
    if side.state == "undetermined" and before.state != "undetermined":
        return state  # no answer does not take back an answer
    return _with_side(state, subject, data["side"], side)


def _attested(state: IncidentState, event: Event) -> IncidentState:
    data = event.data
    subject = state.subjects.get(data["slot"])
    if subject is None:
        return state
    verdict = "dead" if data["side"] == "old" else "alive"
    side = Side(verdict, "attested", data["what"], event.ts, data["by"])
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
