"""Gathers what `transport` judges: addresses, TLS handshakes and two plain requests, none of which carries a secret.

All of it is bounded: two addresses a family, seconds for each step and for the whole, and of an answer the head alone
is read. Addresses are guarded as `net` guards them: public ones only, unless the operator bound a private one.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address

from runbook_tui import __version__
from runbook_tui.foundation.clock import Clock
from runbook_tui.net.address import addresses
from runbook_tui.net.backend import CONNECT_SECONDS
from runbook_tui.net.client import Timing
from runbook_tui.net.fault import NetFault, blocked
from runbook_tui.net.origin import Target, is_loopback_name, parse
from runbook_tui.webhooks.tls import OLD_VERSIONS, TlsResult, Trust, accepts, look, public_trust, verifying
from runbook_tui.webhooks.tls import secured as under_tls

_HANDSHAKE_SECONDS = 10.0
_ANSWER_SECONDS = 10.0
_A_FAMILY = 2  # addresses of one family that are tried
_HEAD_BYTES = 64 * 1024  # with all 1xx answers before it
_HEAD = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r?\n((?:[^\r\n]+\r?\n)*)\r?\n")
_BEGINNING = b"HTTP/1."
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


@dataclass(frozen=True)
class Reached:
    """One address of the endpoint. `fault` is "" | refused | timeout | no_route | failed | blocked."""

    address: str
    fault: str = ""
    handshake: TlsResult | None = None  # None without TLS

    @property
    def family(self) -> int:
        return ip_address(self.address).version

    @property
    def good(self) -> bool:
        return not self.fault and (self.handshake is None or not self.handshake.faults)


@dataclass(frozen=True)
class Reply:
    """The head of an answer to one unsigned GET, or why there was none.

    `fault` is "" or refused | timeout | no_route | failed | blocked | tls | cut | garbled.
    """

    fault: str = ""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # names in lower case, first values
    at: datetime | None = None  # our clock, half way between the question and the answer
    timing: Timing | None = None


@dataclass(frozen=True)
class Facts:
    """All that was seen. `refused` says why nothing at all was contacted ("" when something was)."""

    target: Target | None = None
    refused: str = ""
    reached: tuple[Reached, ...] = ()
    old_versions: Mapping[str, bool | None] = field(default_factory=dict)  # "TLS 1.0" -> spoken; None: not known
    reply: Reply | None = None
    twin: Reply | None = None  # of plain HTTP on `twin_port`; None: not asked
    twin_port: int = 0
    requests: int = 0  # HTTP requests made

    @property
    def plain(self) -> bool:
        """Plain HTTP, which only this machine may be spoken to in."""
        return self.target is not None and self.target.scheme == "http" and is_loopback_name(self.target.host)


def gather(
    address: str,
    *,
    clock: Clock,
    trust: Trust = public_trust,
    private: bool = False,
    only: tuple[str, int] | None = None,
    twin_port: int = 0,
    deadline: float = 40.0,
    before_request: Callable[[], None] = lambda: None,
) -> Facts:
    """Look at the endpoint at `address`, a URL that holds no secret (see `transport.address_of`).

    Its query is left out. `private` and `only` are those of `Network`. `twin_port` is where the plain-HTTP twin is
    asked; 0 means 80 for an https URL without a port, else the URL's own port. `before_request` is called before each
    of the two HTTP requests (pacing). Takes `deadline` real seconds at most, a slow look-up of the name aside (3 s);
    what the network does is a fact and never an exception.
    """
    try:
        target = parse(address)
        if only is not None and (target.host, target.port) != only:
            raise blocked(f"a drill talks to its own simulator only, not to {target.host}")
        began = time.monotonic()
        found = addresses(target.host, target.port, private=private, seconds=CONNECT_SECONDS, most=64)
    except NetFault as fault:
        return Facts(refused=fault.message)
    way = _Way(target, clock, trust, before_request, began + deadline, time.monotonic() - began)
    reached = tuple(way.reach(one) for one in _chosen(found))
    good = next((one.address for one in reached if one.good), None)
    reply = None if good is None else way.ask(good, target.port, secured=target.scheme == "https")
    open_at = next((one.address for one in reached if not one.fault), None)
    if target.scheme == "http" or open_at is None:
        return Facts(target, "", reached, reply=reply, requests=way.requests)
    old = {name: way.speaks(open_at, name) for name in OLD_VERSIONS}
    port = twin_port or (80 if target.port == 443 else target.port)
    twin = way.ask(open_at, port, secured=False) if only is None else None
    return Facts(target, "", reached, old, reply, twin, port, way.requests)


class _Way:
    """The connections of one `gather`."""

    def __init__(
        self, target: Target, clock: Clock, trust: Trust, before: Callable[[], None], ends: float, dns: float
    ) -> None:
        self._target, self._clock, self._trust, self._before = target, clock, trust, before
        self._ends, self._dns = ends, dns
        self.requests = 0

    def reach(self, address: str) -> Reached:
        try:
            connection = self._connect(address, self._target.port)
        except NetFault as fault:
            return Reached(address, fault.kind)
        if self._target.scheme == "http":
            connection.close()
            return Reached(address)
        waiting = [connection]  # the first handshake takes the connection that there is already

        def connect() -> socket.socket:
            return waiting.pop() if waiting else self._connect(address, self._target.port)

        return Reached(address, handshake=look(connect, self._target.host, self._trust))

    def speaks(self, address: str, version: str) -> bool | None:
        return accepts(lambda: self._connect(address, self._target.port), self._target.host, version)

    def ask(self, address: str, port: int, *, secured: bool) -> Reply:
        """One unsigned GET of the endpoint's path; only the head of the answer is read."""
        self._before()
        self.requests += 1
        began, asked = time.monotonic(), self._clock.now()
        ends = min(self._ends, began + _ANSWER_SECONDS)
        try:
            stream = self._connect(address, port)
            connected = time.monotonic()
            if secured:
                stream = under_tls(stream, verifying(self._trust), self._target.host)
            ready = time.monotonic()
            with stream:
                stream.settimeout(_left(ends, _ANSWER_SECONDS))
                stream.sendall(self._question())
                status, headers, first_byte = _read_head(stream, ends)
        except NetFault as fault:
            return Reply(fault.kind)
        except TimeoutError:
            return Reply("timeout")
        except ssl.SSLError:
            return Reply("tls")
        except OSError:
            return Reply("cut")
        at = asked + (self._clock.now() - asked) / 2
        tls = ready - connected if secured else None
        return Reply("", status, headers, at, Timing(self._dns, connected - began, tls, first_byte - ready))

    def _question(self) -> bytes:
        host = self._target.place.partition("://")[2]
        return (
            f"GET {self._target.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: runbook-tui/{__version__}\r\n"
            "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
        ).encode("ascii")

    def _connect(self, address: str, port: int) -> socket.socket:
        try:
            connection = socket.create_connection((address, port), _left(self._ends, CONNECT_SECONDS))
        except TimeoutError:
            raise NetFault("timeout", "no connection in time", sent=False) from None
        except PermissionError:
            raise blocked("connecting is refused in this process") from None
        except ConnectionRefusedError:
            raise NetFault("refused", "the connection was refused", sent=False) from None
        except OSError as error:
            kind = "no_route" if error.errno in _NO_ROUTE else "failed"
            raise NetFault(kind, "no connection", sent=False) from None
        connection.settimeout(min(_HANDSHAKE_SECONDS, max(0.1, self._ends - time.monotonic())))
        return connection


def _left(ends: float, most: float) -> float:
    """Seconds a wait may take; TimeoutError when the time is up."""
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return min(most, left)


def _chosen(found: list[str]) -> list[str]:
    """Two addresses of each family at most, in the resolver's order."""
    families = {4: 0, 6: 0}
    chosen = []
    for address in found:
        family = ip_address(address).version
        families[family] += 1
        if families[family] <= _A_FAMILY:
            chosen.append(address)
    return chosen


def _read_head(stream: socket.socket, ends: float) -> tuple[int, dict[str, str], float]:
    """Status, headers, and when (monotonic) the first byte came; 1xx answers are passed over."""
    data, first = b"", 0.0
    while len(data) < _HEAD_BYTES:
        stream.settimeout(_left(ends, _ANSWER_SECONDS))
        chunk = stream.recv(8192)
        first = first or time.monotonic()
        if not chunk:
            raise NetFault("cut", "the answer broke off", sent=True)
        data += chunk
        while head := _HEAD.match(data):
            if not head[1].startswith(b"1"):
                return int(head[1]), _headers(head[2]), first
            data = data[head.end() :]
        if not data.startswith(_BEGINNING[: len(data)]):
            break
    raise NetFault("garbled", "the answer is not HTTP", sent=True)


def _headers(lines: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines.decode("latin-1").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found
