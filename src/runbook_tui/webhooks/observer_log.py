"""An observer that is a log file, searched from where it ended when the bench began."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.webhooks.observer import MOST, Sight, whole

_CHUNK = 1 << 20
_BYTES = 64 << 20  # of new text that is searched; a longer one tells nothing when the marker was not seen
_CANARY = 256  # bytes before the beginning by which a file that was cut and written again is known


@dataclass
class _Part:
    """One file that has been the log since the bench began; it stays open, so renaming or deleting it loses nothing."""

    descriptor: int
    start: int
    highest: int  # its size at the last look
    canary: bytes  # digest of what stands before `start`

    def identity(self) -> tuple[int, int]:
        found = os.fstat(self.descriptor)
        return found.st_dev, found.st_ino


class LogObserver:
    """Counts the new lines of a log file that hold the marker.

    Follows renaming and a new file in its place. A log that was cut (copytruncate) is searched from its beginning, and
    from then on "not seen" is not known. Two rotations between two looks lose the file between them.
    """

    kind = "log"

    def __init__(self, path: Path) -> None:
        """RunbookError when `path` is no regular file that can be read."""
        self._path = path
        self._lost = False
        try:
            part = _opened(path, at_end=True)
        except OSError as error:
            raise RunbookError(f"cannot read the log {path}: {error.strerror}", "name a file that exists") from None
        if part is None:
            raise RunbookError(f"the log {path} is not a regular file", "name the file itself")
        self._parts = [part]

    def look(self, marker: str) -> Sight:
        if not self._parts:
            return Sight(None, why="the observer's log was closed")
        try:
            self._follow()
            found = _Tally(whole(marker))
            left = _BYTES
            for part in self._parts:
                left = found.read(part, left)
        except OSError as error:
            return Sight(None, why=f"the observer's log cannot be read: {error.strerror}")
        if found.lines:
            return Sight(True, found.lines if found.clear and left and not self._lost else None)
        if self._lost:
            return Sight(None, why="the observer's log was cut meanwhile")
        return Sight(False, 0) if left else Sight(None, why=f"the observer's log grew by more than {_BYTES >> 20} MiB")

    def close(self) -> None:
        for part in self._parts:
            with contextlib.suppress(OSError):
                os.close(part.descriptor)
        self._parts = []

    def _follow(self) -> None:
        for part in self._parts:
            size = os.fstat(part.descriptor).st_size
            if size < part.highest or _digest(part.descriptor, part.start) != part.canary:
                part.start, part.canary, self._lost = 0, _digest(part.descriptor, 0), True
            part.highest = size
        try:
            found = os.stat(self._path)  # noqa: PTH116 - the file behind a link
        except FileNotFoundError:
            return  # between renaming and making it anew
        if (found.st_dev, found.st_ino) not in [part.identity() for part in self._parts]:
            new = _opened(self._path, at_end=False)
            if new is not None:
                self._parts.append(new)


class _Tally:
    """Lines that hold a pattern. One longer than a chunk is looked at in pieces: then the number is not clear."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern = pattern
        self.lines = 0
        self.clear = True

    def read(self, part: _Part, left: int) -> int:
        """Search `part` for `left` bytes at most; what is left of them, 0 when they did not suffice."""
        at, rest = part.start, b""
        while data := os.pread(part.descriptor, min(_CHUNK, left), at):
            at, left = at + len(data), left - len(data)
            text = rest + data
            end = taken = text.rfind(b"\n") + 1
            if not end and len(text) > _CHUNK:
                self.clear, end, taken = False, len(text) - 2 * MOST, len(text) - MOST
            self._take(text[:taken])
            rest = text[end:]
            if left <= 0:
                return 0
        self._take(rest)
        return left

    def _take(self, text: bytes) -> None:
        if self._pattern.search(text):
            self.lines += sum(1 for line in text.split(b"\n") if self._pattern.search(line))


def _opened(path: Path, *, at_end: bool) -> _Part | None:
    """None for what is no regular file: a pipe would block, a device has no end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return None
    start = found.st_size if at_end else 0
    return _Part(descriptor, start, start, _digest(descriptor, start))


def _digest(descriptor: int, end: int) -> bytes:
    begin = max(0, end - _CANARY)
    return hashlib.sha256(os.pread(descriptor, end - begin, begin)).digest()
