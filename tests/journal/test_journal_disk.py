"""The journal's files under its feet: removed, replaced, cut; a disk that is full, read-only, or fails to sync."""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook_tui.foundation.clock import RealClock
from runbook_tui.journal import storage
from runbook_tui.journal.store import Journal, JournalError
from servers.disks import PowerDisk, fill, small


def same(value: Any) -> Any:
    return value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inc-1" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """Three events, open for writing."""
    made = Journal.create(path, RealClock(), same)
    for number in range(3):
        made.append("note", {"text": f"n{number}"}, "operator")
    yield made
    made.close()


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def seqs(path: Path) -> list[int]:
    with contextlib.closing(Journal.read(path)) as reader:
        assert reader.verify() == []
        return [event.seq for event in reader.events()]


# -- removed and replaced


def test_a_removed_journal_acknowledges_nothing(journal: Journal, path: Path) -> None:
    """Promise: what SQLite would write to a file that is gone is never shown as recorded; put back, it goes on."""
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        path.with_name(name).rename(path.with_name(f"away-{name}"))
    for kind in ("note", "outcome", "note"):
        with pytest.raises(JournalError, match="not recorded"):
            journal.append(kind, {"op": "1"}, "operator")
    assert not path.exists()
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(f"away-{name}").rename(path.with_name(name))
    assert journal.append("note", {"text": "back"}, "operator").seq == 4
    assert seqs(path) == [1, 2, 3, 4]


def test_a_removed_folder_acknowledges_nothing(journal: Journal, path: Path) -> None:
    """Promise: the incident's folder gone, nothing more is acknowledged, not even what already happened."""
    shutil.rmtree(path.parent)
    for kind in ("note", "outcome", "step_failed"):
        with pytest.raises(JournalError, match="not recorded"):
            journal.append(kind, {}, "operator")


def test_a_removed_log_costs_nothing(journal: Journal, path: Path) -> None:
    """Promise: the log removed under the running program: the event is refused, the earlier ones are saved."""
    beside(path, "-wal").unlink()
    with pytest.raises(JournalError, match=r"journal\.db-wal was removed"):
        journal.append("note", {"text": "lost"}, "operator")
    assert seqs(path) == [1, 2, 3]
    assert journal.append("note", {"text": "after"}, "operator").seq == 4
    assert seqs(path) == [1, 2, 3, 4]


def test_another_journal_in_its_place_is_refused(journal: Journal, path: Path, tmp_path: Path) -> None:
    """Promise: a file that somebody moved into the journal's place is not written on."""
    other = Journal.create(tmp_path / "inc-2" / "journal.db", RealClock(), same)
    other.append("note", {"text": "another incident"}, "operator")
    other.close()
    for suffix in ("-wal", "-shm"):
        beside(path, suffix).unlink()
    (tmp_path / "inc-2" / "journal.db").replace(path)
    for _ in range(2):
        with pytest.raises(JournalError):
            journal.append("note", {"text": "n"}, "operator")


def test_a_copy_in_its_place_is_taken_up(journal: Journal, path: Path) -> None:
    """Promise: the same record in another file (an editor, a restored copy) is checked, then written on."""
    journal.append("note", {"text": "n"}, "operator")
    with contextlib.closing(sqlite3.connect(path)) as copied:
        copied.execute("VACUUM INTO ?", (str(path.with_name("copy")),))
    for suffix in ("-wal", "-shm"):
        beside(path, suffix).unlink()
    path.with_name("copy").replace(path)
    with pytest.raises(JournalError, match="was replaced"):
        journal.append("note", {"text": "refused"}, "operator")
    assert journal.append("note", {"text": "taken"}, "operator").seq == 5
    assert seqs(path) == [1, 2, 3, 4, 5]


def test_a_removed_lock_lets_nobody_write_beside_us(journal: Journal, path: Path) -> None:
    """Promise: somebody removed the lock and started a second writer: the first acknowledges nothing more."""
    path.with_suffix(".lock").unlink()
    second = Journal.open(path, RealClock(), same)
    second.append("note", {"text": "second"}, "operator")
    with pytest.raises(JournalError, match=r"journal\.lock was replaced"):
        journal.append("note", {"text": "first"}, "operator")
    second.close()
    assert seqs(path) == [1, 2, 3, 4]


# -- damaged


def test_a_log_lost_after_a_crash_is_seen(path: Path) -> None:
    """Promise: a log that was removed while nobody wrote leaves a cut end, which is named, not taken for the whole."""
    journal = Journal.create(path, RealClock(), same)
    for _ in range(3):
        journal.append("note", {}, "operator")
    for name in ("journal.db", "journal.head", "journal.lock"):  # as after a kill -9, without the log
        shutil.copy(path.with_name(name), path.parent.parent / name)
    journal.close()
    left = path.parent.parent / "journal.db"
    with contextlib.closing(Journal.read(left)) as reader:
        assert any("the end was cut off" in line for line in reader.verify())
    with pytest.raises(JournalError, match="cut off"):
        Journal.open(left, RealClock(), same)


@pytest.mark.parametrize("content", [b"", b"\0" * 78, b"000000000003 short\n", b"\xff\xfe", b"x" * 4096])
def test_a_damaged_head_file_hides_nothing_else(journal: Journal, path: Path, content: bytes) -> None:
    """Promise: without a readable head the chain is still checked, the journal opens, and the head is written anew."""
    journal.close()
    path.with_suffix(".head").write_bytes(content)
    assert seqs(path) == [1, 2, 3]
    Journal.open(path, RealClock(), same).close()
    noted = storage.noted_head(path)
    assert noted is not None
    assert noted[0] == 3


def test_a_database_cut_by_a_page_is_damaged(path: Path) -> None:
    """Promise: a file that lost its last page is refused for writing and named by `verify`."""
    journal = Journal.create(path, RealClock(), same)
    for _ in range(30):
        journal.append("note", {"text": "x" * 900}, "operator")
    journal.close()
    with path.open("r+b") as stream:
        stream.truncate(stream.seek(0, 2) - 4096)
    with pytest.raises(JournalError, match="malformed") as caught:
        Journal.open(path, RealClock(), same)
    assert "restore a copy" in caught.value.hint
    with pytest.raises(JournalError, match="malformed"):
        Journal.read(path)


# -- full, read-only


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`disk("12m")` is a disk of that size."""
    with contextlib.ExitStack() as stack:
        yield lambda size: stack.enter_context(small(tmp_path / "disk", size))


def test_a_disk_that_dies_while_a_call_is_in_flight(tmp_path: Path) -> None:
    """Promise: each refusal is `not recorded`, no fault of the program; with the disk back, what was told is there."""
    with PowerDisk(tmp_path) as power:
        path = power.point / "inc" / "journal.db"
        journal = Journal.create(path, RealClock(), same)
        journal.append("intent", {"op": "1"}, "conductor")
        power.cut()
        for kind in ("outcome", "step_failed", "note"):
            with pytest.raises(JournalError, match="not recorded"):
                journal.append(kind, {"op": "1"}, "conductor")
        journal.close()
        power.down()
        power.up()
        assert seqs(path) == [1]
        again = Journal.open(path, RealClock(), same)
        assert again.append("outcome", {"op": "1"}, "conductor").seq == 2
        again.close()


def test_a_ballast_that_cannot_be_given_away_is_no_fault(disk: Callable[[str], Path]) -> None:
    """Promise: on a disk that became read-only, making room for an outcome fails without a word of its own."""
    path = disk("12m") / "inc" / "journal.db"
    Journal.create(path, RealClock(), same).close()
    subprocess.run(["mount", "-o", "remount,ro", str(path.parents[1])], check=True)
    storage.make_room(path, OSError(errno.ENOSPC, "full"))
    assert path.with_suffix(".ballast").exists()


def test_the_ballast_carries_the_end_of_a_call_and_comes_back(disk: Callable[[str], Path]) -> None:
    """Promise: outcome, new credential and failed step of a call in flight go into a full disk, twice over: with room
    again, the next call begins with a ballast of its own.
    """
    point = disk("12m")
    path = point / "inc" / "journal.db"
    journal = Journal.create(path, RealClock(), same)
    for number in range(2):
        journal.append("intent", {"op": str(number)}, "conductor")
        assert path.with_suffix(".ballast").stat().st_size == storage.BALLAST_BYTES
        filler = fill(point)
        with contextlib.suppress(JournalError):  # what is left in the log's last block
            for _ in range(100):
                journal.append("note", {"text": "x" * 3000}, "operator")
        before = journal.head()[0]
        for offset, kind in enumerate(("new_credential", "outcome", "step_failed"), 1):
            assert journal.append(kind, {"op": str(number), "text": "x" * 3000}, "conductor").seq == before + offset
        filler.unlink()
    last = journal.head()[0]
    journal.close()
    assert seqs(path) == list(range(1, last + 1))


def test_a_ballast_that_does_not_fit_takes_no_room(disk: Callable[[str], Path]) -> None:
    """Promise: on a nearly full disk the journal opens and leaves the last room to notes, not to half a ballast."""
    point = disk("4m")
    path = point / "inc" / "journal.db"
    Journal.create(path, RealClock(), same).close()
    path.with_suffix(".ballast").unlink()
    fill(point, leave=160 * 1024)
    journal = Journal.open(path, RealClock(), same)
    assert not path.with_suffix(".ballast").exists()
    assert journal.append("note", {"text": "still fits"}, "operator").seq == 1
    journal.close()
