"""How a step is done, against a vendor that keeps count: intent, call, outcome, proof, and what a crash leaves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from incident_world import API, Crash, Vendor, World, member_book

from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.foundation.strict_yaml import load
from runbook_tui.incident import effects as do
from runbook_tui.incident.lines import lines, open_lines
from runbook_tui.incident.plan import what_is_next
from runbook_tui.incident.prompts import confirmation, prompts_for
from runbook_tui.incident.state import Operation, old_is_closed
from runbook_tui.playbook.lint import CHANGES
from runbook_tui.playbook.loader import load_playbook

FACTS = {"used_by_others": "no", "exposure": "public", "power": "ordinary"}


def ready(order: str = "replace_first", **more: Any) -> World:
    """A run whose order is decided, before its first changing call."""
    opened = {name: more.pop(name) for name in ("can", "consumers", "has_secret", "provider") if name in more}
    world = World(**more).open(**opened)
    for name in ("declare", "capture", "decide"):
        world.record("step_done", {"step": name})
    world.record("decision", {"order": order, "rule": "O6"})
    return world


def kinds(world: World, *wanted: str) -> list[str]:
    return [event.kind for event in world.events if event.kind in wanted]


def did(world: World, operation: str) -> int:
    return sum(name == operation for _, name in world.vendor.executed)


def only(world: World) -> Operation:
    [op] = world.state.operations.values()
    return op


# -- one call


def test_every_changing_call_is_intent_sending_outcome() -> None:
    """Promise: around each changing call the record holds intent, sending and outcome, in that order."""
    world = ready()
    world.play()
    pending = ""
    for event in world.events:
        if event.kind in ("intent", "sending", "outcome"):
            expected = {"": "intent", "intent": "sending", "sending": "outcome"}[pending]
            assert event.kind == expected
            pending = "" if expected == "outcome" else event.kind
    assert pending == ""
    assert len(world.of("intent")) == len(world.vendor.executed) == 4
    assert open_lines(world.state) == []
    assert world.state.contained_at


def test_what_changes_nothing_has_no_intent() -> None:
    """Promise: a read is no attempt; its answer is recorded as far as the playbook asks."""
    world = World().open()
    world.run("declare", FACTS)
    assert world.run("capture").recorded == {"id": "key-1", "evidence": {"milliseconds": 80}}
    assert not kinds(world, "intent", "outcome")


def test_the_new_secret_is_known_before_its_call_counts_as_done() -> None:
    """Promise: no record says that a key was made without saying where its secret is."""
    world = ready()
    assert world.run("create").status == "done"
    order = kinds(world, "intent", "sending", "new_credential", "outcome", "verification", "step_done")
    assert order[-6:] == ["intent", "sending", "new_credential", "outcome", "verification", "step_done"]
    assert world.state.subjects["leaked"].new_name == "k-new-1"


@pytest.mark.parametrize("fate", ["rejected", "not_sent"])
def test_a_refused_call_can_be_made_again(fate: str) -> None:
    """Promise: what certainly did not happen may be tried again, as another attempt."""
    world = ready(calls=[fate])
    assert world.run("create").status == "failed"
    assert world.run("create").status == "done"
    assert [op.status for op in world.state.operations.values()] == [fate, "done"]
    assert len(world.vendor.made) == 1


# -- an unknown outcome


def test_an_unknown_call_that_took_effect_is_cleared_by_proof() -> None:
    """Promise: no answer to a revocation: the key is asked, seen dead, and the call never made again."""
    world = ready(calls=["lost"])
    assert world.run("revoke").status == "done"
    assert (only(world).status, only(world).cleared) == ("unknown", "done")
    assert did(world, "revoke") == 1


def test_an_unknown_call_that_did_nothing_is_made_again_only_after_the_settle_time() -> None:
    """Promise: `not done` is believed only when the key was seen alive twice after the vendor's worst delay."""
    world = ready(calls=["dropped"], vendor=Vendor(settle=30.0))
    assert world.run("revoke").status == "refuted"
    assert only(world).cleared == "not_done"
    sent = parse_instant(only(world).sent_at)
    cleared = next(event for event in world.events if event.kind == "cleared")
    after = [event for event in world.events if event.kind == "verification" and event.seq < cleared.seq]
    late = [one for one in after if parse_instant(one.ts) >= sent + timedelta(seconds=30)]
    assert len(late) == 2
    assert world.run("revoke").status == "done"
    assert did(world, "revoke") == 1


@pytest.mark.parametrize("settle", [0.0, 10.0, 60.0, 900.0])
def test_a_slow_vendor_never_makes_us_send_twice(settle: float) -> None:
    """Promise: however long a vendor may take, a lost answer is never taken for `not done` before that."""
    world = ready(calls=["lost"], vendor=Vendor(settle=settle, delay=settle))
    for _ in range(12):
        status = world.run("revoke").status
        assert status in ("unknown", "done")
        assert only(world).cleared in ("", "done")
        if status == "done":
            break
        world.now += timedelta(seconds=120)
    assert world.state.step("revoke").status == "done"
    assert did(world, "revoke") == 1


def test_unknown_stays_unknown_while_nobody_can_tell() -> None:
    """Promise: failures of the server settle nothing, and running the step again only asks."""
    world = ready(calls=["lost"], probes=["error"] * 40)
    assert world.run("revoke").status == "unknown"
    assert only(world).cleared == ""
    assert prompts_for(world.book, world.state, world.book.step("revoke")) == [], "nothing is confirmed for a look"
    assert world.run("revoke").status == "unknown"
    assert did(world, "revoke") == 1
    assert [effect for effect in world.performed if isinstance(effect, do.Call)][1:] == []


def test_a_lost_new_key_is_settled_by_the_operator() -> None:
    """Promise: an answer lost while a key was made is never followed by a second key until somebody has looked."""
    world = ready(calls=["lost"])
    for _ in range(3):
        assert world.run("create").status == "unknown"
    assert len(world.vendor.made) == 1
    world.vendor.executed.clear()  # the operator deletes the key whose secret is lost
    settled = {"op": only(world).op, "as": "not_done", "by": "operator", "reason": "deleted it"}
    world.record("cleared", settled)
    assert world.run("create").status == "done"
    assert world.state.subjects["leaked"].new_name == "k-new-2"


def test_an_older_new_key_does_not_settle_a_later_lost_one() -> None:
    """Promise: that the first new key works says nothing about whether a second was made."""
    world = ready()
    world.run("create")
    world.record("step_reopened", {"step": "create"})
    world.vendor.executed.clear()
    world.calls = ["lost"]
    assert world.run("create").status == "unknown"
    assert [op.cleared for op in world.state.operations.values()] == ["", ""]
    assert "another may have been made" in world.state.step("create").reason


def test_a_key_that_was_dead_before_shows_nothing_about_a_call() -> None:
    """Promise: a lost revocation of a key that was switched off before is not taken for done because it is refused."""
    world = ready("contain_first", can={**API, "disable": "api"}, calls=["ok", "dropped"])
    assert world.run("disable").status == "done"
    for _ in range(2):
        assert world.run("revoke").status == "unknown"
    assert "that may be another call's doing" in world.state.step("revoke").reason
    assert [op.operation for op in world.state.unknown_operations()] == ["revoke"]


def test_the_operator_stops_the_looking_not_the_doubt() -> None:
    """Promise: stopping a proof leaves an unknown outcome unknown."""
    world = ready(calls=["dropped"], stop_after=1)
    assert world.run("revoke").status == "unknown"
    assert only(world).cleared == ""
    world = ready(vendor=Vendor(delay=9.0), stop_after=1)
    assert world.run("revoke").status == "undetermined"


# -- proofs


def test_failures_of_the_server_prove_nothing() -> None:
    """Promise: 429, 5xx and the like are undetermined and close no line."""
    world = ready(probes=["error"] * 40)
    assert world.run("revoke").status == "undetermined"
    assert "old:leaked" in {line.id for line in open_lines(world.state)}
    assert world.state.step("revoke").acted, "the call was done"
    world.probes = []
    assert world.run("revoke").status == "done"
    assert did(world, "revoke") == 1


def test_dead_is_said_only_after_it_was_seen() -> None:
    """Promise: a revocation that the vendor confirmed is not a dead key; the first refused call is."""
    world = ready(vendor=Vendor(delay=9.0))
    assert world.run("revoke").status == "done"
    verdicts = [one["verdict"] for one in world.of("verification")]
    assert verdicts == ["alive", "alive", "alive", "dead"]
    done = next(event for event in world.events if event.kind == "outcome")
    assert world.state.contained_at > done.ts


def test_an_answer_that_proves_nothing_is_not_death() -> None:
    """Promise: a step does not end `done` on a verdict `dead` that carries no proof."""
    world = ready()
    world.probe_reply = {"state": "dead", "proof": "none"}
    world.run("prove-dead")
    assert world.state.step("prove-dead").status == "undetermined"
    assert not old_is_closed(world.state.subjects["leaked"])


def test_a_refuted_proof_that_is_no_gate_lets_the_run_go_on() -> None:
    """Promise: an inactive key that the vendor still accepts is refuted, and the revocation for good comes next."""
    world = ready("contain_first", can={**API, "disable": "api"}, vendor=Vendor(delay=10_000.0, settle=10_000.0))
    assert world.run("disable").status == "refuted"
    following = what_is_next(world.book, world.state, world.now).step
    assert following is not None
    assert following.id == "create"


def test_a_rate_limit_makes_the_proof_wait_and_only_the_proof() -> None:
    """Promise: the step waits for the limit; when it goes on, the call is not made again."""
    world = ready(probes=["limit"])
    waiting = world.run("revoke")
    assert (waiting.status, waiting.until) == ("waiting", iso(parse_instant(waiting.until)))
    assert what_is_next(world.book, world.state, world.now).waiting == ("revoke",)
    world.now += timedelta(seconds=91)
    assert prompts_for(world.book, world.state, world.book.step("revoke")) == []
    assert world.run("revoke").status == "done"
    assert did(world, "revoke") == 1


def test_asking_ends_where_it_cannot_tell_more() -> None:
    """Promise: a proof that the provider does not offer is asked for once, not for minutes."""
    world = ready()
    world.probe_reply = {"state": "undetermined", "reason": "no such proof", "final": True}
    world.run("prove-dead")
    assert len(world.of("verification")) == 1
    assert world.state.step("prove-dead").status == "undetermined"


def test_a_key_of_which_only_the_id_is_known_is_proven_by_the_list() -> None:
    """Promise: without the old value the provider's list is asked; with neither, the line is attested or waived."""
    listed = {"create": "api", "revoke": "api", "verify": "manual", "inspect": "api"}
    world = ready(can=listed, has_secret=False)
    assert world.run("revoke").status == "done"
    world = ready(can={**listed, "inspect": "manual"}, has_secret=False)
    assert world.run("revoke").status == "undetermined"
    assert "cannot be seen refused" in world.state.step("revoke").reason
    assert not any(isinstance(effect, do.Probe) for effect in world.performed)


# -- by hand


def test_a_new_key_from_a_dashboard_is_pasted() -> None:
    """Promise: where no call makes a key, its secret is asked for, kept, and proven by a call; it is in no event."""
    world = ready("staged", can={"verify": "api", "create": "manual"})
    world.run("stage")
    asked = prompts_for(world.book, world.state, world.book.step("create"))
    assert [(one.name, one.kind) for one in asked] == [("new_secret", "secret")]
    assert world.run("create", {"new_secret": "not-for-the-record"}).status == "done"
    assert "not-for-the-record" not in str(world.events)
    assert world.state.subjects["leaked"].new.state == "alive"
    assert not world.of("intent")


@pytest.mark.parametrize("can", [{"revoke": "manual"}, {"revoke": "manual", "verify": "manual"}])
def test_a_revocation_that_nothing_can_prove_is_attested(can: dict[str, str]) -> None:
    """Promise: done by hand where no proof can be had, the grade is `attested` and never better."""
    world = ready("contain_first", can=can)
    assert world.run("revoke-now", {"seen": "the key is gone from the page"}).status == "done"
    side = world.state.subjects["leaked"].old
    assert (side.state, side.proof, side.by) == ("dead", "attested", "op")


def test_a_new_one_that_nothing_can_prove_is_attested() -> None:
    """Promise: the secret of a webhook, which no provider can be asked about, is attested on both sides."""
    world = ready("receiver_first", can={}, provider="")
    world.run("stage")
    assert world.run("create", {"new_secret": "pasted"}).status == "undetermined"
    world.record("attested", {"slot": "leaked", "side": "new", "by": "ann", "what": "a delivery came through"})
    assert world.run("create").status == "done"
    assert len(world.vendor.made) == 1
    assert not any(isinstance(effect, do.Probe) for effect in world.performed)


def test_a_revocation_by_hand_is_proven_where_it_can_be() -> None:
    """Promise: a word is not taken where the provider can be asked."""
    world = ready("contain_first", can={"revoke": "manual", "verify": "api"})
    assert world.run("revoke-now", {"seen": "gone"}).status == "refuted"
    assert not world.of("attested")


def test_typed_confirmation_can_be_typed() -> None:
    """Promise: what has to be typed is plain text, also for a key that has a mask and no id."""
    world = World().open(key_id="", mask="sk_live_…9f3a")
    assert confirmation(world.book.step("revoke"), world.state) == "k"
    assert confirmation(world.book.step("revoke"), World().open().state) == "key-1"
    assert confirmation(member_book().step("remove"), World(book=member_book()).open_member(3).state) == "3 al"


# -- consumers


def test_consumers_move_from_pending_to_stored_to_used() -> None:
    """Promise: a consumer is live only when it was seen using the new one, after it was given to it."""
    world = ready()
    world.run("create")
    stages = []
    for name in ("roll-out", "prove-used"):
        world.run(name)
        stages.append({one.stage for one in world.state.consumers.values()})
    assert stages == [{"stored"}, {"used"}]
    assert world.state.consumers["c0"].proof == "health"


def test_what_was_seen_of_a_consumer_never_falls_back() -> None:
    """Promise: a consumer that a person saw loading the new one stays `loaded` while no use is seen."""
    world = ready(consumers=0)
    world.consumer("m", "manual")
    world.record("input", {"name": "consumers", "value": ["m"]})
    world.run("create")
    assert world.run("roll-out", {"loaded_m": "the worker says key 2"}).status == "done"
    assert world.run("prove-used").status == "undetermined"
    one = world.state.consumers["m"]
    assert (one.stage, one.proof) == ("loaded", "attested")
    assert "health says stored" in world.state.step("prove-used").reason


def test_our_own_probe_is_no_use() -> None:
    """Promise: a use before our last call with the new key proves nothing, also when that call got no answer."""
    world = ready(consumers=1)
    world.run("create")
    world.run("roll-out")
    world.now += timedelta(seconds=10)
    asked = {"step": "create", "slot": "leaked", "side": "new", "verdict": "undetermined", "proof": "none"}
    world.record("verification", asked)
    assert world.run("prove-used").status == "undetermined"
    world.vendor.used_at["c0"] = iso(world.now)
    assert world.run("prove-used").status == "done"


def test_a_consumer_that_has_nothing_is_not_watched_for_minutes() -> None:
    """Promise: the proof of use ends at once where nothing was given, and says so."""
    world = ready(consumers=1, calls=["ok", "rejected"])
    world.run("create")
    assert world.run("roll-out").status == "failed"
    world.record("step_skipped", {"step": "roll-out", "reason": "later"})
    before = world.now
    assert world.run("prove-used").status == "undetermined"
    assert world.now - before < timedelta(seconds=1)
    assert "was not given to it" in world.state.step("prove-used").reason


def test_an_unknown_roll_out_is_settled_by_a_look() -> None:
    """Promise: a roll-out without an answer holds its step; what the operator saw decides; the rest goes on."""
    world = ready(consumers=3, calls=["ok", "ok", "lost", "ok"])
    world.run("create")
    assert world.run("roll-out").status == "unknown"
    with pytest.raises(AssertionError, match="unknown"):
        world.start("roll-out")
    [op] = world.state.unknown_operations()
    assert op.item == "c1"
    world.record("cleared", {"op": op.op, "as": "done", "by": "operator", "reason": "the file holds it"})
    assert world.run("roll-out").status == "done"
    assert did(world, "rollout") == 3


# -- a batch of accounts


def member(**more: Any) -> World:
    accounts, can = more.pop("accounts", 3), more.pop("can", None)
    world = World(book=member_book(), **more).open_member(accounts, can)
    for name in ("declare", "capture", "sole-owner"):
        world.record("step_done", {"step": name})
    return world


def test_a_batch_is_called_and_proven_one_by_one() -> None:
    """Promise: each account has its own attempt and its own proof."""
    world = member()
    assert world.run("remove").status == "done"
    assert [op.item for op in world.state.operations.values()] == ["p/o0/al", "p/o1/al", "p/o2/al"]
    assert open_lines(world.state) == []


def test_one_refused_account_does_not_hold_up_the_others() -> None:
    """Promise: the batch goes on after a refusal, and the next run does only what is left."""
    world = member(calls=["ok", "rejected", "ok"])
    assert world.run("remove").status == "failed"
    assert did(world, "offboard") == 2
    assert world.run("remove").status == "done"
    assert did(world, "offboard") == 3


def test_a_batch_goes_on_after_an_unknown_one() -> None:
    """Promise: a lost answer in the middle is settled by reading that account back; then only the rest is done."""
    world = member(calls=["ok", "lost"])
    assert world.run("remove").status == "failed"
    assert "run the step again for the rest" in world.state.step("remove").reason
    assert world.state.unknown_operations() == []
    assert world.run("remove").status == "done"
    assert did(world, "offboard") == 3


def test_an_account_without_a_call_is_attested() -> None:
    """Promise: an account that only a person can end does not stop the proof of the others."""
    world = member()
    hand = {"slot": "member/p/o1", "kind": "account", "name": "al", "key_id": "al", "can": {"offboard": "manual"}}
    world.record("subject", hand)
    asked = [prompt.name for prompt in prompts_for(world.book, world.state, world.book.step("remove"))]
    assert asked == ["seen_p/o1/al", "confirm"]
    assert world.run("remove").status == "done"
    assert did(world, "offboard") == 2
    assert {line.proof for line in lines(world.state)} == {"refused", "attested"}


def test_a_rate_limit_makes_a_batch_wait() -> None:
    """Promise: the read-back of a batch waits for a limit too, and nothing is sent when it goes on."""
    world = member(probes=["ask", "limit"])
    assert world.run("remove").status == "waiting"
    world.now += timedelta(seconds=91)
    assert world.run("remove").status == "done"
    assert did(world, "offboard") == 3


# -- the log


def test_entries_of_our_own_calls_are_marked() -> None:
    """Promise: our probes are tagged as ours in the audit; what is not near a call of ours stays to be judged."""
    world = ready()
    world.run("revoke")
    probe = next(event for event in world.events if event.kind == "verification")
    near = iso(parse_instant(probe.ts) + timedelta(seconds=2))
    world.audit = [{"time": near, "event": "a"}, {"time": "2026-02-28T01:00:00Z", "event": "b"}, {"event": "c"}, "odd"]
    world.run("audit")
    [audit] = world.of("audit")
    assert [one.get("ours") if isinstance(one, dict) else None for one in audit["items"]] == [True, None, None, None]
    assert audit["ours"] == 1
    assert audit["limits"] == "Ninety days at most. An entry within 3 s of a call of ours counts as ours."


# -- every operation of a step that fails in the middle


def test_a_fault_in_the_middle_is_settled_by_the_restart() -> None:
    """Promise: an attempt that was cut off before `sending` did not leave; one after it is unknown."""
    for crash, expected in ((0, "not_sent"), (1, "unknown")):
        world = ready()
        world.record("step_started", {"step": "revoke"})
        intent = {"op": "inc.revoke.1", "step": "revoke", "item": "", "operation": "revoke", "subject": "leaked"}
        world.record("intent", {**intent, "what": "revoke"})
        if crash:
            world.record("sending", {"op": "inc.revoke.1"})
        world.restart()
        assert only(world).status == expected
        assert world.state.step("revoke").status == ("unknown" if crash else "failed")


def test_a_cleared_attempt_does_not_make_a_later_crash_unknown() -> None:
    """Promise: what was settled stays settled over a restart."""
    world = ready(calls=["dropped"])
    world.run("revoke")
    world.record("step_started", {"step": "revoke"})
    world.restart()
    assert world.state.step("revoke").status == "failed"


# -- the simulator

fates = st.lists(st.sampled_from(["ok", "ok", "lost", "dropped", "rejected", "not_sent"]), max_size=8)
looks = st.lists(st.sampled_from(["ask", "ask", "error", "limit"]), max_size=8)


def operate(world: World, moves: int = 60) -> None:
    """An operator who does what is next, settles what only a look settles, and starts again after a crash."""
    for _ in range(moves):
        try:
            for op in world.state.unknown_operations():
                if op.operation in ("create", "rollout") or "another call" in world.state.step(op.step).reason:
                    _settle(world, op)
            following = what_is_next(world.book, world.state, world.now)
            if following.step is None and following.waiting:
                world.now += timedelta(seconds=100)
            elif following.step is None:
                return
            else:
                world.run(following.step.id)
        except Crash:
            while True:
                try:
                    world.restart()
                    break
                except Crash:
                    continue


def _settle(world: World, op: Operation) -> None:
    """Look at the place itself; a key whose secret is lost is deleted."""
    done = op.op in {name for name, _ in world.vendor.executed}
    if done and op.operation == "create":
        world.vendor.executed = [one for one in world.vendor.executed if one[0] != op.op]
        done = False
    settled = {"op": op.op, "as": "done" if done else "not_done", "by": "operator", "reason": "looked"}
    world.record("cleared", settled)


def check(world: World) -> None:
    """What holds in every run. That nothing is executed twice is checked by the vendor at each call."""
    for op in world.state.operations.values():
        executed = op.op in {name for name, _ in world.vendor.executed}
        if op.status == "done":
            assert executed
        if op.cleared == "done":
            # A proof cannot tell two equal calls apart; it never takes a lesser one for a greater.
            enough = {"disable": {"disable", "revoke"}}.get(op.operation, {op.operation})
            assert enough & {operation for _, operation in world.vendor.executed}
        if op.status in ("rejected", "not_sent") or op.cleared == "not_done":
            assert not executed
    for slot, subject in world.state.subjects.items():
        if subject.old.state == "dead":
            assert slot in world.vendor.dead_at
    for consumer in world.state.consumers.values():
        if consumer.stage == "used":
            assert world.vendor.holds[consumer.id] == world.state.subjects[consumer.credential].new_name
    orders = [event for event in world.events if event.kind in ("intent", "sending", "outcome")]
    begun = [event.data["op"] for event in orders if event.kind == "intent"]
    assert len(begun) == len(set(begun)), "every attempt has a name of its own"


crashes = st.sets(st.integers(30, 260), max_size=6)


@settings(max_examples=200, deadline=None)
@given(
    order=st.sampled_from(["contain_first", "replace_first", "staged", "receiver_first"]),
    disable=st.booleans(),
    settle=st.sampled_from([0.0, 10.0, 400.0]),
    late=st.floats(0.0, 1.0),
    calls=fates,
    probes=looks,
    ends=crashes,
)
def test_whatever_breaks_nothing_is_done_twice(
    order: str, disable: bool, settle: float, late: float, calls: list[str], probes: list[str], ends: set[int]
) -> None:
    """Promise: over crashes at any point, lost answers, slow vendors and limits, each thing is done at most once."""
    can = {**API, **({"disable": "api"} if disable else {})}
    world = ready(order, can=can, vendor=Vendor(settle=settle, delay=settle * late), calls=calls, probes=probes)
    world.crashes = {world.points + end for end in ends}
    operate(world)
    check(world)
    if order != "staged" and what_is_next(world.book, world.state, world.now).why.startswith("every step"):
        assert open_lines(world.state) == []


@settings(max_examples=100, deadline=None)
@given(calls=fates, probes=looks, ends=crashes, late=st.floats(0.0, 1.0))
def test_whatever_breaks_each_account_ends_once(
    calls: list[str], probes: list[str], ends: set[int], late: float
) -> None:
    """Promise: the same of a batch; a crash in the middle resumes only the rest."""
    world = member(vendor=Vendor(settle=20.0, delay=20.0 * late), calls=calls, probes=probes)
    world.crashes = {world.points + end for end in ends}
    operate(world)
    check(world)
    assert did(world, "offboard") <= 3
    assert world.state.step("remove").status == "done"


@pytest.mark.parametrize("point", range(0, 70, 1))
def test_a_crash_at_every_single_point_of_the_replacement(point: int) -> None:
    """Promise: wherever the program ends while a key is made and rolled out, the run ends with every line closed."""
    world = ready()
    world.crashes = {world.points + point}
    operate(world)
    check(world)
    assert open_lines(world.state) == []
    assert did(world, "create") == did(world, "revoke") == 1


def test_a_changing_call_without_a_proof_still_ends() -> None:
    """Promise: a step whose call was done and that has no proof is finished by the next run, not sent again."""
    source = """
runbook: 1
id: w
title: w
target: 1m
inputs:
  leaked: {type: credential, ask: Which?}
steps:
  - {id: capture, phase: capture, title: Look, call: {operation: inspect, on: $leaked}, target: 1m}
  - {id: revoke, phase: contain, title: End, needs: [capture], call: {operation: revoke, on: $leaked}, target: 1m,
     verify: {credential: $leaked.old, is: dead, within: 1m}}
"""
    world = World(book=load_playbook(load(source, "w.yaml"))).open(consumers=0)
    assert "revoke" in CHANGES
    world.run("capture")
    world.crashes = {world.points + 16}
    operate(world)
    check(world)
    assert world.state.step("revoke").status == "done"
