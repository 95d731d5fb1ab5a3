"""Syncs, writes and reads that fail under the journal."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runbook_tui.foundation.clock import RealClock
from runbook_tui.journal.store import Journal, JournalError
from servers.processes import needs


def seqs(path: Path) -> list[int]:
    with contextlib.closing(Journal.read(path)) as reader:
        assert reader.verify() == []
        return [event.seq for event in reader.events()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inc-1" / "journal.db"


def test_nothing_is_acknowledged_behind_a_hole(path: Path) -> None:
    """Promise: after a failed sync the log is written through and begun anew before the next event.

    The system takes pages of a failed sync for clean: what is logged behind them would go with them.
    """
    journal = Journal.create(path, RealClock(), lambda value: value)
    for number in range(3):
        journal.append("note", {"text": f"n{number}"}, "operator")
    connection = journal._connection

    class Failing:
        def execute(self, statement: str, values: tuple[Any, ...] = ()) -> Any:
            assert connection is not None
            cursor = connection.execute(statement, values)
            if statement == "COMMIT":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
                raise error
            return cursor

        def close(self) -> None:
            """Stays open, as when a reader keeps the log from being emptied at the close."""

    journal._connection = Failing()  # type: ignore[assignment]
    with pytest.raises(JournalError, match="not recorded"):
        journal.append("note", {"text": "perhaps"}, "operator")
    before = path.with_name("journal.db-wal").stat().st_size
    assert journal.append("note", {"text": "sure"}, "operator").seq in (4, 5)
    assert path.with_name("journal.db-wal").stat().st_size < before, "the log was not begun anew"
    assert connection is not None
    connection.close()
    journal.close()


FAILING = """
import os, sys
from pathlib import Path
from runbook_tui.foundation.clock import RealClock
from runbook_tui.journal.store import Journal, JournalError
path, told, refused = Path(sys.argv[1]), [], 0
while True:
    try:
        make = Journal.open if path.exists() else Journal.create
        journal = make(path, RealClock(), lambda value: value)
        break
    except JournalError:
        refused += 1
for number in range(300):
    try:
        told.append(journal.append(("note", "outcome")[number % 2], {"op": str(number)}, "operator").seq)
    except JournalError as error:
        assert error.hint
        refused += 1
    if number % 10 == 0:
        try:
            reader = Journal.read(path)
            there = {event.seq for event in reader.events()}
            reader.close()
            assert set(told) <= there
        except JournalError:
            refused += 1
os.write(1, b"%d" % refused + b"".join(b" %d" % seq for seq in told))
"""


@pytest.mark.parametrize(
    ("point", "share"),
    [("posix/io/sync/*", 0.05), ("posix/io/rw/pwrite*", 0.02), ("posix/io/rw/pread", 0.05)],
    ids=["sync", "write", "read"],
)
def test_syncs_writes_and_reads_that_fail(path: Path, point: str, share: float) -> None:
    """Promise: with one of twenty syncs or reads failing with EIO, one of fifty writes failing or falling short, all
    that was acknowledged is there, once, and no reader sees less.
    """
    fault = f"enable_random name={point},probability={share},failinfo={errno.EIO}"
    command = [needs("fiu-run", "fiu-utils"), "-x", "-c", fault, sys.executable, "-c", FAILING, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    refused, *told = map(int, run.stdout.split())
    there = seqs(path)
    with contextlib.closing(Journal.read(path)) as reader:
        outcomes = [event.data["op"] for event in reader.events() if event.kind == "outcome"]
    assert set(told) <= set(there)
    assert len(told) == len(set(told))
    assert len(outcomes) == len(set(outcomes)), "an outcome was recorded twice"
    assert refused > 0
    assert len(told) > 100
