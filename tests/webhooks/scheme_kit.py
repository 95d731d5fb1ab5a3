"""Secrets of each form for the tests of webhooks: obviously fake ones, and key pairs made on the spot."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.scheme import Case, Scheme

KEY = bytes(range(32))
TEXTS = {
    "raw": "fake-secret-for-tests",
    "b64": base64.b64encode(KEY).decode(),
    "hex": KEY.hex(),
    "whsec": "whsec_" + base64.b64encode(KEY).decode(),
    "whsk": "whsk_" + base64.b64encode(KEY).decode(),
}
OTHER = bytes(range(1, 33))
OTHERS = {
    "raw": "fake-other-secret",
    "b64": base64.b64encode(OTHER).decode(),
    "hex": OTHER.hex(),
    "whsec": "whsec_" + base64.b64encode(OTHER).decode(),
    "whsk": "whsk_" + base64.b64encode(OTHER).decode(),
}


@cache
def lab_key(alg: str, number: int = 0) -> Any:
    """A private key for `alg`, made once a run; `number` tells several apart."""
    if alg == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if alg == "ecdsa-p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any) -> str:
    made: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.decode()


def secret_for(scheme: Scheme, *, other: bool = False) -> Secret:
    """A secret in the form that `scheme` wants; `other` gives another one."""
    if scheme.key == "pem":
        family = "rsa" if scheme.alg.startswith("rsa") else scheme.alg
        return Secret(pem(lab_key(family, int(other))))
    return Secret(scheme.key_prefix + (OTHERS if other else TEXTS)[scheme.key])


def facts_for(scheme: Scheme) -> dict[str, str]:
    return {name: f"fake-{name}" for name in scheme.facts}


def case_for(scheme: Scheme, **fields: Any) -> Case:
    """A case with everything the scheme needs; `fields` are Case's."""
    return Case(**{"id": "c", "title": "case", "delivery_id": "irtest_1", "facts": facts_for(scheme), **fields})
