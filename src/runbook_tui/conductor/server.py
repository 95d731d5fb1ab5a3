"""The conductor's socket: terminals come and go, each on a thread of its own; only this user may connect."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import struct
import tempfile
import threading
from pathlib import Path
from typing import Any

from runbook_tui.conductor.core import Conductor
from runbook_tui.conductor.logbook import Terminal
from runbook_tui.conductor.protocol import MAX_LINE, SOCKET_NOTE
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.files import make_private_dir, write_atomic

_TICK = 0.5  # seconds between two looks at waiting steps
_LINGER = 900.0  # seconds without a terminal or a step, after which a conductor that can be rebuilt ends
# sun_path holds 104 bytes on macOS and 108 on Linux, the closing NUL included.
_LONGEST_PATH = 100


class Server:
    """Listens in the incident's folder until the conductor is over.

    `rebuildable`: nothing is lost when the process ends, so it does not outlive its use. A session vault would be lost.
    """

    def __init__(self, conductor: Conductor, folder: Path, *, rebuildable: bool) -> None:
        self._conductor = conductor
        self._rebuildable = rebuildable
        self._path = _make_room(folder)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # bind() would leave the socket open to others for a moment under a loose umask.
        before = os.umask(0o177)
        try:
            self._listener.bind(str(self._path))
        finally:
            os.umask(before)
        self._listener.listen(8)
        write_atomic(folder / SOCKET_NOTE, str(self._path).encode())
        self._note = folder / SOCKET_NOTE

    def serve(self) -> None:
        """Accept terminals until the conductor is over; returns when the last step has ended."""
        threading.Thread(target=self._tick, name="tick", daemon=True).start()
        threading.Thread(target=self._accept, name="accept", daemon=True).start()
        while not self._conductor.over.wait(_TICK):
            pass  # a signal may reach another thread: Python runs its handler when this one wakes
        self._conductor.join(60)
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
            self._note.unlink()

    def _tick(self) -> None:
        alone = 0.0
        while not self._conductor.over.wait(_TICK):
            with contextlib.suppress(RunbookError):  # a refused step stays waiting and says why on the screen
                self._conductor.tick()
            alone = 0.0 if self._conductor.needed() else alone + _TICK
            if self._rebuildable and alone > _LINGER:
                self._conductor.over.set()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed: the conductor is over
            if _same_user(connection):
                threading.Thread(target=self._talk, args=(connection,), name="terminal", daemon=True).start()
            else:
                connection.close()

    def _talk(self, connection: socket.socket) -> None:
        """One terminal: requests in, replies and pushes out. Its end changes nothing in the incident."""
        outgoing: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=_write, args=(connection, outgoing), name="push", daemon=True).start()
        terminal: Terminal | None = None
        try:
            with connection.makefile("rb") as lines:
                while line := lines.readline(MAX_LINE):
                    request = json.loads(line)
                    if terminal is None:
                        params = request.get("params", {})
                        name, role = str(params.get("name", "")), str(params.get("role", "watch"))
                        terminal, told = self._conductor.attach(name, role, outgoing.put)
                        outgoing.put({"id": request["id"], "result": told})
                        continue
                    outgoing.put({"id": request["id"], **self._answer(terminal, request)})
        except (OSError, ValueError, KeyError):
            return  # the terminal is gone or does not speak the protocol
        finally:
            outgoing.put(None)
            if terminal is not None:
                self._conductor.detach(terminal)

    def _answer(self, terminal: Terminal, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": self._conductor.handle(terminal, str(request["method"]), request.get("params", {}))}
        except RunbookError as error:
            return {"error": {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}}


def _write(connection: socket.socket, outgoing: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    try:
        while (message := outgoing.get()) is not None:
            connection.sendall(json.dumps(message, ensure_ascii=False).encode() + b"\n")
    except OSError:
        pass  # the terminal is gone; its reader ends too
    finally:
        connection.close()


def socket_path(folder: Path) -> Path:
    """Where the socket of the incident in `folder` goes: there, or below XDG_RUNTIME_DIR when its path is too long.

    RunbookError when it is too long there as well. Nothing is made.
    """
    path = folder / "conductor.sock"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        path = Path(base) / f"runbook-{os.getuid()}" / f"{folder.name}.sock"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        hint = "set RUNBOOK_HOME to a shorter path: a socket's path has at most 108 bytes, the closing one included"
        raise RunbookError(f"the path {path} is too long for a socket", hint, exit_code=Exit.INCOMPLETE)
    return path


def _make_room(folder: Path) -> Path:
    path = socket_path(folder)
    if path.parent != folder:
        make_private_dir(path.parent)
        if path.parent.stat().st_uid != os.getuid() or path.parent.stat().st_mode & 0o077:
            raise RunbookError(f"{path.parent} is open to others", "remove it", exit_code=Exit.INCOMPLETE)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # left by a conductor that died: the journal's lock says that none is alive
    return path


def _same_user(connection: socket.socket) -> bool:
    """Whether the other end runs as this user; the folder and the socket's mode say so too."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # macOS: the folder is 0700 and the socket 0600
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", data)
    return bool(uid == os.getuid())
