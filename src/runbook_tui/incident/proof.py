"""Proofs: what counts as seen dead, seen alive, seen gone, seen used, and how long to go on looking."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime, timedelta
from typing import Any

from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.incident import effects as do
from runbook_tui.incident.state import IncidentState
from runbook_tui.playbook.model import Step, Verify

Ended = Generator[do.Effect, Any, tuple[str, str]]

# A probe costs the provider a request, and some ban addresses that send many wrong keys: look rarely.
_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 20.0
_MOST_LOOKS = 12
# A longer rate-limit wait lets the operator go on with another step.
_SHORT_WAIT = 5.0


def credential_proof(step: Step, verify: Verify, action_status: str) -> Ended:
    """Probe until the wanted answer comes or the time is over.

    The opposite answer right after a change may be a provider's cache, so it is asked again; an unknown call is cleared
    by two equal answers.
    """
    state: IncidentState = yield do.Look()
    subject = state.subjects[verify.slot]
    if verify.side == "new" and not subject.new_name:
        return "failed", "there is no new secret to prove"
    if verify.side == "old" and subject.can.get("verify") != "api":
        return _without_vendor_proof(state, verify)
    if verify.side == "old" and not subject.has_secret and subject.can.get("inspect") != "api":
        return "undetermined", "the old value is not known here, so it cannot be seen refused: attest or waive"
    deadline = parse_instant((yield do.Now())) + timedelta(seconds=verify.within)
    pause, verdict, reason = _FIRST_PAUSE, "undetermined", "it was not asked"
    for _ in range(_MOST_LOOKS):
        reply = yield do.Probe(verify.slot, verify.side)
        if reply.get("wait", 0.0) > _SHORT_WAIT:
            until = parse_instant((yield do.Now())) + timedelta(seconds=reply["wait"])
            yield do.Record("step_waiting", {"step": step.id, "until": iso(until), "reason": reply["reason"]})
            return "waiting", ""
        verdict, reason = str(reply["state"]), str(reply["reason"])
        data = {"step": step.id, "slot": verify.slot, "side": verify.side, **_verdict(reply)}
        state = yield do.Record("verification", data)
        if verdict == verify.wanted:
            yield from _clear(state, step, done=True)
            return "done", reason
        deadline = max(deadline, _settled(state, step, reply.get("settle", 0.0)) or deadline)
        now = parse_instant((yield do.Now()))
        if now + timedelta(seconds=pause) > deadline:
            break
        if (yield do.Sleep(pause)):
            return "undetermined", "stopped by the operator"
        pause = min(pause * 2, _LONGEST_PAUSE)
    if verdict == "undetermined":
        return ("unknown" if action_status == "unknown" else "undetermined"), reason
    if action_status == "unknown" and verify.side == "old":
        # Seen alive again and again until after the settle time: the call did not take effect.
        yield from _clear(state, step, done=False)
    return "refuted", reason


def account_proof(step: Step, verify: Verify) -> Ended:
    """Read back every account of the batch: each has to be seen gone."""
    state: IncidentState = yield do.Look()
    deadline = parse_instant((yield do.Now())) + timedelta(seconds=verify.within)
    left = [subject for subject in state.subjects.values() if subject.kind == "account"]
    if any(subject.can.get("membership") != "api" for subject in left):
        return "undetermined", "a provider offers no way to read the membership back: attest or waive"
    pause = _FIRST_PAUSE
    while True:
        still: list[tuple[str, str]] = []
        for subject in left:
            reply = yield do.Probe(subject.slot, "old")
            data = {"step": step.id, "slot": subject.slot, "side": "old", **_verdict(reply)}
            state = yield do.Record("verification", data)
            if reply["state"] != "dead":
                still.append((subject.slot, reply["state"]))
        left = [state.subjects[slot] for slot, _ in still]
        now = parse_instant((yield do.Now()))
        if not still or now + timedelta(seconds=pause) > deadline:
            break
        if (yield do.Sleep(pause)):
            return "undetermined", "stopped by the operator"
        pause = min(pause * 2, _LONGEST_PAUSE)
    if not still:
        yield from _clear(state, step, done=True)
        return "done", "every membership was seen gone"
    refuted = any(answer == "alive" for _, answer in still)
    return ("refuted" if refuted else "undetermined"), f"{', '.join(slot for slot, _ in still)} not seen gone"


def consumer_proof(step: Step, verify: Verify) -> Ended:
    """Watch every consumer until it uses the new secret."""
    state: IncidentState = yield do.Look()
    deadline = parse_instant((yield do.Now())) + timedelta(seconds=verify.within)
    pause = _FIRST_PAUSE
    while True:
        waiting = [one for one in state.consumers.values() if one.stage != "used"]
        for consumer in waiting:
            if consumer.stage in ("pending", "failed"):
                continue
            since = max(consumer.at, state.subjects[consumer.credential].new.at)
            reply = yield do.Watch(consumer.id, consumer.credential, since)
            if reply["stage"] != consumer.stage or reply["stage"] == "used":
                state = yield do.Record("consumer_state", {"consumer": consumer.id, **reply})
        left = [one for one in state.consumers.values() if one.stage != "used"]
        now = parse_instant((yield do.Now()))
        if not left or now + timedelta(seconds=pause) > deadline:
            break
        if (yield do.Sleep(pause)):
            return "undetermined", "stopped by the operator"
        pause = min(pause * 2, _LONGEST_PAUSE)
    if not left:
        return "done", "every consumer was seen using the new one"
    return "undetermined", f"not seen using the new one: {', '.join(one.title for one in left)}"


def _without_vendor_proof(state: IncidentState, verify: Verify) -> tuple[str, str]:
    side = state.subjects[verify.slot].old
    if side.state == "dead":
        return "done", f"attested by {side.by}; this provider offers no proof"
    return "undetermined", "this provider offers no proof: attest it or waive the line"


def _clear(state: IncidentState, step: Step, *, done: bool) -> Generator[do.Effect, Any, None]:
    for op in state.unknown_operations():
        if op.step == step.id:
            reason = "the provider's answer shows it"
            yield do.Record(
                "cleared", {"op": op.op, "as": "done" if done else "not_done", "by": "proof", "reason": reason}
            )


def _settled(state: IncidentState, step: Step, settle: float) -> datetime | None:
    """When an unknown call of this step has settled: before that, `not done` is not believed."""
    sent = [parse_instant(op.sent_at) for op in state.unknown_operations() if op.step == step.id and op.sent_at]
    return max(sent) + timedelta(seconds=settle) if sent else None


def _verdict(reply: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "verdict": reply["state"],
        "proof": reply.get("proof", "none"),
        "reason": reply.get("reason", ""),
        "evidence": reply.get("evidence", {}),
    }
