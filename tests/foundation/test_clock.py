"""Promise: times are UTC and unambiguous, durations read back, and the fake clock moves only when told to."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_tui.foundation.clock import (
    FakeClock,
    RealClock,
    clock_text,
    duration_text,
    iso,
    parse_duration,
    parse_instant,
)
from runbook_tui.foundation.errors import RunbookError


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9998, 12, 30), timezones=st.just(UTC)))
def test_instants_survive_writing_and_reading(moment: datetime) -> None:
    assert parse_instant(iso(moment)) == moment


def test_offsets_become_utc() -> None:
    assert iso(datetime(2026, 11, 21, 23, 4, tzinfo=timezone(timedelta(hours=1)))) == "2026-11-21T22:04:00.000000Z"
    assert parse_instant("2026-11-21T23:04:00+01:00") == datetime(2026, 11, 21, 22, 4, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "now", "2026-11-21T22:04:00", "2026-11-21", "22:04"])
def test_ambiguous_times_are_refused(text: str) -> None:
    with pytest.raises(RunbookError):
        parse_instant(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("0.5s", 0.5), (" 1m5s ", 65)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "5m1h", "1e9s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(RunbookError):
        parse_duration(text)


def test_texts_of_durations() -> None:
    assert [duration_text(s) for s in (0, 12, 245, 3720, -245)] == ["0 s", "12 s", "4 m 05 s", "1 h 02 m", "-4 m 05 s"]
    assert [clock_text(s) for s in (0, 169, 3723, -5)] == ["0:00", "2:49", "1:02:03", "-0:05"]


def test_the_fake_clock_moves_only_when_told() -> None:
    clock = FakeClock()
    before = clock.now()
    assert clock.now() == before
    assert not clock.sleep(90)
    assert clock.now() - before == timedelta(seconds=90)
    assert clock.mono_ns() == 90 * 10**9
    woken = threading.Event()
    woken.set()
    assert clock.sleep(90, woken)
    assert clock.now() - before == timedelta(seconds=90)
    ticking = FakeClock(tick=1)
    assert ticking.now() < ticking.now()


def test_the_real_clock() -> None:
    clock = RealClock()
    assert clock.now().tzinfo is UTC
    assert clock.mono_ns() <= clock.mono_ns()
    assert clock.boot_id() == clock.boot_id()
    woken = threading.Event()
    woken.set()
    assert clock.sleep(600, woken)
    assert not clock.sleep(-1)
