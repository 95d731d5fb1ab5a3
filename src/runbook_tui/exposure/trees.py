"""Trees: which of them hold a hit, and under which paths.

Everything works by spreading sets until nothing changes, so damaged or forged trees (even circular ones) cannot make it
run for ever, and a tree that stands in a million places is looked at once.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runbook_tui.exposure.matcher import Matcher
from runbook_tui.exposure.model import MAX_PATH, Gaps
from runbook_tui.exposure.objects import TREE, Objects, Part
from runbook_tui.exposure.share import Found, Share

MAX_PATHS = 1000  # of one object
_AT_ONCE = 20_000  # entries that are looked up together
_ENTRIES = {
    # What is no entry is taken whole: else a tree without a NUL would be searched anew from each of its bytes.
    20: re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{20})|.+", re.DOTALL),
    32: re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{32})|.+", re.DOTALL),
}
_GITLINK = b"160000"


def entries(data: bytes, name_size: int) -> list[tuple[bytes, bytes, bytes]] | None:
    """(mode, file name, object name) of a tree's entries, or None when it is malformed."""
    found: list[tuple[bytes, bytes, bytes]] = _ENTRIES[name_size].findall(data)
    return None if found and not found[-1][0] else found


def is_gitlink(mode: bytes) -> bool:
    return mode == _GITLINK


class TreeSearch:
    """What every way of reading trees does with one of them: search its file names, look up what it names."""

    def __init__(self, objects: Objects, matcher: Matcher, hits: Collection[int] | None) -> None:
        """`hits`: the places of objects whose trees are wanted; None when no edges are to be gathered."""
        self._objects = objects
        self._matcher = matcher
        self._hits = hits
        self.suspicious = matcher.suspicious

    def add(self, place: int, data: bytes, share: Share) -> None:
        if self.suspicious(data):
            self.find(place, data, share)
        self.entry_by_entry(place, data, share)

    def finish(self, share: Share) -> None:
        """Nothing waits here."""

    def find(self, place: int, data: bytes, share: Share) -> None:
        """Search one tree. The bytes of object names in between could match by chance: only file names count."""
        if not (matches := self._matcher.find(data)):
            return
        found: dict[tuple[int, str], Found] = {}
        listed = entries(data, self._objects.name_size)
        if listed is None:  # what can be read of it still counts, so its bytes are searched like a file's
            for match in matches:
                found.setdefault((match.needle, match.form), Found(match.needle, match.form, place, TREE, 1))
        for position, (_, name, _) in enumerate(listed or (), 1):
            for match in self._matcher.find(name):
                key = (match.needle, match.form)
                before = found.get(key) or Found(match.needle, match.form, place, TREE, position)
                found[key] = before._replace(names=(*before.names, name))
        share.found += found.values()

    def entry_by_entry(self, place: int, data: bytes, share: Share) -> None:
        """Look up the names in one tree; a malformed one becomes a gap."""
        listed = entries(data, self._objects.name_size)
        if listed is None:
            share.gaps.append((f"tree {self._objects.name(place).hex()}", "malformed"))
            return
        found = self._objects.find(b"".join(child for _, _, child in listed))
        for there, (mode, name, child) in zip(found, listed, strict=True):
            if there < 0:
                if is_gitlink(mode):
                    share.gitlinks.add(name)
                else:
                    share.miss(child, "tree", self._objects.name(place))
            elif self._hits is not None and (self._objects.kind(there) == TREE or there in self._hits):
                share.edges[0].append(there)
                share.edges[1].append(place)


@dataclass
class Holders:
    """The trees that hold hits; objects are given by their places."""

    #: Hit -> all trees with it inside, at any depth (a hit that is a tree is among its own).
    by_hit: dict[int, set[int]] = field(default_factory=dict)
    #: Tree or hit -> where it stands; a tree's paths end in `/` (or are empty for a top).
    paths: dict[int, set[bytes]] = field(default_factory=dict)


def find_holders(objects: Objects, hits: Collection[int], children: array[int], trees: array[int]) -> Holders:
    """The trees that hold the `hits` (blobs or trees), by the edges of all trees."""
    above: dict[int, list[int]] = {}
    for child, tree in _leading_to(objects, hits, children, trees):
        above.setdefault(child, []).append(tree)
    found = Holders()
    for hit in hits:
        holding = {hit} if objects.kind(hit) == TREE else set()
        stack = [hit]
        while stack:
            for tree in above.get(stack.pop(), ()):
                if tree not in holding:
                    holding.add(tree)
                    stack.append(tree)
        found.by_hit[hit] = holding
    return found


def _leading_to(
    objects: Objects, hits: Collection[int], children: array[int], trees: array[int]
) -> Iterable[tuple[int, int]]:
    """The edges on the way to any of the hits; without numpy all edges, which are no wrong answer."""
    if objects.names is None:
        return zip(children, trees, strict=True)
    import numpy as np

    below, above = np.frombuffer(children, np.int64), np.frombuffer(trees, np.int64)
    holding = np.zeros(len(objects.names), bool)
    holding[list(hits)] = True
    while True:
        fresh = above[holding[below] & ~holding[above]]
        if not len(fresh):
            break
        holding[fresh] = True
    kept = holding[below]
    return zip(below[kept].tolist(), above[kept].tolist(), strict=True)


#: Reads parts of a store: (part) -> (place, kind, data) of whole objects.
Reading = Callable[[Sequence[Part]], Iterator[tuple[int, int, bytes]]]


def find_paths(objects: Objects, read: Reading, holders: Holders, tops: Iterable[int], gaps: Gaps) -> None:
    """Fill in `holders.paths`, starting from `tops` (trees of commits, and trees that refs or tags name).

    Where no top leads, the paths are relative to a tree that no other tree holds.
    """
    trees = set().union(*holders.by_hit.values())
    below: dict[int, list[tuple[bytes, int]]] = {}
    held: set[int] = set()

    def look_up(standing: list[tuple[int, bytes, bytes]]) -> None:
        places = objects.find(b"".join([raw for _, _, raw in standing]))
        for child, (tree, name, _) in zip(places, standing, strict=True):
            if child in trees:
                below.setdefault(tree, []).append((name + b"/", child))
                held.add(child)
            elif child in holders.by_hit:
                below.setdefault(tree, []).append((name, child))

    waiting: list[tuple[int, bytes, bytes]] = []  # tree, file name, object name
    for tree, _, data in read(objects.parts_of(trees)):
        waiting += [(tree, name, raw) for _, name, raw in entries(data, objects.name_size) or ()]
        if len(waiting) > _AT_ONCE:
            look_up(waiting)
            waiting = []
    look_up(waiting)
    proper, cut = _spread(set(tops) & trees, below, trees)
    stray, cut_too = _spread(trees - held - set(tops), below, trees)
    holders.paths = stray | proper
    if cut or cut_too:
        gaps.add("paths of some hits", f"more than {MAX_PATHS} of one object, or longer than {MAX_PATH} bytes")


def _spread(
    tops: set[int], below: Mapping[int, list[tuple[bytes, int]]], trees: set[int]
) -> tuple[dict[int, set[bytes]], bool]:
    """Object -> its paths from the `tops`, and whether some had to be left out."""
    paths: dict[int, set[bytes]] = {tree: {b""} for tree in tops}
    stack = [(tree, b"") for tree in tops]
    cut = False
    while stack:
        tree, path = stack.pop()
        for name, child in below.get(tree, ()):
            known = paths.setdefault(child, set())
            longer = path + name
            if longer in known:
                continue
            if len(known) >= MAX_PATHS or len(longer) > MAX_PATH:
                cut = True
                continue
            known.add(longer)
            if child in trees:
                stack.append((child, longer))
    return paths, cut


def tree_paths(paths: Mapping[int, set[bytes]], tree: int, names: Iterable[bytes]) -> list[bytes]:
    """Full paths of entries of a tree."""
    return [path + name for path in paths.get(tree, {b""}) for name in names]
