"""Many trees at once: their entries are found and their names looked up by numpy, not one by one.

A tree is a row of entries: mode in octal digits, space, file name, NUL, object name (gitformat-pack(5) calls it the
tree object's format in git-ls-tree's terms). So an entry ends a fixed number of bytes behind the NUL of its file name,
and a NUL is that of a file name unless it stands within an object name.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from runbook_tui.exposure.names import Keys, Longs, Names
from runbook_tui.exposure.objects import TREE
from runbook_tui.exposure.share import Share
from runbook_tui.exposure.trees import TreeSearch

_BATCH = 2 << 20  # bytes of trees
_PADDING = 8  # bytes behind the last tree, so that eight bytes can be read from each of its own
_ROUNDS = 64  # NULs one close after the other that are sorted out here; a tree with more is read entry by entry
_FIVE_DIGITS, _IN_OCTAL = np.uint64(0x3030303030), np.uint64(0xF8F8F8F8F8)
_GITLINK = np.uint64(int.from_bytes(b"160000", "little"))
_SIX = np.uint64((1 << 48) - 1)


class BulkTrees:
    """The trees of one part."""

    def __init__(self, search: TreeSearch, names: Names, hits: Collection[int] | None) -> None:
        """Without `hits` (places) no edges are gathered."""
        self._search = search
        self._names = names
        self._wanted: NDArray[np.bool_] | None = None
        if hits is not None:
            self._wanted = names.kinds == TREE
            self._wanted[list(hits)] = True
        self._size = names.name_size
        self._slots = np.empty(1 << 16, np.int64)
        self._places: list[int] = []
        self._trees: list[bytes] = []
        self._waiting = 0

    def add(self, place: int, data: bytes, share: Share) -> None:
        self._places.append(place)
        self._trees.append(data)
        self._waiting += len(data)
        if self._waiting > _BATCH:
            self.finish(share)

    def finish(self, share: Share) -> None:
        """Look at all trees that wait."""
        joined = b"".join([*self._trees, bytes(_PADDING)])
        if self._search.suspicious(joined):
            for place, data in zip(self._places, self._trees, strict=True):
                self._search.find(place, data, share)
        if self._trees:
            self._look(joined, share)
        self._places, self._trees, self._waiting = [], [], 0

    def _look(self, joined: bytes, share: Share) -> None:
        content = np.frombuffer(joined, np.uint8)
        ends = np.cumsum([len(data) for data in self._trees])
        starts = np.append(0, ends[:-1])
        stops, begins, heads = self._entries(content, len(joined) - _PADDING)
        counts = np.diff(np.searchsorted(stops, ends), prepend=0)
        trees = np.repeat(np.arange(len(ends)), counts)
        good = self._well_formed(starts, ends, stops, begins, heads, trees, counts)
        if not good.all():
            for number in np.flatnonzero(~good).tolist():
                self._search.entry_by_entry(self._places[number], self._trees[number], share)
            right = good[trees]
            stops, begins, heads, trees = stops[right], begins[right], heads[right], trees[right]
        places = self._find(content, stops)
        for one in np.flatnonzero(places < 0).tolist():
            stop = int(stops[one])
            if heads[one] & _SIX == _GITLINK:
                share.gitlinks.add(joined[int(begins[one]) + 7 : stop])
            else:
                by = self._names.name(self._places[int(trees[one])])
                share.miss(joined[stop + 1 : stop + 1 + self._size], "tree", by)
        if self._wanted is not None:
            kept = np.flatnonzero((places >= 0) & self._wanted[places])
            share.edges[0].frombytes(places[kept].tobytes())
            share.edges[1].frombytes(np.array(self._places, np.int64)[trees[kept]].tobytes())

    def _entries(self, content: NDArray[np.uint8], length: int) -> tuple[Longs, Longs, NDArray[np.uint64]]:
        """Of each entry the NUL behind its file name, its start, and its first eight bytes."""
        nuls = np.flatnonzero(content[:length] == 0)
        kept = np.ones(len(nuls), bool)
        # A NUL close behind that of a file name stands in an object name. Where several are close to each other, each
        # is held against the last one that is kept.
        near = np.flatnonzero(np.diff(nuls) <= self._size) + 1
        first = near[np.diff(near, prepend=-1) > 1] if len(near) else near
        last = first - 1
        for _ in range(_ROUNDS):
            if not len(first):
                break
            inside = nuls[first] - nuls[last] <= self._size
            kept[first[inside]] = False
            last = np.where(inside, last, first)
            first = first + 1
            more = first < len(nuls)
            more[more] = nuls[first[more]] - nuls[first[more] - 1] <= self._size
            first, last = first[more], last[more]
        stops = nuls[kept]
        begins = np.append(0, stops[:-1] + self._size + 1)[: len(stops)]
        return stops, begins, _eight(content, begins, "<u8")

    def _well_formed(
        self,
        starts: Longs,
        ends: Longs,
        stops: Longs,
        begins: Longs,
        heads: NDArray[np.uint64],
        trees: Longs,
        counts: Longs,
    ) -> NDArray[np.bool_]:
        """Which trees are rows of entries from their first byte to their last."""
        sixth, seventh = (heads >> np.uint64(40)) & np.uint64(255), (heads >> np.uint64(48)) & np.uint64(255)
        short = (sixth == 32) & (stops > begins + 6)
        long = ((sixth & np.uint64(0xF8)) == 0x30) & (seventh == 32) & (stops > begins + 7)
        right = ((heads & _IN_OCTAL) == _FIVE_DIGITS) & (short | long)
        good: NDArray[np.bool_] = np.asarray(counts > 0)
        good[trees[~right]] = False
        first = np.cumsum(counts) - counts
        some = np.flatnonzero(counts)
        good[some] &= begins[first[some]] == starts[some]
        good[some] &= stops[first[some] + counts[some] - 1] + self._size + 1 == ends[some]
        good[starts == ends] = True
        return good

    def _find(self, content: NDArray[np.uint8], stops: Longs) -> Longs:
        if not self._names.ambiguous:
            return self._find_keys(_eight(content, stops + 1, ">u8").astype(np.uint64))
        return self._names.find(content[(stops + 1)[:, None] + np.arange(self._size)].tobytes())

    def _find_keys(self, keys: Keys) -> Longs:
        """Neighbouring trees name mostly the same: of equal names in a batch one is looked up."""
        slots = (keys >> np.uint64(48)).astype(np.intp)
        numbers = np.arange(len(keys))
        self._slots[slots] = numbers
        chosen = self._slots[slots]  # of all names in a slot one
        alone = np.flatnonzero(chosen == numbers)
        found = np.empty(len(keys), np.int64)
        found[alone] = self._names.find_keys(keys[alone])
        found = found[chosen]
        other = np.flatnonzero(keys[chosen] != keys)
        found[other] = self._names.find_keys(keys[other])
        return found


def _eight(content: NDArray[np.uint8], at: Longs, order: str) -> NDArray[np.uint64]:
    """Eight bytes from each of these offsets as a number."""
    everywhere: NDArray[np.uint64] = np.ndarray((len(content) - 7,), order, content, strides=(1,))
    return everywhere[at]
