"""The simulator's process: `python -m runbook_tui.drill.simulator`, its orders as one JSON line on standard input.

    in    {"state": path, "manifests": [paths], "control": token}
    out   {"port": number}

Serves on 127.0.0.1 until standard input closes or SIGTERM comes:

    /<provider>/<origin>/…    the simulated providers
    /endpoint/<id>[/token]    the webhook receiver
    /acted/<id>?marker=...    what that receiver did, for an observer
    /consumer/<id>/health     the consumers
    /dashboard/<token>        the first provider's dashboard, for a person (see `page`)
    /control/…                what only the drill itself may ask (header Drill-Control)

Time is the greatest `Drill-Time` header seen (RFC 3339), real time without one. Every change is on disk before it is
answered.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import json
import os
import signal
import socketserver
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import IO, Any

from runbook_tui.drill import page, receiver, services
from runbook_tui.drill.endpoint.acts import Acts
from runbook_tui.drill.estate import Estate, load, save
from runbook_tui.drill.matching import Incoming
from runbook_tui.drill.reply import Reply
from runbook_tui.drill.vendor import Vendor
from runbook_tui.foundation.clock import parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.harden import harden
from runbook_tui.net.lockdown import lock_down
from runbook_tui.providers.loader import read_manifest

HOST = "127.0.0.1"
_MOST_BODY = 1 << 20
_WAIT = 30.0  # seconds a connection may stay silent
_HANDOVER = 10.0  # seconds the simulator of a killed drill is waited for


class World:
    """Answers requests, one at a time."""

    def __init__(self, state: Path, manifests: list[Path], control: str) -> None:
        self._path = state
        self.estate: Estate = load(state)
        self._vendors = {one.id: Vendor(one, self.estate) for one in map(read_manifest, manifests)}
        self._control = control
        self._lock = threading.Lock()
        self._acts = {one.id: Acts() for one in self.estate.receivers}

    def save(self) -> None:
        save(self.estate, self._path)

    def answer(self, incoming: Incoming) -> Reply:
        """The reply to one request; the state is saved before it is given."""
        with self._lock:
            self.estate.advance(_moment(incoming))
            services.tick(self.estate)
            head, _, rest = incoming.path.removeprefix("/").partition("/")
            if head == "control":
                found = self._own(rest, incoming)
            elif head == "endpoint":
                found = self._deliver(rest, incoming)
            elif head == "acted":
                found = receiver.acted(self._acts[rest], incoming.query) if rest in self._acts else Reply(404, None)
            elif head == "consumer":
                found = self._health(rest)
            elif head == "dashboard":
                found = self._dashboard(rest, incoming)
            elif head in self._vendors:
                origin, _, path = rest.partition("/")
                below = Incoming(incoming.method, f"/{path}", incoming.query, incoming.headers, incoming.body)
                found = self._vendors[head].handle(origin, below)
            else:
                found = Reply(404, {"error": "nothing lives here"})
            services.tick(self.estate)
            self.save()
            return found

    def _deliver(self, rest: str, incoming: Incoming) -> Reply:
        name, slash, below = rest.partition("/")
        one = next((one for one in self.estate.receivers if one.id == name), None)
        if one is None:
            return Reply(404, {"error": "not found"})
        inside = replace(incoming, path=slash + below)
        return receiver.judge(one, self._acts[name], inside, self.estate.time().timestamp())

    def _health(self, rest: str) -> Reply:
        name = rest.removesuffix("/health")
        one = next((one for one in self.estate.consumers if one.id == name), None)
        if one is None or name == rest:
            return Reply(404, {"error": "not found"})
        status, shown = services.health(self.estate, one, self._vendors[one.provider].manifest.prefixes)
        return Reply(status, shown)

    def _dashboard(self, rest: str, incoming: Incoming) -> Reply:
        token, _, operation = rest.partition("/")
        if not hmac.compare_digest(token.encode(), self._control.encode()):
            return Reply(404, {"error": "not found"})
        vendor = next(iter(self._vendors.values()))
        html = "text/html" in incoming.headers.get("accept", "")
        return page.answer(vendor, incoming.method, f"/dashboard/{token}", operation, html=html)

    def _own(self, rest: str, incoming: Incoming) -> Reply:
        if not hmac.compare_digest(incoming.headers.get("drill-control", "").encode(), self._control.encode()):
            return Reply(403, {"error": "this is not for you"})
        if rest == "state":
            return Reply(200, {"made": self.estate.made, "sources": services.sources(self.estate)})
        asked = incoming.json()
        if rest == "dashboard" and isinstance(asked, dict):
            vendor = self._vendors.get(str(asked.get("provider")))
            try:
                made = vendor.dashboard(str(asked.get("operation"))) if vendor else None
            except RunbookError as error:
                return Reply(404, {"error": error.message})
            return Reply(200, {"secret": made.secret, "key_id": made.id} if made else {})
        return Reply(404, {"error": "not found"})


def _moment(incoming: Incoming) -> datetime:
    with contextlib.suppress(RunbookError):
        return parse_instant(incoming.headers["drill-time"]) if "drill-time" in incoming.headers else datetime.now(UTC)
    return datetime.min.replace(tzinfo=UTC)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "runbook-drill"
    sys_version = ""
    timeout = _WAIT
    server: _Server

    def do(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _MOST_BODY:
            self._write(Reply(413, {"error": "too large"}))
            return
        body = self.rfile.read(int(length))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._write(self.server.world.answer(Incoming(self.command, path, query, headers, body)))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_LIST = do

    def _write(self, reply: Reply) -> None:
        content = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        body = b"" if reply.body is None or reply.status == 204 else content.encode()
        self.send_response_only(reply.status)  # no Date: the drill's clock is not this machine's
        self.send_header("Server", self.version_string())
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if body and not isinstance(reply.body, str):
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: paths may hold a secret."""


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, world: World) -> None:
        self.world = world
        super().__init__((HOST, port), _Handler)


def _alone(state: Path) -> IO[bytes]:
    """The lock of this world, held until this process ends.

    The simulator of a killed drill may take a moment to notice that it is alone.
    """
    held = state.with_suffix(".lock").open("ab")
    for _ in range(int(_HANDOVER / 0.05)):
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.05)
        else:
            return held
    raise RunbookError("another simulator serves this drill", "end the other drill first")


def _bind(world: World) -> _Server:
    """On the port of last time, so that what was written down stays true; on another when it is taken."""
    try:
        return _Server(world.estate.port, world)
    except OSError:
        return _Server(0, world)


def main() -> int:
    """Serve until standard input ends."""
    harden()
    lock_down(HOST)  # this process only listens: it connects to nobody
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the front end
    orders = json.loads(sys.stdin.readline())
    state = Path(orders["state"])
    held = _alone(state)
    world = World(state, [Path(path) for path in orders["manifests"]], orders["control"])
    server = _bind(world)
    world.estate.port = int(server.server_address[1])
    world.save()
    threading.Thread(target=server.serve_forever, name="serve", daemon=True).start()
    sys.stdout.write(json.dumps({"port": world.estate.port}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()  # ends when the drill does
    server.server_close()  # before the lock is given up: the next one wants the same port
    held.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
