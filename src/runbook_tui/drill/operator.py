"""The model operator of `runbook drill --auto`: does what the program says is next, and says only what is true."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from runbook_tui.drill.world import World
from runbook_tui.foundation.clock import Clock, parse_instant
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.incident.events import Event
from runbook_tui.incident.lines import open_lines
from runbook_tui.incident.plan import FINISHED, what_is_next, why_not
from runbook_tui.incident.state import IncidentState, Operation
from runbook_tui.playbook.model import Playbook, Step

_MOST_MOVES = 200
_TRIES = 3  # of one step
_PATIENCE = 60.0  # real seconds a step may run without an event
_RETRY_PAUSE = 15.0  # seconds on the client's clock
_READING = 3.0  # the same: what a person takes to read a step and answer
# Steps whose failure leaves no credential alive: they may be skipped, on record.
_OPTIONAL_PHASES = frozenset({"audit", "search", "recover"})
_OPTIONAL_ACTIONS = frozenset({"webhook"})


class Terminal(Protocol):
    """What the operator needs of a client of the conductor."""

    book: Playbook
    state: IncidentState
    events: list[Event]
    clock: Clock

    def request(self, method: str, **params: Any) -> dict[str, Any]: ...

    def listen(self, callback: Callable[[dict[str, Any]], None]) -> None: ...


def play(client: Terminal, world: World) -> None:
    """Play the whole drill and close the incident.

    RunbookError (exit code 3) when a step that matters cannot be done, a line stays open, or it does not come to an
    end. Waits on the client's clock; only the wait for a step's own thread is real time.
    """
    _Player(client, world).play()


class _Player:
    def __init__(self, client: Terminal, world: World) -> None:
        self._client = client
        self._world = world
        self._heard = threading.Event()
        self._lost = ""
        self._tries: dict[str, int] = {}
        client.listen(self._listen)

    def play(self) -> None:
        for _ in range(_MOST_MOVES):
            following = what_is_next(self._client.book, self._client.state, self._client.clock.now())
            early = following.step is not None and following.step.phase == "close" and following.waiting
            if (lost := self._unproven()) is not None:
                self._clear(lost)
            elif (undone := self._undone()) is not None:
                self._do(undone)
            elif following.step is not None and not early:
                self._do(following.step)
            elif self._running():
                self._wait_for(self._running())
            elif following.waiting:
                self._let_pass(following.waiting)
            else:
                self._close(following.why)
                return
        raise _stuck("the drill did not come to an end")

    def _do(self, step: Step) -> None:
        tries = self._tries[step.id] = self._tries.get(step.id, 0) + 1
        if tries > _TRIES:
            self._give_up(step)
            return
        if tries > 1:
            self._client.clock.sleep(_RETRY_PAUSE)
        self._client.clock.sleep(_READING)
        asked = self._client.request("prompts", step=step.id)["prompts"]
        acted = self._client.state.step(step.id).acted
        answers = {} if acted else self._answers(step, asked)
        self._client.request("run", step=step.id, answers=answers)
        self._wait_for(step.id)

    def _unproven(self) -> Operation | None:
        """An unknown outcome that no step's proof can settle: somebody has to look."""
        state = self._client.state
        for op in state.unknown_operations():
            verify = self._client.book.step(op.step).verify
            nothing_new = verify is not None and verify.side == "new" and not state.subjects[verify.slot].new_name
            if state.step(op.step).status != "running" and (verify is None or nothing_new):
                return op
        return None

    def _clear(self, op: Operation) -> None:
        """Look at the place itself and say what is there."""
        seen = self._world.look()
        if op.operation == "rollout":
            place = op.op.rpartition(".")[2]
            done = seen.sources.get(place) == "other"
            reason = f"looked at {place}: it holds {'another key' if done else 'the leaked key'}"
        else:
            known = sum(event == "new_credential" for event in self._kinds())
            if seen.made > known:
                raise _stuck(f"{op.what} was done, but its secret is lost: delete that key and make another")
            done, reason = False, "looked at the provider's list: there is no such key"
        self._client.request("clear", op=op.op, reason=reason, **{"as": "done" if done else "not_done"})

    def _kinds(self) -> list[str]:
        return [event.kind for event in self._client.events]

    def _undone(self) -> Step | None:
        """A step whose call turned out not to have been made: no proof further on can come before it is."""
        book, state = self._client.book, self._client.state
        latest = {op.step: op for op in state.operations.values()}
        for name, op in latest.items():
            step = book.step(name)
            open_still = state.step(name).status not in FINISHED and self._tries.get(name, 0) <= _TRIES
            if op.cleared == "not_done" and open_still and not why_not(book, state, step, self._client.clock.now()):
                return step
        return None

    def _give_up(self, step: Step) -> None:
        """Skip what may be skipped; stop the drill at anything else."""
        one = self._client.state.step(step.id)
        if step.phase not in _OPTIONAL_PHASES and step.action not in _OPTIONAL_ACTIONS:
            raise _stuck(f"step {step.id} is {one.status} after {_TRIES} tries: {one.reason}")
        self._client.request("skip", step=step.id, reason=f"{one.status} after {_TRIES} tries: {one.reason}")

    def _close(self, why: str) -> None:
        state = self._client.state
        unfinished = [name for name, one in state.steps.items() if one.status not in FINISHED]
        still = [line.what for line in open_lines(state)]
        if state.closed:
            return
        if unfinished or still:
            raise _stuck("; ".join([why, *still]))
        self._client.request("close", reason="every line is proven")

    # -- waiting

    def _listen(self, push: Mapping[str, Any]) -> None:
        if "lost" in push:
            self._lost = str(push["lost"])
        self._heard.set()

    def _running(self) -> str:
        return next((name for name, one in self._client.state.steps.items() if one.status == "running"), "")

    def _wait_for(self, step: str) -> None:
        """Until the step has ended; each event it records renews the patience."""
        while self._client.state.step(step).status == "running":
            if self._lost:
                raise _stuck(f"the conductor is gone: {self._lost}")
            self._heard.clear()
            if self._client.state.step(step).status != "running":
                return
            if not self._heard.wait(_PATIENCE):
                raise _stuck(f"step {step} does not end")

    def _let_pass(self, waiting: tuple[str, ...]) -> None:
        """Sleep until the first waiting step may go on."""
        now = self._client.clock.now()
        times = [parse_instant(self._client.state.step(name).until) for name in waiting]
        self._client.clock.sleep(max(0.0, (min(times) - now).total_seconds()) + 0.1)

    # -- answers

    def _answers(self, step: Step, prompts: list[Mapping[str, Any]]) -> dict[str, str]:
        found: dict[str, str] = {}
        for prompt in prompts:
            value = self._answer(step, prompt)
            if value:
                found[str(prompt["name"])] = value
        return found

    def _answer(self, step: Step, prompt: Mapping[str, Any]) -> str:
        name, kind = str(prompt["name"]), str(prompt["kind"])
        if kind == "typed":
            return str(prompt["expect"])
        if kind == "secret":
            return self._world.dashboard(str(step.spec["operation"])).expose()
        if name in self._world.facts:
            return self._world.facts[name]
        if prompt.get("default"):
            return str(prompt["default"])
        if kind == "choice":
            return str(prompt["options"][0])
        if not prompt.get("required") or kind == "time":
            return ""
        said = self._world.scenario.says
        return said.get(step.id) or said.get(name) or "Done as described; nothing unexpected was seen in this drill."


def _stuck(why: str) -> RunbookError:
    return RunbookError(f"the model operator is stuck: {why}", "`runbook resume` continues", exit_code=Exit.INCOMPLETE)
