"""One signature: the algorithm applied, encoded, and spoiled where the case wants it wrong. Pure.

ECDSA signatures hold a random number, so two of the same content differ; every other algorithm here gives the same
bytes again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any

from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.keys import private_key, signing_key
from runbook_tui.webhooks.scheme import HMACS, PUBLIC_KEY, Case, Scheme

_LAST_WORD = re.compile(r"[A-Za-z0-9]+(?=[^A-Za-z0-9]*$)")
_OTHER_PREFIX = "x0"


def signature(scheme: Scheme, case: Case, secret: Secret, content: bytes) -> str:
    """The encoded signature of `content`, spoiled as `case.proof` says."""
    alg = case.alg or scheme.alg
    if alg in PUBLIC_KEY:
        made = _signed(private_key(scheme, secret), alg, content)
    elif alg in HMACS:
        made = hmac.digest(signing_key(scheme, secret, case.form), content, alg.removeprefix("hmac-"))
    else:
        made = hashlib.sha256(content).digest()
    return spoiled(encoded(made, scheme.enc), case.proof)


def encoded(data: bytes, enc: str) -> str:
    if enc == "hex":
        return data.hex()
    if enc == "b64":
        return base64.b64encode(data).decode("ascii")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def spoiled(text: str, how: str) -> str:
    """A proof made wrong in one way (scheme.SPOILS); those that concern a whole header leave it as it is."""
    if how == "junk":
        return _junk(text)
    if how == "empty":
        return ""
    return text[: len(text) // 2] if how == "truncated" else text


def other_prefix(literal: str) -> str:
    """The text before a proof with its version name changed, or a version name where there was none."""
    changed, count = _LAST_WORD.subn(_OTHER_PREFIX, literal, count=1)
    return changed if count else f"{literal}{_OTHER_PREFIX}="


def _junk(text: str) -> str:
    """Of the same length and alphabet, and never `text` itself: each digit and letter moves on by one."""
    return "".join(_next(character) for character in text)


def _next(character: str) -> str:
    for alphabet in ("0123456789", "abcdef", "ABCDEF", "ghijklmnopqrstuvwxyz", "GHIJKLMNOPQRSTUVWXYZ"):
        if character in alphabet:
            return alphabet[(alphabet.index(character) + 1) % len(alphabet)]
    return character


def _signed(key: Any, alg: str, content: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    if alg == "ed25519":
        made: bytes = key.sign(content)
    elif alg == "ecdsa-p256":
        made = key.sign(content, ec.ECDSA(hashes.SHA256()))
    else:
        digest = hashes.SHA1() if alg == "rsa-sha1" else hashes.SHA256()  # noqa: S303 SNS version 1 is SHA-1
        made = key.sign(content, padding.PKCS1v15(), digest)
    return made
