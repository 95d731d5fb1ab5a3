"""A terminal's side: over the socket, or in the same process for tests and `--auto`."""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui.conductor.address import peer_process, reach
from runbook_tui.foundation.clock import Clock, RealClock
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.places import Places
from runbook_tui.incident.events import Event
from runbook_tui.incident.purge import without_purged
from runbook_tui.incident.state import IncidentState, apply, fold
from runbook_tui.playbook.model import from_data

if TYPE_CHECKING:
    from runbook_tui.conductor.core import Conductor

_CALLS = 3  # that are hung up on before nobody is called any more
_PATIENCE = 90.0  # seconds a reply may take: a keyring dialog stands in between


class ConductorLostError(RunbookError):
    """The conductor ended, or hung up, before it answered."""

    exit_code = Exit.INCOMPLETE


class _Base:
    """Keeps the folded state up to date with what is pushed."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.driving = False
        self.vault = ""
        self.events: list[Event] = []
        self.state = IncidentState()
        self._callbacks: list[Callable[[dict[str, Any]], None]] = []
        self._lock = threading.RLock()

    def _hello(self, told: dict[str, Any]) -> None:
        events = [Event(**event) for event in told["events"]]
        while len(events) < told["last"]:  # not under the lock: the reader needs it for what is pushed meanwhile
            events += [Event(**event) for event in self.request("events", since=len(events))["events"]]
        with self._lock:
            self.events = events
            self.state = fold(events)
            self.driving = told["driving"]
            self.vault = told["vault"]
            self.book = from_data(told["playbook"])
            self.folder = Path(told["folder"])

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        """See protocol.Client."""
        raise NotImplementedError

    def _take(self, push: dict[str, Any]) -> None:
        with self._lock:
            if "event" in push:
                event = Event(**push["event"])
                if event.seq <= self.state.seq:
                    return
                self.events.append(event)
                if event.kind == "purged":
                    self.events = without_purged(self.events)
                    self.state = fold(self.events)
                else:
                    self.state = apply(self.state, event)
                push = {"event": event}
            if "driving" in push:
                self.driving = push["driving"]
        for callback in list(self._callbacks):
            callback(push)

    def listen(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """See protocol.Client."""
        self._callbacks.append(callback)


class LocalClient(_Base):
    """A client in the conductor's own process."""

    def __init__(self, conductor: Conductor, name: str, role: str = "drive") -> None:
        super().__init__(conductor.kit.clock)
        self._conductor = conductor
        early: list[dict[str, Any]] = []
        self._early: list[dict[str, Any]] | None = early
        self._terminal, told = conductor.attach(name, role, self._pushed)
        self._hello(told)
        self._early = None
        for push in early:
            self._take(push)

    def _pushed(self, push: dict[str, Any]) -> None:
        if self._early is not None:
            self._early.append(push)  # the snapshot is not here yet
        else:
            self._take(push)

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        """See protocol.Client."""
        return self._conductor.handle(self._terminal, method, params)

    def close(self) -> None:
        """See protocol.Client."""
        self._conductor.detach(self._terminal)


class SocketClient(_Base):
    """A client of a conductor process."""

    def __init__(self, connection: socket.socket, name: str, role: str = "drive") -> None:
        super().__init__(RealClock())
        self._ids = itertools.count(1)
        self.process = peer_process(connection)
        self._replies: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._early: list[dict[str, Any]] = []
        self._ready = False
        self._socket = connection
        threading.Thread(target=self._read, name="conductor", daemon=True).start()
        self._hello(self.request("hello", name=name, role=role))
        with self._lock:  # to the end: what arrives meanwhile comes after what has waited
            for push in self._early:
                self._take(push)
            self._ready = True

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        """See protocol.Client."""
        number = next(self._ids)
        answer: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._replies[number] = answer
        message = json.dumps({"id": number, "method": method, "params": params})  # ASCII: half a surrogate pair too
        try:
            self._socket.sendall(message.encode() + b"\n")
            reply = answer.get(timeout=_PATIENCE)
        except OSError:
            hint = "the incident is safe on disk: `runbook resume` starts a new one"
            raise ConductorLostError("the conductor is gone", hint) from None
        except queue.Empty:
            hint = f"the incident is safe on disk: look at process {self.process}, end it, then `runbook resume`"
            raise RunbookError("the conductor does not answer", hint, exit_code=Exit.INCOMPLETE) from None
        finally:
            self._replies.pop(number, None)
        if "lost" in reply:
            raise ConductorLostError(reply["lost"], "`runbook resume` starts a new one")
        if "error" in reply:
            error = reply["error"]
            raise RunbookError(error["message"], error.get("hint", ""), exit_code=Exit(error.get("exit_code", 2)))
        result: dict[str, Any] = reply["result"]
        return result

    def _read(self) -> None:
        reason = "the conductor ended"
        try:
            with self._socket.makefile("rb") as lines:
                while line := lines.readline():  # a long incident is a long line, and the conductor is trusted
                    self._sort(json.loads(line))
        except (OSError, ValueError) as error:
            reason = f"the conductor was lost: {type(error).__name__}"
        self.close()  # whoever asks now hears at once that nobody is there
        for answer in list(self._replies.values()):
            answer.put({"lost": reason})
        self._take({"lost": reason})

    def _sort(self, message: dict[str, Any]) -> None:
        if "id" in message:
            waiting = self._replies.get(message["id"])
            if waiting is not None:
                waiting.put(message)
            return
        with self._lock:
            if not self._ready:
                self._early.append(message)
                return
        self._take(message)

    def close(self) -> None:
        """See protocol.Client."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def connect(places: Places, incident: str, name: str = "", role: str = "watch") -> SocketClient | None:
    """The conductor of that incident, or None when none is alive. RunbookError when it is not to be trusted."""
    folder = places.incident(incident)
    for _ in range(_CALLS):
        connection = reach(folder)
        if connection is None:
            return None
        try:
            return SocketClient(connection, name, role)
        except ConductorLostError:
            time.sleep(0.2)  # it was ending: look again
    hint = "it takes no more terminals, or is ending: try again in a minute"
    raise ConductorLostError(f"the conductor of {incident} hangs up", hint)
