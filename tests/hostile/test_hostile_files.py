# ruff: noqa: E501 - lists of attacks
"""Promise: damaged or planted files in our own folder, and foreign files, are told and never trusted."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_tui.cli.setup import Setup
from runbook_tui.conductor.envfile import _values, set_variable
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.journal.store import Journal
from runbook_tui.providers.pacing import Pacer
from runbook_tui.secrets.index import Index

BAD_JSON = [
    b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b"[" * 900 + b"]" * 900, b'{"a": 1}', b'{"incident": 5, "mode": []}',
    b'{"incident": "i", "mode": "live", "vault": "file", "inputs": {"leaked": 5}}',
    b'{"incident": "i", "mode": "live", "vault": "file", "folders": "/etc"}', b'{"items": []}', b'{"items": {"a": 1}}',
    b'{"items": {"a": {"secret": true, "binding": {"origins": {"api": 5}}}}}', b'{"items": {}, "items": {}}', b"NaN",
]  # fmt: skip


@pytest.mark.parametrize("content", BAD_JSON, ids=range(len(BAD_JSON)))
def test_own_files_that_somebody_changed(tmp_path: Path, content: bytes) -> None:
    """The set-up of an incident, the list of credentials, the pace of calls: a clear error, or as if not there."""
    for name in ("setup.json", "index.json", "pace.json"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RunbookError):
        Setup.load(tmp_path)
    try:
        assert Index(tmp_path / "index.json").load() == {}
    except RunbookError as error:
        assert "damaged" in error.message  # noqa: PT017
    assert Pacer(FakeClock(), tmp_path / "pace.json").left("x") == 0.0


@pytest.mark.parametrize(
    "text",
    ["A=" + " " * (1 << 20), "A=\\''\n" * 200_000, "A='\n" * 200_001, 'A="' + "\\" * (1 << 20), "A=b\\\n" * 200_000, "#" * (1 << 20)],
    ids=["blanks", "open quotes", "quotes", "escapes", "lines that go on", "a comment"],
)  # fmt: skip
def test_an_env_file_of_a_megabyte_is_read_once(text: str) -> None:
    """What took minutes takes one pass: runs of blanks, a quote opened in each line and never closed."""
    try:
        assert "NEW=x" in set_variable(text, "NEW", "x")
    except RunbookError:
        assert set(text) & set("'\"\\")


ENV = st.lists(
    st.sampled_from(["K", "A", "=", "'", '"', "\\", "\n", "\r\n", " ", "#", "export ", "$(x)", "`", "é", "\ufeff", "v"]),
    max_size=40,
).map("".join)  # fmt: skip


@settings(max_examples=400)
@given(ENV, st.text("ab'\"\\$ #=`é", max_size=10))
def test_an_env_file_changes_in_one_place(text: str, value: str) -> None:
    """The variable reads back as written, every other value stays byte for byte; else it is refused beforehand."""
    try:
        changed = set_variable(text, "K", value)
    except RunbookError:
        assert set(text) & set("'\"\\")
        return
    others = [text[start:end] for name, start, end in _values(text) if name != "K"]
    assert [changed[start:end] for name, start, end in _values(changed) if name != "K"] == others
    assert set_variable(changed, "K", value) == changed


def _journal(folder: Path, events: int) -> Path:
    path = folder / "journal.db"
    journal = Journal.create(path, FakeClock(), lambda value: value)
    for number in range(events):
        journal.append("note", {"text": f"entry {number}"}, "ada")
    journal.close()
    return path


def _facts(path: Path) -> list[object] | None:
    """The events a reader is given, or None when it is refused."""
    try:
        journal = Journal.read(path)
    except RunbookError:
        return None
    try:
        if journal.verify():
            return None
        return [(one.seq, one.ts, one.actor, one.kind, one.data) for one in journal.events()]
    except RunbookError:
        return None
    finally:
        journal.close()


def test_any_flipped_bit_of_a_record_is_found(tmp_path: Path) -> None:
    """One bit changed: verification names it, or what is read is still exactly what was written."""
    path = _journal(tmp_path / "a", 6)
    whole, original = _facts(path), path.read_bytes()
    assert whole is not None
    # The pages that hold text of events, every 23rd bit: a prime, so that all bits of a byte take their turn.
    page = 4096
    used = [
        at
        for at in range(0, len(original), page)
        if b"entry" in original[at : at + page] or b"note" in original[at : at + page]
    ]
    places = [at * 8 + bit for at in used for bit in range(0, page * 8, 23) if original[at + bit // 8]]
    for place in places[:700]:
        damaged = bytearray(original)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        found = _facts(path)
        assert found is None or found == whole, place


@pytest.mark.parametrize(
    "head", ["", "x", "9" * 40, "000000000001 " + "g" * 64 + "\n", "\xff\n", "000000000001 " + "0" * 64]
)
def test_a_noted_head_that_is_none(tmp_path: Path, head: str) -> None:
    """A damaged head beside the journal is no head: the record itself still counts."""
    path = _journal(tmp_path / "a", 2)
    path.with_suffix(".head").write_bytes(head.encode("latin-1"))
    assert len(_facts(path) or ()) == 2


@pytest.mark.parametrize("content", [b"", b"x", b"SQLite format 3\0" + b"\xff" * 4080, b"\0" * 8192])
def test_a_journal_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    """A planted file is refused in one line."""
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    assert _facts(path) is None


def test_a_journal_of_another_shape(tmp_path: Path) -> None:
    """Tables with the right names and wrong columns, or data that is no mapping, are refused, not crashed on."""
    source = _journal(tmp_path / "a", 2)
    for statement in (
        "DROP TRIGGER payloads_no_update; UPDATE payloads SET data = '[1]' WHERE seq = 1",
        "DROP TRIGGER payloads_no_update; UPDATE payloads SET data = '" + "[" * 900 + "' WHERE seq = 1",
        "DROP TABLE payloads; CREATE TABLE payloads(x)",
        "DROP TRIGGER events_no_update; UPDATE events SET ts = char(27) || ']0;x', hash = 'x'",
    ):
        path = tmp_path / "b" / "journal.db"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(source, path)
        connection = sqlite3.connect(path)
        connection.executescript(statement)
        connection.close()
        assert _facts(path) is None


def test_setup_goes_round(tmp_path: Path) -> None:
    """The strict reader takes what the program writes."""
    given = Setup("inc-1", "live", "file", {"leaked": "k"}, folders=["/x"], origins={"k": {"api": "https://a.example"}},
                  drill={"scenario": "s", "seed": 3})  # fmt: skip
    given.save(tmp_path)
    assert Setup.load(tmp_path) == given
    json.loads((tmp_path / "setup.json").read_text())
