"""Power cuts in the real kernel: ext4 in a file, shut down under a process that writes a journal."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook_tui.foundation.clock import RealClock
from runbook_tui.journal.store import Journal, JournalError
from servers.disks import PowerDisk

ROUNDS = int(os.environ.get("RUNBOOK_POWER_CUTS", "16"))  # cuts at random moments; 6 at chosen ones come on top

WRITER = """
import os, sys
from pathlib import Path
from runbook_tui.foundation.clock import RealClock
from runbook_tui.journal import storage
from runbook_tui.journal.store import Journal
path, settings = Path(sys.argv[1]), sys.argv[2:]
product = storage.connect
def connect(path):
    connection = product(path)
    for pragma in settings:
        connection.execute("PRAGMA " + pragma)
    return connection
storage.connect = connect
make = Journal.open if path.exists() else Journal.create
os.write(1, b"begin 0\\n")
journal = make(path, RealClock(), lambda value: value)
while True:
    for kind in ("note", "intent", "sending", "new_credential", "outcome"):
        event = journal.append(kind, {"op": "1", "text": "x" * 300}, "operator")
        os.write(1, b"%s %d\\n" % (kind.encode(), event.seq))
"""


def same(value: Any) -> Any:
    return value


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PowerDisk]:
    with PowerDisk(tmp_path) as made:
        yield made


def cut_while_writing(disk: PowerDisk, path: Path, after: str, pause: float, *settings: str) -> int:
    """Write events until `after` was acknowledged (and `pause` seconds more), then cut the power and bring it back.

    The writer is stopped first, so that no sync runs into the cut itself. The last number that was acknowledged.
    """
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), *settings], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    try:
        seen = b""
        while after.encode() not in seen:
            line = writer.stdout.readline()
            assert line, "the writer ended"
            seen += line
        time.sleep(pause)
        writer.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, writer.pid, os.WSTOPPED | os.WNOWAIT)
        disk.cut()
    finally:
        writer.kill()
    seen += writer.stdout.read()
    writer.wait()
    disk.down()
    disk.up()
    return max(int(line.split()[1]) for line in seen.splitlines(keepends=True) if line.endswith(b"\n"))


def after_cut(path: Path, acknowledged: int) -> int:
    """How many events there are after the cut; the journal is whole and takes the next one."""
    journal = Journal.open(path, RealClock(), same)
    try:
        there = journal.head()[0]
        assert there >= acknowledged
        assert journal.append("note", {"text": "after"}, "operator").seq == there + 1
        assert [event.seq for event in journal.events()] == list(range(1, there + 2))
        assert journal.verify() == []
        return there
    finally:
        journal.close()


def test_a_power_cut_loses_no_acknowledged_event(disk: PowerDisk) -> None:
    """Promise: cut at a random moment, again and again on one journal: every acknowledged event is there.

    Assumption: the file system and the disk keep what they report as synced.
    """
    rng = random.Random()
    path = disk.point / "inc-1" / "journal.db"
    total = 0
    for _ in range(ROUNDS):
        total = after_cut(path, cut_while_writing(disk, path, "note", rng.uniform(0, 0.08)))
    assert total > ROUNDS * 2


@pytest.mark.parametrize("kind", ["sending", "new_credential"])
def test_a_power_cut_right_after_what_matters(disk: PowerDisk, kind: str) -> None:
    """Promise: `sending`, the leave for the first byte, and a new secret's record are there although the power went."""
    for number in range(2):
        path = disk.point / f"inc-{number}" / "journal.db"
        after_cut(path, cut_while_writing(disk, path, kind, 0))
        with contextlib.closing(Journal.read(path)) as journal:
            kinds = [event.kind for event in journal.events()]
        assert kinds.index("intent") < kinds.index("sending")
        assert kind in kinds


def test_a_power_cut_while_an_incident_is_created(disk: PowerDisk) -> None:
    """Promise: a creation that was cut off is a journal, or is told to be none; it is never taken for a whole one."""
    rng = random.Random()
    for number in range(2):
        path = disk.point / f"inc-{number}" / "journal.db"
        acknowledged = cut_while_writing(disk, path, "begin", rng.uniform(0, 0.02))
        try:
            after_cut(path, acknowledged)
        except JournalError:
            assert acknowledged == 0


def test_the_cut_sees_a_loss(disk: PowerDisk) -> None:
    """Control: with `synchronous=NORMAL`, which is not durable, the same cut loses acknowledged events."""
    for number in range(8):
        path = disk.point / f"inc-{number}" / "journal.db"
        acknowledged = cut_while_writing(disk, path, "note", 0.05, "synchronous=NORMAL")
        try:
            with contextlib.closing(Journal.read(path)) as journal:
                if journal.head()[0] < acknowledged:
                    return
        except JournalError:
            return
    pytest.fail("no cut lost anything: this test would not see a loss")
