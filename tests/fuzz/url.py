# ruff: noqa: PT017, SIM105 - a finding is an exception, wherever it is raised
"""Origins: what our parser takes, two other parsers read in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.fault import NetFault
from runbook_tui.net.origin import check, parse
from runbook_tui.webhooks.urls import check_endpoint

BOUND = "https://api.example.com/v1"


def seeds() -> Iterator[bytes]:
    for tail in ("", "/keys?a=b", "/../x", "%2f..", "//e", "@evil.example", ":443/", "?x#y", "\\x", "/%252e%252e/"):
        yield (BOUND + tail).encode()
    for url in (
        "http://127.0.0.1:8200/v1",
        "http://[::1]:80/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://a.b:65536/",
    ):
        yield url.encode()
    yield "https://\u24d0pi.example.com/v1".encode()


def one(data: bytes) -> None:
    url = data.decode("utf-8", "replace")
    try:
        check_endpoint(url, carries_secret=True)
    except RunbookError:
        pass
    try:
        target = parse(url)
    except NetFault as fault:
        assert (fault.kind, fault.sent) == ("blocked", False)
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.username, parts.password, parts.fragment) == (target.scheme, None, None, "")
    assert (parts.hostname or "").lower() == target.host or ":" in target.host
    assert (parts.port or {"http": 80, "https": 443}[target.scheme]) == target.port
    assert (parts.path or "/") == target.path
    other = httpx.URL(url)
    assert other.scheme == target.scheme
    assert ":" in target.host or other.raw_host.decode().lower() == target.host
    assert (other.port or {"http": 80, "https": 443}[target.scheme]) == target.port
    try:
        inside = check(url, [BOUND])
    except NetFault:
        return
    assert other.host == "api.example.com"
    assert other.scheme == "https"
    assert inside.path == "/v1" or inside.path.startswith("/v1/")
