"""Whether the files a journal was opened on still lie at their path.

SQLite goes on writing to a file that was deleted or replaced: all of it would be lost when the process ends.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path


class Held:
    """The database, its log and the writer's lock as they were when the connection was opened.

    OSError when one of them is not there at that time.
    """

    def __init__(self, path: Path, lock: int) -> None:
        kept = os.fstat(lock)
        self._known = {path.with_suffix(".lock"): (kept.st_dev, kept.st_ino)}
        for file in (path, path.with_name(path.name + "-wal")):
            self._known[file] = _identity(file)

    def check(self) -> None:
        """OSError when one of the files was removed, or another one lies in its place."""
        for file, known in self._known.items():
            try:
                same = _identity(file) == known
            except FileNotFoundError:
                raise OSError(errno.ESTALE, f"{file.name} was removed while it was being written") from None
            if not same:
                raise OSError(errno.ESTALE, f"{file.name} was replaced while it was being written")


def _identity(file: Path) -> tuple[int, int]:
    found = os.stat(file)  # noqa: PTH116 - an append is measured in microseconds
    return found.st_dev, found.st_ino
