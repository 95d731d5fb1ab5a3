"""Purging: data goes on record and for good, the chain holds, and a crash leaves both or neither."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from runbook_tui.foundation.clock import FakeClock
from runbook_tui.incident.purge import PURGED, purges
from runbook_tui.journal import purging
from runbook_tui.journal.store import Journal, JournalError

CANARY = "canary-9Zx4Qw7Lm2Kp"
LONG = "padding " * 900 + CANARY  # runs over several pages of the database


def same(value: Any) -> Any:
    return value


def make(folder: Path, events: int = 40) -> tuple[Path, list[int]]:
    """A journal with the canary in some of its events; its path and their numbers."""
    path = folder / "inc-1" / "journal.db"
    journal = Journal.create(path, FakeClock(tick=0.01), same)
    held = []
    for number in range(1, events + 1):
        secret = number in (5, 6, 7, 23)
        text = (LONG if number == 6 else f"it was {CANARY}") if secret else f"note {number}"
        held += [journal.append("note", {"text": text, "at": ""}, "ann").seq] if secret else []
        if not secret:
            journal.append("note", {"text": text, "at": ""}, "ann")
    journal.close()
    return path, held


def opened(path: Path) -> Journal:
    return Journal.open(path, FakeClock(tick=0.01), same)


def entries(seqs: list[int]) -> list[dict[str, Any]]:
    return [{"seq": seq, "data": {"text": PURGED, "at": ""}} for seq in seqs]


def bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_purge_is_on_record_and_nothing_of_the_data_stays(tmp_path: Path) -> None:
    """Promise: after a purge no file of the journal has a byte of the data, log and shared memory included; the chain
    verifies, an earlier head still holds, and the record says who, when and why, and what stands for it."""
    path, held = make(tmp_path)
    journal = opened(path)
    head = journal.head()
    assert CANARY.encode() in bytes_of(path.parent)
    event, clean = journal.purge(entries(held), "pasted by mistake", "kim")
    assert clean
    assert CANARY.encode() not in bytes_of(path.parent), "while the journal is open"
    assert journal.verify(head) == []
    events = journal.events()
    assert [events[seq - 1].data["text"] for seq in held] == [PURGED] * len(held)
    assert [(one.seq, one.by, one.event, one.reason) for one in purges(events)] == [
        (seq, "kim", event.seq, "pasted by mistake") for seq in held
    ]
    assert str(purges(events)[0]) == f"event 5: data purged by kim on {event.ts} (event 41)"
    journal.append("note", {"text": "it goes on", "at": ""}, "ann")
    journal.close()
    assert CANARY.encode() not in bytes_of(path.parent)
    reader = Journal.read(path)
    assert reader.verify(head) == []
    assert reader.events()[:41] == events
    reader.close()


def test_the_guards_stand_after_a_purge(tmp_path: Path) -> None:
    """Promise: the purge is the one path that takes data away; afterwards every delete and update is refused as before,
    and a guard that does something else than it should is told."""
    path, held = make(tmp_path)
    journal = opened(path)
    journal.purge(entries(held), "r", "kim")
    journal.close()
    with sqlite3.connect(path) as raw:
        for attack in ("DELETE FROM payloads WHERE seq=1", "UPDATE payloads SET data='{}'", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                raw.execute(attack)
        raw.execute("DROP TRIGGER payloads_no_delete")
        raw.execute("CREATE TRIGGER payloads_no_delete BEFORE DELETE ON payloads BEGIN SELECT 1; END")
    reader = Journal.read(path)
    assert reader.verify() == ["the guards against changes were removed: payloads_no_delete"]
    reader.close()


def test_data_that_is_gone_without_a_purge_is_damage(tmp_path: Path) -> None:
    """Promise: only a later `purged` event excuses missing data; one that lies about another event is told too."""
    path, _ = make(tmp_path)
    journal = opened(path)
    journal.append("purged", {"events": entries([3]), "reason": "a lie"}, "mallory")
    journal.append("purged", {"events": [{"seq": 60, "data": {}}], "reason": "about the future"}, "mallory")
    assert journal.verify() == ["event 41 says that the data of event 3 was purged, and it is there"]
    journal.close()
    with sqlite3.connect(path) as raw:
        raw.execute("DROP TRIGGER payloads_no_delete")
        raw.execute("DELETE FROM payloads WHERE seq=9")
    reader = Journal.read(path)
    assert "the data of event 9 is missing" in reader.verify()
    reader.close()
    with pytest.raises(JournalError, match="damaged"):
        opened(path)


def test_a_purge_can_be_purged(tmp_path: Path) -> None:
    """Promise: when what stands for the data still holds something, the event that says so is purged in its turn."""
    path, _ = make(tmp_path)
    journal = opened(path)
    first, _ = journal.purge([{"seq": 5, "data": {"text": f"half of {CANARY}", "at": ""}}], "r", "kim")
    journal.purge(entries([6, 7, 23]), "r", "kim")
    (said,) = [event for event in journal.events() if event.seq == first.seq]
    again = {"events": entries([5]), "reason": "r"}
    journal.purge([{"seq": said.seq, "data": again}], "not all was masked", "lee")
    assert CANARY.encode() not in bytes_of(path.parent)
    assert journal.verify() == []
    assert journal.events()[4].data["text"] == PURGED
    assert [(one.seq, one.event) for one in purges(journal.events())] == [(5, 41), (6, 42), (7, 42), (23, 42), (41, 43)]
    journal.close()


def test_what_cannot_be_purged_changes_nothing(tmp_path: Path) -> None:
    """Promise: a purge of an event without data is refused as a whole, and the journal goes on."""
    path, held = make(tmp_path)
    journal = opened(path)
    journal.purge(entries(held), "r", "kim")
    for wrong in ([1, 5], [99]):
        with pytest.raises(JournalError, match="has no data"):
            journal.purge(entries(wrong), "r", "kim")
    assert journal.events()[0].data["text"] == "note 1"
    assert journal.append("note", {"text": "on", "at": ""}, "ann").seq == 42
    assert journal.verify() == []
    journal.close()
    reader = Journal.read(path)
    with pytest.raises(JournalError, match="reading only"):
        reader.purge(entries([1]), "r", "kim")
    reader.close()


def test_a_reader_in_the_way_is_told_and_the_next_writer_sees_to_it(tmp_path: Path) -> None:
    """Promise: while somebody reads, the purge stands and says that bytes may be left; the next writer removes them."""
    path, held = make(tmp_path)
    journal = opened(path)
    connection = journal._live()
    connection.execute("PRAGMA busy_timeout=50")
    with sqlite3.connect(path) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM payloads").fetchone()
        _, clean = journal.purge(entries(held), "r", "kim")
        assert not clean
        assert not journal.finish_purge()
        assert CANARY.encode() in bytes_of(path.parent)
        reading.rollback()
    reading.close()
    journal.close()
    again = opened(path)
    assert again.finish_purge()
    assert CANARY.encode() not in bytes_of(path.parent)
    again.close()


def crash_check(path: Path, held: list[int], head: tuple[int, str]) -> bool:
    """Whether it was purged: all or nothing, on a chain that verifies; the next writer leaves no byte."""
    reader = Journal.read(path)
    assert reader.verify(head) == []
    texts = [reader.events()[seq - 1].data["text"] for seq in held]
    reader.close()
    done = texts == [PURGED] * len(held)
    assert done or all(CANARY in text for text in texts), texts
    if done and CANARY.encode() in bytes_of(path.parent):
        assert purging.unfinished(path), "bytes are left, and nothing says so"
    journal = opened(path)
    assert journal.verify(head) == []
    assert journal.finish_purge()
    journal.close()
    assert (CANARY.encode() in bytes_of(path.parent)) is not done
    return done


def in_a_child(path: Path, held: list[int], before: Any) -> int:
    """Purge in a forked process that ends itself at once afterwards; its id."""
    child = os.fork()
    if child == 0:
        try:
            journal = opened(path)
            before(journal)
            journal.purge(entries(held), "r", "kim")
        finally:
            os._exit(0)
    return child


def test_a_crash_at_every_statement_leaves_both_or_neither(tmp_path: Path) -> None:
    """Promise: kill -9 before any statement of a purge leaves the record unpurged or purged, verifying either way."""
    outcomes, at, ended = [], 0, False
    while not ended:
        path, held = make(tmp_path / str(at), 24)
        journal = opened(path)
        head = journal.head()
        journal.close()

        def die_at(journal: Journal, left: int = at) -> None:
            countdown = iter(range(left))

            def trace(_: str) -> None:
                if next(countdown, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)

            journal._live().set_trace_callback(trace)

        _, status = os.waitpid(in_a_child(path, held, die_at), 0)
        ended = not os.WIFSIGNALED(status)
        outcomes.append(crash_check(path, held, head))
        at += 1
    assert at > 10, "too few statements were seen"
    assert outcomes == sorted(outcomes), "purged once, purged for good"
    assert set(outcomes) == {False, True}


def test_kill_at_random_moments(tmp_path: Path) -> None:
    """Promise: the same for kill -9 at any moment. RUNBOOK_KILLS raises the number of kills."""
    luck = random.Random(7)
    for number in range(int(os.environ.get("RUNBOOK_KILLS", "12"))):
        path, held = make(tmp_path / str(number), 24)
        journal = opened(path)
        head = journal.head()
        journal.close()
        child = in_a_child(path, held, lambda journal: None)
        time.sleep(luck.random() * 0.03)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        crash_check(path, held, head)
