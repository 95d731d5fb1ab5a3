"""The conductor's door: no other user gets in or is talked to, leftovers are recognised, misuse is outlived."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.crash_kit import Desk, gone, idle, kill, run_to_end, watch_loss
from crash.crash_rubbish import GARBAGE, HELLO, connect, many_files, memory, send, threads
from crash.crash_vendor import run_vendor
from journeys.journey_kit import alive, until
from runbook_tui.conductor.client import SocketClient
from runbook_tui.foundation.errors import RunbookError

INCIDENT = "inc-door"
# As another user: connect, say hello, tell what is answered.
_CALL = """
import socket, sys
one = socket.socket(socket.AF_UNIX)
one.settimeout(5)
try:
    one.connect(sys.argv[1])
    one.sendall(sys.argv[2].encode())
    said = one.recv(100).decode() or "closed"
except OSError as error:
    said = type(error).__name__
print(said)
"""
# As another user: stand where the conductor should be, and take what is said.
_IMPOSTOR = """
import os, socket, sys
one = socket.socket(socket.AF_UNIX)
one.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
one.listen()
print("listening", flush=True)
talk, _ = one.accept()
print(talk.recv(100).decode() or "nothing", flush=True)
"""


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A home with a short path: the socket lies in the incident's folder."""
    folder = Path(tempfile.mkdtemp(prefix="rb-"))
    with run_vendor(5, calm=True) as vendor:
        made = Desk(folder, vendor, monkeypatch)
        yield made
        made.machine.clean_up()
    shutil.rmtree(folder)


def _nobody(program: str, *arguments: str) -> list[str]:
    """The command that runs a program as another user."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed (Debian package util-linux)")
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    return [*become, python, "-I", "-c", program, *arguments]


def _loosen(path: Path) -> None:
    for one in (path, *path.parents):
        if one.exists() and not one.stat().st_mode & 0o001:
            one.chmod(0o777)


def _refused(desk: Desk, match: str) -> RunbookError:
    with pytest.raises(RunbookError, match=match) as refused:
        desk.resume(INCIDENT)
    assert refused.value.hint
    return refused.value


def test_another_user_is_refused_twice(desk: Desk) -> None:
    """By the modes, and by who asks when somebody has opened every mode by hand."""
    client = desk.open(INCIDENT)
    path = desk.machine.folder(INCIDENT) / "conductor.sock"
    assert [oct(one.stat().st_mode & 0o777) for one in (path, path.parent)] == ["0o600", "0o700"]
    call = _nobody(_CALL, str(path), HELLO.decode())

    def said() -> str:
        return subprocess.run(call, capture_output=True, text=True, cwd="/", check=True).stdout.strip()

    assert said() == "PermissionError"
    _loosen(path)
    assert said() in ("closed", "ConnectionResetError", "BrokenPipeError")
    client.request("note", text="still here")
    assert "x" not in [event.actor for event in desk.journal(INCIDENT)]


def test_a_terminal_tells_nothing_to_another_users_process(desk: Desk) -> None:
    """Somebody else's socket where the conductor's was: the terminal says so and sends nothing."""
    desk.open(INCIDENT).close()
    kill(desk.pid(INCIDENT))
    path = desk.machine.folder(INCIDENT) / "conductor.sock"
    path.unlink()
    _loosen(path)
    command = _nobody(_IMPOSTOR, str(path))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") as impostor:
        assert impostor.stdout is not None
        assert impostor.stdout.readline() == "listening\n"
        _refused(desk, "not to be trusted: it belongs to another user")
        os.chown(path, os.getuid(), -1)  # the process behind it is still somebody else's
        _refused(desk, "not to be trusted: another user's process listens there")
        assert impostor.stdout.readline() == "nothing\n"


@pytest.mark.parametrize("what", ["symlink", "dangling", "file", "folder"])
def test_something_else_stands_at_the_sockets_place(desk: Desk, what: str) -> None:
    """It is named and left alone; once it is gone, resume works."""
    desk.open(INCIDENT).close()
    kill(desk.pid(INCIDENT))
    path = desk.machine.folder(INCIDENT) / "conductor.sock"
    other = desk.folder / "other"
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "file":
        path.write_text("mine")
    else:
        path.symlink_to(other)
        if what == "symlink":
            other.write_text("mine")
    error = _refused(desk, "not to be trusted")
    assert str(path) in error.message
    assert os.path.lexists(path)
    assert what != "symlink" or other.read_text() == "mine"
    path.rmdir() if what == "folder" else path.unlink()
    assert desk.resume(INCIDENT).driving


def test_leftovers_of_a_dead_conductor_are_recognised(desk: Desk) -> None:
    """A socket, its note and the lock of a conductor that was killed hold up nobody; nor does any part of them."""
    desk.open(INCIDENT).close()
    folder = desk.machine.folder(INCIDENT)
    for missing in ("", "socket", "conductor.sock", "journal.lock"):
        pid = desk.pid(INCIDENT)
        kill(pid)
        gone(pid)
        assert all((folder / name).exists() for name in ("socket", "conductor.sock", "journal.lock"))
        if missing:
            (folder / missing).unlink()
        client = desk.resume(INCIDENT)
        assert client.driving
        assert desk.pid(INCIDENT) not in (0, pid)
        client.close()


def test_a_lock_that_a_living_process_holds(desk: Desk) -> None:
    """The conductor lives and its socket was removed: resume names the process; ended, it can be resumed."""
    desk.open(INCIDENT).close()
    pid = desk.pid(INCIDENT)
    (desk.machine.folder(INCIDENT) / "conductor.sock").unlink()
    error = _refused(desk, f"process {pid} writes this incident")
    assert "end it" in error.hint
    os.kill(pid, 15)
    gone(pid)
    assert desk.resume(INCIDENT).driving


def test_a_path_that_is_too_long(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The incident's own: it goes elsewhere, apart from another home's. Everywhere: said before anything is opened."""
    deep = desk.folder / ("d" * 90)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(desk.folder / "run"))
    made = Desk(deep, desk.vendor, monkeypatch)
    assert made.open(INCIDENT).driving
    path = Path((made.machine.folder(INCIDENT) / "socket").read_text())
    assert path.parent == desk.folder / "run" / f"runbook-{os.getuid()}"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    made.machine.clean_up()
    path.parent.chmod(0o755)
    with pytest.raises(RunbookError, match="not a folder of yours alone"):
        made.open("inc-open")
    assert not made.machine.folder("inc-open").exists()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with pytest.raises(RunbookError, match="too long for a socket"):
        made.open("inc-long")
    assert not made.machine.folder("inc-long").exists()


def test_a_hostile_client_is_outlived(desk: Desk) -> None:
    """Garbage, a line of 100 MB, half a line and silence, thousands of connections, one that never reads."""
    client = watch_loss(desk.open(INCIDENT))
    pid = desk.pid(INCIDENT)
    path = str(desk.machine.folder(INCIDENT) / "conductor.sock")
    before = threads(pid)
    for rubbish in GARBAGE:
        send(path, rubbish)
    send(path, b"x" * 100_000_000)
    send(path, HELLO + b'{"id": 2, "method": "note", "params": {"text": "' + b"x" * 100_000_000)

    silent = [connect(path) for _ in range(20)]
    for one in silent:
        one.sendall(b'{"id": 1, "meth')
    deaf = connect(path)
    deaf.sendall(HELLO + b"".join(b'{"id": %d, "method": "report"}\n' % n for n in range(2, 400)))
    with many_files():
        crowd = [one for one in (connect(path) for _ in range(3000)) if one]
        for one in (*crowd, *silent):
            one.close()
    deaf.close()

    assert alive(pid)
    assert memory(pid) < 400 << 20
    until(lambda: threads(pid) <= before + 4, "it keeps their threads")
    again = until(lambda: _come(desk), "nobody gets in any more", 60)
    assert again.state.seq == client.state.seq
    again.close()
    client.request("take_over")
    run_to_end(client)
    assert client.state.closed == "contained"
    desk.journal(INCIDENT)
    log = (desk.machine.folder(INCIDENT) / "conductor.log").read_text()
    assert "Traceback" not in log, log[-3000:]


def test_it_hears_again_when_there_were_toomany_files(desk: Desk) -> None:
    """The system refuses the conductor another file for a while: it waits, and takes the next terminal afterwards."""
    desk.open(INCIDENT).close()
    pid = desk.pid(INCIDENT)
    usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, usual[1]))
    path = str(desk.machine.folder(INCIDENT) / "conductor.sock")
    one = connect(path)
    threading.Event().wait(1)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
    assert until(lambda: _come(desk), "it is deaf")
    one.close()
    client = watch_loss(desk.resume(INCIDENT))
    client.request("take_over")
    client.request("run", step="capture", answers={})
    idle(client)
    assert client.state.step("capture").status == "done"


def test_a_record_longer_than_any_line_reaches_the_terminal(desk: Desk) -> None:
    """More than 4 MiB on record: resume still comes back to it."""
    client = desk.open(INCIDENT)
    for number in range(60):
        client.request("note", text=f"{number} " + "seen by the on-call " * 4500)
    again = desk.resume(INCIDENT, name="lee")
    assert len(json.dumps([event.data for event in again.events])) > 4 << 20
    assert again.events == client.events


def test_the_answer_to_shutdown_arrives(desk: Desk) -> None:
    """Promise: a conductor that is told to end answers before it goes, every time, also beside terminals that watch."""
    client = desk.open(INCIDENT)
    for _ in range(6):
        watching = desk.resume(INCIDENT, name="lee", role="watch")
        pid = desk.pid(INCIDENT)
        client.request("shutdown")
        gone(pid)
        watching.close()
        client = desk.resume(INCIDENT)


def _come(desk: Desk) -> SocketClient | None:
    with contextlib.suppress(RunbookError):
        return desk.resume(INCIDENT, name="lee", role="watch")
    return None
