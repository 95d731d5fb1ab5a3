"""A model of a disk that loses power, for machines without root: a VFS that logs, and the images a cut can leave.

After a cut everything that was synced is there. Of what was written later, any 512-byte sector may be there or not,
whatever the order in which it was written. A truncation that was not synced may have happened or not; so may a removal
as long as the folder was not synced.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512


@dataclass(frozen=True)
class Entry:
    """One thing that was done to the disk: write, truncate, sync, delete, or `folder`: the folder was synced.

    `ack` is no such thing: the event `at` was acknowledged.
    """

    what: str
    file: str = ""
    at: int = 0
    data: bytes = b""


class LoggingVFS(apsw.VFS):
    """The system's own VFS; `log` holds everything that changes a file of the journal."""

    def __init__(self, name: str, log: list[Entry]) -> None:
        self.log = log
        super().__init__(name, "unix")

    def xOpen(self, name: Any, flags: list[int]) -> LoggingFile:
        return LoggingFile(name, flags, self.log)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.log.append(Entry("delete", Path(filename).name))


class LoggingFile(apsw.VFSFile):
    """One open file."""

    def __init__(self, name: Any, flags: list[int], log: list[Entry]) -> None:
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "temp").name
        self._log = log
        log_file = flags[0] & (apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL)
        # The system's VFS syncs the folder along with the first sync of a log that it made.
        self._new = bool(log_file and flags[0] & apsw.SQLITE_OPEN_CREATE)
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._log.append(Entry("write", self._name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._log.append(Entry("truncate", self._name, newsize))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._log.append(Entry("sync", self._name))
        if self._new:
            self._log.append(Entry("folder"))
            self._new = False


class ApswConnection:
    """What the journal uses of `sqlite3.Connection`, on SQLite as apsw brings it, through the logging VFS."""

    def __init__(self, path: Path, vfs: str) -> None:
        self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> Rows:
        return Rows(self._connection.execute(statement, values).fetchall())

    executescript = execute

    def close(self) -> None:
        self._connection.close()


class Rows(list[tuple[Any, ...]]):
    """The rows of a statement that has ended."""

    def fetchone(self) -> tuple[Any, ...] | None:
        return self[0] if self else None


def image(log: list[Entry], cut: int, rng: random.Random) -> dict[str, bytes]:
    """The files that power loss after `cut` entries of the log can leave, chosen by `rng`."""
    found: dict[str, bytes] = {}
    share = rng.choice((0.0, 1.0, rng.random()))
    settled = max((number for number in range(cut) if log[number].what == "folder"), default=-1)
    for name in sorted({entry.file for entry in log[:cut] if entry.file}):
        lives: list[list[Entry]] = [[]]  # what was written to the file before and after each removal
        first = 0
        for number in range(cut):
            if log[number].file == name and log[number].what == "delete":
                lives.append([])
                first = len(lives) - 1 if number < settled else first
            elif log[number].file == name:
                lives[-1].append(log[number])
        mine = lives[rng.randrange(first, len(lives))]
        synced = max((number for number, entry in enumerate(mine, 1) if entry.what == "sync"), default=0)
        content = _partly(_replay(mine[:synced]), mine[synced:], share, rng)
        if content is not None:
            found[name] = bytes(content)
    return found


def _replay(entries: list[Entry]) -> bytearray | None:
    content: bytearray | None = None
    for entry in entries:
        content = bytearray() if content is None else content
        if entry.what == "truncate":
            del content[entry.at :]
        elif entry.what == "write":
            _put(content, entry.at, entry.data)
    return content


def _partly(content: bytearray | None, later: list[Entry], share: float, rng: random.Random) -> bytearray | None:
    """A share of the sectors that were written later, in any order."""
    sectors: list[tuple[int, bytes]] = []
    for entry in later:
        content = bytearray() if content is None else content
        if entry.what == "truncate" and rng.random() < share:
            del content[entry.at :]
        start = entry.at
        for end in [*range((entry.at // SECTOR + 1) * SECTOR, entry.at + len(entry.data), SECTOR), None]:
            stop = entry.at + len(entry.data) if end is None else end
            sectors.append((start, entry.data[start - entry.at : stop - entry.at]))
            start = stop
    chosen = [one for one in sectors if one[1] and rng.random() < share]
    rng.shuffle(chosen)
    for at, data in chosen:
        assert content is not None
        _put(content, at, data)
    return content


def _put(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data
