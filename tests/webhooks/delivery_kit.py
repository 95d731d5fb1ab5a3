"""Secrets in every scheme's form, and deliveries over a real connection. All values are made up for tests."""

from __future__ import annotations

import base64
import functools
import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.registry import Schemes
from runbook_tui.webhooks.scheme import PUBLIC_KEY, Case, Delivery, Scheme
from runbook_tui.webhooks.signer import build, safe_body

SCHEMES = Schemes.load()


@dataclass(frozen=True)
class Held:
    """A secret as the sender holds it, and as the receiver does: the same text, or the two halves of a key pair."""

    sender: Secret
    receiver: str


def held(scheme: Scheme, whose: str) -> Held:
    """Somebody's secret for a scheme; `whose` is any name, and another name gives another secret."""
    if scheme.alg in PUBLIC_KEY:
        return _pair(scheme.alg, scheme.key, whose)
    raw = (f"fake-{whose}-" + "0123456789abcdef" * 4)[:32].encode()
    text = {
        "b64": base64.b64encode(raw).decode(),
        "hex": raw.hex(),
        "whsec": "whsec_" + base64.b64encode(raw).decode(),
    }.get(scheme.key, raw.decode())
    text = text if text.startswith(scheme.key_prefix) else scheme.key_prefix + text
    return Held(Secret(text), text)


@functools.cache
def _pair(alg: str, form: str, whose: str) -> Held:
    key: Any
    if alg == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    elif alg == "ecdsa-p256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(65537, 2048)
    formats = serialization
    spki = key.public_key().public_bytes(formats.Encoding.DER, formats.PublicFormat.SubjectPublicKeyInfo)
    public = spki[-32:].hex() if alg == "ed25519" else base64.b64encode(spki).decode()
    if form == "whsk":
        raw = key.private_bytes(formats.Encoding.Raw, formats.PrivateFormat.Raw, formats.NoEncryption())
        private = "whsk_" + base64.b64encode(raw).decode()
    else:
        plain = formats.PrivateFormat.PKCS8, formats.NoEncryption()
        private = key.private_bytes(formats.Encoding.PEM, *plain).decode().strip()
    return Held(Secret(private), public)


def facts_of(scheme: Scheme) -> dict[str, str]:
    """A value for every fact that the scheme asks for."""
    return {name: f"fake-{name}" for name in scheme.facts}


def signed(
    scheme: Scheme,
    case: Case,
    url: str,
    secret: Secret | Sequence[Secret] | None,
    *,
    ago: float = 0,
    body: bytes | None = None,
) -> Delivery:
    """A delivery made `ago` seconds ago (of the scheme's safe event unless there is a `body`)."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    case = replace(case, facts=facts_of(scheme)) if not case.facts else case
    return build(scheme, case, secret, safe_body(scheme, case, at) if body is None else body, at, url)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def send(delivery: Delivery, *, timeout: float = 20) -> Answer:
    """Over a connection of its own, byte for byte."""
    return request(delivery.method, delivery.url, list(delivery.headers), delivery.body, timeout=timeout)


def request(
    method: str, url: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"", *, timeout: float = 20
) -> Answer:
    parts = urlsplit(url)
    assert parts.hostname == "127.0.0.1"
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.putrequest(method, parts.path + (f"?{parts.query}" if parts.query else ""))
        for name, value in headers:
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def tampered(scheme: Scheme, delivery: Delivery) -> Delivery:
    """The same delivery with one letter changed in its body, where the scheme signs it."""
    assert b"irtest" in delivery.body or b"-" in delivery.body
    if b"irtest" in delivery.body:
        return replace(delivery, body=delivery.body.replace(b"irtest", b"irtesT"))
    return replace(delivery, body=delivery.body.replace(b"-", b"_"))
