"""Packs read directly: every stored entry is inflated once, and delta trees are rebuilt depth first.

Format: gitformat-pack(5). An index or an entry that makes no sense is refused, never guessed at: what cannot be read
here is left to git, and what git cannot read either is named as a gap.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from dulwich._pack import apply_delta
from dulwich.errors import ApplyDeltaError
from numpy.typing import NDArray

from runbook_tui.exposure import objects
from runbook_tui.exposure.inflate import Broken, inflate
from runbook_tui.exposure.names import Longs, Names, Rows
from runbook_tui.exposure.objects import Entry
from runbook_tui.exposure.packindex import PackDamaged, map_file, read_index

_OFS_DELTA, _REF_DELTA = 6, 7
_MAX_HELD = 512 << 20  # bytes of bases kept while their deltas are worked on
_NONE, _NOWHERE = -1, -2  # no base; a base that is not in the pack
_ABSURD = 0x7FFFFFFF  # stands for every size that is never read here


class Pack:
    """One pack and its index, mapped. Entries are numbered in the order in which they lie in the file."""

    def __init__(self, path: Path, name_size: int, *, damaged: bool = False) -> None:
        """`path` of the `.pack`; PackDamaged or OSError when it cannot be used.

        `damaged`: take what is there of a pack that was cut off or does not fit its index in every way.
        """
        self.path = path
        index = read_index(path.with_suffix(".idx"), name_size)
        self._map = map_file(path)
        stored = np.frombuffer(self._map, np.uint8)
        end = len(stored) - name_size
        head = stored[:12].tobytes()
        if end < 12 or head[:4] != b"PACK" or head[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
            raise PackDamaged("it is no pack")
        fits = int.from_bytes(head[8:], "big") == len(index.offsets) and stored[end:].tobytes() == index.checksum
        if not fits and not damaged:
            raise PackDamaged("it was cut off, or its index belongs to another pack")
        #: The names in the order of the index.
        self.names: Rows = index.names
        self._rows = np.argsort(index.offsets).astype(np.int32)
        if damaged:
            self._rows = self._rows[: int((index.offsets < end).sum())]
        self.count = len(self._rows)
        # Where each entry starts, and behind the last one where it ends.
        self._starts: NDArray[Any] = np.append(index.offsets[self._rows], end)
        if self._starts[0] != 12 or (np.diff(self._starts) <= 0).any():
            raise PackDamaged("its index names places that are none")
        types = self._headers(stored, name_size)
        self.roots, self.kinds = self._resolve(types)
        if end < 1 << 32:
            self._starts = self._starts.astype(np.uint32)

    def take_rows(self) -> NDArray[np.int32]:
        """Which of the `names` each entry has. Millions of numbers that are needed once: afterwards they are gone."""
        rows, self._rows = self._rows, self._rows[:0]
        return rows

    def _headers(self, stored: NDArray[np.uint8], name_size: int) -> NDArray[np.uint8]:
        """Size, start of the data and base of every entry, all at once; returns their types (0: unreadable)."""
        starts = self._starts[:-1]
        first = stored[starts]
        types = (first >> 4) & 7
        sizes = (first & 15).astype(np.int64)
        at = starts + 1
        more = np.flatnonzero(first & 128)
        for shift in range(4, 60, 7):
            if not len(more):
                break
            byte = stored[at[more]]
            sizes[more] |= (byte & 127).astype(np.int64) << shift
            at[more] += 1
            more = more[(byte & 128) != 0]
        types[more] = 0
        bases = np.full(self.count, _NONE, np.int32)
        self._offset_bases(stored, np.flatnonzero(types == _OFS_DELTA), at, bases)
        named = np.flatnonzero(types == _REF_DELTA)
        if len(named):
            bases[named] = self._named_bases(stored, at[named], name_size)
            at[named] += name_size
        types[at >= self._starts[1:]] = 0
        self.sizes = np.minimum(sizes, _ABSURD).astype(np.int32)
        self._heads = (at - starts).astype(np.uint8)  # the longest has 9 + 32 bytes
        self.bases = bases
        return np.asarray(types)

    def _offset_bases(self, stored: NDArray[np.uint8], deltas: Longs, at: Longs, bases: NDArray[np.int32]) -> None:
        if not len(deltas):
            return
        byte = stored[at[deltas]]
        away = (byte & 127).astype(np.int64)
        at[deltas] += 1
        more = np.flatnonzero(byte & 128)
        for _ in range(8):
            if not len(more):
                break
            byte = stored[at[deltas[more]]]
            away[more] = ((away[more] + 1) << 7) | (byte & 127)
            at[deltas[more]] += 1
            more = more[(byte & 128) != 0]
        away[more] = 0
        wanted = self._starts[deltas] - away
        found = np.searchsorted(self._starts, wanted)
        bases[deltas] = np.where((self._starts[found] == wanted) & (away > 0), found, _NOWHERE)

    def _named_bases(self, stored: NDArray[np.uint8], at: Longs, name_size: int) -> NDArray[np.int32]:
        """Bases that are given by name: a pack on disk holds them itself."""
        where = np.minimum(at[:, None] + np.arange(name_size), len(stored) - 1)
        table = Names(self.names)
        places = table.find(stored[where].tobytes())
        entries = np.full(len(self.names), _NOWHERE, np.int32)
        entries[self._rows] = np.arange(self.count, dtype=np.int32)
        by_place = np.full(len(table), _NOWHERE, np.int32)
        by_place[table.places] = entries
        return np.where(places < 0, _NOWHERE, by_place[places]).astype(np.int32)

    def _resolve(self, types: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
        """The root of every entry's delta chain, and by it its kind; 0 where the chain leads nowhere."""
        roots = np.where(self.bases < 0, np.arange(self.count, dtype=np.int32), self.bases)
        for _ in range(self.count.bit_length() + 1):  # each round doubles the reach; a circle never settles
            further = roots[roots]
            if np.array_equal(further, roots):
                break
            roots = further
        #: Entries built from themselves in the end: git would follow them until its memory is full.
        self.circular: NDArray[np.bool_] = self.bases[roots] >= 0
        whole = (self.bases[roots] == _NONE) & (types[roots] >= objects.COMMIT) & (types[roots] <= objects.TAG)
        whole &= (types == _OFS_DELTA) | (types == _REF_DELTA) | (roots == np.arange(self.count))
        return roots, np.where(whole, types[roots], 0).astype(np.int8)

    def stored(self) -> NDArray[Any]:
        """Compressed bytes of every entry."""
        return np.diff(self._starts)

    def with_bases(self, entries: Longs) -> Longs:
        """These entries and all that they are built from, ascending."""
        wanted = np.zeros(self.count, bool)
        while len(entries):
            wanted[entries] = True
            below = self.bases[entries]
            below = below[below >= 0]
            entries = np.unique(below[~wanted[below]])
        return np.flatnonzero(wanted)

    def rebuild(self, entries: NDArray[np.int32], places: list[int], failed: array[int]) -> Iterator[Entry]:
        """The objects of `entries`, which ascend and hold every base of a delta among them.

        `places` are theirs; an object whose place is -1 is built and not given out. The places of what cannot be
        rebuilt, and of what depends on it, go to `failed`.
        """
        forest = _Forest(self, self._map, entries, places, failed)
        kinds = self.kinds[entries].tolist()
        for root in forest.roots:
            data = forest.read(root)
            if data is None:
                continue
            if places[root] >= 0:
                yield places[root], kinds[root], data, 0, None
            if forest.bounds[root] != forest.bounds[root + 1]:
                yield from forest.grow(root, kinds[root], data)

    def where(self, entries: NDArray[np.int32]) -> tuple[list[int], list[int]]:
        """Where the data of each of these entries starts and where it ends."""
        return (self._starts[entries] + self._heads[entries]).tolist(), self._starts[entries + 1].tolist()


class _Forest:
    """The delta trees of some entries of a pack. Here an entry's number is its position among them."""

    def __init__(
        self, pack: Pack, stored: mmap.mmap, entries: NDArray[np.int32], places: list[int], failed: array[int]
    ) -> None:
        bases = pack.bases[entries]
        children = np.flatnonzero(bases >= 0)
        parents = np.searchsorted(entries, bases[children])
        starts = np.append(0, np.cumsum(np.bincount(parents, minlength=len(entries))))
        self.roots: list[int] = np.flatnonzero(bases < 0).tolist()
        #: All children, and where each one's own start among them.
        self.below: list[int] = children[np.argsort(parents, kind="stable")].tolist()
        self.bounds: list[int] = starts.tolist()
        self._view = memoryview(stored)
        self._at, self._ends = pack.where(entries)
        self._sizes: list[int] = pack.sizes[entries].tolist()
        self._places = places
        self._failed = failed

    def read(self, root: int) -> bytes | None:
        """An object that is stored whole; None when it cannot be read, which is noted."""
        try:
            if self._sizes[root] > objects.WINDOW:
                raise Broken
            return inflate(self._view[self._at[root] : self._ends[root]], self._sizes[root])
        except (Broken, MemoryError):
            self._lose(root)
            return None

    def grow(self, root: int, kind: int, base: bytes) -> Iterator[Entry]:
        """All objects that are built from this one, depth first."""
        below, bounds, places = self.below, self.bounds, self._places
        view, at, ends, sizes = self._view, self._at, self._ends, self._sizes
        limit = objects.WINDOW
        now, end = bounds[root], bounds[root + 1]
        stack: list[tuple[bytes, int, int]] = []  # bases further up whose next children wait
        held = 0
        while True:
            if now == end:
                if not stack:
                    return
                base, now, end = stack.pop()
                held -= len(base)
            child = below[now]
            now += 1
            try:
                if sizes[child] > limit or held > _MAX_HELD:
                    raise Broken
                delta = inflate(view[at[child] : ends[child]], sizes[child])
                # Behind the size of its base, which apply_delta checks, a delta states the size of its result. One that
                # is longer than three bytes is held against the limit before anything is built.
                stated = (len(base).bit_length() + 6) // 7 or 1
                if delta[stated] > 127 and delta[stated + 1] > 127 and delta[stated + 2] > 127:
                    _refuse_over(limit, delta, stated)
                (data,) = apply_delta(base, delta)
            except (Broken, ApplyDeltaError, IndexError, ValueError, MemoryError):
                self._lose(child)
                continue
            if places[child] >= 0:
                yield places[child], kind, data, 0, None
            if bounds[child] != bounds[child + 1]:
                if now != end:
                    stack.append((base, now, end))
                    held += len(base)
                base, now, end = data, bounds[child], bounds[child + 1]

    def _lose(self, top: int) -> None:
        """Note an entry and all that are built from it as failed."""
        stack = [top]
        while stack:
            one = stack.pop()
            if self._places[one] >= 0:
                self._failed.append(self._places[one])
            stack += self.below[self.bounds[one] : self.bounds[one + 1]]


def _refuse_over(limit: int, delta: bytes, at: int) -> None:
    """Broken when the size of its result that a delta states at this offset is above the limit."""
    size = shift = 0
    while delta[at] > 127:
        size |= (delta[at] & 127) << shift
        at += 1
        shift += 7
    if size | delta[at] << shift > limit:
        raise Broken
