"""Serves the reference endpoint on loopback: in this process, or as `python -m runbook_tui.drill.receiver`.

    in    {"scheme": id, "secret": text, ...}        one JSON line on standard input, see `_setup`
    out   {"url": address, "observer": address}

The process serves until standard input closes. `url` is the address to register with the vendor; for a scheme with a
path token the deliveries go to `url`/token. At the observer's address, which is another port:

    GET /acted?marker=TEXT    "TEXT: count": how many deliveries with this text in them were acted on
    GET /arrivals             {"arrivals": [[seconds of a monotonic clock, method, status], ...]}
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

from runbook_tui.drill.endpoint.acts import Acts
from runbook_tui.drill.endpoint.behaviour import MOST_BODY, Endpoint
from runbook_tui.drill.endpoint.setup import Arrived, Setup
from runbook_tui.drill.estate import Receiver
from runbook_tui.drill.matching import Incoming
from runbook_tui.drill.reply import Reply
from runbook_tui.foundation.harden import harden
from runbook_tui.net.lockdown import lock_down
from runbook_tui.webhooks.registry import Schemes

HOST = "127.0.0.1"
PATH = "/hook"
_MOST_READ = 8 * MOST_BODY  # more than this is not even read
_WAIT = 30.0  # seconds a connection may stay silent
_HUGE = 10_000_000  # bytes of `huge_answer`
_DRIP = 0.2  # seconds between two bytes of `trickles`


def judge(receiver: Receiver, acts: Acts, incoming: Incoming, now: float) -> Reply:
    """The answer of a simulated world's receiver to one request, whose path is what stands behind the endpoint's own.

    `acts` is what it did so far.
    """
    setup = Setup(_schemes().get(receiver.scheme), receiver.secret)
    arrived = Arrived(incoming.method, incoming.path, incoming.query, tuple(incoming.headers.items()), incoming.body)
    return Endpoint(setup, acts).answer(arrived, now)


def acted(acts: Acts, query: str) -> Reply:
    """What an observer is told who asks with `marker=` in the query."""
    marker = parse_qs(query).get("marker", [""])[0]
    return Reply(200, f"{marker}: {len(acts.found(marker))}\n", {"Content-Type": "text/plain"})


@lru_cache(maxsize=1)
def _schemes() -> Schemes:
    return Schemes.load()


class ReferenceReceiver:
    """A served endpoint, as a context manager. `setup.url` is set to where it is served.

    `log` gets a line for every act, `access_log` one for every request. `acts` and `arrivals` can be read at any time.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        log: Path | None = None,
        access_log: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.acts = Acts(log)
        self.arrivals: list[tuple[float, str, int]] = []
        self.closing = threading.Event()
        self._access_log = access_log
        self._server = _Server(_Delivery, self)
        self._observer = _Server(_Observer, self)
        scheme = "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
            scheme = "https"
        self.setup = replace(setup, url=f"{scheme}://{HOST}:{self._server.server_address[1]}{PATH}")
        self.endpoint = Endpoint(self.setup, self.acts)

    @property
    def url(self) -> str:
        return self.setup.url

    @property
    def observer_url(self) -> str:
        return f"http://{HOST}:{self._observer.server_address[1]}"

    def __enter__(self) -> ReferenceReceiver:
        for server in (self._server, self._observer):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        for server in (self._server, self._observer):
            server.shutdown()
            server.server_close()

    def now(self) -> float:
        """Seconds since 1970 by the endpoint's own clock."""
        return time.time() + (self.setup.skew if self.setup.has("skewed_clock") else 0.0)

    def note(self, method: str, path: str, status: int) -> None:
        """Count one request, and write it into the access log: without what follows the base path, if it is good."""
        self.arrivals.append((time.monotonic(), method, status))
        if self._access_log is not None:
            shown = path if self.setup.has("logs_token") or not path.startswith(f"{PATH}/") else f"{PATH}/…"
            with self._access_log.open("a", encoding="utf-8") as file:
                file.write(f'"{method} {shown}" {status}\n')


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, handler: type[BaseHTTPRequestHandler], receiver: ReferenceReceiver) -> None:
        self.receiver = receiver
        super().__init__((HOST, 0), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a tester that goes away in the middle is no event."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "reference-receiver"
    sys_version = ""
    timeout = _WAIT
    wbufsize = -1  # head and body leave in one packet
    server: _Server

    def write(self, reply: Reply) -> None:
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        body = b"" if reply.body is None or reply.status == 204 else text.encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, "".join(c for c in value if c.isprintable() and c.isascii()))
        if body and "Content-Type" not in reply.headers:
            self.send_header("Content-Type", "application/json")
        if reply.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: paths may hold a secret."""


class _Delivery(_Handler):
    """One connection to the endpoint."""

    def do(self) -> None:
        receiver = self.server.receiver
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _MOST_READ or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self.write(Reply(413, {"error": "no length, or too much"}))
            return
        body = self.rfile.read(int(length))
        path, _, query = self.path.partition("?")
        arrived = Arrived(self.command, path, query, tuple(self.headers.items()), body)
        reply = receiver.endpoint.answer(arrived, receiver.now())
        receiver.note(self.command, path, reply.status)
        self._send(receiver, reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do

    def _send(self, receiver: ReferenceReceiver, reply: Reply) -> None:
        setup = receiver.setup
        if setup.has("slow"):
            receiver.closing.wait(setup.slow)
        if setup.has("hangs"):
            receiver.closing.wait()
            self.close_connection = True
        elif setup.has("huge_answer"):
            self.write(Reply(reply.status, "x" * _HUGE, {"Content-Type": "text/plain"}))
        elif setup.has("cuts_off") or setup.has("trickles"):
            self._unfinished(receiver, reply.status)
        else:
            self.write(reply)

    def _unfinished(self, receiver: ReferenceReceiver, status: int) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", str(_HUGE))
        self.end_headers()
        self.wfile.write(b"{")
        self.wfile.flush()
        with suppress(OSError):
            while receiver.setup.has("trickles") and not receiver.closing.wait(_DRIP):
                self.wfile.write(b" ")
                self.wfile.flush()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.receiver.now() if timestamp is None else timestamp)


class _Observer(_Handler):
    """One connection to the observer's port."""

    def do_GET(self) -> None:
        receiver = self.server.receiver
        path, _, query = self.path.partition("?")
        if path == "/acted":
            self.write(acted(receiver.acts, query))
        elif path == "/arrivals":
            self.write(Reply(200, {"arrivals": list(receiver.arrivals)}))
        else:
            self.write(Reply(404, {"error": "not found"}))


def _setup(orders: Mapping[str, Any]) -> Setup:
    """`scheme` and `secret` are needed; `old`, `scope`, `faults`, `facts`, `slow`, `skew` and `schemes` (folders of the
    user's own schemes) may be there."""
    schemes = Schemes.load([Path(folder) for folder in orders.get("schemes", ())])
    return Setup(
        scheme=schemes.get(orders["scheme"]),
        secret=orders["secret"],
        old=orders.get("old", ""),
        facts=dict(orders.get("facts", {})),
        scope=orders.get("scope", ""),
        faults=frozenset(orders.get("faults", ())),
        slow=float(orders.get("slow", 2.0)),
        skew=float(orders.get("skew", 0.0)),
    )


def main() -> int:
    """Serve until standard input ends."""
    harden()
    lock_down(HOST)  # this process only listens: it connects to nobody
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the front end
    orders = json.loads(sys.stdin.readline())
    log, access_log = (Path(orders[name]) if orders.get(name) else None for name in ("log", "access_log"))
    with ReferenceReceiver(_setup(orders), log=log, access_log=access_log) as receiver:
        sys.stdout.write(json.dumps({"url": receiver.url, "observer": receiver.observer_url}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
