"""What is known about an incident: a frozen value, rebuilt by applying one event after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.foundation.collector import at_rest
from runbook_tui.incident.draft import Draft
from runbook_tui.incident.events import Event
from runbook_tui.incident.model import Consumer, Finding, IncidentState, Operation, Side, StepState, Subject

__all__ = [
    "Consumer",
    "Finding",
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

Rule = Callable[[Draft, Event], None]
_LONGEST_CALL = 3_600_000  # milliseconds; more is no measurement


def fold(events: Iterable[Event], state: IncidentState | None = None) -> IncidentState:
    """The state after all events: what `apply` would give, one event after the other, in one go."""
    draft = Draft(state or IncidentState())
    with at_rest():
        for event in events:
            _take(draft, event)
        return draft.finish()


def apply(state: IncidentState, event: Event) -> IncidentState:
    """The state after one more event. An event of a kind without a rule only moves `seq`."""
    draft = Draft(state)
    _take(draft, event)
    return draft.finish()


def _take(draft: Draft, event: Event) -> None:
    rule = _RULES.get(event.kind)
    if rule:
        rule(draft, event)
    draft.seq, draft.last_at = event.seq, event.ts
    if event.boot_id != draft.boot[0]:
        draft.boot = _steady(event)
    if not draft.subjects.touched:
        return
    draft.subjects.touched = False
    subjects = draft.subjects.now
    contained = bool(subjects) and all(map(old_is_closed, subjects.values()))
    if contained != bool(draft.now("contained_at")):
        draft.write(contained_at=event.ts if contained else "")


def _steady(event: Event) -> tuple[str, float]:
    return event.boot_id, event.mono_ns / 1e9


def old_is_closed(subject: Subject) -> bool:
    """Whether the old one was seen dead (refused or listed) or a named person attested it."""
    return subject.old.state == "dead" and subject.old.proof != "none"


def _opened(draft: Draft, event: Event) -> None:
    data = event.data
    draft.write(
        incident=data["incident"],
        mode=data["mode"],
        title=data["title"],
        target=data["target"],
        commander=data.get("commander", ""),
        opened_at=event.ts,
    )


def _subject(draft: Draft, event: Event) -> None:
    known = Subject.__dataclass_fields__
    subject = Subject(**{key: value for key, value in event.data.items() if key in known})
    draft.subjects.put(subject.slot, subject)
    if draft.findings.get(event.data.get("finding", "")) is not None:
        draft.findings.change(event.data["finding"], slot=subject.slot)


def _scan(draft: Draft, event: Event) -> None:
    result = event.data.get("result")
    if not isinstance(result, Mapping):
        return
    for one in result.get("findings") or ():
        name = one["credential"]
        known = draft.findings.get(name)
        slot = known.slot if known is not None else ""
        facts = (one["rule"], one["title"], one.get("provider") or "", one.get("mask", ""), one.get("places", 0))
        draft.findings.put(name, Finding(name, *facts, traced=one["traced"], slot=slot))
    if "findings" in result:
        draft.write(findings_left=result.get("findings_left", 0))


def _learned(draft: Draft, event: Event) -> None:
    slot, data = event.data["slot"], event.data
    subject = draft.subjects.get(slot)
    if subject is not None:
        attributes = {**subject.attributes, **data["attributes"]}
        draft.subjects.change(slot, key_id=data["key_id"] or subject.key_id, attributes=attributes)


def _consumer(draft: Draft, event: Event) -> None:
    data = event.data
    consumer = Consumer(data["id"], data["kind"], data["title"], data["credential"], data["where"], data["proof"])
    draft.consumers.put(consumer.id, consumer)


def _consumer_state(draft: Draft, event: Event) -> None:
    consumer, data = event.data["consumer"], event.data
    if draft.consumers.get(consumer) is not None:
        proof, reason = data.get("proof", "none"), data.get("reason", "")
        draft.consumers.change(consumer, stage=data["stage"], proof=proof, reason=reason, at=event.ts)


def _tripwire(draft: Draft, event: Event) -> None:
    draft.facts.put("used_by_others", "yes")
    draft.write(tripwire=event.data["reason"])


def _step_started(draft: Draft, event: Event) -> None:
    step = event.data["step"]
    before = draft.step(step)
    started = before.started or event.ts
    # `until` stays: a wait that is started again knows how long it was to last.
    draft.change_step(step, status="running", started=started, attempts=before.attempts + 1, reason="")


def _step_ended(status: str) -> Rule:
    def rule(draft: Draft, event: Event) -> None:
        data = event.data
        draft.change_step(
            data["step"],
            status=data.get("status", status),
            reason=data.get("reason", ""),
            ended=event.ts,
            manual=tuple(data.get("manual", ())),
        )

    return rule


def _step_waiting(draft: Draft, event: Event) -> None:
    data = event.data
    draft.change_step(data["step"], status="waiting", until=data["until"], reason=data.get("reason", ""))


def _step_reopened(draft: Draft, event: Event) -> None:
    step, reason = event.data["step"], event.data.get("reason", "")
    draft.items(step).clear()
    draft.change_step(step, reason=reason, status="pending", acted=False, until="")


def _recorded(draft: Draft, event: Event) -> None:
    data = event.data
    item, values = data.get("item", ""), data["values"]
    draft.recorded(data["step"]).update({item: values} if item else {**values})
    draft.called(data.get("subject", ""), began(event, values.get("evidence")), event.ts)


def _action_done(draft: Draft, op: Operation, at: str) -> None:
    """The call took effect: running the step again only proves it, or goes on with the rest of its batch."""
    if op.operation == "rollout":
        consumer, subject = draft.consumers.get(op.item), draft.subjects.get(op.subject)
        if (
            consumer is None
            or subject is None
            or consumer.stage not in ("pending", "failed")
            or op.seq < subject.new_seq
        ):
            return  # what it was given then is not the new one of now
        draft.consumers.change(op.item, stage="stored", proof="none", at=at)
    elif op.item:
        draft.items(op.step).add(op.item)
    else:
        draft.change_step(op.step, acted=True)


def began(event: Event, evidence: Any) -> str:
    """When the call behind an event began, as far as its evidence says."""
    took = evidence.get("milliseconds") if isinstance(evidence, Mapping) else None
    if isinstance(took, bool) or not isinstance(took, int | float) or not 0 <= took < _LONGEST_CALL:
        return event.ts
    return iso(parse_instant(event.ts) - timedelta(milliseconds=took))


def _intent(draft: Draft, event: Event) -> None:
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
        seq=event.seq,
    )
    draft.operations.put(op.op, op)


def _sending(draft: Draft, event: Event) -> None:
    if event.data["op"] in draft.operations.now:
        draft.operations.change(event.data["op"], status="sending", sent_at=event.ts)


def _outcome(draft: Draft, event: Event) -> None:
    data = event.data
    op = draft.operations.get(data["op"])
    # An unknown outcome is sticky: only `cleared` takes it away.
    status = "unknown" if op is not None and op.status == "unknown" else data["result"]
    if op is None:
        return
    draft.operations.change(op.op, status=status, reason=data.get("reason", ""), ended=_steady(event))
    if op.operation != "rollout" and op.sent_at:
        draft.called(op.subject, op.sent_at, event.ts)
    if status == "done":
        _action_done(draft, op, event.ts)


def _cleared(draft: Draft, event: Event) -> None:
    data = event.data
    op, verdict = draft.operations.get(data["op"]), data["as"]
    if op is None:
        return
    draft.operations.change(op.op, cleared=verdict, reason=data.get("reason", ""))
    if verdict == "done":
        _action_done(draft, op, event.ts)


def _new_credential(draft: Draft, event: Event) -> None:
    data = event.data
    slot = data["slot"]
    if draft.subjects.get(slot) is None:
        return
    # Whatever was proven or waived of an earlier new one says nothing about this one.
    behind = [one.id for one in draft.consumers.now.values() if one.credential == slot and one.stage != "pending"]
    for consumer in behind:
        draft.consumers.change(consumer, stage="pending", proof="none", reason="", at=event.ts)
    for line in (f"new:{slot}", *(f"consumer:{consumer}" for consumer in behind)):
        draft.waivers.remove(line)
    fields = ("name", "key_id", "mask", "fingerprint", "op")
    changes = {f"new_{name}": data.get(name, "") for name in fields}
    draft.subjects.change(slot, **changes, new=Side(), new_at=event.ts, new_asked="", new_seq=event.seq)


def _verification(draft: Draft, event: Event) -> None:
    data = event.data
    slot = data["slot"]
    subject = draft.subjects.get(slot)
    if subject is None:
        return
    draft.called(slot, began(event, data.get("evidence")), event.ts)
    if data["side"] == "new":
        draft.subjects.change(slot, new_asked=event.ts)
    before = subject.old if data["side"] == "old" else subject.new
    since, seq = (before.since, before.since_seq) if before.state == data["verdict"] else (event.ts, event.seq)
    side = Side(data["verdict"], data.get("proof", "none"), data.get("reason", ""), event.ts, since, since_seq=seq)
    if side.state == "undetermined" and before.state != "undetermined":
        return  # no answer does not take back an answer
    if side.state == before.state and _grade(side) < _grade(before):
        return  # a weaker proof of the same does not lower the grade
    _set_side(draft, slot, data["side"], side)


def _grade(side: Side) -> int:
    """Ranks proofs of one state: seen refused, seen listed, a person's word, none. Seen alive is above a word."""
    if side.state == "alive":
        return 1 if side.proof == "attested" else 2
    return {"refused": 3, "listed": 2, "attested": 1}.get(side.proof, 0)


def _attested(draft: Draft, event: Event) -> None:
    data = event.data
    slot = data["slot"]
    subject = draft.subjects.get(slot)
    if subject is None:
        return
    verdict = "dead" if data["side"] == "old" else "alive"
    before = subject.old if data["side"] == "old" else subject.new
    since, seq = (before.since, before.since_seq) if before.state == verdict else (event.ts, event.seq)
    side = Side(verdict, "attested", data["what"], event.ts, since, data["by"], seq)
    if before.state == verdict and _grade(before) > _grade(side):
        return  # what was seen stands above what somebody says
    if before.state not in (verdict, "undetermined"):
        side = replace(side, reason=f"{side.reason} (it was seen {before.state} at {before.at})")
    _set_side(draft, slot, data["side"], side)


def _set_side(draft: Draft, slot: str, which: str, side: Side) -> None:
    if which == "old":
        draft.subjects.change(slot, old=side)
    else:
        draft.subjects.change(slot, new=side)


_RULES: dict[str, Rule] = {
    "opened": _opened,
    "driver": lambda draft, event: draft.write(driver=event.data["name"]),
    "closed": lambda draft, event: draft.write(closed=event.data["state"], closed_at=event.ts),
    "input": lambda draft, event: draft.inputs.put(event.data["name"], event.data["value"]),
    "subject": _subject,
    "learned": _learned,
    "consumer": _consumer,
    "consumer_state": _consumer_state,
    "facts": lambda draft, event: draft.facts.update({**event.data["values"]}),
    "decision": lambda draft, event: draft.write(order=event.data["order"], rule=event.data["rule"]),
    "tripwire": _tripwire,
    "step_started": _step_started,
    "step_acted": lambda draft, event: draft.change_step(event.data["step"], acted=True),
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
    "waiver": lambda draft, event: draft.waivers.put(event.data["line"], (event.data["name"], event.data["reason"])),
    "note": lambda draft, event: draft.write(notes=draft.now("notes") + 1),
    "scan": _scan,
    "exported": lambda draft, event: draft.write(report=event.data["path"]),
}


def age(state: IncidentState, now: datetime) -> float:
    """Seconds since the run was opened, stopped at containment or closing for the clock's second hand to rest."""
    if not state.opened_at:
        return 0.0
    end = state.contained_at or state.closed_at
    return ((parse_instant(end) if end else now) - parse_instant(state.opened_at)).total_seconds()
