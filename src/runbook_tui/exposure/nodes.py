"""Commits and tags as they are read: their columns for the graph, and what they name that is not there."""

from __future__ import annotations

import re
from collections.abc import Collection

from runbook_tui.exposure.graph import NOTHING, NodeList, parse_node
from runbook_tui.exposure.objects import COMMIT, KINDS, Objects
from runbook_tui.exposure.share import Share

# Headers as every git writes them; the time is the committer's. Anything else is parsed line by line.
_COMMIT = re.compile(
    rb"tree ([0-9a-f]{40}(?:[0-9a-f]{24})?)\n((?:parent [0-9a-f]{40}(?:[0-9a-f]{24})?\n)*)"
    rb"author [^\n]*\ncommitter [^\n]*> (\d{1,11}) [+-]\d{4}\n"
)


class NodeReader:
    """The commits and tags of one part."""

    def __init__(self, objects: Objects, shallow: Collection[int]) -> None:
        """`shallow`: the places of commits whose parents were never fetched."""
        self._objects = objects
        self._shallow = shallow
        self._digits = 2 * objects.name_size
        self._none = b"0" * self._digits
        self._list = NodeList()
        self._names: list[bytes] = []  # hexadecimal: of each node its content and its parents
        self._without: set[int] = set()  # numbers of nodes that have no content

    def add(self, place: int, kind: int, data: bytes, share: Share) -> None:
        match = _COMMIT.match(data) if kind == COMMIT else None
        # A parent further down (more likely a line of the message) is for the slow way to judge.
        if match is None or len(match[1]) != self._digits or data.find(b"\nparent ", match.end() - 1) >= 0:
            self._add_slowly(place, kind, data, share)
            return
        parents = match[2].replace(b"parent ", b"").replace(b"\n", b"")
        if len(parents) % self._digits:
            self._add_slowly(place, kind, data, share)
            return
        self._names += (match[1], parents)
        self._append(place, int(match[3]), len(parents) // self._digits)

    def _add_slowly(self, place: int, kind: int, data: bytes, share: Share) -> None:
        node = parse_node(KINDS[kind], data)
        if not node.content and kind == COMMIT:
            commit = self._objects.name(place).hex()
            share.gaps.append((f"commit {commit}", "it names no tree: the object is malformed"))
        fits = [len(name) == self._objects.name_size for name in (node.content, *node.parents)]
        for name, fitting in zip((node.content, *node.parents), fits, strict=True):
            if name and not fitting:
                share.miss(name, KINDS[kind], self._objects.name(place))
        if not fits[0]:
            self._without.add(len(self._list.places))
        parents = [name.hex().encode() for name, fitting in zip(node.parents, fits[1:], strict=True) if fitting]
        self._names += (node.content.hex().encode() if fits[0] else self._none, *parents)
        self._append(place, NOTHING if node.time is None else node.time, len(parents))

    def _append(self, place: int, time: int, parents: int) -> None:
        self._list.places.append(place)
        self._list.times.append(time)
        self._list.counts.append(parents)

    def finish(self, share: Share) -> None:
        """Look up all names at once."""
        joined = bytes.fromhex(b"".join(self._names).decode("ascii"))
        found = self._objects.find(joined)
        size = self._objects.name_size
        at = 0
        for number, (place, count) in enumerate(zip(self._list.places, self._list.counts, strict=True)):
            end = at + 1 + count
            absent = number in self._without
            self._list.contents.append(NOTHING if absent else found[at])
            self._list.parents.extend(found[at + 1 : end])
            if NOTHING in found[at:end]:
                last = at + 1 if place in self._shallow else end
                for one in range(at + absent, last):
                    if found[one] == NOTHING:
                        kind = KINDS[self._objects.kind(place)]
                        share.miss(joined[one * size : (one + 1) * size], kind, self._objects.name(place))
            at = end
        share.nodes.extend(self._list)
