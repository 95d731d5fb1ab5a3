"""Makes the drill's secrets: the same for the same seed, shaped like the vendor's, worth nothing anywhere."""

from __future__ import annotations

import base64
import hmac
import string

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.providers.manifest import Kind, Manifest

_ALPHABETS = (
    string.ascii_letters + string.digits,
    string.ascii_uppercase + string.digits,
    string.ascii_lowercase + string.digits,
    string.ascii_uppercase + "234567",
    string.hexdigits[:16],
    string.digits,
)
_LENGTHS = (40, 32, 24, 48, 64, 36, 20, 16, *range(8, 130))
_MARK = "DRILL"


def stream(seed: int, label: str, size: int) -> bytes:
    """`size` bytes that depend on `seed` and `label` alone."""
    made, counter = b"", 0
    while len(made) < size:
        made += hmac.digest(f"runbook-drill-{seed}".encode(), f"{label}\0{counter}".encode(), "sha256")
        counter += 1
    return made[:size]


def text(seed: int, label: str, size: int, alphabet: str = _ALPHABETS[0]) -> str:
    """`size` characters of `alphabet`."""
    return "".join(alphabet[byte % len(alphabet)] for byte in stream(seed, label, size))


def key_value(manifest: Manifest, kind_id: str, seed: int, label: str) -> str:
    """A secret that looks like the provider's `kind_id` (the first kind when empty), with DRILL in it where it fits.

    RunbookError when the manifest knows no such kind or its pattern cannot be met.
    """
    kind = _kind(manifest, kind_id)
    prefix = kind.prefixes[0] if kind.prefixes else ""
    if not kind.pattern:
        return f"{prefix or 'drill-'}{text(seed, label, 40)}"
    import re2

    matches = re2.compile(kind.pattern).fullmatch
    for mark in (_MARK, _MARK.lower(), ""):
        for alphabet in _ALPHABETS:
            for size in _LENGTHS:
                value = prefix + mark + text(seed, label, max(0, size - len(mark)), alphabet)
                if matches(value):
                    return value
    raise RunbookError(f"the drill cannot make a {kind.id} of {manifest.name}", "name another kind in the scenario")


def webhook_secret(scheme: str, seed: int, label: str) -> str:
    """A secret in the form the webhook scheme uses."""
    if scheme == "streampixel":
        return f"drill-{text(seed, label, 32)}"
    value = base64.b64encode(stream(seed, label, 32)).decode("ascii")
    return f"whsec_{value}" if scheme == "standard-webhooks" else value


def _kind(manifest: Manifest, kind_id: str) -> Kind:
    if not kind_id:
        return manifest.kinds[0] if manifest.kinds else Kind("key")
    for kind in manifest.kinds:
        if kind.id == kind_id:
            return kind
    known = ", ".join(kind.id for kind in manifest.kinds)
    raise RunbookError(f"{manifest.name} has no credential kind {kind_id!r}", f"known: {known}")
