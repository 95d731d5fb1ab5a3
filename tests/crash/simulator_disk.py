"""The journal and the clocks of a simulated machine: in memory, with the faults that the world decides on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from runbook_tui.foundation.clock import iso
from runbook_tui.incident.events import KINDS, Event
from runbook_tui.journal.storage import JournalError

_START = datetime(2026, 3, 1, 12, tzinfo=UTC)
# As the real journal does: these are tried again, at the cost of its reserve of space.
_AFTER_THE_FACT = frozenset({"outcome", "new_credential", "step_failed"})


class Fate(Protocol):
    """What a disk and a clock ask the world."""

    def point(self, where: str) -> None: ...
    def append_fate(self, kind: str) -> str: ...
    def written(self, event: Event) -> None: ...
    def meanwhile(self) -> None: ...


class SimClock:
    """`true` is what the vendor's clock says; the machine's wall clock may be set, and a reboot starts `mono` anew."""

    def __init__(self, fate: Fate) -> None:
        self.true = 0.0
        self.wrong = 0.0  # seconds by which the wall clock is off
        self.boots = 1
        self._booted = -100.0
        self._fate = fate

    def now(self) -> datetime:
        return _START + timedelta(seconds=self.true + self.wrong)

    def mono_ns(self) -> int:
        return int((self.true - self._booted) * 1e9)

    def boot_id(self) -> str:
        return f"boot-{self.boots}"

    def sleep(self, seconds: float, wake: Any = None) -> bool:
        self._fate.meanwhile()
        self._fate.point("sleep")
        if wake is not None and wake.is_set():
            return True
        self.true += max(0.0, seconds)
        return False

    def reboot(self) -> None:
        self.boots += 1
        self._booted = self.true

    def at(self, true: float) -> datetime:
        """What a right clock shows then."""
        return _START + timedelta(seconds=true)


class SimJournal:
    """The journal's interface. `file` survives everything; an append can fail with or without having landed."""

    def __init__(self, clock: SimClock, fate: Fate) -> None:
        self.file: list[Event] = []
        self._clock, self._fate = clock, fate

    def append(self, kind: str, data: dict[str, Any], actor: str) -> Event:
        assert kind in KINDS, kind
        self._fate.point(f"before {kind}")
        fate = self._fate.append_fate(kind)
        landed = self._write(kind, data, actor) if fate in ("ok", "landed") else None
        if fate != "ok":
            self._fate.point(f"failed {kind}")
            if fate == "full" or kind not in _AFTER_THE_FACT:
                raise JournalError(f"not recorded: {fate}", "free some space")
            landed = landed or self._write(kind, data, actor)
        assert landed is not None
        self._fate.point(f"after {kind}")
        return landed

    def _write(self, kind: str, data: dict[str, Any], actor: str) -> Event:
        self._clock.true += 0.001
        last = self.file[-1] if self.file else None
        now, mono = iso(self._clock.now()), self._clock.mono_ns()
        if last is not None and last.boot_id == self._clock.boot_id() and now < last.ts:
            self._put(Event(len(self.file) + 1, now, mono, last.boot_id, "journal", "clock_step", {"seconds": -1.0}))
        return self._put(Event(len(self.file) + 1, now, mono, self._clock.boot_id(), actor, kind, data))

    def _put(self, event: Event) -> Event:
        self.file.append(event)
        self._fate.written(event)
        return event

    def events(self, since: int = 0) -> list[Event]:
        return self.file[since:]

    def head(self) -> tuple[int, str]:
        return len(self.file), "0" * 64


class SimLock:
    """The lock of the logbook. Whoever comes to it or leaves it may find that another thread was there."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._depth, self._meanwhile = 0, meanwhile

    def __enter__(self) -> SimLock:
        if not self._depth:
            self._meanwhile()
        self._depth += 1
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._depth -= 1
        if not self._depth and kind is None:
            self._meanwhile()

    @property
    def held(self) -> bool:
        return bool(self._depth)


class SimWorker:
    """A step's worker: goes on when the world says so."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name, self.work, self.begun, self.over = name, work, False, False

    def join(self, timeout: float | None = None) -> None:
        """The time is over at once: the world does not move while somebody waits."""

    def is_alive(self) -> bool:
        return not self.over
