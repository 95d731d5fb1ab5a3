"""The journal under attack and under failure: tampering, kill -9, full and read-only disks."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook_tui.foundation.clock import FakeClock, RealClock
from runbook_tui.journal.store import Journal, JournalError
from servers.disks import small


def same(value: Any) -> Any:
    return value


def make(path: Path, count: int = 6) -> list[Any]:
    journal = Journal.create(path, FakeClock(tick=0.01), same)
    events = [journal.append("note", {"text": f"n{number}"}, "operator") for number in range(count)]
    journal.close()
    return events


def verify(path: Path, head: tuple[int, str] | None = None) -> list[str]:
    reader = Journal.read(path)
    try:
        return reader.verify(head)
    finally:
        reader.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inc-1" / "journal.db"


EDITS: dict[str, tuple[str, str]] = {
    "time": ("UPDATE events SET ts='2020-01-01T00:00:00.000000Z' WHERE seq=3", "event 3 was changed"),
    "monotonic": ("UPDATE events SET mono_ns=1 WHERE seq=3", "event 3 was changed"),
    "actor": ("UPDATE events SET actor='mallory' WHERE seq=3", "event 3 was changed"),
    "kind": ("UPDATE events SET kind='opened' WHERE seq=3", "event 3 was changed"),
    "boot": ("UPDATE events SET boot_id='x' WHERE seq=3", "event 3 was changed"),
    "data": ('UPDATE payloads SET data=\'{"text":"other"}\' WHERE seq=3', "data of event 3 was changed"),
    "data gone": ("DELETE FROM payloads WHERE seq=3", "data of event 3 is missing"),
    "salt": ("UPDATE payloads SET salt='zz' WHERE seq=3", "data of event 3 was changed"),
    "delete": ("DELETE FROM payloads WHERE seq=3; DELETE FROM events WHERE seq=3", "before event 4, 1 are missing"),
    "first": ("DELETE FROM payloads WHERE seq=1; DELETE FROM events WHERE seq=1", "before event 2, 1 are missing"),
    "reorder": (
        "UPDATE events SET seq=99 WHERE seq=2; UPDATE events SET seq=2 WHERE seq=3;"
        "UPDATE events SET seq=3 WHERE seq=99",
        "event 2",
    ),
    "orphan": ("INSERT INTO payloads VALUES(77,'00','{}')", "data for event 77"),
    "truncate": ("DELETE FROM payloads WHERE seq>4; DELETE FROM events WHERE seq>4", "the end was cut off"),
    "empty": ("DELETE FROM payloads; DELETE FROM events", "the end was cut off"),
    "guards": ("SELECT 1", "guards against changes were removed"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_tampering_is_found(path: Path, edit: str) -> None:
    """Promise: an edit of any field, a deletion, a swap, a cut end and removed guards are each found and named."""
    make(path)
    statement, expected = EDITS[edit]
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys=0")
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.executescript(statement)
    if edit != "guards":
        for _, sql in triggers:
            connection.execute(sql)
    connection.commit()
    connection.close()
    found = verify(path)
    assert any(expected in line for line in found), found
    if edit not in ("orphan", "guards"):
        with pytest.raises(JournalError, match="damaged"):
            Journal.open(path, RealClock(), same)


def test_a_head_kept_elsewhere_shows_a_rewritten_end(path: Path) -> None:
    """Promise: who noted a head finds a truncation even when the note beside the journal was fitted to it."""
    make(path)
    journal = Journal.open(path, RealClock(), same)
    head = journal.head()
    journal.close()
    assert verify(path, head) == []
    connection = sqlite3.connect(path)
    for name in ("events_no_delete", "payloads_no_delete"):
        connection.execute(f"DROP TRIGGER {name}")
    connection.executescript("DELETE FROM payloads WHERE seq=6; DELETE FROM events WHERE seq=6;")
    connection.close()
    (path.parent / "journal.head").unlink()
    assert not any("cut off" in line for line in verify(path))
    assert any("cut off" in line for line in verify(path, head))
    assert any("differs" in line for line in verify(path, (5, "f" * 64)))


def test_random_damage_is_found(path: Path) -> None:
    """Promise: flipped bytes in the file never read as a good record with other content."""
    make(path, 40)
    good = path.read_bytes()
    before = Journal.read(path)
    wanted = before.events()
    before.close()
    rng = random.Random(7)
    for _ in range(150):
        bad = bytearray(good)
        bad[rng.randrange(100, len(bad))] ^= rng.randrange(1, 256)
        path.write_bytes(bad)
        try:
            reader = Journal.read(path)
        except JournalError:
            continue
        try:
            if not reader.verify():
                assert reader.events() == wanted
        finally:
            reader.close()


WRITER = """
import os, sys
from pathlib import Path
from runbook_tui.foundation.clock import RealClock
from runbook_tui.journal.store import Journal
path = Path(sys.argv[1])
make = Journal.open if path.exists() else Journal.create
journal = make(path, RealClock(), lambda value: value)
while True:
    event = journal.append("note", {"text": "x" * 300}, "operator")
    os.write(1, b"%d\\n" % event.seq)
"""


def test_kill_nine_loses_nothing_acknowledged(path: Path) -> None:
    """Promise: every event acknowledged before a kill -9 is readable after it, and the chain holds."""
    rng = random.Random(1)
    last = 0
    for _ in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.05))
        writer.send_signal(signal.SIGKILL)
        acknowledged = writer.stdout.read().split(b"\n")
        writer.wait()
        complete = [int(line) for line in acknowledged[:-1] if line]
        last = max([last, *complete])
        reader = Journal.read(path)
        assert reader.head()[0] >= last
        assert [event.seq for event in reader.events()] == list(range(1, reader.head()[0] + 1))
        assert reader.verify() == []
        reader.close()
    assert last > 8


def fill(journal: Journal) -> int:
    """Append until that fails several times in a row; the number of the last acknowledged event."""
    last, refusals = journal.head()[0], []
    while len(refusals) < 4:
        try:
            last, refusals = journal.append("note", {"text": "x" * 5000}, "operator").seq, []
        except JournalError as error:
            refusals.append(error)
    assert all("not recorded" in error.message and "disk" in error.hint for error in refusals), refusals
    return last


LIMITED = """
import resource, sys
from pathlib import Path
sys.path[:0] = [sys.argv[2], sys.argv[2] + "/.."]
from runbook_tui.foundation.clock import RealClock
from runbook_tui.journal.store import Journal
from test_journal_faults import fill
journal = Journal.create(Path(sys.argv[1]), RealClock(), lambda value: value)
journal.append("opened", {}, "operator")
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
last = fill(journal)
assert [event.seq for event in journal.events()] == list(range(1, last + 1)) and last > 5
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert journal.append("note", {"text": "room again"}, "operator").seq == last + 1
assert journal.verify() == []
journal.close()
"""


def test_a_write_that_fails_is_not_recorded(path: Path) -> None:
    """Promise: when the file cannot grow, the event is refused, nothing acknowledged is lost, and it goes on later."""
    run = subprocess.run([sys.executable, "-c", LIMITED, str(path), str(Path(__file__).parent)], capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    assert verify(path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A function that mounts a small disk of its own; only root can."""
    with contextlib.ExitStack() as stack:
        yield lambda size: stack.enter_context(small(tmp_path / "disk", size))


def test_full_disk(small_disk: Callable[[str], Path]) -> None:
    """Promise: on a full disk no event is lost or half there; an outcome is still recorded, freeing the ballast."""
    path = small_disk("2m") / "inc" / "journal.db"
    journal = Journal.create(path, RealClock(), same)
    journal.append("opened", {}, "operator")
    last = fill(journal)
    big = {"op": "1", "result": "done", "evidence": {"body": "x" * 40_000}}
    assert journal.append("outcome", big, "conductor").seq == last + 1
    assert not (path.parent / "journal.ballast").exists()
    assert journal.verify() == []
    assert [event.seq for event in journal.events()] == list(range(1, last + 2))
    journal.close()


def test_no_changing_call_begins_on_a_nearly_full_disk(small_disk: Callable[[str], Path]) -> None:
    """Promise: below 8 MiB of room an `intent` is refused, so that no call starts whose outcome might not fit."""
    path = small_disk("4m") / "inc" / "journal.db"
    journal = Journal.create(path, RealClock(), same)
    journal.append("note", {"text": "still fine"}, "operator")
    with pytest.raises(JournalError, match="8 MiB"):
        journal.append("intent", {"op": "1"}, "conductor")
    assert [event.kind for event in journal.events()] == ["note"]
    journal.close()


def test_read_only_disk(small_disk: Callable[[str], Path]) -> None:
    """Promise: a journal on a read-only disk is read and verified; writing is refused with a hint."""
    disk = small_disk("12m")
    path = disk / "inc" / "journal.db"
    make(path)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert verify(path) == []
    for attempt, where in ((Journal.open, path), (Journal.create, disk / "new" / "journal.db")):
        with pytest.raises(JournalError) as caught:
            attempt(where, RealClock(), same)
        assert "read-only" in caught.value.hint
