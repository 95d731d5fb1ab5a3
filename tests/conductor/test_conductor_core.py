"""The conductor with a real journal: terminals, words, closing, a journal that fails, and what is never recorded."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from conductor_kit import NEW, OLD, Disk, Stand, on_disk, refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook_tui.conductor.opening import Opening, open_incident
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.actions import ACTIONS, reopenable, why_disallowed
from runbook_tui.incident.findings import untaken
from runbook_tui.incident.lines import open_lines
from runbook_tui.incident.plan import what_is_next

SECRET = "ghp_" + "Z7QW3XN5RT2YB4MDz7qw3xn5"  # of the form of a GitHub token, made up


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


def fail(stand: Stand, *kinds: str) -> None:
    assert isinstance(stand.journal, Disk)
    stand.journal.fails = lambda kind: kind in kinds or "*" in kinds  # type: ignore[method-assign]


# -- a whole run


def test_a_secret_without_a_provider_is_replaced_by_hand(stand: Stand, tmp_path: Path) -> None:
    """Promise: for a webhook's secret every step is by hand, the proofs are attested, and no secret is written down."""
    client = stand.open(consumers="web").client()
    for step in ("declare", "capture", "decide"):
        assert stand.run(client, step) == "done", step
    assert stand.conductor.state.order == "contain_first"
    assert stand.run(client, "revoke-now") == "done"
    assert stand.run(client, "create") == "undetermined"
    client.request("attest", line="new:leaked", what="a delivery came through")
    for step in ("create", "roll-out"):
        assert stand.run(client, step) == "done", step
    assert (tmp_path / "web.env").read_text() == f"TOKEN={NEW}\n"
    assert "1 lines are open" in refusal(client, "close")
    client.request("attest", line="consumer:web", what="the worker says so")
    for step in ("prove-used", "prove-dead"):
        assert stand.run(client, step) == "done", step
    assert client.request("close")["state"] == "complete_except", "steps are left"
    written = on_disk(tmp_path).replace((tmp_path / "web.env").read_bytes(), b"")
    assert OLD.encode() not in written
    assert NEW.encode() not in written
    assert client.state == stand.conductor.state


def test_the_old_secret_is_not_taken_for_the_new_one(stand: Stand) -> None:
    """Promise: pasting the leaked value as the new one is refused."""
    client = stand.open().client()
    for step in ("declare", "capture", "decide"):
        stand.run(client, step)
    assert stand.run(client, "create", new_secret=OLD) == "failed"
    assert "that is the old secret" in stand.conductor.state.step("create").reason
    assert stand.vault.names() == ["hook"]


# -- terminals


def test_one_drives_and_the_others_watch_and_note(stand: Stand) -> None:
    """Promise: a second terminal sees everything and takes notes; it changes nothing until it takes over."""
    first, second = stand.open().client("one"), stand.client("two")
    assert (first.driving, second.driving) == (True, False)
    assert "one drives this incident" in refusal(second, "skip", step="declare", reason="r")
    second.request("note", text="seen from here")
    assert first.state.notes == second.state.notes == 1
    assert stand.conductor.events[-1].actor == "two"
    second.request("take_over")
    assert (first.driving, second.driving) == (False, True)
    assert "two drives this incident" in refusal(first, "run", step="declare")
    assert stand.run(second, "declare") == "done"
    assert first.state == second.state == stand.conductor.state


def test_a_terminal_that_leaves_ends_nothing(stand: Stand) -> None:
    """Promise: the incident goes on without terminals; the next one that wants to drive does."""
    first = stand.open().client("one")
    first.close()
    assert stand.client("watcher", role="watch").driving is False
    assert stand.client("two").driving is True


def test_one_step_at_a_time(stand: Stand) -> None:
    """Promise: two requests at once for a step start it once."""
    client = stand.open().client()
    answers = {"exposure": "public", "used_by_others": "no", "power": "ordinary"}
    told: list[str] = []

    def ask() -> None:
        told.append(refusal(client, "run", step="declare", answers=answers))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stand.conductor.join(10)
    assert told.count("") == 1
    assert stand.kinds().count("step_started") == 1


def test_what_comes_right_after_a_step_is_not_refused_as_too_early(stand: Stand) -> None:
    """Promise: a front end that hears of a step's end may act at once."""
    client = stand.open().client()
    told: list[str] = []

    def act(push: dict[str, Any]) -> None:
        event = push.get("event")
        if event is not None and event.kind == "step_done" and event.data["step"] == "declare":
            told.append(refusal(client, "skip", step="capture", reason="not needed"))

    client.listen(act)
    stand.run(client, "declare")
    assert told == [""]


# -- words


def test_no_free_text_with_a_secret_is_recorded(stand: Stand, tmp_path: Path) -> None:
    """Promise: notes, reasons, names and answers that look like a secret are refused; nothing of them is kept."""
    client = stand.open().client()
    requests: list[tuple[str, dict[str, Any]]] = [
        ("note", {"text": f"it was {SECRET}"}),
        ("skip", {"step": "declare", "reason": SECRET}),
        ("attest", {"line": "old:leaked", "what": SECRET}),
        ("waive", {"line": "old:leaked", "name": "ann", "reason": SECRET}),
        ("waive", {"line": "old:leaked", "name": SECRET, "reason": "r"}),
        ("tripwire", {"reason": SECRET}),
        ("close", {"reason": SECRET, "abandon": True}),
        ("run", {"step": "capture", "answers": {"seen": SECRET}}),
    ]
    before = len(stand.conductor.events)
    for method, params in requests:
        assert "looks like it holds a secret" in refusal(client, method, **params), method
    stand.run(client, "declare")
    assert "looks like it holds a secret" in refusal(client, "reopen", step="declare", reason=SECRET)
    assert len(stand.conductor.events) == before + 3, "`declare` alone"
    assert SECRET.encode() not in on_disk(tmp_path)


def test_a_word_needs_its_reason(stand: Stand) -> None:
    """Promise: skip, attest, waive, clear, contain-now and abandon are recorded with a reason or not at all."""
    client = stand.open().client()
    before = stand.kinds()
    for method, params in [
        ("note", {"text": " "}),
        ("skip", {"step": "declare", "reason": " "}),
        ("attest", {"line": "old:leaked", "what": ""}),
        ("waive", {"line": "old:leaked", "name": "", "reason": "r"}),
        ("waive", {"line": "old:leaked", "name": "ann", "reason": ""}),
        ("tripwire", {"reason": ""}),
        ("clear", {"op": "x", "as": "done", "reason": ""}),
        ("close", {"abandon": True}),
    ]:
        assert refusal(client, method, **params).startswith("it needs"), method
    assert stand.kinds() == before


def test_mistaken_requests_are_refused_in_a_line(stand: Stand) -> None:
    """Promise: unknown methods, steps, lines, operations and parameters are refused; nothing is recorded."""
    client = stand.open().client()
    before = stand.kinds()
    for method, params in [
        ("dance", {}),
        ("run", {"step": "nonsense"}),
        ("run", {}),
        ("run", {"step": "declare", "answers": {"nonsense": "x"}}),
        ("run", {"step": "declare", "answers": {"exposure": "everywhere"}}),
        ("run", {"step": "create"}),
        ("prompts", {"step": "nonsense"}),
        ("skip", {"step": "nonsense", "reason": "r"}),
        ("reopen", {"step": "nonsense", "reason": "r"}),
        ("reopen", {"step": "declare", "reason": "r"}),
        ("attest", {"line": "old:other", "what": "w"}),
        ("waive", {"line": "", "name": "n", "reason": "r"}),
        ("clear", {"op": "x", "as": "done", "reason": "r"}),
        ("clear", {"op": "x", "as": "perhaps", "reason": "r"}),
        ("note", {"text": "t", "at": "yesterday"}),
    ]:
        assert refusal(client, method, **params), (method, params)
    assert stand.kinds() == before


def test_a_note_keeps_both_times(stand: Stand) -> None:
    """Promise: when it happened and when it was recorded are kept apart."""
    client = stand.open().client()
    client.request("note", text="called the owner", at="2025-12-31T23:00:00+01:00")
    event = stand.conductor.events[-1]
    assert event.data["at"] == "2025-12-31T22:00:00.000000Z"
    assert event.ts > event.data["at"]


# -- closing


def test_nothing_closes_as_contained_with_an_open_line(stand: Stand) -> None:
    """Promise: open lines keep the incident open; abandoning is called so; only notes follow a close."""
    client = stand.open().client()
    assert "1 lines are open: old:leaked" in refusal(client, "close", reason="tired")
    assert client.request("close", reason="handed to others", abandon=True)["state"] == "abandoned"
    for method, params in [
        ("close", {}),
        ("run", {"step": "declare"}),
        ("skip", {"step": "declare", "reason": "r"}),
        ("tripwire", {"reason": "r"}),
        ("reopen", {"step": "declare"}),
        ("attest", {"line": "old:leaked", "what": "w"}),
        ("waive", {"line": "old:leaked", "name": "n", "reason": "r"}),
    ]:
        assert "closed" in refusal(client, method, **params), method
    client.request("note", text="it came back")


def test_a_waiver_closes_except(stand: Stand) -> None:
    """Promise: a waived line lets the incident close, and never as contained."""
    client = stand.open().client()
    client.request("waive", line="old:leaked", name="cy", reason="a test key")
    assert client.request("close")["state"] == "complete_except"


def test_contain_now_does_not_wait_for_a_running_step(stand: Stand) -> None:
    """Promise: new evidence switches the order at once, also while a step runs."""
    client = stand.open().client()
    for step in ("declare", "capture"):
        stand.run(client, step)
    stand.run(client, "decide", order="replace_first", reason="calm")
    stand.conductor.record("step_started", {"step": "create"})
    client.request("tripwire", reason="calls from abroad")
    assert (stand.conductor.state.order, stand.conductor.state.rule) == ("contain_first", "O1")
    assert "already" in refusal(client, "tripwire", reason="again")


# -- no journal, no action


@pytest.mark.parametrize("kind", ["step_started", "intent", "sending"])
def test_without_a_journal_nothing_is_done(stand: Stand, tmp_path: Path, kind: str) -> None:
    """Promise: what cannot be recorded is not done; the alarm reaches every terminal; later the run goes on."""
    client = stand.open(consumers="web").client()
    watcher = stand.client("two")
    alarms: list[Any] = []
    watcher.listen(lambda push: alarms.append(push.get("progress", {}).get("alarm", "")))
    for step in ("declare", "capture", "decide"):
        stand.run(client, step)
    stand.run(client, "revoke-now")
    stand.run(client, "create")
    client.request("attest", line="new:leaked", what="seen")
    stand.run(client, "create")
    fail(stand, kind, "outcome", "step_failed", "resumed")
    assert refusal(client, "run", step="roll-out") == (
        "no journal, no action: not recorded: the disk is full" if kind == "step_started" else ""
    )
    stand.conductor.join(10)
    assert not (tmp_path / "web.env").exists()
    assert any("NO JOURNAL, NO ACTION" in one for one in alarms)
    assert "no journal, no action" in refusal(client, "run", step="roll-out")
    fail(stand)
    assert stand.run(client, "roll-out") == "done"
    assert (tmp_path / "web.env").exists()
    assert stand.conductor.state.unknown_operations() == []


def test_a_terminal_can_watch_while_the_journal_fails(stand: Stand) -> None:
    """Promise: on a full disk one can still look; nobody drives."""
    stand.open()
    fail(stand, "*")
    client = stand.client()
    assert client.driving is False
    assert client.state.incident == "inc-1"


def test_a_take_over_that_is_not_recorded_changes_nothing(stand: Stand) -> None:
    """Promise: who drives is what the record says."""
    first, second = stand.open().client("one"), stand.client("two")
    fail(stand, "*")
    assert refusal(second, "take_over")
    assert (first.driving, second.driving) == (True, False)


def test_contain_now_that_was_recorded_by_halves_can_be_said_again(stand: Stand) -> None:
    """Promise: when the journal failed between the evidence and the new order, the order still comes into force."""
    client = stand.open().client()
    for step in ("declare", "capture"):
        stand.run(client, step)
    stand.run(client, "decide", order="replace_first", reason="calm")
    fail(stand, "decision")
    assert "not recorded" in refusal(client, "tripwire", reason="calls from abroad")
    assert stand.conductor.state.order == "replace_first"
    fail(stand)
    assert refusal(client, "tripwire", reason="calls from abroad") == ""
    assert (stand.conductor.state.order, stand.kinds().count("tripwire")) == ("contain_first", 1)
    assert "already" in refusal(client, "tripwire", reason="again")


def test_a_new_conductor_goes_on_from_the_record(stand: Stand, tmp_path: Path) -> None:
    """Promise: what was under way when the process died is settled first, and the state is the record's."""
    client = stand.open(consumers="web").client()
    stand.run(client, "declare")
    stand.conductor.record("step_started", {"step": "roll-out"})
    intent = {"op": "inc-1.roll-out.1.web", "step": "roll-out", "item": "web", "operation": "rollout"}
    stand.conductor.record("intent", {**intent, "subject": "leaked", "what": "give it"})
    stand.conductor.record("sending", {"op": "inc-1.roll-out.1.web"})
    stand.journal.close()
    again = Stand(tmp_path)
    again.conductor.recover()
    assert [op.op for op in again.conductor.state.unknown_operations()] == ["inc-1.roll-out.1.web"]
    assert again.conductor.events[-1].data == {"open_operations": ["inc-1.roll-out.1.web"]}
    assert again.conductor.state.step("declare").status == "done"


# -- opening


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"leaked": "no-such"},
        {"leaked": "hook", "nonsense": "x"},
        {"leaked": "hook", "consumers": "no-such"},
        {"leaked": "hook", "endpoint": "no-such"},
    ],
)
def test_an_opening_that_fails_records_nothing(stand: Stand, inputs: dict[str, str]) -> None:
    """Promise: a missing or unknown input opens nothing."""
    with pytest.raises(RunbookError):
        open_incident(stand.conductor, Opening("inc-1", "live", inputs))
    assert stand.conductor.events == []


def test_the_leaked_one_never_signs(stand: Stand) -> None:
    """Promise: the leaked credential is refused as administrator, by name and by value; nothing is recorded."""
    from runbook_tui.secrets.secret import Secret
    from runbook_tui.secrets.vault import Binding, Credential

    stand.vault.put(Credential("other-name", Secret(OLD), Binding("")))
    for admin in ("hook", "other-name"):
        with pytest.raises(RunbookError, match="is the leaked one"):
            open_incident(stand.conductor, Opening("inc-1", "live", {"leaked": "hook"}, admin))
    assert stand.conductor.events == []


# -- the registry of actions

MOVES = ["run", "skip", "tripwire", "attest", "waive", "reopen", "unknown", "running", "close", "wait", "clear"]


def params_for(stand: Stand, name: str) -> dict[str, Any]:
    """What a front end would send: the first of what can be chosen."""
    state = stand.conductor.state
    following = what_is_next(stand.book, state, stand.clock.now()).step
    step = following.id if following else "none"  # a front end offers only the next one
    line = next((one.id for one in open_lines(state) if name == "waive" or not one.id.startswith("operation:")), "none")
    op = next((one.op for one in state.unknown_operations()), "none")
    return {
        "run": {"step": step},
        "skip": {"step": step, "reason": "r"},
        "tripwire": {"reason": "r"},
        "attest": {"line": line, "what": "w"},
        "waive": {"line": line, "name": "n", "reason": "r"},
        "clear": {"op": op, "as": "not_done", "reason": "r"},
        "reopen": {"step": next(iter(reopenable(state)), "none"), "reason": "r"},
        "close": {"reason": "r", "abandon": True},
        "note": {"text": "t"},
        "take": {"finding": next((one.fingerprint for one in untaken(state)), "fp:000000000000")},
    }[name]


def move(stand: Stand, client: Any, name: str) -> None:
    """One thing that may happen in a run, if it can now."""
    record, state = stand.conductor.record, stand.conductor.state
    following = what_is_next(stand.book, state, stand.clock.now()).step
    if name == "run" and following is not None:
        stand.run(client, following.id)
    elif name in ("unknown", "wait", "running") and following is not None and not state.closed:
        record("step_started", {"step": following.id})
        if name == "wait":
            record("step_waiting", {"step": following.id, "until": "2027-01-01T00:00:00Z", "reason": "limit"})
        elif name == "unknown":
            op = f"inc-1.{following.id}.{len(state.operations)}"
            intent = {"op": op, "step": following.id, "item": "", "operation": "revoke", "subject": "leaked"}
            record("intent", {**intent, "what": "revoke"})
            record("outcome", {"op": op, "result": "unknown"})
            record("step_failed", {"step": following.id, "status": "unknown", "reason": "r"})
    elif name in ("skip", "tripwire", "attest", "waive", "reopen", "close", "clear"):
        refusal(client, name, **params_for(stand, name))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.sampled_from(MOVES), max_size=7), name=st.sampled_from([*(one.name for one in ACTIONS)]))
def test_an_action_is_allowed_exactly_when_it_is_accepted(
    tmp_path_factory: pytest.TempPathFactory, moves: list[str], name: str
) -> None:
    """Promise: a key that is shown as usable is accepted, one shown as dead is refused, in every state of a run."""
    if name in ("steps", "timeline", "report", "quit", "take_over", "stop"):
        return
    stand = Stand(tmp_path_factory.mktemp("stand")).open()
    client = stand.client()
    for one in moves:
        move(stand, client, one)
    why = why_disallowed(stand.book, stand.conductor.state, name, stand.clock.now(), driving=client.driving)
    params = params_for(stand, name)
    if name == "run" and not why:
        stand.run(client, params["step"])  # raises when it is refused
    else:
        assert bool(refusal(client, name, **params)) == bool(why), (why, stand.kinds())
    stand.conductor.join(10)
    stand.journal.close()
