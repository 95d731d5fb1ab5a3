"""Time: the real clock, a clock for tests and drills, and the text forms of instants and durations."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Protocol

from runbook_tui.foundation.errors import RunbookError


class Clock(Protocol):
    """Where the program gets the time from. Only socket deadlines use anything else."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""
        ...

    def mono_ns(self) -> int:
        """Nanoseconds that never go back within one boot (`boot_id`)."""
        ...

    def boot_id(self) -> str:
        """Names the span in which `mono_ns` values can be compared."""
        ...

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
        """Wait; True when `wake` ended the wait early."""
        ...


class RealClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def mono_ns(self) -> int:
        return time.monotonic_ns()

    def boot_id(self) -> str:
        return _kernel_boot_id()

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
        return (wake or threading.Event()).wait(max(0.0, seconds))


class FakeClock:
    """A clock that moves only when told to, or when somebody sleeps on it."""

    def __init__(self, start: datetime | None = None, tick: float = 0.0) -> None:
        """`tick` seconds pass at every reading, so that two events never share an instant."""
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._mono = 0
        self._tick = tick
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            self._advance(self._tick)
            return self._now

    def mono_ns(self) -> int:
        with self._lock:
            return self._mono

    def boot_id(self) -> str:
        return "fake"

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
        if wake is not None and wake.is_set():
            return True
        with self._lock:
            self._advance(max(0.0, seconds))
        return False

    def _advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._mono += int(seconds * 1e9)


@cache
def _kernel_boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        # No boot id off Linux: one per minute of boot time is close enough to tell two boots apart.
        return f"boot-{int((time.time() - time.monotonic()) // 60)}"


def iso(moment: datetime) -> str:
    """RFC 3339, UTC, microseconds: `2026-11-21T22:04:06.123456Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_instant(text: str) -> datetime:
    """An RFC 3339 time with an offset (or `Z`); raises RunbookError for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RunbookError(f"not a time: {text!r}", "write it like 2026-11-21T22:04:00Z") from None
    if moment.tzinfo is None:
        raise RunbookError(f"the time {text!r} has no offset", "add Z for UTC, or an offset like +01:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # the last hours of the year 9999, further west
        raise RunbookError(f"not a time: {text!r}", "write it like 2026-11-21T22:04:00Z") from None


_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6}(?:\.\d+)?)s)?", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds in `45s`, `5m`, `1h30m`, `2d`."""
    match = _DURATION.fullmatch(text.strip())
    if not match or not any(match.groups()):
        raise RunbookError(f"not a duration: {text!r}", "write it like 45s, 5m or 1h30m")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def duration_text(seconds: float) -> str:
    """`4 m 05 s`, `1 h 02 m`, `12 s`; a minus sign is kept."""
    sign = "-" if seconds < 0 else ""
    whole = round(abs(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{sign}{hours} h {minutes:02d} m"
    if minutes:
        return f"{sign}{minutes} m {left:02d} s"
    return f"{sign}{left} s"


def clock_text(seconds: float) -> str:
    """`2:49`, `1:02:03`: the form of a running clock."""
    sign = "-" if seconds < 0 else ""
    whole = int(abs(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{sign}{hours}:{minutes:02d}:{left:02d}" if hours else f"{sign}{minutes}:{left:02d}"


def clock_time(text: str, now: datetime) -> str:
    """RFC 3339 for what an operator types: an instant, or `22:04` for the last such UTC time before `now`."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2})(?::(\d{2}))?Z?", text.strip())
    if not match:
        return iso(parse_instant(text.strip()))
    hour, minute, second = (int(part or 0) for part in match.groups())
    if hour > 23 or minute > 59 or second > 59:
        raise RunbookError(f"not a time of day: {text!r}", "write it like 22:04")
    moment = now.astimezone(UTC).replace(hour=hour, minute=minute, second=second, microsecond=0)
    return iso(moment if moment <= now else moment - timedelta(days=1))
