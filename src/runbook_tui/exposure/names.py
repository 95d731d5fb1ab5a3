"""A sorted table of object names: which of many names are there, and of what kind, all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.uint8]  # (count, name size)
Longs = NDArray[np.int64]
Keys = NDArray[np.uint64]  # the first eight bytes of names

_ROUNDS = 64  # names that are passed one by one; hashes put a few where one is looked for


class Names:
    """Names of equal length. A name's *place* is its number in their order."""

    def __init__(self, *sources: Rows) -> None:
        """Rows in any order, which are read where they are; of a name that stands twice one is kept."""
        self._sources = sources
        self._bounds = np.cumsum([0, *(len(rows) for rows in sources)])
        keys = np.concatenate([keys_of(rows) for rows in sources])
        order = np.argsort(keys, kind="stable")  # quick where the names are sorted already, as those of an index are
        keys = keys[order]
        #: Two names begin with the same eight bytes (never by chance): only whole names tell them apart.
        self.ambiguous = False
        again = np.zeros(len(keys), bool)
        near = np.flatnonzero(keys[1:] == keys[:-1])
        if len(near):
            # Names with equal keys stand together; only among them the rest of the name decides.
            group = np.unique(np.concatenate([near, near + 1]))
            members = order[group]
            order[group] = members[np.lexsort(self._given(members).T[::-1])]
            same = (self._given(order[near]) == self._given(order[near + 1])).all(axis=1)
            again[near[same] + 1] = True
            self.ambiguous = not bool(same.all())
        self._rows = (order[~again] if len(near) else order).astype(np.int32)  # place -> row as it was given
        self._keys: Keys = keys[~again] if len(near) else keys
        #: Row as it was given -> its place.
        self.places = np.empty(len(keys), np.int32)
        self.places[order] = np.cumsum(~again, dtype=np.int32) - 1
        #: The kind of each, by place; 0 where nobody said.
        self.kinds = np.zeros(len(self._keys), np.int8)
        bits = max(len(self._keys).bit_length(), 1)
        self._shift = np.uint64(64 - bits)
        edges = np.arange((1 << bits) + 1, dtype=np.uint64)[:-1] << self._shift
        self._starts = np.append(np.searchsorted(self._keys, edges), len(self._keys)).astype(np.int32)

    @property
    def name_size(self) -> int:
        return int(self._sources[0].shape[1])

    def _given(self, numbers: NDArray[Any]) -> Rows:
        """Copies of the rows with these numbers, all sources counted through."""
        if len(self._sources) == 1:
            rows: Rows = self._sources[0][numbers]
            return rows
        found = np.empty((len(numbers), self.name_size), np.uint8)
        of = np.searchsorted(self._bounds, numbers, side="right") - 1
        for source in np.unique(of).tolist():
            here = of == source
            found[here] = self._sources[source][numbers[here] - self._bounds[source]]
        return found

    def __len__(self) -> int:
        return len(self._keys)

    def name(self, place: int) -> bytes:
        return self._given(self._rows[place : place + 1]).tobytes()

    def find_keys(self, keys: Keys) -> Longs:
        """The place of the first name that begins with each key, -1 where none does."""
        bucket = (keys >> self._shift).astype(np.intp)
        places = self._starts[bucket].astype(np.int64)
        ends = self._starts[bucket + 1]
        found = np.full(len(keys), -1, np.int64)
        pending = np.flatnonzero(places < ends)
        rounds = 0
        while len(pending):
            here = places[pending]
            there = self._keys[here]
            same = there == keys[pending]
            found[pending[same]] = here[same]
            more = (there < keys[pending]) & (here + 1 < ends[pending])
            pending = pending[more]
            places[pending] += 1
            rounds += 1
            if rounds == _ROUNDS and len(pending):  # names that nobody's hash made
                first = np.minimum(np.searchsorted(self._keys, keys[pending]), len(self) - 1)
                found[pending] = np.where(self._keys[first] == keys[pending], first, -1)
                break
        return found

    def find(self, joined: bytes) -> Longs:
        """The place of each name in `joined` (names one after the other), -1 for those that are not there."""
        asked = np.frombuffer(joined, np.uint8).reshape(-1, self.name_size)
        places = self.find_keys(keys_of(asked))
        found = np.full(len(asked), -1, np.int64)
        pending = np.flatnonzero(places >= 0)
        ends = places + 1
        if self.ambiguous:  # names that share their first eight bytes stand together, in order
            ends[pending] = np.searchsorted(self._keys, self._keys[places[pending]], side="right")
        while len(pending):
            here = (places[pending] + ends[pending]) // 2
            differ = self._given(self._rows[here]) != asked[pending]
            same = ~differ.any(axis=1)
            found[pending[same]] = here[same]
            column = differ.argmax(axis=1)[:, None]
            less = np.take_along_axis(self._given(self._rows[here]) < asked[pending], column, axis=1)[:, 0]
            places[pending[less]] = here[less] + 1
            ends[pending[~less]] = here[~less]
            pending = pending[~same & (places[pending] < ends[pending])]
        return found


def keys_of(rows: Rows) -> Keys:
    """The first eight bytes of each row as a number that sorts like them."""
    first = np.ascontiguousarray(rows[:, :8])
    return first.view(">u8").reshape(len(rows)).astype(np.uint64)
