"""The fold: total, deterministic, and honest about what was seen and by whom."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from incident_world import World

from runbook_tui.incident.events import KINDS, Event
from runbook_tui.incident.lines import closed_loop, lines, open_lines
from runbook_tui.incident.metrics import measure
from runbook_tui.incident.result import result
from runbook_tui.incident.state import IncidentState, Side, fold


def seen(world: World, verdict: str, proof: str = "none", side: str = "old", slot: str = "leaked") -> Side:
    data = {"step": "prove-dead", "slot": slot, "side": side, "verdict": verdict, "proof": proof, "reason": "asked"}
    subject = world.record("verification", data).subjects[slot]
    return subject.old if side == "old" else subject.new


def said(world: World, side: str = "old", slot: str = "leaked") -> Side:
    subject = world.record("attested", {"slot": slot, "side": side, "by": "ann", "what": "my word"}).subjects[slot]
    return subject.old if side == "old" else subject.new


def new_one(world: World, name: str = "k-new") -> None:
    world.record("new_credential", {"slot": "leaked", "name": name, "key_id": name, "op": f"op-{name}"})


def intent(world: World, op: str = "inc.revoke.1", step: str = "revoke", item: str = "", **more: Any) -> None:
    data = {"op": op, "step": step, "item": item, "operation": "revoke", "subject": "leaked", "what": "revoke"}
    world.record("intent", {**data, **more})


# -- proofs


@pytest.mark.parametrize("proof", ["refused", "listed"])
def test_a_word_never_replaces_a_seen_proof(proof: str) -> None:
    """Promise: an attestation neither lowers nor overwrites what was seen, on either side."""
    world = World().open()
    seen(world, "dead", proof)
    assert said(world).proof == proof
    new_one(world)
    seen(world, "alive", side="new")
    after = said(world, side="new")
    assert (after.proof, after.by) == ("none", "")


def test_a_seen_proof_replaces_a_word() -> None:
    """Promise: what is seen counts more than what somebody said, whichever way it goes."""
    world = World().open()
    assert said(world).proof == "attested"
    assert seen(world, "dead", "listed").proof == "listed"
    world = World().open()
    said(world)
    assert seen(world, "alive").state == "alive"
    new_one(world)
    said(world, side="new")
    assert seen(world, "alive", side="new").by == ""


def test_a_weaker_proof_of_the_same_does_not_lower_the_grade() -> None:
    """Promise: refused stays refused when the vendor's list says so too, or an answer proves nothing."""
    world = World().open()
    seen(world, "dead", "refused")
    assert seen(world, "dead", "listed").proof == "refused"
    assert seen(world, "dead", "none").proof == "refused"


def test_no_answer_takes_nothing_back() -> None:
    """Promise: undetermined never takes back an answer; the opposite answer does."""
    for verdict, proof in (("dead", "refused"), ("alive", "none")):
        world = World().open()
        seen(world, verdict, proof)
        assert seen(world, "undetermined").state == verdict
    world = World().open()
    said(world)
    assert seen(world, "undetermined").proof == "attested"
    assert seen(world, "alive").state == "alive"


def test_a_word_against_what_was_seen_says_so() -> None:
    """Promise: a panel that can only show life leaves the end to a person's word, with the contrary sighting kept."""
    world = World().open()
    seen(world, "alive")
    side = said(world)
    assert (side.state, side.proof) == ("dead", "attested")
    assert "it was seen alive at 2026-" in side.reason


def test_dead_without_a_proof_closes_nothing() -> None:
    """Promise: a line closes by refused, listed or attested alone."""
    world = World().open()
    seen(world, "dead", "none")
    assert [line.id for line in open_lines(world.state)] == ["old:leaked", "consumer:c0", "consumer:c1"]
    assert not world.state.contained_at


def test_contained_only_when_every_old_one_is_closed() -> None:
    """Promise: one of two is not contained; one seen alive again is not contained any more."""
    world = World().open()
    other = {"slot": "other", "kind": "credential", "name": "o", "can": {}}
    world.record("subject", other)
    seen(world, "dead", "refused")
    assert not world.state.contained_at
    said(world, slot="other")
    first = world.state.contained_at
    assert first
    seen(world, "dead", "refused")
    assert world.state.contained_at == first
    seen(world, "alive", slot="other")
    assert not world.state.contained_at
    seen(world, "dead", "listed", slot="other")
    assert world.state.contained_at > first
    assert closed_loop(world.state) == "2 of 2 dead, 0 of 2 live"


# -- attempts


def test_unknown_is_sticky_until_it_is_cleared() -> None:
    """Promise: no later outcome takes an unknown one away; `cleared` does."""
    world = World().open()
    intent(world)
    world.record("sending", {"op": "inc.revoke.1"})
    world.record("outcome", {"op": "inc.revoke.1", "result": "unknown", "reason": "timeout"})
    for result_ in ("done", "rejected", "not_sent"):
        world.record("outcome", {"op": "inc.revoke.1", "result": result_})
        assert [op.op for op in world.state.unknown_operations()] == ["inc.revoke.1"]
    assert not world.state.step("revoke").acted
    assert "operation:inc.revoke.1" in [line.id for line in open_lines(world.state)]
    world.record("cleared", {"op": "inc.revoke.1", "as": "done", "by": "operator", "reason": "looked"})
    assert world.state.unknown_operations() == []
    assert world.state.step("revoke").acted


def test_a_call_that_was_done_is_never_to_be_sent_again() -> None:
    """Promise: from its outcome on, whatever ends the program, the step only proves; a batch goes on with its rest."""
    world = World().open()
    intent(world)
    assert not world.record("sending", {"op": "inc.revoke.1"}).step("revoke").acted
    assert world.record("outcome", {"op": "inc.revoke.1", "result": "done"}).step("revoke").acted
    intent(world, "inc.remove.1.a", "remove", "a")
    after = world.record("outcome", {"op": "inc.remove.1.a", "result": "done"}).step("remove")
    assert (after.acted, after.items) == (False, frozenset({"a"}))
    assert not world.record("step_reopened", {"step": "revoke"}).step("revoke").acted


def test_a_new_one_starts_with_nothing_proven() -> None:
    """Promise: another new secret resets the new side, its consumers and the waivers of both."""
    world = World().open()
    new_one(world)
    seen(world, "alive", side="new")
    world.record("consumer_state", {"consumer": "c0", "stage": "used", "proof": "health"})
    for line in ("consumer:c1", "old:leaked"):
        world.record("waiver", {"line": line, "name": "ann", "reason": "known"})
    world.record("consumer_state", {"consumer": "c1", "stage": "stored"})
    new_one(world, "k-newer")
    subject = world.state.subjects["leaked"]
    assert (subject.new, subject.new_name, subject.new_op) == (Side(), "k-newer", "op-k-newer")
    assert {one.stage for one in world.state.consumers.values()} == {"pending"}
    assert set(world.state.waivers) == {"old:leaked"}


def test_a_roll_out_of_an_older_new_one_does_not_count_for_the_newest() -> None:
    """Promise: an unknown roll-out that is settled later moves the consumer only if it gave it the secret of now."""
    world = World().open()
    new_one(world)
    intent(world, "inc.roll-out.1.c0", "roll-out", "c0", operation="rollout")
    world.record("outcome", {"op": "inc.roll-out.1.c0", "result": "unknown"})
    settled = {"op": "inc.roll-out.1.c0", "as": "done", "by": "operator", "reason": "looked"}
    before = fold(world.events)
    assert world.record("cleared", settled).consumers["c0"].stage == "stored"
    world.state = before
    new_one(world, "k-newer")
    assert world.record("cleared", settled).consumers["c0"].stage == "pending"


def test_our_own_calls_are_kept_by_credential() -> None:
    """Promise: probes, changing calls and reads are kept with their span; a roll-out goes to somebody else."""
    world = World().open()
    seen(world, "alive")
    intent(world)
    world.record("sending", {"op": "inc.revoke.1"})
    world.record("outcome", {"op": "inc.revoke.1", "result": "done"})
    values = {"id": "k", "evidence": {"milliseconds": 5000}}
    world.record("recorded", {"step": "capture", "item": "", "subject": "leaked", "values": values})
    intent(world, "inc.roll-out.1.c0", "roll-out", "c0", operation="rollout")
    world.record("sending", {"op": "inc.roll-out.1.c0"})
    world.record("outcome", {"op": "inc.roll-out.1.c0", "result": "done"})
    calls = world.state.own_calls["leaked"]
    assert len(calls) == 3
    assert all(start <= end for start, end in calls)
    assert calls[2][0] < calls[2][1][:17], "it began five seconds before it was recorded"


# -- lines and results


def test_a_waiver_closes_a_line_by_name_only_while_it_is_not_proven() -> None:
    """Promise: waived runs end `closed`, proven ones `contained`, and a waiver that was not needed changes nothing."""
    world = World().open(consumers=0)
    world.record("waiver", {"line": "old:leaked", "name": "ann", "reason": "test key"})
    assert open_lines(world.state) == []
    assert result(world.book, world.state, world.events)["state"] == "closed"
    seen(world, "dead", "refused")
    assert [line.is_waived() for line in lines(world.state)] == [False]
    assert result(world.book, world.state, world.events)["state"] == "contained"


# -- every sequence

SLOTS, STEPS, OPS = ["leaked", "other"], ["capture", "revoke", "roll-out"], ["o1", "o2", "o3"]
CONSUMERS = ["c0", "c1", "c9"]
words = st.sampled_from(["", "a word", "<b>", "\u202e", "x" * 300])
values = st.dictionaries(words, st.one_of(words, st.integers(), st.none(), st.lists(words, max_size=2)), max_size=3)
evidence = st.one_of(st.none(), st.fixed_dictionaries({"milliseconds": st.one_of(words, st.integers(), st.floats())}))
pick = st.sampled_from

DATA: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "driver": st.fixed_dictionaries({"name": words, "took_over": st.booleans()}),
    "resumed": st.just({"open_operations": []}),
    "clock_step": st.just({"seconds": -1.0}),
    "closed": st.fixed_dictionaries({"state": pick(["contained", "complete_except", "abandoned"]), "reason": words}),
    "input": st.fixed_dictionaries({"name": pick(["consumers", "repositories"]), "value": st.lists(words)}),
    "learned": st.fixed_dictionaries(
        {"slot": pick(SLOTS), "key_id": words, "attributes": st.dictionaries(words, words)}
    ),
    "facts": st.fixed_dictionaries({"values": values}),
    "decision": st.fixed_dictionaries({"order": pick(["contain_first", "staged"]), "rule": pick(["O1", "O5"])}),
    "tripwire": st.fixed_dictionaries({"reason": words}),
    "step_started": st.fixed_dictionaries({"step": pick(STEPS), "answers": values, "attempt": st.integers(1, 3)}),
    "step_acted": st.fixed_dictionaries({"step": pick(STEPS), "reason": words}),
    "step_done": st.fixed_dictionaries({"step": pick(STEPS), "reason": words}),
    "step_failed": st.fixed_dictionaries(
        {
            "step": pick(STEPS),
            "status": pick(["failed", "refuted", "undetermined", "unknown"]),
            "reason": words,
            "manual": st.lists(words, max_size=2),
        }
    ),
    "step_waiting": st.fixed_dictionaries(
        {"step": pick(STEPS), "until": st.just("2026-03-01T12:00:00Z"), "reason": words}
    ),
    "step_skipped": st.fixed_dictionaries({"step": pick(STEPS), "reason": words}),
    "step_reopened": st.fixed_dictionaries({"step": pick(STEPS), "reason": words}),
    "recorded": st.fixed_dictionaries(
        {
            "step": pick(STEPS),
            "item": pick(["", "a"]),
            "subject": pick(SLOTS),
            "values": st.builds(lambda some, proof: {**some, "evidence": proof}, values, evidence),
        }
    ),
    "intent": st.fixed_dictionaries(
        {
            "op": pick(OPS),
            "step": pick(STEPS),
            "item": pick(["", "a", *CONSUMERS]),
            "operation": pick(["revoke", "create", "rollout"]),
            "subject": pick(SLOTS),
            "what": words,
        }
    ),
    "sending": st.fixed_dictionaries({"op": pick(OPS)}),
    "outcome": st.fixed_dictionaries({"op": pick(OPS), "result": pick(["done", "rejected", "not_sent", "unknown"])}),
    "cleared": st.fixed_dictionaries(
        {"op": pick(OPS), "as": pick(["done", "not_done"]), "by": pick(["proof", "operator"])}
    ),
    "new_credential": st.fixed_dictionaries({"slot": pick(SLOTS), "op": pick(OPS), "name": words, "key_id": words}),
    "verification": st.fixed_dictionaries(
        {
            "step": pick(STEPS),
            "slot": pick(SLOTS),
            "side": pick(["old", "new"]),
            "verdict": pick(["dead", "alive", "undetermined"]),
            "proof": pick(["refused", "listed", "none"]),
            "reason": words,
            "evidence": evidence,
        }
    ),
    "consumer_state": st.fixed_dictionaries(
        {
            "consumer": pick(CONSUMERS),
            "stage": pick(["pending", "stored", "loaded", "used", "failed"]),
            "proof": pick(["health", "attested", "none"]),
            "reason": words,
        }
    ),
    "attested": st.fixed_dictionaries({"slot": pick(SLOTS), "side": pick(["old", "new"]), "by": words, "what": words}),
    "waiver": st.fixed_dictionaries({"line": pick(["old:leaked", "new:leaked"]), "name": words, "reason": words}),
    "scan": st.just({"step": "search", "result": {"repositories": [], "credentials": []}}),
    "deliveries": st.just({"step": "webhook", "endpoint": "", "scheme": "", "results": []}),
    "audit": st.fixed_dictionaries({"step": st.just("audit"), "items": st.lists(st.one_of(values, words), max_size=3)}),
    "note": st.fixed_dictionaries({"text": words, "at": st.just("")}),
    "exported": st.fixed_dictionaries({"path": words, "sha256": words, "format": words}),
    "purged": st.fixed_dictionaries({"events": st.just([]), "reason": words}),
}
sequences = st.lists(pick(sorted(DATA)).flatmap(lambda kind: st.tuples(st.just(kind), DATA[kind])), max_size=25)


def story(told: list[tuple[str, dict[str, Any]]]) -> list[Event]:
    world = World().open()
    for kind, data in told:
        world.record(kind, data)
    return world.events


def test_the_generator_knows_every_kind() -> None:
    """Promise: the sequences below hold every kind of event that there is."""
    assert set(DATA) | {"opened", "subject", "consumer"} == set(KINDS)


@settings(max_examples=200, deadline=None)
@given(sequences)
def test_the_fold_is_total_and_deterministic(told: list[tuple[str, dict[str, Any]]]) -> None:
    """Promise: no sequence of events breaks the fold; folding in one go or by and by gives the same state."""
    events = story(told)
    whole = fold(events)
    assert fold(events) == whole
    half = len(events) // 2
    assert fold(events[half:], fold(events[:half])) == whole
    assert whole.seq == len(events)
    for op in whole.unknown_operations():
        assert f"operation:{op.op}" in {line.id for line in lines(whole)}


@settings(max_examples=200, deadline=None)
@given(sequences)
def test_no_event_does_what_only_a_proof_may(told: list[tuple[str, dict[str, Any]]]) -> None:
    """Promise: only a verification or a word changes a side; only `cleared` ends an unknown; grades never fall."""
    rank = {"none": 0, "attested": 1, "listed": 2, "refused": 3}
    before = IncidentState()
    for event in story(told):
        after = fold([event], before)
        for slot, subject in before.subjects.items():
            now = after.subjects[slot]
            if now.old != subject.old:
                assert event.kind in ("verification", "attested")
            if now.old.state == subject.old.state == "dead":
                assert rank[now.old.proof] >= rank[subject.old.proof]
            if subject.old.state != "undetermined":
                assert now.old.state != "undetermined"
        if event.kind not in ("cleared", "intent"):
            gone = {op.op for op in before.unknown_operations()} - {op.op for op in after.unknown_operations()}
            assert not gone
        closed = all(one.old.state == "dead" and one.old.proof != "none" for one in after.subjects.values())
        assert bool(after.contained_at) == (closed and bool(after.subjects))
        before = after


@settings(max_examples=60, deadline=None)
@given(sequences)
def test_numbers_and_results_come_from_any_record(told: list[tuple[str, dict[str, Any]]]) -> None:
    """Promise: the metrics and the result document are total over what can be recorded."""
    world = World()
    events = story(told)
    assert result(world.book, fold(events), events)["state"] in ("contained", "closed", "open", "failed")
    assert measure(world.book, events).document()
