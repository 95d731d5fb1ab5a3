"""What a fleet scan has done so far: a file it goes on from after Ctrl-C, a crash or a lost machine.

One line is one repository's result, written and made durable in one go; a line cut off by a crash does not count. The
file belongs to one set of values, known by a keyed hash of them: no value and nothing made from one without the key
stands in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui import __version__
from runbook_tui.foundation.clock import RealClock, iso
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.files import make_private_dir

if TYPE_CHECKING:
    from runbook_tui.secrets.secret import Secret

_MAX = 4 << 30  # bytes
_FORMAT = "runbook fleet 1"


def identity(values: Sequence[tuple[str, Secret]], key: bytes, extra: str = "") -> str:
    """32 hex digits that are equal for the same named values (and `extra`), useless without `key`."""
    digest = hmac.new(key, b"runbook-fleet-v1\0", "sha256")
    for text in (__version__.encode(), extra.encode(), *(part for one in values for part in _parts(one))):
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:32]


def _parts(value: tuple[str, Secret]) -> tuple[bytes, bytes]:
    return value[0].encode("utf-8", "surrogateescape"), value[1].expose_bytes()


class FleetState:
    """The open file; a context manager. `done` are results by repository, `begun` is when the first was written."""

    def __init__(self, path: Path, values: str) -> None:
        """`values` is their `identity`. RunbookError when the file belongs to other values or to a running scan."""
        self.path = path
        self.begun = iso(RealClock().now())
        self.done: dict[str, dict[str, Any]] = {}
        try:
            make_private_dir(path.parent)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._handle = os.open(path, flags, 0o600)
        except OSError as error:
            raise _unusable(path, error) from None
        try:
            self._lock()
            self._read(values)
        except BaseException:
            os.close(self._handle)
            raise

    def __enter__(self) -> FleetState:
        return self

    def __exit__(self, *rest: object) -> None:
        os.close(self._handle)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunbookError(
                f"another scan is writing {self.path}", "wait for it, or name another file with --state"
            ) from None

    def _read(self, values: str) -> None:
        size = os.fstat(self._handle).st_size
        if size > _MAX:
            raise RunbookError(f"{self.path} is absurdly large", "name another file with --state")
        whole = 0
        with os.fdopen(os.dup(self._handle), "rb") as stream:
            for number, line in enumerate(stream):
                if not line.endswith(b"\n"):
                    break
                try:
                    entry = json.loads(line)
                    self._take(entry, values, first=not number)
                except (ValueError, KeyError, TypeError):
                    if not number:
                        raise self._foreign() from None
                    break
                whole += len(line)
        if not whole and size and self._starts_foreign():
            raise self._foreign()
        os.ftruncate(self._handle, whole)
        os.lseek(self._handle, 0, os.SEEK_END)
        if not whole:
            self._append({"format": _FORMAT, "values": values, "begun": self.begun})

    def _starts_foreign(self) -> bool:
        head = os.pread(self._handle, 16, 0)
        return not b'{"format": "runb'.startswith(head)

    def _foreign(self) -> RunbookError:
        return RunbookError(f"{self.path} is no state of a fleet scan", "name another file with --state")

    def _take(self, entry: dict[str, Any], values: str, *, first: bool) -> None:
        if first:
            if entry["format"] != _FORMAT:
                raise ValueError
            if not hmac.compare_digest(str(entry["values"]), values):
                hint = "remove it to begin anew, or name another file with --state"
                raise RunbookError(f"{self.path} was begun with other values or another release", hint)
            self.begun = str(entry["begun"])
            return
        if not isinstance(entry["result"]["repositories"], list):
            raise TypeError
        self.done[str(entry["source"])] = entry["result"]

    def add(self, source: str, result: dict[str, Any]) -> None:
        """Keep one repository's result. RunbookError when it cannot be written."""
        self._append({"source": source, "result": result})
        self.done[source] = result

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._handle, line) :]
            os.fsync(self._handle)
        except OSError as error:
            raise _unusable(self.path, error) from None

    def finished(self) -> None:
        """Everything is done: the next scan looks at all of it anew."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


def _unusable(path: Path, error: OSError) -> RunbookError:
    return RunbookError(
        f"cannot write {path}: {error.strerror}", "name another file with --state", exit_code=Exit.INCOMPLETE
    )
