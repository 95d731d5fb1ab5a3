"""The plan: which steps, in which order, what is next and what stands in the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from incident_world import API, START, World, member_book

from runbook_tui.foundation.clock import iso
from runbook_tui.foundation.strict_yaml import load
from runbook_tui.incident.actions import ACTIONS, why_disallowed
from runbook_tui.incident.board import board
from runbook_tui.incident.plan import FINISHED, items, plan, what_is_next, why_not
from runbook_tui.incident.state import StepState
from runbook_tui.playbook.loader import load_playbook

HEAD, TAIL = ["declare", "capture", "decide"], ["audit", "clean-up", "report"]
LATE = START + timedelta(days=9)


def ids(world: World) -> list[str]:
    return [step.id for step in plan(world.book, world.state)]


@pytest.mark.parametrize(
    ("order", "can", "steps"),
    [
        ("", {}, []),
        ("contain_first", {}, ["revoke-now", "create", "roll-out", "prove-used", "revoke", "prove-dead"]),
        ("contain_first", {"disable": "api"}, ["disable", "create", "roll-out", "prove-used", "revoke", "prove-dead"]),
        (
            "contain_first",
            {"disable": "manual"},
            ["revoke-now", "create", "roll-out", "prove-used", "revoke", "prove-dead"],
        ),
        ("replace_first", {}, ["create", "roll-out", "prove-used", "revoke", "prove-dead"]),
        ("replace_first", {"disable": "api"}, ["create", "roll-out", "prove-used", "disable", "revoke", "prove-dead"]),
        ("staged", {}, ["stage", "create", "roll-out", "prove-used", "prove-dead"]),
        ("receiver_first", {}, ["stage", "create", "roll-out", "prove-used", "revoke", "prove-dead"]),
    ],
)
def test_every_order_is_exactly_its_steps(order: str, can: dict[str, str], steps: list[str]) -> None:
    """Promise: a decided order brings its steps, in its sequence, and no step of another order."""
    world = World().open(can={**API, **can})
    if order:
        world.record("decision", {"order": order, "rule": "O0"})
    assert ids(world) == [*HEAD, *steps, *TAIL]


def test_without_consumers_nothing_is_rolled_out() -> None:
    """Promise: a step whose condition does not hold is left out, and is no gate."""
    world = World().open(consumers=0)
    world.record("decision", {"order": "replace_first", "rule": "O8"})
    assert ids(world) == [*HEAD, "create", "revoke", "prove-dead", *TAIL]


def test_once_revoked_now_it_is_not_revoked_again() -> None:
    """Promise: `revoke` falls away when `revoke-now` is done, and stays when that was skipped."""
    world = World().open()
    world.record("decision", {"order": "contain_first", "rule": "O1"})
    world.record("step_done", {"step": "revoke-now"})
    assert "revoke" not in ids(world)
    world = World().open()
    world.record("decision", {"order": "contain_first", "rule": "O1"})
    world.record("step_skipped", {"step": "revoke-now", "reason": "the owner said so"})
    assert "revoke" in ids(world)


def test_needs_are_gates() -> None:
    """Promise: a step runs only after each need is done or skipped; a failed need holds it up."""
    world = World().open()
    world.record("decision", {"order": "replace_first", "rule": "O8"})
    create = world.book.step("create")
    assert why_not(world.book, world.state, create, START) == ["capture comes first"]
    world.record("step_failed", {"step": "capture", "status": "failed", "reason": "403"})
    assert why_not(world.book, world.state, create, START) == ["capture comes first"]
    world.record("step_skipped", {"step": "capture", "reason": "refused"})
    assert why_not(world.book, world.state, create, START) == []


def test_nothing_is_contained_before_the_order_is_decided() -> None:
    """Promise: before `decide` no step of an order is next, and asking for one says so."""
    world = World().open()
    world.run("declare")
    world.run("capture")
    following = what_is_next(world.book, world.state, START).step
    assert following is not None
    assert following.id == "decide"
    reasons = why_not(world.book, world.state, world.book.step("create"), START)
    assert "the order is not decided yet" in reasons


def test_a_step_that_gave_way_comes_again_at_the_end() -> None:
    """Promise: `gate: false` lets the others go on after a refuted proof, and brings the step back before the close."""
    world = World().open()
    world.record("decision", {"order": "replace_first", "rule": "O8"})
    for name in ("declare", "capture", "decide", "create", "roll-out", "prove-used"):
        world.record("step_done", {"step": name})
    world.record("step_failed", {"step": "revoke", "status": "refuted", "reason": "still alive"})
    following = what_is_next(world.book, world.state, START).step
    assert following is not None
    assert following.id == "prove-dead"
    for name in ("prove-dead", "audit", "clean-up", "report"):
        world.record("step_done", {"step": name})
    last = what_is_next(world.book, world.state, START).step
    assert last is not None
    assert last.id == "revoke"


def test_a_waiting_step_lets_the_others_go_on() -> None:
    """Promise: NEXT moves past a step that waits, names it, and comes back to it when its time is over."""
    world = World().open()
    world.run("declare")
    world.record("step_started", {"step": "capture"})
    world.record("step_waiting", {"step": "capture", "until": iso(START + timedelta(hours=1)), "reason": "limit"})
    following = what_is_next(world.book, world.state, START)
    assert following.step is not None
    assert (following.step.id, following.waiting) == ("decide", ("capture",))
    later = what_is_next(world.book, world.state, START + timedelta(hours=2))
    assert later.step is not None
    assert (later.step.id, later.waiting) == ("capture", ())


def test_entries_of_a_batch_have_names_of_their_own() -> None:
    """Promise: no two entries of a list share a name, so none is taken for done because another is."""
    world = World(book=member_book())
    same = {"slot": "a", "provider": "discord", "account": "al"}
    entries = [{**same, "guild_id": "1"}, {**same, "guild_id": "2"}, dict(same), dict(same), {"id": "x"}]
    world.record("input", {"name": "member", "value": {"accounts": entries, "could_read": ["k", "k"]}})
    names = [name for name, _ in items(world.book.step("remove"), world.state)]
    assert names == ["discord/1/al", "discord/2/al", "discord/al", "discord/al#4", "x"]
    assert [name for name, _ in items(world.book.step("shared"), world.state)] == ["k", "k#2"]
    assert items(world.book.step("declare"), world.state) == [("", None)]
    assert items(world.book.step("remove"), World().open().state) == []


def test_a_wait_is_waited_out_once() -> None:
    """Promise: a `wait` step waits its whole time also when it is started twice, and not again after that."""
    source = """
runbook: 1
id: w
title: w
target: 1m
steps:
  - {id: hold, phase: recover, title: Watch, wait: {for: 30m, reason: quiet}}
"""
    world = World(book=load_playbook(load(source, "w.yaml")))
    world.record("opened", {"incident": "inc", "mode": "live", "title": "t", "target": 60.0})
    world.record("step_started", {"step": "hold"})  # ended before it said until when
    world.restart()
    assert world.run("hold").status == "waiting"
    assert what_is_next(world.book, world.state, world.now).waiting == ("hold",)
    world.now += timedelta(minutes=31)
    assert world.run("hold").status == "done"
    world.record("step_reopened", {"step": "hold"})
    assert world.run("hold").status == "waiting"


STATUSES = ["pending", "waiting", "done", "failed", "refuted", "undetermined", "unknown", "skipped", "running"]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A run of api-key-leaked with any step in any state."""
    world = World().open(can={**API, **draw(st.sampled_from([{}, {"disable": "api"}]))})
    if order := draw(st.sampled_from(["", *world.book.orders])):
        world.record("decision", {"order": order, "rule": "O0"})
    if draw(st.booleans()):
        world.record("tripwire", {"reason": "seen"})
    touched = draw(st.dictionaries(st.sampled_from([step.id for step in world.book]), st.sampled_from(STATUSES)))
    running = [name for name, status in touched.items() if status == "running"]
    for name, status in touched.items():
        if status == "running" and name != running[0]:
            continue
        world.record("step_started", {"step": name})
        if status == "waiting":
            until = START + timedelta(minutes=draw(st.integers(-5, 5)))
            world.record("step_waiting", {"step": name, "until": iso(until)})
        elif status in ("done", "skipped", "pending"):
            kind = {"done": "step_done", "skipped": "step_skipped", "pending": "step_reopened"}[status]
            world.record(kind, {"step": name})
        elif status != "running":
            world.record("step_failed", {"step": name, "status": status, "reason": "r"})
        if status == "unknown":
            op = {"op": f"inc.{name}", "step": name, "operation": "revoke", "subject": "leaked", "what": "w"}
            world.record("intent", op)
            world.record("outcome", {"op": op["op"], "result": "unknown"})
    if draw(st.integers(0, 9)) == 0:
        world.record("closed", {"state": "abandoned"})
    return world


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_next_is_always_something_that_may_run(world: World) -> None:
    """Promise: what is offered may run; when nothing is, it says why; a touched step never leaves the list."""
    following = what_is_next(world.book, world.state, START)
    if following.step is None:
        assert following.why
    else:
        assert why_not(world.book, world.state, following.step, START) == []
    listed = ids(world)
    assert len(listed) == len(set(listed))
    assert set(world.state.steps) <= set(listed)
    assert what_is_next(world.book, world.state, LATE).waiting == ()


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_every_state_can_be_shown(world: World) -> None:
    """Promise: the board and the registry of actions are total: no state of a run breaks a screen."""
    shown = board(world.book, world.state, START)
    assert [row.id for row in shown.rows] == ids(world)
    for action in ACTIONS:
        assert isinstance(why_disallowed(world.book, world.state, action.name, START), str)


def test_undo_is_said_of_what_changes_something() -> None:
    """Promise: "Undo no" stands at a call that changes something and nowhere else."""
    world = World().open(can={**API, "disable": "api"})
    world.record("decision", {"order": "contain_first", "rule": "O4"})
    said: dict[str, list[str]] = {}
    for step in plan(world.book, world.state):
        shown = board(world.book, world.state, START)
        assert shown.next_step is not None
        said[shown.next_step.id] = [line for line in shown.next_lines if line.startswith("Undo")]
        world.record("step_done", {"step": step.id})
    assert said["disable"] == ["Undo    yes: restore"]
    assert said["create"] == said["revoke"] == ["Undo    no"]
    assert not any(said[name] for name in ("declare", "capture", "audit", "roll-out", "report"))


def test_a_state_of_a_step_is_finished_or_not() -> None:
    """Promise: only done and skipped count as finished."""
    assert {status for status in STATUSES if StepState(status).status in FINISHED} == {"done", "skipped"}


def test_what_a_provider_told_never_hides_what_we_know() -> None:
    """Promise: an attribute named like a fact of ours does not replace it in conditions."""
    attributes: dict[str, Any] = {
        "can": "everything",
        "has_secret": "no",
        "overlap": "grace",
        "name": "x",
        "region": "eu",
    }
    world = World().open(attributes=attributes)
    shown = world.state.subjects["leaked"].scope()
    assert (shown["can"], shown["has_secret"], shown["overlap"], shown["name"]) == (API, True, "parallel", "k")
    assert shown["region"] == "eu"
