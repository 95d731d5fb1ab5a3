"""Whether a delivery comes from who it says: the decision of the reference endpoint, with the faults of real ones."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from runbook_tui.drill.endpoint import claim, special
from runbook_tui.drill.endpoint.claim import Claim, Unproven
from runbook_tui.drill.endpoint.setup import Arrived, Setup
from runbook_tui.webhooks.scheme import HMACS, PUBLIC_KEY

_USUAL_TOLERANCE = 300  # seconds, where a time is signed and the vendor names no limit
_LEAST_PREFIX = 8  # characters of a proof that `compares_prefix` is content with


def check(setup: Setup, arrived: Arrived, now: float) -> str:
    """Why `arrived` is refused, in a few words; "" when it is proven. `now` is in seconds since 1970."""
    if setup.has("accepts_all"):
        return ""
    try:
        if setup.scheme.kind == "bearer":
            return _bearer(setup, arrived)
        wrong = ""
        for secret in _secrets(setup):
            found = special.read(setup, arrived, secret) if setup.scheme.code else claim.read(setup, arrived, secret)
            _in_time(setup, found, now)
            wrong = "" if _matches(setup, found, secret) else "wrong signature"
            if not wrong:
                break
    except Unproven as error:
        unsigned = str(error) == "no signature"
        return "" if unsigned and setup.has("unsigned_accepted") else str(error)
    return wrong


def knows_token(setup: Setup, token: str) -> bool:
    """Whether a path token is the endpoint's."""
    for secret in _secrets(setup):
        if same(token, secret):
            return True
        if setup.has("ignores_url") and token.lower().startswith(secret.lower()[: max(len(token), _LEAST_PREFIX)]):
            return True
    return False


def same(one: str, other: str) -> bool:
    """Constant-time comparison."""
    return hmac.compare_digest(one.encode(), other.encode())


def key_of(setup: Setup, secret: str) -> bytes:
    """The bytes of the shared key; Unproven when the endpoint's own secret cannot be read."""
    form, raw = setup.scheme.key, secret.encode()
    if setup.has("wrong_key_form"):
        return raw if form != "raw" else raw + b"\n"
    try:
        if form == "hex":
            return bytes.fromhex(secret)
        if form in ("b64", "whsec"):
            return base64.b64decode(secret.removeprefix("whsec_") if form == "whsec" else secret, validate=True)
    except (ValueError, binascii.Error):
        raise Unproven("the endpoint's own secret is damaged") from None
    return raw


def _secrets(setup: Setup) -> list[str]:
    return [setup.secret, *([setup.old] if setup.has("old_secret_valid") and setup.old else [])]


def _bearer(setup: Setup, arrived: Arrived) -> str:
    given = special.carried(setup, arrived) if setup.scheme.code else _header_secret(setup, arrived)
    if not given:
        return "" if setup.has("unsigned_accepted") else "no secret"
    if any(all(same(one, secret) for one in given) for secret in _secrets(setup)):
        return ""
    cut = setup.has("compares_prefix") and all(one and setup.secret.startswith(one) for one in given)
    return "" if cut else "wrong secret"


def _header_secret(setup: Setup, arrived: Arrived) -> list[str]:
    for name, template in setup.scheme.headers.items():
        if "secret" in template.tokens:
            before, _, after = template.source.partition("{secret}")
            given = arrived.all(name)
            return [one.strip().removeprefix(before).removesuffix(after) for one in given if one.strip()]
    return []


def _in_time(setup: Setup, found: Claim, now: float) -> None:
    if found.stamp is None or setup.has("no_tolerance"):
        return
    tolerance = setup.scheme.tolerance
    past = tolerance.past if tolerance else _USUAL_TOLERANCE
    future = past if tolerance is None or tolerance.future is None else tolerance.future
    if now - found.stamp > past:
        raise Unproven("too old")
    # A second of grace: many vendors' times are whole seconds, and not all round down.
    if found.stamp - now > max(future, 1) and not setup.has("future_accepted"):
        raise Unproven("from the future")


def _matches(setup: Setup, found: Claim, secret: str) -> bool:
    proofs = found.proofs
    if setup.has("first_signature_only"):
        proofs = proofs[:1]
    if setup.has("last_signature_only"):
        proofs = proofs[-1:]
    if found.alg in PUBLIC_KEY:
        return any(_public_key_signature(found, one, secret) for one in proofs)
    hashes = HMACS if setup.has("accepts_wrong_algorithm") and found.alg in HMACS else (found.alg,)
    expected = [_written(_digest(name, setup, secret, found.content), found.enc) for name in hashes]
    if any(same(one, other) for one in proofs for other in expected):
        return True
    cut = [one for one in proofs if len(one) >= _LEAST_PREFIX] if setup.has("compares_prefix") else []
    return any(other.startswith(one) for one in cut for other in expected)


def _digest(alg: str, setup: Setup, secret: str, content: bytes) -> bytes:
    if alg == "sha256":
        return hashlib.sha256(content).digest()
    return hmac.new(key_of(setup, secret), content, alg.removeprefix("hmac-")).digest()


def _written(digest: bytes, enc: str) -> str:
    if enc == "hex":
        return digest.hex()
    if enc == "b64url":
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return base64.b64encode(digest).decode()


def _public_key_signature(found: Claim, proof: str, public: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    key: Any = _public(public)
    try:
        signature = bytes.fromhex(proof) if found.enc == "hex" else base64.b64decode(proof, validate=True)
        if found.alg == "ed25519":
            key.verify(signature, found.content)
        elif found.alg == "ecdsa-p256":
            key.verify(signature, found.content, ec.ECDSA(hashes.SHA256()))
        else:
            used = hashes.SHA1() if found.alg == "rsa-sha1" else hashes.SHA256()  # noqa: S303 # what SNS version 1 signs
            key.verify(signature, found.content, padding.PKCS1v15(), used)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def _public(text: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

    if "BEGIN" in text:
        return load_pem_public_key(text.encode())
    bare = text.removeprefix("whpk_")
    raw = bytes.fromhex(bare) if len(bare) == 64 else base64.b64decode(bare)
    return Ed25519PublicKey.from_public_bytes(raw) if len(raw) == 32 else load_der_public_key(raw)
