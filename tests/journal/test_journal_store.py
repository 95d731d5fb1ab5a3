"""The journal's ordinary life: append, read, chain, redaction, one writer and many readers, clock steps."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook_tui.foundation.clock import FakeClock
from runbook_tui.foundation.mounts import parse_mountinfo
from runbook_tui.journal import storage
from runbook_tui.journal.chain import START
from runbook_tui.journal.store import Journal, JournalError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def same(value: Any) -> Any:
    return value


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(tick=0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inc-1" / "journal.db"


@pytest.fixture
def journal(path: Path, clock: FakeClock):
    journal = Journal.create(path, clock, same)
    yield journal
    journal.close()


def test_what_is_appended_is_read_in_order(journal: Journal, path: Path) -> None:
    """Promise: an event is numbered from 1, timed in UTC with microseconds, and read back as returned."""
    first = journal.append("opened", {"incident": "inc-1"}, "operator")
    second = journal.append("note", {"text": "é \ud800 \x00"}, "operator")
    assert (first.seq, second.seq) == (1, 2)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first.ts)
    assert journal.events() == [first, second]
    assert journal.events(since=1) == [second]
    assert journal.head()[0] == 2
    assert journal.verify() == []


def test_an_empty_journal_has_a_head(journal: Journal) -> None:
    """The head of an empty journal is number 0."""
    assert journal.head() == (0, START)
    assert journal.verify() == []


def test_unknown_kind_is_refused(journal: Journal) -> None:
    """Promise: only kinds of `events.KINDS` are recorded."""
    with pytest.raises(ValueError, match="unknown event kind"):
        journal.append("something", {}, "operator")
    with pytest.raises(ValueError, match="JSON"):
        journal.append("note", {"text": float("nan")}, "operator")
    assert journal.events() == []


def test_redaction_stands_at_the_door(path: Path, clock: FakeClock) -> None:
    """Promise: data and actor pass the redactor before they are recorded; the file holds no trace."""

    def redact(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("hunter2-canary", "«gone»"))

    journal = Journal.create(path, clock, redact)
    event = journal.append("note", {"text": "hunter2-canary", "hunter2-canary": 1}, "op hunter2-canary")
    journal.close()
    assert event.data == {"text": "«gone»", "«gone»": 1}
    for file in path.parent.iterdir():
        assert b"hunter2-canary" not in file.read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(st.text(), JSON, max_size=5))
def test_any_json_survives(journal: Journal, data: dict[str, Any]) -> None:
    """Promise: any JSON data comes back equal, and the chain holds over it."""
    event = journal.append("recorded", data, "conductor")
    assert event.data == data
    assert journal.events(since=event.seq - 1) == [event]
    assert journal.verify() == []


def test_files_belong_to_the_owner_only(journal: Journal, path: Path) -> None:
    """Promise: every file of the journal has mode 0600, its folder 0700."""
    journal.append("note", {"text": "x"}, "operator")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert {"journal.db", "journal.db-wal", "journal.head", "journal.lock", "journal.ballast"} <= set(modes)
    assert (path.parent / "journal.ballast").stat().st_size == storage.BALLAST_BYTES


def test_settings_of_durability(path: Path, journal: Journal) -> None:
    """Promise: WAL with synchronous=FULL, STRICT tables, foreign keys on."""
    connection = storage.connect(path)
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0, "secure_delete": 1}
    assert {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted} == wanted
    strict = connection.execute("SELECT name FROM pragma_table_list WHERE strict AND schema='main'").fetchall()
    assert {name for (name,) in strict} == {"events", "payloads"}
    connection.close()


def test_reopening_goes_on_with_the_chain(journal: Journal, path: Path, clock: FakeClock) -> None:
    """Promise: a resumed journal continues the same chain."""
    journal.append("opened", {}, "operator")
    journal.close()
    again = Journal.open(path, clock, same)
    assert again.append("resumed", {"open_operations": []}, "conductor").seq == 2
    assert again.verify() == []
    again.close()
    with pytest.raises(JournalError, match="already"):
        Journal.create(path, clock, same)
    with pytest.raises(JournalError, match="no journal"):
        Journal.open(path.with_name("none.db"), clock, same)


def test_one_writer(journal: Journal, path: Path, clock: FakeClock) -> None:
    """Promise: a second writer is refused until the first has closed; readers are not."""
    with pytest.raises(JournalError, match="writes this incident"):
        Journal.open(path, clock, same)
    reader = Journal.read(path)
    with pytest.raises(JournalError, match="reading only"):
        reader.append("note", {"text": "x"}, "watcher")
    reader.close()
    journal.close()
    Journal.open(path, clock, same).close()
    with pytest.raises(JournalError):
        journal.append("note", {"text": "x"}, "operator")
    with pytest.raises(JournalError, match="closed"):
        journal.events()


def test_threads_share_one_journal(journal: Journal) -> None:
    """Promise: threads of the writing process may append at once; no number is lost or doubled."""
    threads = [
        threading.Thread(target=lambda n=n: [journal.append("note", {"text": f"{n}"}, "op") for _ in range(40)])
        for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.seq for event in journal.events()] == list(range(1, 201))
    assert journal.verify() == []


READER = """
import sys
from pathlib import Path
from runbook_tui.journal.store import Journal
journal, seen = Journal.read(Path(sys.argv[1])), 0
while True:
    for event in journal.events(seen):
        assert event.seq == seen + 1
        seen = event.seq
        if event.kind == "closed":
            assert journal.verify() == []
            print(seen)
            sys.exit(0)
"""


def test_two_readers_while_writing(journal: Journal, path: Path) -> None:
    """Promise: readers in other processes see every event in order while the writer goes on."""
    journal.append("opened", {}, "operator")
    readers = [subprocess.Popen([sys.executable, "-c", READER, str(path)], stdout=subprocess.PIPE) for _ in range(2)]
    for number in range(200):
        journal.append("note", {"text": str(number)}, "operator")
    journal.append("closed", {"state": "contained", "reason": ""}, "operator")
    for reader in readers:
        out, _ = reader.communicate(timeout=60)
        assert (reader.returncode, out.strip()) == (0, b"202")


def test_a_clock_that_goes_back_is_on_record(journal: Journal, clock: FakeClock) -> None:
    """Promise: when wall time goes back against the monotonic clock within one boot, a `clock_step` event says so."""
    journal.append("note", {"text": "before"}, "operator")
    clock._now -= timedelta(minutes=5)
    journal.append("note", {"text": "after"}, "operator")
    clock.sleep(3600)
    journal.append("note", {"text": "later"}, "operator")
    assert [event.kind for event in journal.events()] == ["note", "clock_step", "note", "note"]
    assert journal.events()[1].data["seconds"] == pytest.approx(-300, abs=1)
    assert journal.verify() == []


def test_another_boot_is_no_step(path: Path, journal: Journal, clock: FakeClock) -> None:
    """A monotonic clock that restarted (another boot, another drill process) is compared with nothing."""
    clock.sleep(1000)
    journal.append("note", {"text": "before"}, "operator")
    journal.close()
    again = Journal.open(path, FakeClock(tick=0.01), same)
    again.append("note", {"text": "after"}, "operator")
    again.close()
    assert [event.kind for event in again_events(path)] == ["note", "note"]


def again_events(path: Path) -> list[Any]:
    reader = Journal.read(path)
    try:
        return reader.events()
    finally:
        reader.close()


@pytest.mark.parametrize("table", ["events", "payloads"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET seq = 9", "DELETE FROM {}"])
def test_the_database_refuses_changes(journal: Journal, path: Path, table: str, statement: str) -> None:
    """Promise: even with another SQLite client, update and delete abort."""
    journal.append("note", {"text": "x"}, "operator")
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        connection.execute(statement.format(table))
    connection.close()
    assert journal.verify() == []


def test_a_file_that_is_no_journal(tmp_path: Path, clock: FakeClock) -> None:
    """Bad input: an empty file, text, another database: one clear error each."""
    (tmp_path / "empty.db").touch()
    (tmp_path / "text.db").write_text("not a database at all, just text\n" * 50)
    sqlite3.connect(tmp_path / "other.db").executescript("CREATE TABLE t(x);")
    for name in ("empty.db", "text.db", "other.db"):
        for readonly in (True, False):
            with pytest.raises(JournalError):
                Journal.open(tmp_path / name, clock, same, readonly=readonly)


def test_network_file_systems_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    """Promise: a state folder on NFS, CIFS, 9p or FUSE is refused before anything is created."""
    table = "36 35 0:1 / / rw - ext4 /dev/vda rw\n40 36 0:9 / {} rw shared:1 - {} host:/x rw\n"
    point = str(tmp_path).replace(" ", "\\040")
    for kind in ("nfs4", "cifs", "9p", "fuse.sshfs", "smb3"):
        monkeypatch.setattr(storage, "mounts", lambda kind=kind: parse_mountinfo(table.format(point, kind)))
        with pytest.raises(JournalError, match="RUNBOOK_HOME"):
            Journal.create(tmp_path / "i" / "journal.db", clock, same)
        assert not (tmp_path / "i" / "journal.db").exists()
