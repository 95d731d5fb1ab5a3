"""Promise: a credential goes to its bound origin or nowhere; an address that can be read two ways is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_tui.net.fault import NetFault
from runbook_tui.net.origin import check, parse

BOUND = ["https://api.example.com/v1"]

TRICKS = [
    "https://api.example.com@evil.example/v1/keys",
    "https://evil.example\\@api.example.com/v1/keys",
    "https://api.example.com/v1\\..\\..\\admin",
    "https://api.example.com//evil.example/v1",
    "https://api.example.com/v1/%2e%2e/admin",
    "https://api.example.com/v1/%252e%252e/admin",
    "https://api.example.com/v1/..%2fadmin",
    "https://api.example.com/v1/../admin",
    "https://api.example.com/v1/./keys",
    "https://api.example.com./v1/keys",
    "https://api.example.com.evil.example/v1/keys",
    "https://api.example.com:8443/v1/keys",
    "https://api.example.com:0443/v1/keys",
    "http://api.example.com/v1/keys",
    "https://api.example.com/v1evil/keys",
    "https://api.example.com/v1/keys#@evil.example",
    "https://2130706433/v1/keys",
    "https://0x7f.0.0.1/v1/keys",
    "https://0177.0.0.1/v1/keys",
    "https://127.1/v1/keys",
    "https://[::ffff:127.0.0.1]/v1/keys",
    "https://api.example.com/v1/ke ys",
    "https://api.example.com/v1/keys\r\nHost: evil.example",
    "https://api.example.com/v1/%0d%0aX",
    "https://api%2eexample.com/v1/keys",
    "https://api.ex\u0430mple.com/v1/keys",
    "ftp://api.example.com/v1/keys",
    "//api.example.com/v1/keys",
    "https:///v1/keys",
    "",
]


@pytest.mark.parametrize("url", TRICKS)
def test_tricks_are_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(NetFault) as caught:
        check(url, BOUND)
    assert caught.value.kind == "blocked"
    assert caught.value.sent is False


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "https://api.example.com/v1/keys?after=a%2Fb&x=1",
        "https://API.example.com:443/v1/keys/a%2Fb",
    ],
)
def test_addresses_under_the_bound_origin_pass(url: str) -> None:
    assert check(url, BOUND).place == "https://api.example.com"


def test_plain_http_is_for_this_machine_only() -> None:
    assert parse("http://127.0.0.1:8200/v1").port == 8200
    assert parse("http://[::1]:8200/v1").place == "http://[::1]:8200"
    assert parse("http://localhost/v1").port == 80
    with pytest.raises(NetFault):
        parse("http://10.0.0.1:8200/v1")


@given(st.text(max_size=40))
def test_no_suffix_leads_out_of_the_origin(tail: str) -> None:
    """Whatever stands after the origin, the parsed target keeps its scheme, host, port and prefix."""
    try:
        target = check("https://api.example.com/v1" + tail, BOUND)
    except NetFault:
        return
    assert (target.scheme, target.host, target.port) == ("https", "api.example.com", 443)
    assert target.path == "/v1" or target.path.startswith("/v1/")
