"""Compiled rules kept for the next scan: compiling them takes longer than searching a small repository with them.

hyperscan trusts what it is given back, so a file counts only when it is whole, this user's alone and sealed (an HMAC)
under a key of this user's. Anything else is as if it were not there. It holds patterns, and no value.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import stat
from pathlib import Path

from runbook_tui.foundation.files import make_private_dir, write_atomic

_MAX = 64 << 20  # bytes of one file
_FILES = 8  # sets of rules that are kept
_CONTEXT = b"runbook rules 1\0"
_SEAL = 32


class RuleCache:
    """A folder of sealed files, by name."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder, self._key = folder, key

    def load(self, name: str) -> bytes | None:
        """What was kept under this name (letters and digits); None when there is nothing that counts."""
        try:
            handle = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(handle, "rb") as stream:
            facts = os.fstat(handle)
            private = facts.st_uid == os.getuid() and not facts.st_mode & 0o077
            if not stat.S_ISREG(facts.st_mode) or not private or not _SEAL < facts.st_size <= _MAX:
                return None
            sealed = stream.read(_MAX)
        content = sealed[_SEAL:]
        return content if hmac.compare_digest(sealed[:_SEAL], self._seal(name, content)) else None

    def keep(self, name: str, content: bytes) -> None:
        """Keep it for the next time; where that is not possible the next time compiles again."""
        with contextlib.suppress(OSError):
            make_private_dir(self._folder)
            write_atomic(self._path(name), self._seal(name, content) + content)
            kept = sorted(self._folder.glob("*.rules"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in kept[_FILES:]:
                path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.rules"

    def _seal(self, name: str, content: bytes) -> bytes:
        return hmac.digest(self._key, _CONTEXT + name.encode() + b"\0" + content, "sha256")
