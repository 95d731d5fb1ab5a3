"""The signer reproduces what vendors publish: a signature that differs by one bit is useless in an incident."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.registry import Schemes
from runbook_tui.webhooks.scheme import Case, Delivery
from runbook_tui.webhooks.signer import build

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "webhook-vectors.json"
EPOCH = datetime.fromtimestamp(0, UTC)
URL = "https://example.com/hook"

# The file's scheme name -> ours. A scheme of ours that signs must have a vector here (see the last test).
OURS = {
    "github": "github",
    "standard-webhooks/svix": "standard-webhooks",
    "slack": "slack",
    "adyen-banking/management": "adyen-platform",
    "paddle": "paddle",
    "coinbase-commerce": "coinbase-commerce",
    "gocardless": "gocardless",
    "square": "square",
    "hubspot-v3": "hubspot-v3",
    "box": "box",
    "stripe": "stripe",
    "fastpix": "fastpix",
    "notion": "notion",
    "nowpayments": "nowpayments",
}
LATER = {"standard-webhooks", "twilio", "sendgrid", "adyen", "hubspot-v1", "hubspot-v2", "paypal", "rfc9421"}


def signed(
    scheme: str, secret: str, body: str, *, at: datetime = EPOCH, url: str = URL, delivery_id: str = "x"
) -> dict[str, str]:
    case = Case("v", "vector", delivery_id=delivery_id)
    delivery: Delivery = build(Schemes.load().get(scheme), case, Secret(secret), body.encode(), at, url)
    assert delivery.body == body.encode()
    return {name.lower(): value for name, value in delivery.headers}


def ts(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_github_documentation_and_octokit() -> None:
    """GitHub docs, Validating webhook deliveries; octokit/webhooks-methods.js test/verify.test.ts."""
    found = signed("github", "It's a Secret to Everybody", "Hello, World!")["x-hub-signature-256"]
    assert found == "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    body = '{"foo":"Foo\\n\\u001B[34mbar: ♥♥♥♥♥♥♥♥\\nthis-is-lost\\u001B[0m\\u001B[2K"}'
    found = signed("github", "development", body)["x-hub-signature-256"]
    assert found == "sha256=afecc3caa27548bb90d51a50384cb2868b9a3327b4ad6a01c9bd4ed0f8b0b12c"


def test_standard_webhooks_library() -> None:
    """standard-webhooks libraries/go/webhook_test.go; the space inside the body is part of it."""
    headers = signed(
        "standard-webhooks",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        '{"test": 2432232314}',
        at=ts(1614265330),
        delivery_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-timestamp"] == "1614265330"


def test_slack_documentation() -> None:
    """Slack docs, Verifying requests from Slack (also python-slack-sdk's own test)."""
    body = (
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = signed("slack", "8f742231b10e8888abcd99yyyzzz85a5", body, at=ts(1531420618))
    assert headers["x-slack-signature"] == "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert headers["x-slack-request-timestamp"] == "1531420618"


def test_stripe_sdk() -> None:
    """stripe-python 16.1.0: the key keeps its prefix."""
    found = signed("stripe", "whsec_test_secret", '{"id":"evt_test","object":"event"}', at=ts(1700000000))
    expected = "t=1700000000,v1=8042376f6ca064adbe037642a718227dfd59047137eb49497a54c49eb0cfb724"
    assert found["stripe-signature"] == expected


FASTPIX_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # bytes 0 to 31


def test_fastpix_sdk() -> None:
    """FastPix node-sdk computeSignature, and our own vector: the key is decoded, the body is not touched."""
    body = (
        '{"type":"video.media.ready","object":{"type":"media","id":"m1"},"id":"evt_1","workspace":{"id":"w","name":"n"},'
        '"status":"Ready","data":{"id":"m1"},"createdAt":"2026-06-22T12:38:29.375Z","attempts":[]}'
    )
    assert signed("fastpix", FASTPIX_KEY, body)["fastpix-signature"] == "hzdCaTJqsWfpBCMnLDjStCAtKaMqIFDMIroqa3h38pc="
    body = (
        '{"type":"video.media.ready","id":"11111111-2222-4333-8444-555555555555",'
        '"object":{"type":"media","id":"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"}}'
    )
    assert signed("fastpix", FASTPIX_KEY, body)["fastpix-signature"] == "CCO5BhZuEGUmezXedSPCK0EkOc9oBdOV/N1/RYgTcec="


def test_nowpayments_recursive_sort() -> None:
    """npm nowpayments-api 1.0.1, and a vector on which Python and Node were seen to agree."""
    body = (
        '{"payment_id":5077125051,"payment_status":"finished","price_amount":1,'
        '"fee":{"withdrawalFee":0,"depositFee":0.1,"currency":"trx"},"outcome_amount":11.8405}'
    )
    assert signed("nowpayments", "ipn-secret", body)["x-nowpayments-sig"] == (
        "4a2210a4b8496c666d189cc6612365cb8066a62303b4ac76de6eabfca20bd416"
        "309b0f68642aa31826f680a22fedd0c6f67acbaccd8170a414ee8ab55178d641"
    )
    body = (
        '{"payment_id":123456789,"payment_status":"finished",'
        '"fee":{"currency":"btc","depositFee":0.1,"withdrawalFee":0},"order_id":"A-1"}'
    )
    assert signed("nowpayments", "test-ipn-secret", body)["x-nowpayments-sig"] == (
        "f6a60a94745dd8b1d5984c80088d905651040cfa7737d317ec012155b74b6b6a"
        "ef1510c9e90ab726b96e82fd55686a138e08b99a76359619b0554eb1fe7ddd99"
    )


def test_streampixel_puts_the_token_into_the_path() -> None:
    """Streampixel signs nothing: the delivery is the body, sent to the path that is the secret."""
    token = "00" * 24
    case = Case("v", "vector", delivery_id="x")
    delivery = build(Schemes.load().get("streampixel"), case, Secret(token), b"{}", EPOCH, "https://example.com/hooks/")
    assert delivery.url == f"https://example.com/hooks/{token}"
    assert delivery.headers == (("Content-Type", "application/json"),)


def test_gitlab_sends_the_token_in_its_header() -> None:
    assert signed("gitlab", "fake-gitlab-token", "{}")["x-gitlab-token"] == "fake-gitlab-token"


def vectors() -> list[Any]:
    if not REFERENCE.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="webhook-vectors.json is not beside this checkout"))]
    entries = json.loads(REFERENCE.read_text(encoding="utf-8"))
    known = [entry for entry in entries if entry["scheme"] in OURS]
    assert {entry["scheme"] for entry in entries} == set(OURS) | LATER
    return [pytest.param(entry, id=f"{entry['scheme']}: {entry['name']}") for entry in known]


def inputs(vector: dict[str, Any]) -> dict[str, Any]:
    """Take the vector's signed content apart again into body, time, id and URL."""
    scheme, content = OURS[vector["scheme"]], vector["signed_content"]
    if scheme == "standard-webhooks":
        delivery_id, seconds, body = content.split(".", 2)
        return {"body": body, "at": ts(int(seconds)), "delivery_id": delivery_id}
    if scheme == "slack":
        _, seconds, body = content.split(":", 2)
        return {"body": body, "at": ts(int(seconds))}
    if scheme == "paddle":
        seconds, body = content.split(":", 1)
        return {"body": body, "at": ts(int(seconds))}
    if scheme == "stripe":
        seconds, body = content.split(".", 1)
        return {"body": body, "at": ts(int(seconds))}
    if scheme == "square":
        return {"body": vector["body"], "url": vector["url"]}
    if scheme == "hubspot-v3":
        url, body = "https://www.example.com/webhook_uri", "{'example_field':'example_value'}"
        assert content == f"POST{url}{body}1693657560000"
        return {"body": body, "url": url, "at": ts(1693657560)}
    if scheme == "box":
        stamp = "2020-01-01T00:00:00-07:00"
        return {"body": content.removesuffix(stamp), "at": datetime.fromisoformat(stamp)}
    if scheme == "nowpayments":
        return {"body": vector["note"].removeprefix("body as sent: ")}
    return {"body": content}


@pytest.mark.parametrize("vector", vectors())
def test_every_published_vector_of_our_schemes(vector: dict[str, Any]) -> None:
    """Each vector that the reference collected for a scheme we ship comes out to the byte."""
    found = signed(OURS[vector["scheme"]], vector["secret"], **inputs(vector))
    header = vector["header"].lower()
    if header == "box-signature-secondary":  # the same construction under the second key
        header = "box-signature-primary"
    value = found[header]
    if vector["scheme"] == "paddle":
        value = value.partition(";h1=")[2]
    assert value == vector["expected"]


def test_every_shipped_signing_scheme_has_a_vector() -> None:
    """No scheme is shipped on memory alone."""
    known = Schemes.load()
    signing = {name for name in known.ids() if known.get(name).kind == "shared"}
    assert signing == set(OURS.values())
