"""kill -9 at any moment, then `runbook resume`: the run goes on, nothing is done twice, unknown is shown as unknown."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from journey_kit import RUNBOOK, Hands, Machine, PlainOperator, alive, child, kinds, open_drill, until

from servers.terminal import Terminal

Make = Callable[..., Machine]
OpenTerminal = Callable[..., Terminal]
SAYS = {"Where could it be read": "public", "Any sign": "no", "What can it do": "ordinary", "What was reversed": "none"}


def _resume(machine: Machine, terminal: OpenTerminal, incident: str) -> PlainOperator:
    return PlainOperator(terminal([*RUNBOOK, "resume", incident, "--plain"], env=machine.env, cwd=machine.cwd))


def _executed(machine: Machine, call: str) -> int:
    """How often the simulated provider did it, by its own log."""
    log = json.loads((machine.folder() / "drill" / "world.json").read_text())["log"]
    return sum(entry["call"] == call for entry in log)


def _check_contained(machine: Machine, incident: str) -> list[dict[str, Any]]:
    events = machine.events(incident)
    assert [event["data"]["state"] for event in events if event["kind"] == "closed"] == ["contained"]
    assert machine.run("incident", "verify", incident).returncode == 0
    return events


def _stopped_with(machine: Machine, hands: Hands, step: str, answers: dict[str, str]) -> tuple[int, int]:
    """The provider is asked and does not answer: (conductor, simulator), the call is on its way."""
    conductor = machine.conductor()
    simulator = child(conductor, "simulator")
    os.kill(simulator, signal.SIGSTOP)
    hands.start(step, **answers)
    until(lambda: "sending" in [event.kind for event in hands.client.events], "nothing was sent")
    return conductor, simulator


def test_killed_before_anything_was_sent(machine: Make, terminal: OpenTerminal) -> None:
    """Between two steps: what is done stays done, the next step is offered, and the drill ends contained."""
    here = machine()
    incident = open_drill(here)
    Hands(here).to_decision()
    here.kill_conductor()
    operator = _resume(here, terminal, incident)
    operator.play(SAYS)
    assert operator.terminal.wait_exit() == 0, operator.text()
    events = _check_contained(here, incident)
    assert kinds(events).count("resumed") == 1
    assert kinds(events, "capture").count("step_started") == 1
    assert (_executed(here, "create"), _executed(here, "revoke")) == (1, 1)


@pytest.mark.parametrize("reached", [True, False], ids=["executed", "lost"])
def test_killed_between_sending_and_outcome(machine: Make, terminal: OpenTerminal, reached: bool) -> None:
    """The revocation may or may not have been done: it is shown as unknown, settled by proof, and done exactly once."""
    here = machine()
    incident = open_drill(here)
    hands = Hands(here)
    hands.to_decision(power="money")
    target = hands.client.request("prompts", step="revoke-now")["prompts"][0]["expect"]
    conductor, simulator = _stopped_with(here, hands, "revoke-now", {"confirm": target})
    os.kill(conductor, signal.SIGSTOP)  # so that it cannot take the answer in
    if reached:
        os.kill(simulator, signal.SIGCONT)
        until(lambda: _executed(here, "revoke") == 1, "the provider did not do it")
    else:
        os.kill(simulator, signal.SIGKILL)
    os.kill(conductor, signal.SIGKILL)
    until(lambda: not alive(conductor), "still there")

    operator = _resume(here, terminal, incident)
    assert "leave?" in operator.waits_with()
    assert "UNKNOWN OUTCOME: revoke" in operator.text()
    operator.play({**SAYS, "Which": "both"})
    assert operator.terminal.wait_exit() == 0, operator.text()
    events = _check_contained(here, incident)
    (cleared,) = [event["data"] for event in events if event["kind"] == "cleared"]
    assert (cleared["as"], cleared["by"]) == ("done" if reached else "not_done", "proof")
    assert _executed(here, "revoke") == 1
    sent = [event["data"]["op"] for event in events if event["kind"] == "sending"]
    assert len(sent) == len(set(sent))


def test_a_lost_new_key_is_never_made_again_in_silence(machine: Make, terminal: OpenTerminal) -> None:
    """Its secret never arrived: the outcome stays unknown until the operator looked; only then is another made."""
    here = machine()
    incident = open_drill(here)
    hands = Hands(here)
    hands.to_decision()
    conductor, simulator = _stopped_with(here, hands, "create", {})
    os.kill(conductor, signal.SIGSTOP)
    os.kill(simulator, signal.SIGCONT)
    until(lambda: _executed(here, "create") == 1, "the provider did not do it")
    os.kill(conductor, signal.SIGKILL)
    until(lambda: not alive(conductor), "still there")

    operator = _resume(here, terminal, incident)
    assert "leave?" in operator.waits_with()
    assert "UNKNOWN OUTCOME: create" in operator.text()
    operator.answer("run")
    operator.waits_with()
    assert _executed(here, "create") == 1, "an unknown call is never sent again by itself"
    operator.answer("clear")
    for said in (f"{incident}.create.1", "not_done", "the dashboard lists a key whose secret nobody has; deleted"):
        assert operator.waits_with()
        operator.answer(said)
    operator.play(SAYS)
    assert operator.terminal.wait_exit() == 0, operator.text()
    _check_contained(here, incident)
    assert _executed(here, "create") == 2


def test_killed_during_a_proof(machine: Make, terminal: OpenTerminal) -> None:
    """A proof that was under way is taken up again; the action before it is not."""
    here = machine()
    incident = open_drill(here)
    hands = Hands(here)
    hands.to_decision()
    assert hands.do("create") == "done"
    assert hands.do("roll-out") == "done"
    hands.start("prove-used")
    until(lambda: hands.client.state.step("prove-used").status == "running", "it does not run")
    here.kill_conductor()
    operator = _resume(here, terminal, incident)
    operator.play(SAYS)
    assert operator.terminal.wait_exit() == 0, operator.text()
    events = _check_contained(here, incident)
    assert kinds(events, "prove-used").count("step_started") == 2
    assert kinds(events, "roll-out").count("step_started") == 1
    assert _executed(here, "create") == 1


def test_killed_while_a_step_waits(machine: Make) -> None:
    """A proof that waits for the provider's rate limit still waits for the same time afterwards; others may go on."""
    here = machine()
    incident = open_drill(here, "streampixel")
    hands = Hands(here)
    hands.to_decision()
    assert hands.do("stage", seen="ready") == "done"
    key = _from_the_dashboard(hands)
    assert hands.do("create", new_secret=key) == "done"
    assert hands.do("roll-out") == "done"
    assert hands.do("prove-used") == "done"
    assert hands.do("prove-dead") == "waiting"
    before = hands.client.state.step("prove-dead").until
    here.kill_conductor()
    left = here.run("resume", incident, "--plain", "--json", stdin="leave\n")
    assert left.returncode == 3, left.stderr
    assert json.loads(left.stdout)["state"] == "open"
    again = Hands(here)
    assert (again.client.state.step("prove-dead").status, again.client.state.step("prove-dead").until) == (
        "waiting",
        before,
    )
    assert again.do("audit", **again.seen("audit")) == "done"


def _from_the_dashboard(hands: Hands) -> str:
    import httpx

    (asked,) = hands.client.request("prompts", step="create")["prompts"]
    return httpx.post(f"{asked['link']}/create", trust_env=False).raise_for_status().text.strip()


@pytest.mark.parametrize("end", ["kill -9", "closed pane", "SIGHUP"])
def test_the_screen_dies_and_the_step_goes_on(machine: Make, terminal: OpenTerminal, end: str) -> None:
    """The conductor does not end: the running proof finishes without a screen, and resume comes back to it."""
    here = machine()
    incident = open_drill(here)
    hands = Hands(here)
    hands.to_decision()
    assert hands.do("create") == "done"
    assert hands.do("roll-out") == "done"
    hands.client.close()
    conductor = here.conductor()
    screen = _resume(here, terminal, incident)
    assert "leave?" in screen.waits_with()
    screen.answer("run")
    screen.terminal.wait_for("prove-used: started")
    pid = screen.terminal.pid
    if end == "closed pane":
        screen.terminal.close()
    else:
        os.kill(pid, signal.SIGKILL if end == "kill -9" else signal.SIGHUP)
    until(lambda: not alive(pid), "the screen still lives")
    until(lambda: "step_done" in kinds(here.events(incident), "prove-used"), "the proof did not go on")
    assert here.conductor() == conductor
    left = here.run("resume", incident, "--plain", stdin="leave\n")
    assert "Revoke the leaked key for good" in left.stderr
    assert here.conductor() == conductor
    assert "resumed" not in kinds(here.events(incident))


def test_a_conductor_that_is_told_to_end_does(machine: Make) -> None:
    """SIGTERM, whichever of its threads gets it: the incident stays open and whole, and nothing is left running."""
    here = machine()
    incident = open_drill(here)
    for _ in range(4):
        conductor = here.conductor()
        simulator = child(conductor, "simulator")
        os.kill(conductor, signal.SIGTERM)
        until(lambda one=conductor: not alive(one), "the conductor does not end")
        until(lambda one=simulator: not alive(one), "its simulator does not end")
        assert here.run("resume", incident, "--plain", stdin="leave\n").returncode == 3
    assert here.run("incident", "verify", incident).returncode == 0
