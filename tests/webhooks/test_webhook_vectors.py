"""The signer reproduces what vendors publish: a signature that differs by one bit is useless in an incident.

The vectors, each with its source, stand in webhook_vectors.json. One with a key is signed again, one with a public key
only is verified over the content that we would sign, and one with neither is named.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.draft import Draft, hook
from runbook_tui.webhooks.hooks.rfc9421 import signature_base
from runbook_tui.webhooks.proofs import signature
from runbook_tui.webhooks.registry import Schemes
from runbook_tui.webhooks.scheme import Case, Scheme
from runbook_tui.webhooks.signer import build, values_of

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).with_name("webhook_vectors.json")).read_text(encoding="utf-8")
)
SCHEMES = Schemes.load()
EPOCH = datetime.fromtimestamp(0, UTC)
URL = "https://example.com/hook"

SIGNED = [v for v in VECTORS if "secret" in v and not v["scheme"].startswith("rfc9421")]
MESSAGES = [v for v in VECTORS if "secret" in v and v["scheme"].startswith("rfc9421")]
WITHOUT_KEY = {"standard-webhooks-spec", "sendgrid", "paypal-string", "rfc9421-rsa-pss"}


def ids(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["id"]) for vector in vectors]


def vector_called(name: str) -> dict[str, Any]:
    return next(vector for vector in VECTORS if vector["id"] == name)


def at_of(vector: dict[str, Any]) -> datetime:
    at = vector.get("at", 0)
    return datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at, UTC)


def delivered(vector: dict[str, Any], *secrets: str) -> tuple[str, dict[str, str], bytes]:
    """(URL, headers in lower case, body) of the vector's delivery."""
    case = Case("v", "vector", delivery_id=vector.get("delivery_id", "x"))
    given = [Secret(secret) for secret in secrets or (vector["secret"],)]
    scheme = SCHEMES.get(vector["scheme"])
    found = build(scheme, case, given, vector["body"].encode(), at_of(vector), vector.get("url", URL))
    return found.url, {name.lower(): value for name, value in found.headers}, found.body


def proof_of(vector: dict[str, Any]) -> str:
    """What stands where the vector says that the proof stands."""
    header = vector["header"]
    if header == "box-signature-secondary":  # the second key's slot
        return delivered(vector, "fake-primary-key", vector["secret"])[1][header]
    url, headers, body = delivered(vector)
    if header == "bodySHA256":
        return url.partition("bodySHA256=")[2]
    if header == "additionalData.hmacSignature":
        item = json.loads(body)["notificationItems"][0]["NotificationRequestItem"]
        return str(item["additionalData"]["hmacSignature"])
    value = headers[header.lower()]
    return value.partition("h1=")[2] if vector["scheme"] == "paddle" else value


@pytest.mark.parametrize("vector", ids(SIGNED))
def test_every_published_vector_with_a_key_is_recomputed(vector: dict[str, Any]) -> None:
    """Each comes out to the byte, and but for a proof inside the body, the body is sent as it came in."""
    assert proof_of(vector) == vector["expected"]
    if vector["scheme"] != "adyen-payments":
        assert delivered(vector)[2] == vector["body"].encode()


def drafted(vector: dict[str, Any], scheme: Scheme, **facts: str) -> Draft:
    case = Case("v", "vector", delivery_id="x", facts=facts)
    values = values_of(scheme, case, at_of(vector))
    body, url = vector["body"].encode(), vector.get("url", URL)
    return Draft(scheme, at_of(vector), "POST", url, body, scheme.content_type, values)


@pytest.mark.parametrize(
    "vector", ids([v for v in VECTORS if "content" in v and v["scheme"] in ("twilio", "adyen-payments")])
)
def test_the_content_a_hook_signs_is_the_published_one(vector: dict[str, Any]) -> None:
    """Not only the signature: the string that Twilio and Adyen sign is the one in their own tests."""
    scheme = SCHEMES.get(vector["scheme"])
    assert hook(scheme.code).content(drafted(vector, scheme)).decode() == vector["content"]


@pytest.mark.parametrize("vector", ids(MESSAGES))
def test_the_rfcs_own_messages(vector: dict[str, Any]) -> None:
    """RFC 9421 appendix B.2: the signature base is written and signed as there."""
    scheme = SCHEMES.get(vector["scheme"])
    lines = [line.partition(": ")[::2] for line in vector["content"].split("\n")]
    base = signature_base([(name.strip('"'), value) for name, value in lines[:-1]], lines[-1][1])
    assert base.decode() == vector["content"]
    made = signature(scheme, Case("v", "vector"), Secret(vector["secret"].strip()), base)
    assert vector["expected"].endswith(f"=:{made}:")


def test_sendgrids_own_signature_verifies_over_the_content_we_sign() -> None:
    """SendGrid publishes a public key only, and ECDSA is random: its signature has to fit our content."""
    vector = vector_called("sendgrid")
    scheme = SCHEMES.get("sendgrid")
    content = scheme.signed.data({"ts": str(vector["at"]).encode(), "body": vector["body"].encode()})
    key = serialization.load_der_public_key(base64.b64decode(vector["public_key"]))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(base64.b64decode(vector["expected"]), content, ec.ECDSA(hashes.SHA256()))


def test_paypals_sample_signs_the_string_we_sign() -> None:
    """Transmission id, time, webhook id and the CRC-32 as an unsigned decimal, as in the SDK's sample."""
    vector = vector_called("paypal-string")
    transmission, time, webhook_id, _ = vector["content"].split("|")
    scheme = SCHEMES.get("paypal")
    draft = drafted(vector, scheme, webhook_id=webhook_id, cert_url="x").having(uuid=transmission, ts_z=time)
    assert hook("paypal").content(draft).decode() == vector["content"]


def test_the_rfcs_rsa_pss_message_has_the_base_we_write() -> None:
    """No scheme here signs with RSA-PSS; the published signature verifies over the base as we write it."""
    vector = vector_called("rfc9421-rsa-pss")
    lines = [line.partition(": ")[::2] for line in vector["content"].split("\n")]
    base = signature_base([(name.strip('"'), value) for name, value in lines[:-1]], lines[-1][1])
    key: Any = serialization.load_pem_public_key(vector["public_key"].encode())
    made = base64.b64decode(vector["expected"].partition("=:")[2].removesuffix(":"))
    key.verify(made, base, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())


def test_the_vectors_are_counted_and_those_without_a_key_named() -> None:
    """44 vectors: 40 are signed again, two are verified with a public key, two can be compared in part only."""
    assert len(VECTORS) == 44
    assert len(SIGNED) + len(MESSAGES) == 40
    assert {vector["id"] for vector in VECTORS if "secret" not in vector} == WITHOUT_KEY
    verified = {vector["id"] for vector in VECTORS if "public_key" in vector}
    assert verified == {"sendgrid", "rfc9421-rsa-pss"}


def test_schemes_name_their_vectors() -> None:
    """Each vector belongs to a scheme that names it; 24 of the schemes have one."""
    known = {vector["id"] for vector in VECTORS}
    schemes = [SCHEMES.get(name) for name in SCHEMES.ids()]
    named = {vector for scheme in schemes for vector in scheme.vectors}
    assert named == known - {"standard-webhooks-spec", "rfc9421-rsa-pss"}
    for vector in VECTORS:
        assert vector["source"]
        if vector["id"] in named:
            assert vector["id"] in SCHEMES.get(vector["scheme"]).vectors
    assert sum(bool(scheme.vectors) for scheme in schemes) == 24


def test_fastpix_of_our_own() -> None:
    """A second vector on which Python, Node and OpenSSL agreed: the key is decoded, the body is not touched."""
    body = (
        '{"type":"video.media.ready","id":"11111111-2222-4333-8444-555555555555",'
        '"object":{"type":"media","id":"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"}}'
    )
    key = base64.b64encode(bytes(range(32))).decode()
    found = delivered({"scheme": "fastpix", "secret": key, "body": body})[1]["fastpix-signature"]
    assert found == "CCO5BhZuEGUmezXedSPCK0EkOc9oBdOV/N1/RYgTcec="


def test_nowpayments_of_our_own() -> None:
    """A second vector, on which Python and Node were seen to agree."""
    body = (
        '{"payment_id":123456789,"payment_status":"finished",'
        '"fee":{"currency":"btc","depositFee":0.1,"withdrawalFee":0},"order_id":"A-1"}'
    )
    vector = {"scheme": "nowpayments", "secret": "test-ipn-secret", "body": body}
    assert delivered(vector)[1]["x-nowpayments-sig"] == (
        "f6a60a94745dd8b1d5984c80088d905651040cfa7737d317ec012155b74b6b6a"
        "ef1510c9e90ab726b96e82fd55686a138e08b99a76359619b0554eb1fe7ddd99"
    )


def test_streampixel_puts_the_token_into_the_path() -> None:
    """Streampixel signs nothing: the delivery is the body, sent to the path that is the secret."""
    token = "00" * 24
    case = Case("v", "vector", delivery_id="x")
    delivery = build(SCHEMES.get("streampixel"), case, Secret(token), b"{}", EPOCH, "https://example.com/hooks/")
    assert delivery.url == f"https://example.com/hooks/{token}"
    assert delivery.headers == (("Content-Type", "application/json"),)


def test_gitlab_sends_the_token_in_its_header() -> None:
    found = delivered({"scheme": "gitlab", "secret": "fake-gitlab-token", "body": "{}"})[1]
    assert found["x-gitlab-token"] == "fake-gitlab-token"
