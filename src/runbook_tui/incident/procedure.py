"""How a step is done: a generator that yields effects and gets their replies.

Every changing call is `intent` -> (the performer records `sending`) -> `outcome`. An unknown outcome is never sent
again: only a verification after the settle time, or the operator, clears it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import timedelta
from typing import Any

from runbook_tui.foundation.clock import iso, parse_duration, parse_instant
from runbook_tui.incident import effects as do
from runbook_tui.incident.anchors import OURS_WITHIN, with_ours
from runbook_tui.incident.benched import bench_outcome
from runbook_tui.incident.findings import in_short
from runbook_tui.incident.order import advise, usable
from runbook_tui.incident.plan import items, scope
from runbook_tui.incident.prompts import answer_name, is_manual, subject_of
from runbook_tui.incident.proof import account_proof, consumer_proof, credential_proof, settle_accounts
from runbook_tui.incident.state import IncidentState, Subject
from runbook_tui.playbook.model import CHANGES, Playbook, Step, Verify
from runbook_tui.playbook.values import Unresolved, resolve

Procedure = Generator[do.Effect, Any, None]
Answers = Mapping[str, Any]
# How an action ended: (status, reason). "done" goes on to the verification.
Ended = Generator[do.Effect, Any, tuple[str, str]]


def run_step(book: Playbook, state: IncidentState, step: Step, answers: Answers, by: str) -> Procedure:
    """Do one step. `answers` come from `check_answers`; `by` is the person at the keyboard."""
    shown = {name: value for name, value in answers.items() if name not in ("new_secret", "confirm")}
    state = yield do.Record(
        "step_started", {"step": step.id, "answers": shown, "attempt": state.step(step.id).attempts + 1}
    )
    status, reason = "done", ""
    batch = step.verify if step.verify and step.verify.wanted == "gone" else None
    if any(op.step == step.id for op in state.unknown_operations()):
        status, reason = "unknown", "its outcome is unknown: only proven, not sent again"
        if batch:
            status, reason = yield from settle_accounts(step, batch)
            state = yield do.Look()
    if status == "done" and step.action and not state.step(step.id).acted:
        status, reason = yield from _ACTIONS[step.action](_Context(book, state, step, answers, by))
        if status == "done" and step.verify:
            yield do.Record("step_acted", {"step": step.id, "reason": reason})
        elif status == "unknown" and batch:
            status, reason = yield from _settled_batch(step, batch, reason)
    if step.verify and (status == "done" or (status == "unknown" and not batch)):
        action_reason = reason
        status, reason = yield from _verify(step)
        reason = reason or action_reason
    if status == "waiting":
        return
    if status == "done":
        yield do.Record("step_done", {"step": step.id, "reason": reason})
    else:
        yield do.Record("step_failed", {"step": step.id, "status": status, "reason": reason, "manual": []})


def _settled_batch(step: Step, verify: Verify, reason: str) -> Ended:
    """One call of a batch got no answer: look at that one, and leave the rest to the next run."""
    status, found = yield from settle_accounts(step, verify)
    if status == "done":
        return "failed", f"{reason}; the provider now shows what became of it: run the step again for the rest"
    return status, found


class _Context:
    """What an action's rule gets: the run so far and the step at hand."""

    def __init__(self, book: Playbook, state: IncidentState, step: Step, answers: Answers, by: str) -> None:
        self.book, self.state, self.step, self.answers, self.by = book, state, step, answers, by

    def op(self, item: str) -> str:
        """Names one attempt: the same after a crash, another for every new attempt."""
        attempt = self.state.step(self.step.id).attempts
        return f"{self.state.incident}.{self.step.id}.{attempt}" + (f".{item}" if item else "")


def recover(state: IncidentState, why: str = "the program ended") -> Iterator[do.Record]:
    """What is recorded when a step was cut off: an attempt that was being sent has an unknown outcome.

    One whose `sending` was never recorded did not leave, since `sending` is durable before the first byte.
    """
    for op in state.operations.values():
        if op.status == "intent":
            yield do.Record("outcome", {"op": op.op, "result": "not_sent", "reason": f"{why} before anything was sent"})
        elif op.status == "sending" and any(subject.new_op == op.op for subject in state.subjects.values()):
            yield do.Record("outcome", {"op": op.op, "result": "done", "reason": "the new secret it made is stored"})
        elif op.status == "sending":
            yield do.Record(
                "outcome", {"op": op.op, "result": "unknown", "reason": f"{why} while the call was under way"}
            )
    for name, step in state.steps.items():
        if step.status == "running":
            sent = any(
                op.step == name and op.status in ("sending", "unknown") and not op.cleared
                for op in state.operations.values()
            )
            status = "unknown" if sent else "failed"
            yield do.Record("step_failed", {"step": name, "status": status, "reason": why, "manual": []})


# -- actions ---------------------------------------------------------------------------------------------------------


def _call(context: _Context) -> Ended:
    step, state = context.step, context.state
    entries = items(step, state)
    if step.for_each and not entries:
        return "done", "nothing to do: the list is empty"
    worst: tuple[str, str] = ("done", "")
    for item, entry in entries:
        if item and item in state.step(step.id).items:
            continue
        subject = subject_of(step, state, entry)
        if subject is None:
            return "failed", f"{step.spec['on']} is not known"
        if is_manual(step, subject):
            status, reason = yield from _manual_call(context, subject, item)
        else:
            status, reason = yield from _api_call(context, subject, item, entry)
        if status != "done":
            worst = (status, f"{item}: {reason}" if item else reason)
            if status == "unknown":
                break
        elif worst[0] == "done" and not item:
            worst = (status, reason)
    return worst


def _api_call(context: _Context, subject: Subject, item: str, entry: Any) -> Ended:
    step = context.step
    operation = step.spec["operation"]
    args = _arguments(step.spec.get("args", {}), {**scope(context.state), "each": entry})
    if operation not in CHANGES:
        return (yield from _read(context, subject, operation, args, item))
    op = context.op(item)
    what = f"{operation} {subject.name} ({subject.label()})"
    yield do.Record(
        "intent",
        {"op": op, "step": step.id, "item": item, "operation": operation, "subject": subject.slot, "what": what},
    )
    reply = yield do.Call(subject.slot, operation, args, op, step.store)
    outcome = {key: reply.get(key) for key in ("result", "status", "reason", "already", "evidence")}
    if reply.get("new"):
        # Before the outcome: an attempt that is known to be done has never lost what it made.
        yield do.Record("new_credential", {"slot": step.store, "op": op, **reply["new"]})
    yield do.Record("outcome", {"op": op, **outcome})
    return _ended(reply)


def _read(context: _Context, subject: Subject, operation: str, args: Mapping[str, Any], item: str) -> Ended:
    """A call that changes nothing: no intent, and its answer is recorded as far as the playbook asks."""
    step = context.step
    asked_at = yield do.Now()
    reply = yield do.Call(subject.slot, operation, args)
    if reply["result"] != "done":
        return "failed", reply["reason"]
    if reply.get("learned"):
        yield do.Record("learned", {"slot": subject.slot, **reply["learned"]})
    outputs = reply["outputs"]
    if operation == "audit":
        return (yield from _audit(context, subject, args, reply, asked_at))
    values = {name: outputs[name] for name in step.record if outputs.get(name) is not None} if step.record else outputs
    recorded = {"step": step.id, "item": item, "subject": subject.slot}
    yield do.Record("recorded", {**recorded, "values": {**values, "evidence": reply["evidence"]}})
    return "done", ""


def _audit(
    context: _Context, subject: Subject, args: Mapping[str, Any], reply: Mapping[str, Any], asked_at: str
) -> Ended:
    """The provider's log: the entries at the time of our own calls are ours, the others are for a person to judge."""
    outputs = reply["outputs"]
    answered_at = yield do.Now()
    calls = (*context.state.own_calls.get(subject.slot, ()), (asked_at, answered_at))
    entries, ours = with_ours(outputs.get("items", []), calls)
    count = outputs.get("count", len(entries))
    limits = [str(reply.get("note") or "")]
    if outputs.get("complete") is False:
        limits.append("The list is not complete.")
    if ours:
        limits.append(f"An entry within {OURS_WITHIN:g} s of a call of ours counts as ours.")
    audit = {"step": context.step.id, "since": args.get("since", ""), "until": asked_at, "items": entries}
    more = {"count": count, "ours": ours, "limits": " ".join(filter(None, limits)), "evidence": reply["evidence"]}
    yield do.Record("audit", {**audit, **more})
    return "done", f"{count} entries" + (f", {ours} of them ours" if ours else "")


def _manual_call(context: _Context, subject: Subject, item: str) -> Ended:
    """The provider has no call for it: the operator did it in the dashboard and reports, or pastes the new secret."""
    step, answers = context.step, context.answers
    operation = step.spec["operation"]
    if step.store:
        new = yield do.Keep(subject.slot, "new_secret")
        yield do.Record("new_credential", {"slot": subject.slot, **new})
        return "done", "the new secret was pasted"
    seen = answers[answer_name("seen", item)]
    yield do.Record("recorded", {"step": step.id, "item": item, "values": {"seen": seen, "operation": operation}})
    proof = "membership" if subject.kind == "account" else "verify"
    if operation in ("revoke", "disable", "offboard") and subject.can.get(proof) != "api":
        # No vendor proof can be had here: a named person says so, and the grade stays `attested`.
        yield do.Record("attested", {"slot": subject.slot, "side": "old", "by": context.by, "what": seen})
    return "done", f"{context.by} saw: {seen}"


def _rollout(context: _Context) -> Ended:
    slot = context.step.spec["credential"].removeprefix("$").split(".")[0]
    if not context.state.subjects[slot].new_name:
        return "failed", "there is no new secret yet"
    worst: tuple[str, str] = ("done", "")
    for consumer in context.state.consumers.values():
        if consumer.credential != slot or consumer.stage in ("stored", "loaded", "used"):
            continue
        seen = context.answers.get(f"loaded_{consumer.id}")
        if seen:
            state = {
                "consumer": consumer.id,
                "stage": "loaded",
                "proof": "attested",
                "reason": f"{context.by} saw: {seen}",
            }
            yield do.Record("consumer_state", state)
            continue
        op = context.op(consumer.id)
        what = f"give the new secret to {consumer.title}"
        yield do.Record(
            "intent",
            {
                "op": op,
                "step": context.step.id,
                "item": consumer.id,
                "operation": "rollout",
                "subject": slot,
                "what": what,
            },
        )
        reply = yield do.Deploy(consumer.id, slot, op)
        outcome = {key: reply.get(key) for key in ("result", "status", "reason", "evidence")}
        yield do.Record("outcome", {"op": op, **outcome})
        stage = reply.get("stage", "stored") if reply["result"] == "done" else "failed"
        yield do.Record(
            "consumer_state",
            {"consumer": consumer.id, "stage": stage, "proof": "none", "reason": reply.get("reason", "")},
        )
        if reply["result"] != "done":
            worst = (_ended(reply)[0], f"{consumer.title}: {reply['reason']}")
    return worst


def _scan(context: _Context) -> Ended:
    spec = resolve(dict(context.step.spec), scope(context.state))
    slot = context.step.spec.get("credential", "").removeprefix("$").split(".")[0]
    result = yield do.Scan(slot, tuple(map(str, spec["repositories"])), rules=bool(spec.get("rules")))
    if "error" in result:
        return "failed", result["error"]
    yield do.Record("scan", {"step": context.step.id, "result": result})
    return "done", in_short(result)


def _webhook(context: _Context) -> Ended:
    endpoint = resolve(context.step.spec["endpoint"], scope(context.state))
    reply = yield do.Deliver(endpoint)
    data = {"step": context.step.id, "endpoint": endpoint.get("id", ""), **reply}
    yield do.Record("deliveries", data)
    return bench_outcome(reply)


def _manual(context: _Context) -> Ended:
    values = {"seen": context.answers["seen"], "by": context.by}
    yield do.Record("recorded", {"step": context.step.id, "item": "", "values": values})
    return "done", f"{context.by} saw: {context.answers['seen']}"


def _run(context: _Context) -> Ended:
    """Another playbook ran for each entry: a named person says where, and the line is closed as attested."""
    step = context.step
    entries = items(step, context.state)
    for item, _ in entries:
        said = context.answers[answer_name("handled", item)]
        values = {"playbook": step.spec["playbook"], "handled": said}
        yield do.Record("recorded", {"step": step.id, "item": item, "values": values})
        slot = f"{step.for_each.split('.')[0]}:{item}"
        if slot in context.state.subjects:
            yield do.Record("attested", {"slot": slot, "side": "old", "by": context.by, "what": said})
    return "done", f"{len(entries)} handled" if step.for_each else ""


def _ask(context: _Context) -> Ended:
    yield do.Record("facts", {"values": dict(context.answers)})
    return "done", ""


def _decide(context: _Context) -> Ended:
    advice = advise(context.state)
    recommended = usable(advice, context.book.orders)
    decision = {
        "order": context.answers["order"],
        "recommended": recommended,
        "rule": advice.rule,
        "why": advice.why,
        "reason": context.answers.get("reason", ""),
        "options": list(context.book.orders),
    }
    yield do.Record("decision", decision)
    return "done", f"{advice.rule}: {decision['order'].replace('_', ' ')}"


def _note(context: _Context) -> Ended:
    yield do.Record("note", {"text": context.step.spec["value"], "at": ""})
    return "done", ""


def _wait(context: _Context) -> Ended:
    now = parse_instant((yield do.Now()))
    begun = context.state.step(context.step.id).until
    if begun and now >= parse_instant(begun):
        return "done", "the wait is over"
    until = parse_instant(begun) if begun else now + timedelta(seconds=parse_duration(context.step.spec["for"]))
    yield do.Record(
        "step_waiting", {"step": context.step.id, "until": iso(until), "reason": context.step.spec["reason"]}
    )
    return "waiting", ""


def _report(context: _Context) -> Ended:
    written = yield do.Export()
    yield do.Record("exported", {**written, "format": "markdown"})
    return "done", written["path"]


_ACTIONS: dict[str, Callable[[_Context], Ended]] = {
    "call": _call,
    "rollout": _rollout,
    "scan": _scan,
    "webhook": _webhook,
    "manual": _manual,
    "run": _run,
    "ask": _ask,
    "decide": _decide,
    "note": _note,
    "wait": _wait,
    "report": _report,
}


def _verify(step: Step) -> Ended:
    """The proof of a step: dispatches on what is proven."""
    assert step.verify is not None
    if step.verify.slot:
        return (yield from credential_proof(step, step.verify))
    if step.verify.wanted == "gone":
        return (yield from account_proof(step, step.verify))
    return (yield from consumer_proof(step, step.verify))


def _arguments(template: Mapping[str, Any], visible: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that have a value; a fact nobody stated is left out."""
    found: dict[str, Any] = {}
    for name, part in template.items():
        try:
            found[name] = resolve(part, visible)
        except Unresolved:
            continue
    return found


def _ended(reply: Mapping[str, Any]) -> tuple[str, str]:
    if reply["result"] == "done":
        return "done", "it was so already" if reply.get("already") else ""
    if reply["result"] == "unknown":
        return "unknown", reply.get("reason", "")
    return "failed", reply.get("reason", "")
