# ruff: noqa: E501 - lists of attacks
"""Promise: a credential goes to the bound place and nowhere else, whatever a name, an address or an answer says."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_tui.net.address import addresses
from runbook_tui.net.client import Network, Request
from runbook_tui.net.fault import NetFault
from runbook_tui.net.origin import check, parse

SECRET = "FAKE-token-0123456789"

METADATA = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "fe80::a9fe:a9fe",
    "fd00:ec2::254",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
]


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("address", METADATA)
def test_a_name_never_leads_to_a_clouds_credential_service(
    monkeypatch: pytest.MonkeyPatch, address: str, private: bool
) -> None:
    """Also wrapped into IPv6, and also where the operator bound a private origin."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(0, 0, 0, "", (address, port))])
    with pytest.raises(NetFault) as caught:
        addresses("api.example.com", 443, private=private, seconds=3)
    assert (caught.value.kind, caught.value.sent) == ("blocked", False)


class _Handler(BaseHTTPRequestHandler):
    seen: list[tuple[str, str, bytes]]
    status, headers_out, body = 200, [], b"{}"  # type: ignore[var-annotated]

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.seen.append((self.path, str(self.headers), self.rfile.read(length)))
        self.send_response(self.status)
        for name, value in self.headers_out:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def serve(**answer: Any) -> tuple[ThreadingHTTPServer, list[tuple[str, str, bytes]]]:
    seen: list[tuple[str, str, bytes]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {**answer, "seen": seen}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, seen


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    server, seen = serve()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_carries_nothing_on(elsewhere: tuple[str, list[Any]], status: int) -> None:
    """Header and body with the secret reach the bound place alone; the redirect is the answer."""
    server, seen = serve(status=status, headers_out=[("Location", f"{elsewhere[0]}/v1")])
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        headers = [("X-Api-Key", SECRET), ("Authorization", f"Bearer {SECRET}")]
        answer = Network().send(Request("POST", f"{base}/v1", headers, SECRET.encode()), [base])
    finally:
        server.shutdown()
        server.server_close()
    assert answer.status == status
    assert len(seen) == 1
    assert elsewhere[1] == []


def test_a_name_is_asked_once(elsewhere: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: a second answer is never asked for, so what was checked is what is connected to."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(asked) == 1 else "10.0.0.1", port))]

    port = int(elsewhere[0].rpartition(":")[2])
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", look_up)
        found = addresses("localhost", port, private=False, seconds=3)
    assert found == ["127.0.0.1"]
    assert asked == ["localhost"]


def test_a_compressed_bomb_is_not_unpacked() -> None:
    """100 MB in 100 KB: an answer in a coding that was not asked for is none."""
    bomb = gzip.compress(b"\0" * 100_000_000, 9)
    server, _ = serve(headers_out=[("Content-Encoding", "gzip")], body=bomb)
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(NetFault, match="compressed"):
            Network().send(Request("POST", base), [base])
    finally:
        server.shutdown()
        server.server_close()


def test_an_answer_above_the_limit_is_cut() -> None:
    """More than one MiB is not read."""
    server, _ = serve(body=b"x" * ((1 << 20) + 1))
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(NetFault) as caught:
            Network().send(Request("POST", base), [base])
    finally:
        server.shutdown()
        server.server_close()
    assert (caught.value.kind, caught.value.sent) == ("too_large", True)


PARTS = st.lists(
    st.sampled_from(
        ["https://", "http://", "api.example.com", "evil.example", "127.0.0.1", "[::1]", "@", ":", "443", "8080", "/", "//",
         "..", ".", "%2e", "%252e", "%2f", "\\", "?", "#", "v1", "keys", "a", "\t", "\n", " ", "é", "。", "%00", "0x7f", "1"]
    ),
    max_size=9,
).map("".join)  # fmt: skip


@given(st.one_of(PARTS, PARTS.map("https://api.example.com".__add__), st.text(max_size=30)))
def test_three_parsers_agree_on_what_is_taken(url: str) -> None:
    """An address we take reads the same to the standard library and to the HTTP client: scheme, host, port, path."""
    try:
        target = parse(url)
    except NetFault:
        return
    default = {"http": 80, "https": 443}[target.scheme]
    parts, other = urlsplit(url), httpx.URL(url)
    assert (parts.scheme, parts.hostname, parts.port or default) == (target.scheme, target.host, target.port)
    assert (other.scheme, other.host, other.port or default) == (target.scheme, target.host, target.port)
    assert (parts.path or "/") == target.path
    assert (parts.username, parts.password, parts.fragment) == (None, None, "")
    try:
        check(url, ["https://api.example.com/v1"])
    except NetFault:
        return
    assert (other.scheme, other.host) == ("https", "api.example.com")
    assert other.path == "/v1" or other.path.startswith("/v1/")
