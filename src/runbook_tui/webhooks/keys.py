"""From the secret an operator holds to the key bytes a scheme signs with.

The forms people get wrong are the point of this module: a wrong form is refused here, with the form that was
expected, instead of showing up as a bad signature at the endpoint. No message holds any part of a secret.
"""

from __future__ import annotations

import base64
import binascii
import re

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.scheme import KEY_FORMS, Scheme

_PATH_TOKEN = re.compile(r"[A-Za-z0-9._~-]+")
_HEADER_TEXT = re.compile(r"[\x21-\x7e]+")
_WHSEC = "whsec_"
_WHSEC_BYTES = range(24, 65)  # Standard Webhooks specification, "Signature scheme"


def signing_key(scheme: Scheme, secret: Secret) -> bytes:
    """The HMAC key of a `shared` scheme; RunbookError when the secret does not have the scheme's form."""
    raw = secret.expose_bytes()
    _check_whole(scheme, raw)
    if scheme.key == "raw":
        return raw
    if scheme.key == "hex":
        try:
            return bytes.fromhex(_ascii(scheme, raw))
        except ValueError:
            raise _wrong_form(scheme) from None
    if scheme.key == "b64":
        if raw.startswith(_WHSEC.encode()):
            raise _wrong_form(scheme)
        return _decoded(scheme, raw)
    key = _decoded(scheme, raw.removeprefix(_WHSEC.encode()))
    if len(key) not in _WHSEC_BYTES:
        raise _wrong_form(scheme)
    return key


def travelling_text(scheme: Scheme, secret: Secret) -> str:
    """The secret as it stands in the header (`bearer`) or path (`url-token`) of a delivery."""
    raw = secret.expose_bytes()
    _check_whole(scheme, raw)
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


def _check_whole(scheme: Scheme, raw: bytes) -> None:
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
