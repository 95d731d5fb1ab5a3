"""A file that is attached to a note: its digest always, its text when it is one and holds no secret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui.foundation.errors import RunbookError

if TYPE_CHECKING:
    from runbook_tui.secrets.patterns import Guard

LARGEST = 64 << 20  # bytes of a file of which the digest is taken
LONGEST = 20_000  # characters of a text that is recorded: what a report shows whole


def read_attachment(path: Path, guard: Guard, *, digest_only: bool = False) -> dict[str, Any]:
    """{name, size, sha256, text, left_out}; `left_out` says why there is no text.

    RunbookError when it cannot be read, is no file, is too large, or its text looks like it holds a secret.
    """
    import hashlib

    try:
        if not path.is_file():
            raise RunbookError(f"{path} is not a file", "attach a file of text, or any file for its digest")
        if path.stat().st_size > LARGEST:
            raise RunbookError(f"{path} is larger than {LARGEST >> 20} MiB", "note its SHA-256 yourself")
        raw = path.read_bytes()
    except OSError as error:
        raise RunbookError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from None
    guard.refuse(path.name, "the file's name")
    text, left_out = ("", "only its digest was asked for") if digest_only else _text(raw)
    try:
        guard.refuse(text, path.name)
    except RunbookError as error:
        hint = "nothing was recorded; take it out of the file, or record its digest alone: --digest-only"
        raise RunbookError(error.message, hint) from None
    digest = hashlib.sha256(raw).hexdigest()
    return {"name": path.name, "size": len(raw), "sha256": digest, "text": text, "left_out": left_out}


def _text(raw: bytes) -> tuple[str, str]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return "", "it is no text"
    if "\0" in text:
        return "", "it is no text"
    if len(text) > LONGEST:
        return "", f"it has more than {LONGEST:,} characters"
    return text, "" if text else "it is empty"
