"""What a database of events is held against: its chain, its guards, its data, and the clock's own account."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime

from runbook_tui.foundation.clock import parse_instant
from runbook_tui.journal import storage
from runbook_tui.journal.chain import Head, Row, problems

# The wall clock is slewed by at most 500 ppm; more than this against the monotonic clock is a step.
_STEP_SECONDS, _SLEW = 0.5, 0.001

_ROWS = """SELECT e.seq, e.ts, e.mono_ns, e.boot_id, e.actor, e.kind, e.digest, e.prev, e.hash, p.salt, p.data
           FROM events e LEFT JOIN payloads p ON p.seq = e.seq ORDER BY e.seq"""


def rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Every event as stored, in order."""
    return map(Row._make, connection.execute(_ROWS))


def examine(connection: sqlite3.Connection, heads: Iterable[tuple[str, Head]]) -> list[str]:
    """Everything that is wrong with the record, in words; storage.FAULTS when it cannot be read."""
    found = problems(rows(connection), heads)
    for (line,) in connection.execute("PRAGMA quick_check(5)"):
        if line != "ok":
            found.append(f"the database is damaged: {line}")
    for (seq,) in connection.execute("SELECT seq FROM payloads WHERE seq NOT IN (SELECT seq FROM events)"):
        found.append(f"there is data for event {seq}, which does not exist")
    guards = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type='trigger'")}
    missing = sorted(name for name, sql in storage.TRIGGERS.items() if sql not in guards)
    if missing:
        found.append(f"the guards against changes were removed: {', '.join(missing)}")
    return found


def clock_step(last: Row | None, now: datetime, mono_ns: int, boot_id: str) -> float:
    """Seconds by which the wall clock was set since `last`, against the monotonic clock; 0.0 when it was not."""
    if last is None or last.boot_id != boot_id:
        return 0.0
    wall = (now - parse_instant(last.ts)).total_seconds()
    elapsed = (mono_ns - last.mono_ns) / 1e9
    lost = elapsed - wall
    stepped = elapsed >= 0 and (wall < 0 or lost > _STEP_SECONDS + _SLEW * elapsed)
    return -round(lost, 6) if stepped else 0.0
