"""Commits and tags as a graph, and which hits each of them leads back to.

A node is a commit or a tag object; its parents are a commit's parents or a tag's target. Sets of hits are integers used
as bit sets: bit `i` stands for hit object `i`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runbook_tui.exposure.model import Mark

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


class Graph:
    """All commits and tags of one store."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, Node] = {}
        self._people: dict[bytes, bytes] = {}

    def add(self, name: bytes, kind: str, data: bytes) -> None:
        """Take in a commit or tag object; a header that makes no sense is left out of the node, not refused."""
        fields: dict[bytes, bytes] = {}
        parents = []
        for line in data.partition(b"\n\n")[0].split(b"\n"):
            key, _, value = line.partition(b" ")
            if key == b"parent":
                parents.append(_name(value))
            elif key and key not in fields:
                fields[key] = value
        if kind == "commit":
            author, _ = self._signature(fields.get(b"author", b""))
            _, time = self._signature(fields.get(b"committer", b""))
            self.nodes[name] = Node(tuple(filter(None, parents)), _name(fields.get(b"tree", b"")), author, time)
            return
        author, time = self._signature(fields.get(b"tagger", b""))
        target = _name(fields.get(b"object", b""))
        on_node = fields.get(b"type") in (b"commit", b"tag")
        self.nodes[name] = Node((target,) if on_node and target else (), b"" if on_node else target, author, time)

    def _signature(self, value: bytes) -> tuple[bytes, int | None]:
        match = _TIME.match(value)
        if match is None:
            return self._people.setdefault(value, value), None
        time = int(match[2])
        return self._people.setdefault(match[1], match[1]), time if 0 <= time <= _LATEST else None

    def children(self) -> dict[bytes, list[bytes]]:
        """Name -> names of the nodes that have it as a parent."""
        found: dict[bytes, list[bytes]] = {}
        for name, node in self.nodes.items():
            for parent in node.parents:
                found.setdefault(parent, []).append(name)
        return found

    def first(self, holders: set[bytes]) -> list[bytes]:
        """The commits among `holders` none of whose parents is one; a tag is first only where no commit is."""
        return self._commits(name for name in holders if not any(p in holders for p in self.nodes[name].parents))

    def last(self, holders: set[bytes], children: Mapping[bytes, list[bytes]]) -> list[bytes]:
        """The commits among `holders` none of whose children is one."""
        return self._commits(name for name in holders if not any(c in holders for c in children.get(name, ())))

    def _commits(self, names: Iterable[bytes]) -> list[bytes]:
        return sorted(names, key=lambda name: (self.nodes[name].time or 0, name))

    def reaching(self, own: Mapping[bytes, int], children: Mapping[bytes, list[bytes]]) -> dict[bytes, int]:
        """Name -> the hits that the node or anything in its past holds; nodes without any are left out.

        Walks only the future of the nodes in `own`, parents before children.
        """
        future = set(own)
        stack = list(own)
        while stack:
            for child in children.get(stack.pop(), ()):
                if child not in future:
                    future.add(child)
                    stack.append(child)
        waiting = {name: sum(parent in future for parent in self.nodes[name].parents) for name in future}
        ready = [name for name, count in waiting.items() if count == 0]
        reached: dict[bytes, int] = {}
        while ready:
            name = ready.pop()
            mask = own.get(name, 0)
            for parent in self.nodes[name].parents:
                past = reached.get(parent, 0)
                if past | mask != mask:
                    mask = past if past | mask == past else past | mask  # the same integer is shared where possible
            reached[name] = mask
            for child in children.get(name, ()):
                waiting[child] -= 1
                if waiting[child] == 0:
                    ready.append(child)
        return reached


def _name(text: bytes) -> bytes:
    """A raw object name from its hex form; empty when it is none."""
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""
