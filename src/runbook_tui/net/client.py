"""The guarded HTTP client: the only way a secret leaves this process for a provider.

One fresh HTTP/1.1 connection a call; no redirect is followed, no environment proxy is used, nothing is decompressed.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from runbook_tui import __version__
from runbook_tui.net.fault import NetFault, blocked
from runbook_tui.net.origin import Target, check

if TYPE_CHECKING:
    import ssl

    import httpx

    from runbook_tui.net.backend import Call

__all__ = ["Answer", "NetFault", "Network", "Request", "Timing"]

_T = TypeVar("_T")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}
_FIRST_BYTE = "http11.send_request_headers.started"


@dataclass(frozen=True)
class Request:
    """One request, secrets included: its repr names the method and the host alone."""

    method: str
    url: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Request {self.method}, {len(self.headers)} headers, {len(self.body)} bytes>"


@dataclass(frozen=True)
class Timing:
    """The parts of one call, in seconds, each from the end of the part before it.

    `tls` is None without TLS. `first_byte` is from the ready connection to the answer's first byte: sending the
    request and what the server did with it.
    """

    dns: float
    connect: float
    tls: float | None
    first_byte: float


@dataclass(frozen=True)
class Answer:
    """A complete answer. Header names are lower case. `seconds` is from the call to the last byte."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    seconds: float
    timing: Timing | None = None  # None for an answer that did not come over a connection

    def header(self, name: str) -> str | None:
        """The first value of a header; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def __repr__(self) -> str:
        return f"<Answer {self.status}, {len(self.body)} bytes>"


class Network:
    """Sends requests. One per process."""

    def __init__(self, *, only: tuple[str, int] | None = None) -> None:
        """`only` is the one (host, port) a drill may reach; every other is refused below the HTTP client."""
        self._only = only
        self._contexts: dict[str, ssl.SSLContext] = {}
        for name in ("httpx", "httpcore"):
            # At INFO httpx logs whole URLs, at DEBUG httpcore logs headers: both may carry a secret.
            logging.getLogger(name).setLevel(logging.WARNING)

    @property
    def only(self) -> tuple[str, int] | None:
        """The one (host, port) that is reached; None: any."""
        return self._only

    def send(
        self,
        request: Request,
        origins: Iterable[str],
        *,
        deadline: float = 60.0,
        before_first_byte: Callable[[], None] | None = None,
        max_bytes: int = 1 << 20,
        private: bool = False,
        ca_file: str | None = None,
    ) -> Answer:
        """Send one request and read the whole answer, in `deadline` real seconds at most.

        The URL must lie under one of `origins`. `before_first_byte` is called once, when the connection stands and
        before the first byte of the request; what it raises reaches the caller and nothing is sent. `private` allows
        names in private networks (origins an operator bound by hand). `ca_file` replaces the trusted authorities.
        A redirect is an answer like any other. Raises NetFault.
        """
        from runbook_tui.net.backend import Call

        _check_headers(request)
        target = check(request.url, origins)
        call = Call(target, deadline, private=private, only=self._only)
        started = time.monotonic()
        import httpx

        context = self._context(ca_file) if target.scheme == "https" else _plain_context()
        prepared = _prepare(request, target, before_first_byte)
        with httpx.Client(transport=_transport(call, context), trust_env=False, follow_redirects=False) as client:
            response = _guarded(lambda: client.send(prepared, stream=True), call)
            try:
                body = _guarded(lambda: _read(response, call, max_bytes), call)
            finally:
                response.close()
        headers = [(name.lower(), value) for name, value in response.headers.multi_items()]
        return Answer(response.status_code, headers, body, time.monotonic() - started, _timing(call))

    def _context(self, ca_file: str | None) -> ssl.SSLContext:
        import ssl

        if ca_file is None:
            import certifi

            ca_file = certifi.where()
        if ca_file not in self._contexts:
            try:
                context = ssl.create_default_context(cafile=ca_file)
            except (OSError, ssl.SSLError):
                raise NetFault("tls", f"the authorities in {ca_file} cannot be read", sent=False) from None
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._contexts[ca_file] = context
        return self._contexts[ca_file]


def _timing(call: Call) -> Timing:
    at = call.reached
    secured = at.get("tls")
    return Timing(
        dns=at["dns"] - at["start"],
        connect=at["connect"] - at["dns"],
        tls=None if secured is None else secured - at["connect"],
        first_byte=at["first_byte"] - (at["connect"] if secured is None else secured),
    )


def _plain_context() -> ssl.SSLContext:
    """A context for calls without TLS: it trusts nobody, and is cheap to make."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _check_headers(request: Request) -> None:
    if not re.fullmatch(r"[A-Z]{1,16}", request.method):
        raise blocked("the method is not a plain word")
    for name, value in request.headers:
        if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
            raise blocked("a header name is not allowed")
        if not re.fullmatch(r"[\x20-\x7e]*", value) or value != value.strip():
            raise blocked(f"the value of the header {name} has characters that do not belong in a header")


def _prepare(request: Request, target: Target, before_first_byte: Callable[[], None] | None) -> httpx.Request:
    import httpx

    waiting = [before_first_byte] if before_first_byte else []

    def trace(event: str, _info: dict[str, Any]) -> None:
        if event == _FIRST_BYTE and waiting:
            waiting.pop()()

    headers = [*request.headers, ("Accept-Encoding", "identity"), ("Connection", "close")]
    if not any(name.lower() == "user-agent" for name, _ in headers):
        headers.append(("User-Agent", f"runbook-tui/{__version__}"))
    try:
        prepared = httpx.Request(
            request.method, request.url, headers=headers, content=request.body, extensions={"trace": trace}
        )
    except httpx.InvalidURL:
        raise blocked("the address is not a plain http(s) URL") from None
    url = prepared.url
    seen = (url.scheme, url.host, url.raw_path.decode("ascii"))
    if seen != (target.scheme, target.host, target.path + target.query):
        raise blocked("the address is not written in its plain form")
    return prepared


def _transport(call: Call, context: ssl.SSLContext) -> httpx.BaseTransport:
    import httpcore
    import httpx

    from runbook_tui.net.backend import Backend

    pool = httpcore.ConnectionPool(
        ssl_context=context, max_connections=1, max_keepalive_connections=0, network_backend=Backend(call)
    )

    class Body(httpx.SyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            yield from self._stream

        def close(self) -> None:
            self._stream.close()

    class Transport(httpx.BaseTransport):
        """httpx on a pool of exactly one guarded connection."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            url = request.url
            answer = pool.handle_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
            return httpx.Response(answer.status, headers=answer.headers, stream=Body(answer.stream))

        def close(self) -> None:
            pool.close()

    return Transport()


def _guarded(action: Callable[[], _T], call: Call) -> _T:
    """Run a step of the call and name its failure; what `before_first_byte` raises passes through."""
    import httpcore

    try:
        return action()
    except (httpcore.ProtocolError, httpcore.NetworkError):
        host = call.target.host
        if call.ended or not call.sent:
            message = f"{host} closed the connection before the answer was complete"
            raise NetFault("cut", message, sent=call.sent) from None
        raise NetFault("garbled", f"{host} answered something that is not HTTP", sent=True) from None


def _read(response: httpx.Response, call: Call, max_bytes: int) -> bytes:
    host = call.target.host
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise NetFault("garbled", f"{host} sent a compressed answer that was not asked for", sent=True)
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise NetFault("too_large", f"the answer of {host} is larger than {max_bytes} bytes", sent=True)
    return bytes(body)
