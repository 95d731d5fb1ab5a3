"""Promise: a damaged journal is named as such by every command that reads or continues it; never a traceback."""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from journeys.journey_kit import Machine, open_drill
from runbook_tui.cli import main
from servers.disks import fill, small
from servers.processes import plain_environment

Told = tuple[int, str, str]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with one open drill whose conductor was killed; its journal is never damaged in place."""
    folder = tmp_path_factory.mktemp("left")
    (folder / "here").mkdir()
    made = Machine(folder / "home", folder / "here", plain_environment())
    open_drill(made)
    made.kill_conductor()
    assert made.run("incident", "note", made.only_incident(), "the log is empty now").returncode == 0
    yield made
    made.clean_up()


@pytest.fixture
def copy(left: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of its own, to damage."""
    shutil.copytree(left.home, tmp_path / "home", ignore=shutil.ignore_patterns("socket", "*.sock"))
    monkeypatch.setenv("RUNBOOK_HOME", str(tmp_path / "home"))
    return Machine(tmp_path / "home", left.cwd, left.env)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Told]:
    """Run a command in this process; (exit code, standard output, standard error)."""

    def run(*args: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["runbook", *args])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert "fault in the program" not in said.err, said.err
        assert isinstance(end.value.code, int)
        return end.value.code, said.out, said.err

    return run


def _cut(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.truncate(stream.seek(0, 2) - 4096)


def _overwrite(at: int, length: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with path.open("r+b") as stream:
            stream.seek(at)
            stream.write(random.Random(1).randbytes(length))

    return damage


def _edit(statement: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute(statement)
        connection.close()

    return damage


_LAST = "seq=(SELECT max(seq) FROM payloads)"
# How it is damaged, and whether there is still something to read.
DAMAGE: dict[str, tuple[Callable[[Path], None], bool]] = {
    "cut by a page": (_cut, False),
    "empty": (lambda path: path.write_bytes(b""), False),
    "no database": (lambda path: path.write_text("a text\n" * 400), False),
    "header gone": (_overwrite(0, 100), False),
    "a page gone": (_overwrite(4096, 4096), False),
    "an event edited": (_edit(f'UPDATE payloads SET data=\'{{"text":"x"}}\' WHERE {_LAST}'), True),
    "an event deleted": (_edit(f"DELETE FROM payloads WHERE {_LAST}"), True),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_journal(copy: Machine, told: Callable[..., Told], damage: str) -> None:
    """Every command says so with a hint and an exit code; the others of this user stay usable."""
    incident = copy.only_incident()
    spoil, readable = DAMAGE[damage]
    spoil(copy.folder() / "journal.db")
    code, out, err = told("incident", "verify", incident)
    assert code == 1, (out, err)
    assert "PROBLEM" in out
    code, out, _ = told("incident", "list")
    assert code == 0
    assert incident in out
    assert ("unreadable" in out) != readable
    for command in (("incident", "show", incident), ("report", incident), ("report", incident, "--format", "json")):
        code, out, err = told(*command)
        assert code == 0 if readable else (code in (2, 3) and "hint: " in err and not out), (command, err)
    for command in (("resume", incident), ("incident", "note", incident, "x")):
        code, out, err = told(*command)
        assert code in (2, 3), (command, err)
        assert "hint: " in err
        assert not copy.conductor()


def test_flipped_bytes_are_told(copy: Machine, told: Callable[..., Told]) -> None:
    """Whatever byte is wrong: a message and an exit code."""
    incident, path = copy.only_incident(), copy.folder() / "journal.db"
    good, rng = path.read_bytes(), random.Random(5)
    for _ in range(30):
        bad = bytearray(good)
        for _ in range(rng.choice((1, 20))):
            bad[rng.randrange(len(bad))] ^= rng.randrange(1, 256)
        path.write_bytes(bad)
        codes = [
            told("incident", "verify", incident)[0],
            told("incident", "list")[0],
            told("incident", "show", incident)[0],
            told("report", incident)[0],
        ]
        assert codes[0] in (0, 1)
        assert codes[1] == 0
        assert set(codes[2:]) <= {0, 2, 3}


def test_without_room_every_command_says_how_to_go_on(
    left: Machine, tmp_path: Path, told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No journal, no action: on a full disk nothing is opened; each refusal names the reason and the way by hand."""
    with small(tmp_path / "disk", "16m") as disk:
        home = disk / "home"
        shutil.copytree(left.home, home, ignore=shutil.ignore_patterns("socket", "*.sock"))
        monkeypatch.setenv("RUNBOOK_HOME", str(home))
        incident = left.only_incident()
        fill(disk)
        run = ("run", "api-key-leaked", "--headless", "--vault=session", "--key-id=k", "--provider=stripe")
        for command in (run, ("drill", "api-key-leaked", "--auto"), ("resume", incident)):
            code, _, err = told(*command)
            assert code == 3, (command, err)
            assert "hint: " in err
            assert "by hand" in err or command is not run, err
        code, _, err = told("incident", "note", incident, "x")
        assert code == 3
        assert "hint: " in err
        code, out, _ = told("report", incident)
        assert (code, bool(out)) == (0, True)
        assert [one.name for one in (home / "state" / "incidents").iterdir()] == [incident]
