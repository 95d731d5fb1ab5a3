"""The conductor's socket: terminals come and go, each on a thread of its own; only this user may connect."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from runbook_tui.conductor.address import claim, same_user, socket_path
from runbook_tui.conductor.core import Conductor
from runbook_tui.conductor.logbook import Terminal
from runbook_tui.conductor.protocol import MAX_LINE, SOCKET_NOTE
from runbook_tui.foundation.errors import Exit, RunbookError

__all__ = ["Server", "socket_path"]

_TICK = 0.5  # seconds between two looks at waiting steps
_LINGER = 900.0  # seconds without a terminal or a step, after which a conductor that can be rebuilt ends
_LAST_CALL = 60.0  # seconds a call in flight gets to end when the conductor is told to
_MOST = 64  # terminals at the same time
_HELLO = 10.0  # seconds a caller may take to say who it is
_FIRST_LINE = 1 << 16  # bytes of what it says then
_LAST_WORDS = 2.0  # seconds for what is still to be told to a terminal when it or the conductor ends
_UNREAD = 20_000  # messages that wait for a terminal that does not read


class Server:
    """Listens in the incident's folder until the conductor is over.

    `rebuildable`: nothing is lost when the process ends, so it does not outlive its use. A session vault would be lost.
    """

    def __init__(self, conductor: Conductor, folder: Path, *, rebuildable: bool) -> None:
        self._conductor = conductor
        self._rebuildable = rebuildable
        self._listener, self._path = claim(folder)
        self._note = folder / SOCKET_NOTE
        self._free = threading.Semaphore(_MOST)
        self._talks: dict[threading.Thread, socket.socket] = {}

    def serve(self) -> None:
        """Accept terminals until the conductor is over; returns when the last step has ended."""
        threading.Thread(target=self._tick, name="tick", daemon=True).start()
        threading.Thread(target=self._accept, name="accept", daemon=True).start()
        while not self._conductor.over.wait(_TICK):
            pass  # a signal may reach another thread: Python runs its handler when this one wakes
        self._conductor.finish(_LAST_CALL)
        self._listener.close()
        self._say_goodbye()
        for path in (self._path, self._note):
            path.unlink(missing_ok=True)

    def _say_goodbye(self) -> None:
        """Whoever asked for something gets the answer, the one to `shutdown` too; nobody is listened to any more."""
        talks = dict(self._talks)
        for connection in talks.values():
            with contextlib.suppress(OSError):  # it is gone already
                connection.shutdown(socket.SHUT_RD)
        until = time.monotonic() + _LAST_WORDS
        for thread in talks:
            thread.join(max(0.0, until - time.monotonic()))

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
                if self._conductor.over.wait(_TICK):
                    return  # closed
                continue  # too many files are open, or the caller has gone: others will come
            if not same_user(connection) or not self._free.acquire(blocking=False):
                connection.close()
                continue
            try:
                threading.Thread(target=self._talk, args=(connection,), name="terminal", daemon=True).start()
            except RuntimeError:  # the system gives no more threads
                self._free.release()
                connection.close()

    def _talk(self, connection: socket.socket) -> None:
        """One terminal: requests in, replies and pushes out. Its end changes nothing in the incident."""
        speaker = _Speaker(connection)
        terminal: Terminal | None = None
        self._talks[threading.current_thread()] = connection
        try:
            connection.settimeout(_HELLO)
            with connection.makefile("rb") as lines:
                request = _request(lines.readline(_FIRST_LINE))
                connection.settimeout(None)
                speaker.start()
                params = request["params"]
                name, role = str(params.get("name", "")), str(params.get("role", "watch"))
                terminal, told = self._conductor.attach(name, role, speaker.say)
                speaker.say({"id": request["id"], "result": told})
                while line := lines.readline(MAX_LINE):
                    request = _request(line)
                    speaker.say({"id": request["id"], **self._answer(terminal, request)})
        except (OSError, ValueError, KeyError, RuntimeError):
            return  # the terminal is gone or does not speak the protocol
        finally:
            if terminal is not None:
                self._conductor.detach(terminal)
            speaker.end()
            del self._talks[threading.current_thread()]
            self._free.release()

    def _answer(self, terminal: Terminal, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": self._conductor.handle(terminal, str(request["method"]), request["params"])}
        except RunbookError as error:
            return {"error": {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}}
        except Exception as error:  # noqa: BLE001 - a fault of ours, or a request of a wrong form, ends no terminal
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
            told = {"message": f"the conductor cannot take this request: {place}", "hint": "nothing was done by it"}
            return {"error": {**told, "exit_code": int(Exit.INCOMPLETE)}}


class _Speaker:
    """Writes to one terminal on a thread of its own, so that one that does not read holds up nobody."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._outgoing: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """RuntimeError when the system gives no more threads."""
        thread = threading.Thread(target=self._write, name="push", daemon=True)
        thread.start()
        self._thread = thread

    def say(self, message: dict[str, Any]) -> None:
        if self._outgoing.qsize() < _UNREAD:
            self._outgoing.put(message)
        else:
            self._hang_up()

    def end(self) -> None:
        """Say what is left, if the terminal still reads, and hang up."""
        self._outgoing.put(None)
        if self._thread is None:
            self._connection.close()
            return
        self._thread.join(_LAST_WORDS)
        self._hang_up()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):  # it is gone already
            self._connection.shutdown(socket.SHUT_RDWR)

    def _write(self) -> None:
        try:
            while (message := self._outgoing.get()) is not None:
                # In ASCII, which can carry half a surrogate pair: a note or a provider's answer may hold one.
                self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            pass  # the terminal is gone
        finally:
            self._hang_up()  # its reader ends too
            self._connection.close()


def _request(line: bytes) -> dict[str, Any]:
    """A request as {id, method, params}; ValueError or KeyError when the line is none."""
    try:
        request = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(request, dict) or not isinstance(request.setdefault("params", {}), dict):
        raise ValueError("no request")
    return {"id": request["id"], "method": request["method"], "params": request["params"]}
