"""Every object of a store, whoever names it: the seam between reading and searching.

`Objects` is what the rest of the room uses: the names and types of all objects, and an iterator over their contents.
`GitObjects` implements it with `git cat-file`; a reader of packs can take its place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from runbook_tui.exposure.gitcall import GitDied, GitOutput, SafeGit
from runbook_tui.exposure.model import Gaps

WINDOW = 64 << 20  # bytes of one object that are handed out at once
_WHOLE_LIMIT = 256 << 20  # commits, tags and trees are parsed, so they must come whole
_LIMIT = 64 << 30  # no object of an honest repository is longer
_BATCH = 50_000  # names given to one git process
_MAX_FAILURES = 2_000
_TYPES = {b"blob": "blob", b"commit": "commit", b"tree": "tree", b"tag": "tag"}


class Piece(NamedTuple):
    """An object, or one window of a large blob; the windows of one object follow each other and overlap."""

    name: bytes  # raw object name, 20 or 32 bytes
    type: str  # blob | commit | tree | tag
    data: bytes
    offset: int = 0  # where `data` starts in the object
    following: int | None = None  # where the next window of the object starts; None for the last one


class Objects(Protocol):
    """All objects of one repository's store."""

    @property
    def types(self) -> Mapping[bytes, str]:
        """Name -> type of every object the store lists, readable or not."""
        ...

    @property
    def unreadable(self) -> Mapping[bytes, str]:
        """Name -> reason of every object that was asked for and could not be read."""
        ...

    def read(self, names: Iterable[bytes]) -> Iterator[Piece]:
        """The contents of these objects, in any order; unreadable ones are skipped and noted."""
        ...


class GitObjects:
    """`Objects` by way of `git cat-file`."""

    def __init__(self, git: SafeGit, overlap: int, gaps: Gaps) -> None:
        """Lists the store at once; what git says about broken packs becomes gaps.

        `overlap` is how many bytes two windows of one blob share.
        """
        self._git = git
        self._overlap = min(overlap, WINDOW // 2)
        self._gaps = gaps
        self.types: dict[bytes, str] = {}
        self.unreadable: dict[bytes, str] = {}
        self._failures = 0
        self._list()

    def _list(self) -> None:
        arguments = ["cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname) %(objecttype)"]
        with self._git.run(arguments) as output:
            try:
                self._take_list(output)
            except GitDied:
                self._gaps.add("part of the object store", "git could not list all of it")
            for complaint in output.complaints():
                self._gaps.add("part of the object store", complaint)

    def _take_list(self, output: GitOutput) -> None:
        while line := output.line():
            name, _, kind = line.partition(b" ")
            if kind in _TYPES:
                self.types[bytes.fromhex(name.decode("ascii"))] = _TYPES[kind]
            else:
                self.unreadable[bytes.fromhex(name.decode("ascii"))] = "corrupt"
        if not output.ended_well():
            raise GitDied

    def read(self, names: Iterable[bytes]) -> Iterator[Piece]:
        rest = iter(names)
        while batch := list(itertools.islice(rest, _BATCH)):
            yield from self._read_batch(batch)

    def _read_batch(self, batch: list[bytes]) -> Iterator[Piece]:
        """git ends at the first object it cannot unpack: start it again there, and skip what fails twice."""
        start = 0
        failed_at = -1
        while start < len(batch):
            feed = b"".join(name.hex().encode() + b"\n" for name in batch[start:])
            try:
                with self._git.run(["cat-file", "--batch", "--buffer"], feed) as output:
                    while start < len(batch):
                        yield from self._object(output, batch[start])
                        start += 1
            except GitDied:
                if failed_at == start:
                    self.unreadable[batch[start]] = "corrupt"
                    start += 1
                    self._failures += 1
                failed_at = start
                if self._failures > _MAX_FAILURES:
                    self.unreadable.update(dict.fromkeys(batch[start:], "not tried: too many broken objects"))
                    return

    def _object(self, output: GitOutput, name: bytes) -> Iterator[Piece]:
        header = output.line().split(b" ")
        if header[0] != name.hex().encode():
            raise GitDied
        if len(header) != 3 or header[1] not in _TYPES:
            self.unreadable[name] = "corrupt"
            return
        kind, size = _TYPES[header[1]], int(header[2])
        if size <= (WINDOW if kind == "blob" else _WHOLE_LIMIT):
            yield Piece(name, kind, output.exactly(size + 1)[:-1])
        elif kind == "blob" and size <= _LIMIT:
            yield from self._windows(output, name, size)
        else:
            self.unreadable[name] = "too large"
            for _ in self._windows(output, name, size):
                pass

    def _windows(self, output: GitOutput, name: bytes, size: int) -> Iterator[Piece]:
        kept = b""
        offset = 0
        while offset + len(kept) < size:
            fresh = output.exactly(min(WINDOW - len(kept), size - offset - len(kept)))
            window = kept + fresh
            kept = window[len(window) - self._overlap :] if self._overlap else b""
            following = offset + len(window) - len(kept)
            yield Piece(name, "blob", window, offset, following if following + len(kept) < size else None)
            offset = following
        output.exactly(1)
