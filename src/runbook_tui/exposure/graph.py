"""Commits and tags as a graph, and which hits each of them leads back to.

A node is a commit or a tag object; its parents are a commit's parents or a tag's target. Sets of hits are integers used
as bit sets: bit `i` stands for hit object `i`.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from runbook_tui.exposure.model import Mark

NOTHING = -1  # no place; no time
_TIME = re.compile(rb"(.*?) ?(-?\d{1,20}) [+-]\d{1,6}$", re.DOTALL)
_LATEST = 253402300799  # the end of the year 9999


@dataclass(frozen=True, slots=True)
class Node:
    """A commit or tag. `content` is a commit's tree, or the tree or blob a tag stands on; empty when there is none."""

    parents: tuple[bytes, ...]
    content: bytes
    author: bytes
    time: int | None

    def mark(self, name: bytes) -> Mark:
        return Mark(name.hex(), self.author.decode("utf-8", "replace"), self.time)


def parse_node(kind: str, data: bytes) -> Node:
    """A commit or tag object; a header that makes no sense is left out of the node, not refused."""
    fields: dict[bytes, bytes] = {}
    parents = []
    for line in data.partition(b"\n\n")[0].split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"parent":
            parents.append(_name(value))
        elif key and key not in fields:
            fields[key] = value
    if kind == "commit":
        author, _ = _signature(fields.get(b"author", b""))
        _, time = _signature(fields.get(b"committer", b""))
        return Node(tuple(filter(None, parents)), _name(fields.get(b"tree", b"")), author, time)
    author, time = _signature(fields.get(b"tagger", b""))
    target = _name(fields.get(b"object", b""))
    on_node = fields.get(b"type") in (b"commit", b"tag")
    return Node((target,) if on_node and target else (), b"" if on_node else target, author, time)


def _signature(value: bytes) -> tuple[bytes, int | None]:
    match = _TIME.match(value)
    if match is None:
        return value, None
    time = int(match[2])
    return match[1], time if 0 <= time <= _LATEST else None


def _name(text: bytes) -> bytes:
    """A raw object name from its hex form; empty when it is none."""
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""


@dataclass(slots=True)
class NodeList:
    """Nodes as columns, small enough to travel between processes; objects are given by their places."""

    places: array[int] = field(default_factory=lambda: array("q"))
    contents: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    counts: array[int] = field(default_factory=lambda: array("q"))  # of parents
    parents: array[int] = field(default_factory=lambda: array("q"))  # of all nodes, one after the other

    def extend(self, other: NodeList) -> None:
        for mine, more in (
            (self.places, other.places),
            (self.contents, other.contents),
            (self.times, other.times),
            (self.counts, other.counts),
            (self.parents, other.parents),
        ):
            mine.extend(more)


class Graph:
    """All commits and tags of one store. Nodes are numbered from 0."""

    def __init__(self, nodes: NodeList) -> None:
        self.places = nodes.places.tolist()
        self.numbers = {place: number for number, place in enumerate(self.places)}
        self.contents = nodes.contents.tolist()
        self._times = nodes.times
        self.parents: list[tuple[int, ...]] = []
        self.children: dict[int, list[int]] = {}
        number = self.numbers.get
        given = nodes.parents.tolist()
        start = 0
        for node, count in enumerate(nodes.counts):
            found = tuple(parent for place in given[start : start + count] if (parent := number(place)) is not None)
            start += count
            self.parents.append(found)
            for parent in found:
                self.children.setdefault(parent, []).append(node)

    def first(self, holders: Collection[int]) -> list[int]:
        """The nodes among `holders` none of whose parents is one, earliest first."""
        return self._by_time(node for node in holders if not any(p in holders for p in self.parents[node]))

    def last(self, holders: Collection[int]) -> list[int]:
        """The nodes among `holders` none of whose children is one, earliest first."""
        return self._by_time(node for node in holders if not any(c in holders for c in self.children.get(node, ())))

    def _by_time(self, nodes: Iterable[int]) -> list[int]:
        # Places are in the order of names, so the order is the same on every run.
        return sorted(nodes, key=lambda node: (max(self._times[node], 0), self.places[node]))

    def reaching(self, own: Mapping[int, int]) -> dict[int, int]:
        """Node -> the hits that it or anything in its past holds; nodes without any are left out.

        Walks only the future of the nodes in `own`, parents before children.
        """
        future = set(own)
        stack = list(own)
        while stack:
            for child in self.children.get(stack.pop(), ()):
                if child not in future:
                    future.add(child)
                    stack.append(child)
        waiting = {node: sum(parent in future for parent in self.parents[node]) for node in future}
        ready = [node for node, count in waiting.items() if count == 0]
        reached: dict[int, int] = {}
        while ready:
            node = ready.pop()
            mask = own.get(node, 0)
            for parent in self.parents[node]:
                past = reached.get(parent, 0)
                if past | mask != mask:
                    mask = past if past | mask == past else past | mask  # the same integer is shared where possible
            reached[node] = mask
            for child in self.children.get(node, ()):
                waiting[child] -= 1
                if waiting[child] == 0:
                    ready.append(child)
        return reached
