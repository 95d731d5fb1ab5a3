"""`runbook incident` and `runbook report`, as commands in their own process."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from report_story import whole

from runbook_tui.foundation.clock import RealClock
from runbook_tui.journal.store import Journal

INCIDENT = "inc-20251120-7k3f"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def journal_of(home: Path) -> Path:
    return home / "state" / "incidents" / INCIDENT / "journal.db"


@pytest.fixture
def recorded(home: Path) -> Path:
    """A journal with a whole story, its writer gone."""
    path = journal_of(home)
    journal = Journal.create(path, RealClock(), lambda value: value)
    for event in whole("words").events:
        if event.kind not in ("clock_step", "purged"):  # the journal writes these itself
            journal.append(event.kind, event.data, event.actor)
    journal.close()
    return path


def run(home: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RUNBOOK_HOME": str(home)}
    command = [sys.executable, "-m", "runbook_tui", *words]
    return subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, timeout=60)


def test_list(home: Path, recorded: Path) -> None:
    """Promise: every incident is listed, a journal that cannot be read as such; --json is one document."""
    broken = recorded.parent.parent / "inc-broken" / "journal.db"
    broken.parent.mkdir()
    broken.write_text("no database")
    shown = run(home, "incident", "list")
    assert shown.returncode == 0
    assert INCIDENT in shown.stdout
    assert "unreadable" in shown.stdout
    rows = json.loads(run(home, "incident", "list", "--json").stdout)["incidents"]
    assert {row["incident"]: row["state"] for row in rows} == {INCIDENT: "complete_except", "inc-broken": "unreadable"}


def test_an_empty_list(home: Path) -> None:
    """Without incidents the list is empty and good."""
    shown = run(home, "incident", "list", "--json")
    assert (shown.returncode, json.loads(shown.stdout)) == (0, {"incidents": []})


def test_show(home: Path, recorded: Path) -> None:
    """Promise: the timeline has every event."""
    shown = run(home, "incident", "show", INCIDENT)
    assert shown.returncode == 0, shown.stderr
    assert "step_skipped" in shown.stdout
    found = json.loads(run(home, "incident", "show", INCIDENT, "--json").stdout)
    assert found["events"][0]["kind"] == "opened"


@pytest.mark.parametrize("words", [("show", "inc-none"), ("verify", "../../etc"), ("note", "inc-none", "x")])
def test_an_incident_that_is_not_there(home: Path, words: tuple[str, ...]) -> None:
    """Bad input: one clear line, a hint, exit 2."""
    shown = run(home, "incident", *words)
    assert shown.returncode == 2
    assert shown.stderr.startswith("error: ")
    assert "hint:" in shown.stderr
    assert not shown.stdout


def test_verify(home: Path, recorded: Path) -> None:
    """Promise: 0 for a whole record, 1 for a changed one, naming what; a head from elsewhere is compared."""
    good = run(home, "incident", "verify", INCIDENT)
    assert good.returncode == 0, good.stderr
    head = json.loads(run(home, "incident", "verify", INCIDENT, "--json").stdout)["head"]
    assert run(home, "incident", "verify", INCIDENT, "--head", f"{head['seq']}:{head['hash']}").returncode == 0
    assert run(home, "incident", "verify", INCIDENT, "--head", f"{head['seq']}:{'0' * 64}").returncode == 1
    assert run(home, "incident", "verify", INCIDENT, "--head", "nonsense").returncode == 2
    connection = sqlite3.connect(recorded)
    connection.execute("DROP TRIGGER events_no_update")
    connection.execute("UPDATE events SET actor='mallory' WHERE seq=4")
    connection.commit()
    connection.close()
    bad = run(home, "incident", "verify", INCIDENT)
    assert bad.returncode == 1
    assert "event 4 was changed" in bad.stdout
    found = json.loads(run(home, "incident", "verify", INCIDENT, "--json").stdout)
    assert (found["whole"], found["head"]) == (False, None)


def test_note(home: Path, recorded: Path) -> None:
    """Promise: without a conductor a note goes straight into the journal, event time and recorded time apart."""
    done = run(home, "incident", "note", INCIDENT, "called the owner", "--at", "2025-11-20T10:00:00+01:00", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["through"] == "journal"
    assert run(home, "incident", "note", INCIDENT, "-", stdin="from a pipe\n").returncode == 0
    reader = Journal.read(recorded)
    first, second = reader.events()[-2:]
    assert reader.verify() == []
    reader.close()
    assert first.data == {"text": "called the owner", "at": "2025-11-20T09:00:00.000000Z"}
    assert second.data["text"] == "from a pipe"


@pytest.mark.parametrize(
    "words",
    [
        ("the key is " + "gh" + "p_" + "a1B2" * 9,),
        ("",),
        ("fine", "--at", "yesterday"),
        ("fine", "--at", "2025-11-20T10:00:00"),
    ],
)
def test_a_note_that_is_refused(home: Path, recorded: Path, words: tuple[str, ...]) -> None:
    """Promise: a note that looks like a secret, is empty or has no proper time is refused and nothing is recorded."""
    before = recorded.read_bytes()
    shown = run(home, "incident", "note", INCIDENT, *words)
    assert shown.returncode == 2
    assert "hint:" in shown.stderr
    assert words[0] not in shown.stderr or words[0] in ("", "fine")
    assert recorded.read_bytes() == before


def test_a_note_while_another_process_writes(home: Path, recorded: Path) -> None:
    """Promise: two processes never write one journal: the note is refused with exit 3."""
    writer = Journal.open(recorded, RealClock(), lambda value: value)
    try:
        shown = run(home, "incident", "note", INCIDENT, "hello")
    finally:
        writer.close()
    assert shown.returncode == 3
    assert "writes this incident" in shown.stderr


def test_report_forms(home: Path, recorded: Path) -> None:
    """Promise: md, json and csv go to standard output alone; the head in the report verifies."""
    text = run(home, "report", INCIDENT)
    assert text.returncode == 0, text.stderr
    assert text.stdout.startswith("# Incident report")
    assert "## 16. Playbook changes" in text.stdout
    found = json.loads(run(home, "report", INCIDENT, "--format", "json").stdout)
    assert found["head"]["hash"] in text.stdout
    assert run(home, "report", INCIDENT, "--format", "csv").stdout.startswith('"seq"')
    public = run(home, "report", INCIDENT, "--public").stdout
    assert "alice" in text.stdout
    assert "alice" not in public
    assert "# Incident report inc-20251120-7k3f: not determined" in public
    assert run(home, "report", INCIDENT, "--format", "html").returncode == 2


def test_report_into_a_file(home: Path, recorded: Path, tmp_path: Path) -> None:
    """Promise: the file is private, replaces an older one whole, and a folder that is not there is a clear error."""
    target = tmp_path / "out.md"
    target.write_text("old")
    shown = run(home, "report", INCIDENT, "--output", str(target))
    assert (shown.returncode, shown.stdout) == (0, "")
    assert target.read_text().startswith("# Incident report")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    lost = run(home, "report", INCIDENT, "--output", str(tmp_path / "no" / "out.md"))
    assert lost.returncode == 2
    assert "hint:" in lost.stderr


def test_a_damaged_journal(home: Path, recorded: Path) -> None:
    """Bad input: a journal whose file is damaged is one clear line, no traceback."""
    raw = bytearray(recorded.read_bytes())
    raw[0:16] = b"not sqlite at al"
    recorded.write_bytes(raw)
    for words in (("incident", "show"), ("incident", "verify"), ("report",)):
        shown = run(home, *words, INCIDENT)
        assert shown.returncode in (1, 3), words
        assert "Traceback" not in shown.stderr
