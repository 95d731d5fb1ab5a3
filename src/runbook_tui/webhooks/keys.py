"""From the secret an operator holds to the key a scheme signs with.

The forms people get wrong are the point of this module: a wrong form is refused here, with the form that was
expected, instead of showing up as a bad signature at the endpoint. No message holds any part of a secret.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.scheme import KEY_FORMS, Scheme

_PATH_TOKEN = re.compile(r"[A-Za-z0-9._~-]+")
_HEADER_TEXT = re.compile(r"[\x21-\x7e]+")
_WHSEC, _WHSK = b"whsec_", b"whsk_"
_WHSEC_BYTES = range(24, 65)  # Standard Webhooks specification, "Signature scheme"
_SEED, _SEED_AND_PUBLIC = 32, 64  # bytes of an Ed25519 private key
_PEM = b"-----BEGIN "
_PREFIX = re.compile(rb"[a-z]+_")


def signing_key(scheme: Scheme, secret: Secret, form: str = "") -> bytes:
    """The key of an HMAC or digest; RunbookError when the secret does not have the scheme's form.

    `form` reads it in another way (scheme.WRONG_FORMS), as a mistaken receiver does.
    """
    raw = secret.expose_bytes()
    check_whole(scheme, raw)
    if form:
        return _misread(scheme, raw, form)
    if scheme.key == "raw":
        return raw
    if scheme.key == "hex":
        try:
            return bytes.fromhex(_ascii(scheme, raw))
        except ValueError:
            raise _wrong_form(scheme) from None
    if scheme.key == "b64":
        if raw.startswith(_WHSEC):
            raise _wrong_form(scheme)
        return _decoded(scheme, raw)
    key = _decoded(scheme, raw.removeprefix(_WHSEC))
    if len(key) not in _WHSEC_BYTES:
        raise _wrong_form(scheme)
    return key


def private_key(scheme: Scheme, secret: Secret) -> Any:
    """The private key (of `cryptography`) that `secret` holds in the scheme's form, PEM or `whsk_`.

    Where only the vendor holds the key, a PEM of a test key pair may stand in for it: the endpoint then has to trust
    its public half. RunbookError for anything else, and for a key of another algorithm.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    raw = secret.expose_bytes()
    key: Any
    if scheme.key == "whsk":
        check_whole(scheme, raw)
        seed = _decoded(scheme, raw.removeprefix(_WHSK))
        if len(seed) not in (_SEED, _SEED_AND_PUBLIC):
            raise _wrong_form(scheme)
        return ed25519.Ed25519PrivateKey.from_private_bytes(seed[:_SEED])
    if not raw.lstrip().startswith(_PEM):
        if scheme.kind == "vendor-key":
            raise RunbookError(
                f"only {scheme.name} can sign its deliveries",
                "trigger a test delivery in the vendor's dashboard, or give the PEM of a test key pair of your own",
            )
        raise _wrong_form(scheme)
    try:
        key = serialization.load_pem_private_key(raw.strip() + b"\n", password=None)
    except (ValueError, TypeError):
        raise _wrong_form(scheme) from None
    wanted: Any = {
        "ed25519": ed25519.Ed25519PrivateKey,
        "ecdsa-p256": ec.EllipticCurvePrivateKey,
        "rsa-sha1": rsa.RSAPrivateKey,
        "rsa-sha256": rsa.RSAPrivateKey,
    }.get(scheme.alg, ())
    if not isinstance(key, wanted) or (scheme.alg == "ecdsa-p256" and key.curve.name != "secp256r1"):
        raise RunbookError(
            f"the private key is not one {scheme.name} signs with", f"expected a key for {scheme.alg}, in PEM form"
        )
    return key


def travelling_text(scheme: Scheme, secret: Secret) -> str:
    """The secret as it stands in the header or body (`bearer`) or path (`url-token`) of a delivery."""
    raw = secret.expose_bytes()
    check_whole(scheme, raw)
    text = _ascii(scheme, raw)
    if scheme.kind == "url-token":
        if not _PATH_TOKEN.fullmatch(text) or text in (".", ".."):
            raise RunbookError(
                f"the secret does not have the form {scheme.name} needs",
                "expected the path token alone: letters, digits, dash, underscore, dot or tilde, without slash or URL",
            )
    elif not _HEADER_TEXT.fullmatch(text):
        raise _wrong_form(scheme)
    return text


def check_whole(scheme: Scheme, raw: bytes) -> None:
    """RunbookError for an empty secret, one with white space around it, and one without the vendor's prefix."""
    if not raw:
        raise RunbookError("the secret is empty", f"expected {KEY_FORMS[scheme.key]}")
    if raw != raw.strip():
        raise RunbookError(
            "the secret begins or ends with white space",
            "a line break copied along is the usual reason; store the secret again without it",
        )
    if not raw.startswith(scheme.key_prefix.encode()):
        raise RunbookError(
            f"the secret does not have the form {scheme.name} needs",
            f"expected a secret that begins with {scheme.key_prefix!r}; is it another kind of key?",
        )


def _misread(scheme: Scheme, raw: bytes, form: str) -> bytes:
    """The key a receiver would use that reads the secret in the wrong way; RunbookError when it could not."""
    prefix = _PREFIX.match(raw)
    bare = raw[prefix.end() :] if prefix else raw
    if form == "raw":
        return raw
    if form == "stripped":
        return bare
    if form == "newline":
        return raw + b"\n"
    try:
        return bytes.fromhex(bare.decode("ascii")) if form == "hex" else base64.b64decode(bare, validate=True)
    except ValueError:
        raise RunbookError(f"this secret cannot be read as {form}", "so no receiver can have read it so") from None


def _ascii(scheme: Scheme, raw: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise _wrong_form(scheme) from None


def _decoded(scheme: Scheme, raw: bytes) -> bytes:
    try:
        key = base64.b64decode(raw, validate=True)
    except binascii.Error:
        raise _wrong_form(scheme) from None
    if not key:
        raise _wrong_form(scheme)
    return key


def _wrong_form(scheme: Scheme) -> RunbookError:
    return RunbookError(
        f"the secret does not have the form {scheme.name} needs", f"expected {scheme.key}: {KEY_FORMS[scheme.key]}"
    )
