"""What may be shown of a secret: a keyed fingerprint and a mask."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.files import make_private_dir, write_new
from runbook_tui.foundation.places import Places
from runbook_tui.secrets.secret import Secret

FIXED_MASK = "••••••••"
_SHORT = 16  # below this a value is masked whole and has no fingerprint in exports
_KEY_BYTES = 32


def fingerprint(secret: Secret, key: bytes) -> str:
    """`fp:` and 12 hex digits of an HMAC-SHA256 under `key`: equal for equal secrets, useless without the key."""
    digest = hmac.new(key, b"runbook-fp-v1\0" + secret.expose_bytes(), "sha256").hexdigest()
    return f"fp:{digest[:12]}"


def exportable(secret: Secret) -> bool:
    """Whether a fingerprint of `secret` may stand in an exported report: long enough not to be guessed."""
    return len(secret.expose_bytes()) >= _SHORT


def mask(secret: Secret, prefixes: Iterable[str] = ()) -> str:
    """`sk_live_…9f3a`: the public prefix, and a tail where enough of the value stays hidden.

    `prefixes` are the public type prefixes of the provider; the longest that fits is shown. The tail has 4 characters
    when at least 24 stand after the prefix, 2 when at least 16. Values below 16 characters get a fixed mask.
    """
    try:
        text = secret.expose()
    except RunbookError:
        return FIXED_MASK
    if len(text) < _SHORT:
        return FIXED_MASK
    prefix = max((p for p in prefixes if p and text.startswith(p)), key=len, default="")
    body = text[len(prefix) :]
    tail = 4 if len(body) >= 24 else 2 if len(body) >= 16 else 0
    end = body[-tail:] if tail else ""
    return f"{prefix}…{end}" if end.isprintable() else f"{prefix}…"


def state_key(places: Places) -> bytes:
    """The 32 random bytes that key this user's fingerprints, made at first use in a file only the owner reads."""
    path = places.state / "fingerprint.key"
    if not path.exists():
        try:
            make_private_dir(places.state)
            write_new(path, secrets.token_bytes(_KEY_BYTES))
        except FileExistsError:
            pass  # another process made it first: theirs counts
        except OSError as error:
            raise RunbookError(f"cannot write {path}: {error.strerror}", "check the disk and the permissions") from None
    try:
        key = path.read_bytes()
    except OSError as error:
        raise RunbookError(f"cannot read {path}: {error.strerror}", "it must belong to you, mode 0600") from None
    if len(key) != _KEY_BYTES:
        raise RunbookError(
            f"{path} is damaged", "restore it from a backup, or remove it: old fingerprints then no longer match"
        )
    return key
