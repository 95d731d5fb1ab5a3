"""Handshakes as vendors make them, and their abuse: the request to the byte, and what its answer has to hold."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from scheme_kit import TEXTS, case_for, secret_for

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.webhooks.handshakes import build_handshake, expected, matches
from runbook_tui.webhooks.registry import Schemes
from runbook_tui.webhooks.scheme import Delivery, Expect, Handshake
from runbook_tui.webhooks.template import Statuses

AT = datetime(2026, 11, 21, 22, 4, tzinfo=UTC)
URL = "https://example.com/hook"
CHALLENGE = "irchallenge0123456789"
SCHEMES = Schemes.load()
ALL = [
    pytest.param(name, handshake, id=f"{name}: {handshake.name}")
    for name in SCHEMES.ids()
    for handshake in (*SCHEMES.get(name).probes, *SCHEMES.get(name).abuse)
]


def handshake_of(name: str, which: str) -> Handshake:
    scheme = SCHEMES.get(name)
    return next(one for one in (*scheme.probes, *scheme.abuse) if one.name == which)


def asked(name: str, handshake: Handshake) -> tuple[Delivery, Expect]:
    scheme = SCHEMES.get(name)
    case = case_for(scheme, challenge=CHALLENGE)
    secret = secret_for(scheme)
    given = secret if handshake.signed else None
    return build_handshake(scheme, handshake, case, given, AT, URL), expected(scheme, handshake, case, secret, AT)


@pytest.mark.parametrize(("name", "handshake"), ALL)
def test_a_handshake_is_made_and_its_answer_known(name: str, handshake: Handshake) -> None:
    """No token is left anywhere, an unsigned one holds no proof, and the answer it asks for matches itself."""
    delivery, answer = asked(name, handshake)
    shown = repr((delivery.url, delivery.headers, delivery.body, answer))
    assert "{challenge" not in shown
    assert "{id}" not in shown
    proving = {header for header, template in SCHEMES.get(name).headers.items() if "sig" in "".join(template.tokens)}
    assert bool(proving & {header for header, _ in delivery.headers}) == handshake.signed
    if handshake.method == "GET":
        assert delivery.body == b""
        assert all(header.lower() != "content-type" for header, _ in delivery.headers)
    status = int(answer.status.source[0].replace("x", "0"))
    body = answer.text or answer.holds or ("" if answer.json is None else json.dumps(answer.json))
    headers = [*answer.headers.items(), ("Content-Type", answer.content_type or "text/html")]
    assert matches(answer, status, headers, body.encode()) == ""
    assert matches(answer, 404, headers, body.encode()) != ""


def test_zooms_validation_wants_the_hmac_of_its_token() -> None:
    """The answer is computed with the standard library: hexadecimal HMAC-SHA256 of plainToken under the secret."""
    delivery, answer = asked("zoom", handshake_of("zoom", "url_validation"))
    mac = hmac.new(TEXTS["raw"].encode(), CHALLENGE.encode(), hashlib.sha256).hexdigest()
    assert answer.json == {"plainToken": CHALLENGE, "encryptedToken": mac}
    headers = {name.lower(): value for name, value in delivery.headers}
    content = f"v0:{headers['x-zm-request-timestamp']}:".encode() + delivery.body
    assert headers["x-zm-signature"] == "v0=" + hmac.new(TEXTS["raw"].encode(), content, hashlib.sha256).hexdigest()
    unsigned, leak = asked("zoom", handshake_of("zoom", "forging-oracle"))
    assert leak.holds == mac
    assert [name for name, _ in unsigned.headers] == ["Content-Type"]


def test_metas_subscription_asks_in_the_query() -> None:
    delivery, answer = asked("meta", handshake_of("meta", "subscribe"))
    query = dict(parse_qsl(urlsplit(delivery.url).query))
    assert (delivery.method, delivery.headers, delivery.body) == ("GET", (), b"")
    assert query == {"hub.mode": "subscribe", "hub.verify_token": "fake-verify_token", "hub.challenge": CHALLENGE}
    assert answer.text == CHALLENGE
    wrong, _ = asked("meta", handshake_of("meta", "wrong-verify-token"))
    assert "fake-verify_token" not in wrong.url


def test_a_handshake_without_its_fact_says_which() -> None:
    scheme = SCHEMES.get("meta")
    with pytest.raises(RunbookError, match="verify token"):
        build_handshake(scheme, scheme.probes[0], case_for(scheme, facts={}), None, AT, URL)


def test_asanas_secret_comes_back_in_the_header() -> None:
    delivery, answer = asked("asana", handshake_of("asana", "handshake"))
    assert ("X-Hook-Secret", CHALLENGE) in delivery.headers
    assert matches(answer, 200, [("x-hook-secret", CHALLENGE)], b"") == ""
    assert "X-Hook-Secret" in matches(answer, 200, [], b"")
    assert "not as expected" in matches(answer, 200, [("X-Hook-Secret", "other")], b"")
    assert handshake_of("asana", "second-secret").acts


def test_fastpixs_probe_is_two_bytes_and_unsigned() -> None:
    delivery, answer = asked("fastpix", handshake_of("fastpix", "activation"))
    assert delivery.body == b"{}"
    assert delivery.headers == (("Content-Type", "application/json"),)
    assert answer.status == Statuses(("200",))
    assert asked("fastpix", handshake_of("fastpix", "empty"))[0].body == b""


def test_a_signed_header_of_the_handshake_replaces_the_events() -> None:
    delivery, _ = asked("twitch", handshake_of("twitch", "callback_verification"))
    kinds = [value for name, value in delivery.headers if name == "Twitch-Eventsub-Message-Type"]
    assert kinds == ["webhook_callback_verification"]
    assert any(name == "Twitch-Eventsub-Message-Signature" for name, _ in delivery.headers)


@pytest.mark.parametrize(
    ("expect", "status", "headers", "body", "said"),
    [
        ({}, 200, [], b"", ""),
        ({}, 302, [], b"", "answered 302 instead of 2xx"),
        ({"text": "abc"}, 200, [], b"abc\n", ""),
        ({"text": "abc"}, 200, [], b"abcd", "not the text"),
        ({"text": "abc"}, 200, [], b"", "empty"),
        ({"text": ""}, 200, [], b"", ""),
        ({"holds": "abc"}, 200, [], b'{"challenge":"abc"}', ""),
        ({"holds": "abc"}, 200, [], b"ab", "does not hold"),
        ({"json": {"a": {"b": 1}}}, 200, [], b'{"a":{"b":1,"c":2},"d":3}', ""),
        ({"json": {"a": 1}}, 200, [], b'{"a":2}', "does not hold"),
        ({"json": {"a": 1}}, 200, [], b"a", "not JSON"),
        ({"json": {"a": 1}}, 200, [], b"[" * 100_000, "not JSON"),
        ({"json": {"a": 1}}, 200, [], b"\xff", "not JSON"),
        ({"content_type": "text/plain"}, 200, [("Content-Type", "text/plain; charset=utf-8")], b"", ""),
        ({"content_type": "text/plain"}, 200, [("Content-Type", "text/html")], b"", "content type"),
        ({"content_type": "text/plain"}, 200, [], b"", "content type"),
    ],
)
def test_an_answer_is_compared_in_words(
    expect: dict[str, Any], status: int, headers: list[tuple[str, str]], body: bytes, said: str
) -> None:
    """The first difference is named, and nothing of the answer itself is repeated."""
    found = matches(Expect(Statuses(("2xx",)), **expect), status, headers, body)
    assert (said in found) if said else found == ""
