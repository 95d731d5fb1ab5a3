"""One seed, one run: the real conductor with a simulated disk, clock, vendor and two operators.

Everything that can differ is decided by the seed. A run has two parts: some turns in which anything may fail at any
boundary of an effect, and a calm end in which an honest operator has to be able to close the incident.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from simulator_books import Plot, plots
from simulator_disk import SimClock, SimJournal, SimLock, SimWorker
from simulator_operators import Operators
from simulator_rules import Acting, Crash, Rules, Violation
from simulator_vendor import Effect, Vendor, make_kit

from runbook_tui.conductor.core import Conductor
from runbook_tui.conductor.logbook import Terminal
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.events import Event
from runbook_tui.journal.storage import JournalError

_CALLS = ("rejected", "not_sent", "dropped", "lost", "lost", "late", "late", "5xx", "broken")
_DEEPEST = 2


@cache
def _lots() -> list[Plot]:
    return [plot for plot in plots() for _ in range(plot.share)]


class World:
    """See the module. `tell` is told what happens, for a trace."""

    def __init__(self, seed: int, tell: Callable[[str], None] | None = None) -> None:
        self._dice = dice = Random(seed).random
        self.tell = tell
        lots = _lots()
        self.plot = lots[int(dice() * len(lots))]
        pick = lambda *rates: rates[int(dice() * len(rates))]  # noqa: E731
        self._crash, self.crashes = pick(0.0, 0.01, 0.03, 0.1), 0
        self._crashes_left = pick(1, 2, 3)
        self._disk, self._full = pick(0.0, 0.0, 0.03, 0.1), 0
        self._call, self._probe = pick(0.1, 0.5, 0.9), pick(0.0, 0.2, 0.6)
        self._other = pick(0.0, 0.02, 0.1)
        self._clock = pick(0.0, 0.0, 0.05)
        self.faults = self.points = 0
        self.calm = True
        self.clock = SimClock(self)
        self.journal = SimJournal(self.clock, self)
        self.vendor = Vendor(self.clock, pick(0.0, 5.0, 45.0, 300.0))
        self.kit = make_kit(self.vendor, self)
        self.rules = Rules(self)
        self.context: list[Acting] = []
        self.workers: list[SimWorker] = []
        self.terminals: list[Terminal] = []
        self._depth = 0
        for kind, data in self.plot.opening:
            self.journal.append(kind, dict(data), "op")
        self.operators = Operators(self)

    # -- a run

    def run(self) -> World:
        """Play it to its end; raises Violation."""
        self.calm = False
        self.start_program()
        for _ in range(2 + int(self._dice() * 6)):
            try:
                self._turn()
            except Crash:
                self.start_program()
            self.rules.one_driver()
        self.calm = True
        self.operators.finish()
        self._compare()
        return self

    def _turn(self) -> None:
        lot = self._dice()
        if self._clock and self._dice() < self._clock * 4:
            self._set_clock()
        if self.workers and lot < 0.7:
            self.go_on()
        elif lot < 0.75:
            self.clock.true += self._dice() * 120.0
            self.tick()
        else:
            self.operators.act()

    def _set_clock(self) -> None:
        self.faults += 1
        self.clock.wrong += (self._dice() - 0.5) * (20.0, 7200.0)[self._dice() < 0.5]

    def _compare(self) -> None:
        told, file = self.conductor.events, self.journal.file
        self.rules.need(len(told) == len(file), f"{len(told)} events are known, {len(file)} are recorded")

    # -- the program

    def start_program(self) -> None:
        """Start it as it is started after a crash, as often as it takes."""
        while True:
            self.workers, self.context, self._depth = [], [], 0
            try:
                self.conductor = Conductor(self.plot.book, self.journal, self.kit, "op", start=self._start)  # type: ignore[arg-type]
                self.conductor.book_data = self.plot.data  # made once
                self.lock = SimLock(self.meanwhile)
                self.conductor._log.lock = self.lock  # type: ignore[assignment]
                self.terminals = []
                self.conductor.recover()
                for name in ("ann", "bob"):
                    self._attach(name)
                return
            except Crash:
                continue
            except JournalError:
                continue  # it does not start; whoever wanted it tries again

    def _attach(self, name: str) -> None:
        seen, early = -1, 0  # the snapshot is not here yet

        def push(told: dict[str, Any]) -> None:
            nonlocal seen, early
            if "event" in told and seen < 0:
                early = told["event"]["seq"]
            elif "event" in told:
                seen = self.rules.told(name, seen, told["event"])

        terminal, told = self.conductor.attach(name, "drive", push)
        seen = max(len(told["events"]), early)
        self.terminals.append(terminal)

    def _start(self, name: str, work: Callable[[], None]) -> SimWorker:
        running = self.running()
        self.rules.need(not running, f"{name} starts while {running} runs")
        worker = SimWorker(name, work)
        self.workers.append(worker)
        return worker

    def running(self) -> str:
        """The step that a worker has not ended."""
        return next((one.name for one in self.workers if not one.over), "")

    def ended(self, step: str) -> None:
        """Its worker has recorded the end of a step."""
        for worker in self.workers:
            if worker.name == step:
                worker.over = True

    def go_on(self) -> None:
        """Let the worker that waits do its step."""
        worker = next((one for one in self.workers if not one.begun), None)
        if worker is None:
            return
        worker.begun = True
        self._say(f"step {worker.name}")
        self.context.append(Acting(None, worker.name))
        worker.work()
        self.context.pop()
        worker.over = True
        self.workers.remove(worker)

    def tick(self) -> None:
        self.context.append(Acting(None, "tick"))
        try:
            self.conductor.tick()
        except RunbookError as error:
            self._say(f"tick: {error.message}")
        self.context.pop()

    def request(self, terminal: Terminal, method: str, **params: Any) -> str:
        """What a terminal asks for; the refusal, or ""."""
        self._say(f"{terminal.name}: {method} {params}")
        self.context.append(Acting(terminal, method))
        try:
            self.conductor.handle(terminal, method, params)
        except RunbookError as error:
            self._say(f"  refused: {error.message}")
            return error.message
        finally:
            if self.context:
                self.context.pop()
        return ""

    # -- fate

    def _say(self, text: str) -> None:
        if self.tell is not None:
            self.tell(f"{self.clock.true:9.3f} {'  ' * self._depth}{text}")

    def share(self) -> float:
        return self._dice()

    def point(self, where: str) -> None:
        """A boundary of an effect: the program may end here."""
        self.points += 1
        if not self.calm and self._crashes_left and self._dice() < self._crash:
            self._crashes_left -= 1
            self.crashes += 1
            self._say(f"CRASH {where}")
            if self._dice() < 0.2:
                self.clock.reboot()
            raise Crash

    def meanwhile(self) -> None:
        """Another thread may run here: somebody at another terminal, the tick, the step's worker."""
        if self.calm or self._depth >= _DEEPEST or not self._other or self._dice() >= self._other:
            return
        if self.lock.held:
            return
        self._depth += 1
        self.faults += 1
        lot = self._dice()
        if lot < 0.15:
            self.tick()
        elif lot < 0.4 and not any(one.begun for one in self.workers):
            self.go_on()
        elif self._clock and lot < 0.5:
            self._set_clock()
        else:
            self.operators.act()
        self._depth -= 1

    def append_fate(self, kind: str) -> str:
        """ok, full (nothing is written, for a while), refused (this once) or landed (refused, and it is there)."""
        if self.calm:
            return "ok"
        if self._full:
            self._full -= 1
            return "full"
        if not self._disk or self._dice() >= self._disk:
            return "ok"
        self.faults += 1
        lot = self._dice()
        self._full = int(lot * 12) if lot < 0.4 else 0
        fate = "full" if lot < 0.4 else "refused" if lot < 0.65 else "landed"
        self._say(f"DISK {fate}: {kind}")
        return fate

    def call_fate(self) -> str:
        if self.calm or self._dice() >= self._call:
            return "ok"
        self.faults += 1
        fate = _CALLS[int(self._dice() * len(_CALLS))]
        self._say(f"CALL {fate}")
        return fate

    def probe_fate(self) -> str:
        if self.calm or self._dice() >= self._probe:
            return "ask"
        self.faults += 1
        return "5xx" if self._dice() < 0.7 else "foreign"

    def limited(self) -> bool:
        return not self.calm and self._dice() < self._probe * 0.2

    def vault_refuses(self) -> bool:
        return not self.calm and self._dice() < 0.05

    def consumer_calls(self) -> bool:
        """Whether the consumer has used what it holds."""
        return self.calm or self._dice() < 0.5

    # -- what the simulated parts report

    def written(self, event: Event) -> None:
        if self.tell is not None:
            self._say(f"  #{event.seq} {event.kind} {event.data}")
        self.rules.written(event)

    def sent(self, op: str) -> None:
        self.rules.sent(op)

    def executing(self, effect: Effect) -> None:
        self._say(f"  EXECUTES {effect.op} shows at {effect.shows:.1f}")
        self.rules.executing(effect)


def simulate(seed: int, tell: Callable[[str], None] | None = None) -> tuple[World, str]:
    """Run one seed: the world at its end, and the violation or ""."""
    world = World(seed, tell)
    try:
        world.run()
    except Violation as violation:
        return world, str(violation)
    except Exception as error:
        if tell is not None:
            raise
        return world, f"{type(error).__name__}: {error}"
    return world, ""
