"""Proofs: what counts as seen dead, seen alive, seen gone, seen used, and how long to go on looking."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from datetime import timedelta
from typing import Any

from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.incident import effects as do
from runbook_tui.incident.state import Consumer, IncidentState, Operation, Subject, old_is_closed
from runbook_tui.playbook.model import Step, Verify

Ended = Generator[do.Effect, Any, tuple[str, str]]

# A probe costs the provider a request, and some ban addresses that send many wrong keys: look rarely.
_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 20.0
_MOST_LOOKS = 12
# A longer rate-limit wait lets the operator go on with another step.
_SHORT_WAIT = 5.0
# So many looks in a row, all after the settle time, have to see it alive before an unknown call counts as not done.
_LOOKS_NOT_DONE = 2
_STAGES = ("failed", "pending", "stored", "loaded", "used")
_STOPPED = ("undetermined", "stopped by the operator")


def credential_proof(step: Step, verify: Verify) -> Ended:
    """Probe until the wanted answer comes or the time is over. See `_look` for a call whose outcome is unknown."""
    state: IncidentState = yield do.Look()
    subject = state.subjects[verify.slot]
    if verify.side == "new" and not subject.new_name:
        if _unknown(state, step):
            return "unknown", "the secret of a key that was made is lost: look, delete it, then settle the outcome"
        return "failed", "there is no new secret to prove: reopen the step that makes it"
    if verify.side == "old" and "api" not in (subject.can.get("verify"), subject.can.get("inspect")):
        return _without_vendor_proof(subject)
    if verify.side == "new" and "verify" not in subject.can:
        if subject.new.state == "alive":
            return "done", f"attested by {subject.new.by}; this provider offers no proof"
        return "undetermined", "this provider offers no proof: attest it or waive the line"
    status, reason = yield from _look(step, verify.slot, verify.side, verify.wanted, verify.within)
    state = yield do.Look()
    side = state.subjects[verify.slot].old
    if status == "undetermined" and verify.side == "old" and side.state == "dead" and side.proof == "attested":
        return "done", f"attested by {side.by}; the provider gave no proof"
    return status, reason


def settle_accounts(step: Step, verify: Verify) -> Ended:
    """Look at the accounts whose call has an unknown outcome, before anything else of the batch is sent.

    "done" when none is unknown any more.
    """
    state: IncidentState = yield do.Look()
    for op in _unknown(state, step):
        status, reason = yield from _look(step, op.subject, "old", "dead", verify.within)
        if status == "waiting" or reason == _STOPPED[1]:
            return status, reason
    state = yield do.Look()
    left = [op.item for op in _unknown(state, step)]
    return ("unknown", f"{', '.join(left)}: not known whether it was done") if left else ("done", "")


def _look(step: Step, slot: str, side: str, wanted: str, within: float) -> Ended:
    """Ask about one credential or account until the wanted answer comes.

    The opposite answer right after a change may be a provider's cache, so it is asked again. An unknown call of the
    step is cleared as done by the wanted answer; as not done only by the opposite one, seen twice in a row after the
    provider's settle time. Time is told by the steady clock: setting the wall clock makes nothing settle.
    """
    deadline = (yield do.Steady())[1] + within
    pause, verdict, reason, contrary = _FIRST_PAUSE, "undetermined", "it was not asked", 0
    unknown: list[Operation] = []
    for _ in range(_MOST_LOOKS):
        asked = yield do.Steady()
        reply = yield do.Probe(slot, side)
        if reply.get("wait", 0.0) > _SHORT_WAIT:
            return (yield from _wait(step, reply))
        verdict, reason = str(reply["state"]), str(reply["reason"])
        state = yield do.Record("verification", {"step": step.id, "slot": slot, "side": side, **_verdict(reply)})
        unknown = [op for op in _unknown(state, step) if op.subject == slot]
        if verdict == wanted and (wanted != "dead" or reply.get("proof", "none") != "none"):
            return (yield from _seen(state, slot, side, unknown, reason))
        left = _unsettled(state, unknown, reply.get("settle", 0.0), asked)
        contrary = contrary + 1 if unknown and left <= 0 and verdict not in ("undetermined", wanted) else 0
        if contrary >= _LOOKS_NOT_DONE and side == "old":
            yield from _clear(unknown, "not_done")
            return "refuted", reason
        if reply.get("final"):
            break
        now = (yield do.Steady())[1]
        if unknown:
            deadline = max(deadline, asked[1] + left + 2 * pause)
        if now + pause > deadline:
            break
        if (yield do.Sleep(pause)):
            return ("unknown" if unknown else _STOPPED[0]), _STOPPED[1]
        pause = min(pause * 2, _LONGEST_PAUSE)
    if unknown:
        return "unknown", f"{reason}; that does not settle the call yet: look again later"
    return ("refuted" if verdict not in ("undetermined", wanted) else "undetermined"), reason


def _seen(state: IncidentState, slot: str, side: str, unknown: list[Operation], reason: str) -> Ended:
    """The wanted answer came: what it shows of an unknown call.

    That a new one works shows only that the call which made this very one was done; that the old one is dead shows
    nothing about a call that was made when it was dead already, or that did more than another which may have done it.
    """
    subject = state.subjects[slot]
    if side == "new":
        shown = [op for op in unknown if op.op == subject.new_op]
    else:
        shown = [op for op in unknown if op.seq < subject.old.since_seq and not _switched_off(state, op)]
    yield from _clear(shown, "done")
    if len(shown) == len(unknown):
        return "done", reason
    left = "another may have been made" if side == "new" else "that may be another call's doing"
    return "unknown", f"{reason}; but {left}: look at the provider's list, then settle the outcome"


def _switched_off(state: IncidentState, revocation: Operation) -> bool:
    """Whether a mere switching-off, which can be taken back, may be what ended it instead."""
    return any(
        op.operation == "disable" and op.subject == revocation.subject and op.op != revocation.op
        for op in state.operations.values()
        if op.status == "done" or (op.status in ("sending", "unknown") and op.cleared != "not_done")
    )


def account_proof(step: Step, verify: Verify) -> Ended:
    """Read back every account of the batch: each has to be seen gone, or attested where nothing can be read back."""
    state: IncidentState = yield do.Look()
    deadline = (yield do.Steady())[1] + verify.within
    accounts = [subject for subject in state.subjects.values() if subject.kind == "account"]
    by_hand = [one.slot for one in accounts if one.can.get("membership") != "api" and not old_is_closed(one)]
    left = {one.slot: "undetermined" for one in accounts if one.can.get("membership") == "api"}
    pause = _FIRST_PAUSE
    while left:
        for slot in list(left):
            reply = yield do.Probe(slot, "old")
            if reply.get("wait", 0.0) > _SHORT_WAIT:
                return (yield from _wait(step, reply))
            yield do.Record("verification", {"step": step.id, "slot": slot, "side": "old", **_verdict(reply)})
            left[slot] = str(reply["state"])
            if left[slot] == "dead" and reply.get("proof", "none") != "none":
                del left[slot]
        if not left or (yield do.Steady())[1] + pause > deadline:
            break
        if (yield do.Sleep(pause)):
            return _STOPPED
        pause = min(pause * 2, _LONGEST_PAUSE)
    if not left and not by_hand:
        return "done", "every membership is gone"
    said = [f"{', '.join(left)}: not seen gone"] if left else []
    said += [f"{', '.join(by_hand)}: cannot be read back here, attest or waive"] if by_hand else []
    return ("refuted" if "alive" in left.values() else "undetermined"), "; ".join(said)


def consumer_proof(step: Step, verify: Verify) -> Ended:
    """Watch every consumer until it uses the new secret."""
    state: IncidentState = yield do.Look()
    deadline = (yield do.Steady())[1] + verify.within
    pause = _FIRST_PAUSE
    why: dict[str, str] = {}
    while True:
        watched = [one for one in _not_used(state) if one.stage in ("stored", "loaded")]
        for consumer in watched:
            since = max(consumer.at, state.subjects[consumer.credential].new_asked)
            reply = yield do.Watch(consumer.id, consumer.credential, since)
            why[consumer.id] = str(reply.get("reason", ""))
            # It never falls back: that nothing more was seen does not undo what was.
            if _STAGES.index(reply["stage"]) > _STAGES.index(consumer.stage):
                state = yield do.Record("consumer_state", {"consumer": consumer.id, **reply})
        if not watched or not _not_used(state) or (yield do.Steady())[1] + pause > deadline:
            break
        if (yield do.Sleep(pause)):
            return _STOPPED
        pause = min(pause * 2, _LONGEST_PAUSE)
    left = _not_used(state)
    if not left:
        return "done", "every consumer was seen using the new one"
    said = [f"{one.title} ({why.get(one.id) or 'the new one was not given to it'})" for one in left]
    return "undetermined", f"not seen using the new one: {', '.join(said)}"


def _not_used(state: IncidentState) -> list[Consumer]:
    return [one for one in state.consumers.values() if one.stage != "used"]


def _without_vendor_proof(subject: Subject) -> tuple[str, str]:
    side = subject.old
    if old_is_closed(subject):
        return "done", f"attested by {side.by}; this provider offers no proof" if side.by else side.reason
    if "verify" in subject.can and not subject.has_secret:
        return "undetermined", "the old value is not known here, so it cannot be seen refused: attest or waive"
    return "undetermined", "this provider offers no proof: attest it or waive the line"


def _wait(step: Step, reply: Mapping[str, Any]) -> Ended:
    """The provider's rate limit: the step waits, others go on."""
    until = parse_instant((yield do.Now())) + timedelta(seconds=reply["wait"])
    yield do.Record("step_waiting", {"step": step.id, "until": iso(until), "reason": reply["reason"]})
    return "waiting", ""


def _unknown(state: IncidentState, step: Step) -> list[Operation]:
    return [op for op in state.unknown_operations() if op.step == step.id]


def _clear(unknown: Iterable[Operation], settled: str) -> Generator[do.Effect, Any, None]:
    for op in unknown:
        reason = "the provider's answer shows it"
        yield do.Record("cleared", {"op": op.op, "as": settled, "by": "proof", "reason": reason})


def _unsettled(state: IncidentState, unknown: Iterable[Operation], settle: float, asked: tuple[str, float]) -> float:
    """Seconds until `not done` is believed of all the unknown calls; below 0 when it is for that long already.

    It counts from when the outcome was recorded: until then the request may still have been on its way out. Of an
    outcome from before a reboot only the time since the reboot is certain.
    """
    boot, now = asked
    ended = [op.ended[1] if op.ended[0] == boot else state.boot[1] for op in unknown]
    return max(ended, default=now) + settle - now


def _verdict(reply: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "verdict": reply["state"],
        "proof": reply.get("proof", "none"),
        "reason": reply.get("reason", ""),
        "evidence": reply.get("evidence", {}),
    }
