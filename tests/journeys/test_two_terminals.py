"""Two people, one incident: one drives, the other watches and takes notes; taking over is explicit and on record."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from journey_kit import RUNBOOK, Hands, Machine, PlainOperator, kinds, open_drill, until

from runbook_tui.foundation.errors import RunbookError
from servers.terminal import Terminal

Make = Callable[..., Machine]
OpenTerminal = Callable[..., Terminal]

_AS_NOBODY = """
import os, socket, sys
one = socket.socket(socket.AF_UNIX)
one.settimeout(5)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    one.connect(sys.argv[1])
    one.sendall(b'{"id": 1, "method": "hello", "params": {"name": "x", "role": "drive"}}\\n')
    said = one.recv(100).decode() or "closed"
except OSError as error:
    said = type(error).__name__
print(said)
"""


def _drive(machine: Machine, terminal: OpenTerminal, *options: str) -> PlainOperator:
    return PlainOperator(terminal([*RUNBOOK, "resume", "--plain", *options], env=machine.env, cwd=machine.cwd))


def test_a_second_terminal_watches_and_takes_notes(machine: Make, terminal: OpenTerminal) -> None:
    """It sees each event as it happens, cannot run a step, and its note says who wrote it and when it happened."""
    here = machine()
    incident = open_drill(here)
    driver, watcher = _drive(here, terminal), _drive(here, terminal, "--watch")
    assert "run, skip" in driver.waits_with()
    words = watcher.waits_with()
    assert "note" in words
    assert "drive" in words
    assert "run, skip" not in words
    watcher.answer("run")
    watcher.terminal.wait_for("not now: ")
    assert "drives" in watcher.text()

    driver.play({"Where could it be read": "public", "Any sign": "no", "What can it do": "ordinary"}, stop_at="advises")
    watcher.terminal.wait_for("capture: done")
    watcher.waits_with()
    watcher.answer("note")
    watcher.waits_with()
    watcher.answer("the on-call of the media team is informed")
    until(lambda: "note" in kinds(here.events()), "the note is not on record")
    noted = here.run("incident", "note", incident, "the mail came in", "--at", "2026-11-21T22:04:00Z", "--json")
    assert noted.returncode == 0, noted.stderr
    assert '"through": "conductor"' in noted.stdout

    notes = [event for event in here.events() if event["kind"] == "note"]
    assert [note["data"]["text"] for note in notes] == ["the on-call of the media team is informed", "the mail came in"]
    assert notes[0]["actor"] != notes[1]["actor"]
    assert notes[1]["data"]["at"].startswith("2026-11-21T22:04:00")
    assert not notes[1]["ts"].startswith("2026-11-21T22:04"), "the time of the event and of its record are kept apart"


def test_taking_over_is_explicit_and_recorded(machine: Make, terminal: OpenTerminal) -> None:
    """The watcher says `drive`; from then on the first terminal watches, and the record has both names."""
    here = machine()
    open_drill(here)
    driver, watcher = _drive(here, terminal), _drive(here, terminal, "--watch")
    driver.waits_with()
    watcher.waits_with()
    watcher.answer("drive")
    watcher.terminal.wait_for("run, skip")
    driver.terminal.wait_for("drives")
    driver.answer("run")
    driver.terminal.wait_for("not now: ")
    drivers = [event["data"] for event in here.events() if event["kind"] == "driver"]
    assert [one["took_over"] for one in drivers][-1] is True
    assert drivers[-1]["name"] != drivers[-2]["name"]


def test_a_note_with_a_secret_in_it_is_refused(machine: Make) -> None:
    """From a terminal that watches too: nothing of it is recorded."""
    here = machine()
    incident = open_drill(here)
    said = here.run("incident", "note", incident, "the key is sk_live_" + "FakeFake" * 3)
    assert said.returncode == 2
    assert "nothing was recorded" in said.stderr
    assert "note" not in kinds(here.events())


def test_the_same_step_cannot_run_twice(machine: Make) -> None:
    """Two requests at the same moment, from the driver's hands: one runs, the other is told why not."""
    here = machine()
    open_drill(here)
    hands = Hands(here)
    hands.to_decision()
    together, answers = threading.Barrier(2), []

    def press() -> None:
        together.wait()
        try:
            hands.client.request("run", step="create", answers={})
            answers.append("")
        except RunbookError as error:
            answers.append(error.message)

    pressed = [threading.Thread(target=press) for _ in range(2)]
    for one in pressed:
        one.start()
    for one in pressed:
        one.join()
    until(lambda: hands.client.state.step("create").status == "done", "create does not end")
    assert sorted(map(bool, answers)) == [False, True]
    assert "create" in next(filter(None, answers))
    assert kinds(here.events(), "create").count("step_started") == 1
    assert sum(key["role"] == "created" for key in here.simulator_keys()) == 1


def test_a_watcher_cannot_change_anything_by_the_socket(machine: Make) -> None:
    """Whatever a watching client sends, the conductor itself refuses."""
    here = machine()
    open_drill(here)
    driver, watcher = Hands(here), Hands(here, role="watch", name="second")
    before = kinds(here.events())
    for method, params in (
        ("run", {"step": "declare", "answers": {}}),
        ("skip", {"step": "declare", "reason": "no"}),
        ("tripwire", {"reason": "no"}),
        ("waive", {"line": "old:leaked", "name": "x", "reason": "no"}),
        ("close", {"reason": "no", "abandon": True}),
        ("shutdown", {}),
    ):
        with pytest.raises(RunbookError, match="drives this incident"):
            watcher.client.request(method, **params)
    assert kinds(here.events()) == before
    assert driver.client.driving


@pytest.fixture
def short_home(tmp_path: Path) -> Iterator[Machine]:
    """A machine whose sockets lie in the incident's own folder: a socket's path has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="rb-") as folder:
        here = Machine(Path(folder) / "h", tmp_path)
        yield here
        here.clean_up()


def test_another_user_cannot_connect(short_home: Machine) -> None:
    """Neither through the folders nor, if somebody opened those, through the socket: the conductor looks who asks."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    incident = open_drill(short_home)
    path = Path((short_home.folder(incident) / "socket").read_text())
    assert path.parent == short_home.folder(incident)

    def ask() -> str:
        command = [sys.executable, "-I", "-c", _AS_NOBODY, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert ask() == "PermissionError"
    for one in (path, *path.parents):
        if not one.stat().st_mode & 0o001:
            one.chmod(0o777)
    assert ask() in ("closed", "ConnectionResetError", "BrokenPipeError")
    assert Hands(short_home).client.driving
