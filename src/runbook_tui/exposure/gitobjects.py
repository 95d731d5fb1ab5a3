"""Objects read by `git cat-file`: what our own readers cannot read, or everything where they are absent."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from runbook_tui.exposure import objects
from runbook_tui.exposure.gitcall import GitDied, GitOutput, SafeGit
from runbook_tui.exposure.model import Gaps
from runbook_tui.exposure.objects import NUMBERS, Entry, Part

_WHOLE_LIMIT = 256 << 20  # commits, tags and trees are parsed, so they must come whole
_LIMIT = 64 << 30  # no object of an honest repository is longer
_BATCH = 20_000  # names given to one git process
_MAX_FAILURES = 2_000


class Piece(NamedTuple):
    """An object, or one window of a large blob, as git gives it."""

    name: bytes
    kind: int
    data: bytes
    offset: int = 0
    following: int | None = None


class GitReader:
    """Reads any object by name."""

    def __init__(self, git: SafeGit, overlap: int, gaps: Gaps) -> None:
        self._git = git
        self._overlap = min(overlap, objects.WINDOW // 2)
        self._gaps = gaps
        self.unreadable: dict[bytes, str] = {}
        self._failures = 0

    def list_all(self) -> dict[bytes, int]:
        """Name -> kind of all objects; what git says about broken packs becomes gaps."""
        return self._kinds(["--batch-all-objects", "--unordered"], b"")

    def kinds(self, names: Iterable[bytes]) -> dict[bytes, int]:
        """Name -> kind of these objects; those git cannot make sense of are noted as unreadable."""
        return self._kinds([], _feed(names))

    def _kinds(self, options: list[str], feed: bytes) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        with self._git.run(["cat-file", *options, "--batch-check=%(objectname) %(objecttype)"], feed) as output:
            try:
                self._take_list(output, found)
            except GitDied:
                self._gaps.add("part of the object store", "git could not list all of it")
            for complaint in output.complaints():
                self._gaps.add("part of the object store", complaint)
        return found

    def _take_list(self, output: GitOutput, found: dict[bytes, int]) -> None:
        while line := output.line():
            name, _, kind = line.partition(b" ")
            if kind in NUMBERS:
                found[bytes.fromhex(name.decode("ascii"))] = NUMBERS[kind]
            else:
                self.unreadable[bytes.fromhex(name.decode("ascii"))] = "corrupt"
        if not output.ended_well():
            raise GitDied

    def read(self, names: Iterable[bytes]) -> Iterator[Piece]:
        """The contents of these objects; unreadable ones are skipped and noted."""
        rest = iter(names)
        while batch := list(itertools.islice(rest, _BATCH)):
            yield from self._read_batch(batch)

    def _read_batch(self, batch: list[bytes]) -> Iterator[Piece]:
        """git ends at the first object it cannot unpack: start it again there, and skip what fails twice."""
        start = 0
        failed_at = -1
        while start < len(batch):
            try:
                with self._git.run(["cat-file", "--batch", "--buffer"], _feed(batch[start:])) as output:
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
        if len(header) != 3 or header[1] not in NUMBERS:
            self.unreadable[name] = "corrupt"
            return
        kind, size = NUMBERS[header[1]], int(header[2])
        if size <= (objects.WINDOW if kind == objects.BLOB else _WHOLE_LIMIT):
            yield Piece(name, kind, output.exactly(size + 1)[:-1])
        elif kind == objects.BLOB and size <= _LIMIT:
            yield from self._windows(output, name, size)
        else:
            self.unreadable[name] = "too large"
            for _ in self._windows(output, name, size):
                pass

    def _windows(self, output: GitOutput, name: bytes, size: int) -> Iterator[Piece]:
        kept = b""
        offset = 0
        while offset + len(kept) < size:
            fresh = output.exactly(min(objects.WINDOW - len(kept), size - offset - len(kept)))
            window = kept + fresh
            kept = window[len(window) - self._overlap :] if self._overlap else b""
            following = offset + len(window) - len(kept)
            yield Piece(name, objects.BLOB, window, offset, following if following + len(kept) < size else None)
            offset = following
        output.exactly(1)


class GitObjects:
    """`Objects` by way of git alone."""

    names = None

    def __init__(self, git: SafeGit, overlap: int, gaps: Gaps) -> None:
        """Lists the store at once."""
        self.name_size = 32 if git.object_format == "sha256" else 20
        self._reader = GitReader(git, overlap, gaps)
        kinds = self._reader.list_all()
        self._names = sorted(kinds)
        self._kinds = bytes(kinds[name] for name in self._names)
        self._places = {name: place for place, name in enumerate(self._names)}

    @property
    def unreadable(self) -> dict[bytes, str]:
        return self._reader.unreadable

    def __len__(self) -> int:
        return len(self._names)

    def name(self, place: int) -> bytes:
        return self._names[place]

    def kind(self, place: int) -> int:
        return self._kinds[place]

    def find(self, joined: bytes) -> list[int]:
        size = self.name_size
        return [self._places.get(joined[at : at + size], -1) for at in range(0, len(joined), size)]

    def parts(self, kinds: Collection[int]) -> list[Part]:
        return self.parts_of(place for place, kind in enumerate(self._kinds) if kind in kinds)

    def parts_of(self, places: Iterable[int]) -> list[Part]:
        rest = iter(places)
        batches = iter(lambda: list(itertools.islice(rest, _BATCH)), [])
        return [Part(len(batch), False, None, batch) for batch in batches]

    def copies(self) -> list[Part]:
        return []  # git gives out one

    def again(self, places: Collection[int]) -> list[Part]:
        return []  # git is the last resort

    def pieces(self, part: Part, failed: array[int]) -> Iterator[Entry]:
        for piece in self._reader.read(self._names[place] for place in part.entries):
            yield self._places[piece.name], piece.kind, piece.data, piece.offset, piece.following


def _feed(names: Iterable[bytes]) -> bytes:
    return b"".join(name.hex().encode() + b"\n" for name in names)
