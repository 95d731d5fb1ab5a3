"""The people of the simulator: two who press keys in any order, and one who ends the incident honestly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator_rules import Violation

from runbook_tui.conductor.logbook import Terminal
from runbook_tui.foundation.clock import parse_instant
from runbook_tui.incident.lines import open_lines
from runbook_tui.incident.model import Operation
from runbook_tui.incident.plan import what_is_next
from runbook_tui.incident.prompts import prompts_for
from runbook_tui.playbook.model import Step

if TYPE_CHECKING:
    from simulator_world import World

_MOST_TURNS = 150


class Operators:
    """What they say is true: they look at the vendor before they attest or settle something."""

    def __init__(self, world: World) -> None:
        self._world = world

    # -- any key at any time

    def act(self) -> None:
        """One of them presses a key."""
        world = self._world
        terminals = world.terminals
        if not terminals:
            return
        lot = world.share()
        driving = next((one for one in terminals if one.driving), terminals[0])
        terminal = driving if lot < 0.75 else terminals[int(lot * 100) % len(terminals)]
        self._press(terminal, world.share())

    def _press(self, terminal: Terminal, lot: float) -> None:
        world, state = self._world, self._world.conductor.state
        if lot < 0.55:
            following = what_is_next(world.plot.book, state, world.clock.now()).step
            steps = world.plot.book.steps
            any_step = len(steps) < 6 and world.share() < 0.15
            step = steps[int(world.share() * len(steps))] if any_step or following is None else following
            world.request(terminal, "run", step=step.id, answers=self._answers(step))
        elif lot < 0.60:
            world.request(terminal, "stop")
        elif lot < 0.72:
            for op in state.unknown_operations():
                self._clear(terminal, op)
        elif lot < 0.82:
            name = _one(list(state.steps), world.share())
            world.request(terminal, "reopen", step=name or "none", reason="again")
        elif lot < 0.86:
            following = what_is_next(world.plot.book, state, world.clock.now()).step
            world.request(terminal, "skip", step=following.id if following else "none", reason="not needed")
        elif lot < 0.90:
            for line in open_lines(state):
                self._attest_or_waive(terminal, line.id, waive=world.share() < 0.3)
        elif lot < 0.93:
            world.request(terminal, "take_over")
        elif lot < 0.96:
            world.request(terminal, "note", text="seen")
        elif lot < 0.98:
            world.request(terminal, "tripwire", reason="it is in use")
        else:
            world.request(terminal, "close")

    def _answers(self, step: Step) -> dict[str, Any]:
        world = self._world
        said: dict[str, Any] = {}
        for prompt in prompts_for(world.plot.book, world.conductor.state, step):
            if prompt.required:
                said[prompt.name] = prompt.expect or prompt.default or (prompt.options or ("seen it",))[0]
            if prompt.name == "order" and world.plot.name == "orders" and world.share() < 0.7:
                said["order"] = "replace_first"
        return {**said, "reason": "so it is"} if "order" in said else said

    def _clear(self, terminal: Terminal, op: Operation) -> None:
        """They look: a key whose secret is lost is deleted first."""
        world = self._world
        effect = world.vendor.executed(op.op)
        settled = "done" if effect else "not_done"
        if effect is not None and effect.made:
            subject = world.conductor.state.subjects[op.subject]
            if subject.new_op != op.op:
                settled = "not_done"
        if effect is not None and settled == "not_done":
            effect.undone = True
        world.request(terminal, "clear", op=op.op, reason="looked", **{"as": settled})

    def _attest_or_waive(self, terminal: Terminal, line: str, *, waive: bool) -> None:
        kind, _, slot = line.partition(":")
        world = self._world
        if kind == "operation":
            return
        if waive:
            world.request(terminal, "waive", line=line, name="ann", reason="accepted")
        elif kind in ("old", "gone"):
            if not world.vendor.accepts_old(slot):
                world.request(terminal, "attest", line=line, what="it is refused")
        elif kind == "new" and world.vendor.accepts_new(world.conductor.state.subjects[slot].new_key_id):
            world.request(terminal, "attest", line=line, what="it works")

    # -- the end

    def finish(self) -> None:
        """With every fault over: end the incident as a careful operator does. Violation when that cannot be done."""
        world = self._world
        tried: dict[str, int] = {}
        terminal = world.terminals[0]
        refusal = ""
        for _ in range(_MOST_TURNS):
            while world.workers:
                world.go_on()
            if world.conductor.state.closed:
                return
            if not terminal.driving:
                refusal = world.request(terminal, "take_over")
                continue
            refusal = self._next(terminal, tried) or refusal
        raise Violation(f"no end is reached: {refusal}")

    def _next(self, terminal: Terminal, tried: dict[str, int]) -> str:
        world = self._world
        state = world.conductor.state
        following = what_is_next(world.plot.book, state, world.clock.now())
        step = following.step
        if step is not None and tried.get(step.id, 0) < 3:
            tried[step.id] = tried.get(step.id, 0) + 1
            world.clock.true += 20.0
            return world.request(terminal, "run", step=step.id, answers=self._answers(step))
        if unknown := state.unknown_operations():
            for op in unknown:
                self._clear(terminal, op)
                tried.pop(op.step, None)
            return f"{unknown[0].op} is unknown"
        if step is not None:
            return world.request(terminal, "skip", step=step.id, reason="it cannot be done")
        if following.waiting:
            until = parse_instant(state.step(following.waiting[0]).until)
            world.clock.true += max(0.0, (until - world.clock.now()).total_seconds()) + 1.0
            world.tick()
            return f"{following.waiting[0]} waits"
        for line in open_lines(state):
            self._attest_or_waive(terminal, line.id, waive=False)
        for line in open_lines(world.conductor.state):
            self._attest_or_waive(terminal, line.id, waive=True)
        return world.request(terminal, "close")


def _one(names: list[str], lot: float) -> str:
    return names[int(lot * len(names))] if names else ""
