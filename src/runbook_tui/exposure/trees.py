"""Trees: which of them hold a hit, and under which paths.

Everything works by spreading sets until nothing changes, so damaged or forged trees (even circular ones) cannot make it
run for ever, and a tree that stands in a million places is looked at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runbook_tui.exposure.model import MAX_PATH, Gaps
from runbook_tui.exposure.objects import Objects

MAX_PATHS = 1000  # of one object
_ENTRIES = {
    # What is no entry is taken whole: else a tree without a NUL would be searched anew from each of its bytes.
    20: re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{20})|.+", re.DOTALL),
    32: re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{32})|.+", re.DOTALL),
}
_TREE = b"40000"
_GITLINK = b"160000"


def entries(data: bytes, name_size: int) -> list[tuple[bytes, bytes, bytes]] | None:
    """(mode, file name, object name) of a tree's entries, or None when it is malformed."""
    found: list[tuple[bytes, bytes, bytes]] = _ENTRIES[name_size].findall(data)
    return None if found and not found[-1][0] else found


def is_tree(mode: bytes) -> bool:
    return mode.lstrip(b"0") == _TREE


def is_gitlink(mode: bytes) -> bool:
    return mode == _GITLINK


@dataclass
class Holders:
    """The trees that hold hits."""

    #: Hit object -> all trees with it inside, at any depth (a hit that is a tree is among its own).
    by_hit: dict[bytes, set[bytes]] = field(default_factory=dict)
    #: Tree or hit object -> where it stands; a tree's paths end in `/` (or are empty for a top).
    paths: dict[bytes, set[bytes]] = field(default_factory=dict)


def find_holders(objects: Objects, hits: Iterable[bytes], name_size: int) -> Holders:
    """Read every tree once and find the ones that hold one of the `hits` (blobs or trees)."""
    wanted = set(hits)
    above: dict[bytes, list[bytes]] = {}
    for piece in objects.read(name for name, kind in objects.types.items() if kind == "tree"):
        for mode, _, child in entries(piece.data, name_size) or ():
            if child in wanted or is_tree(mode):
                above.setdefault(child, []).append(piece.name)
    found = Holders()
    for hit in wanted:
        holding = {hit} if objects.types.get(hit) == "tree" else set()
        stack = [hit]
        while stack:
            for tree in above.get(stack.pop(), ()):
                if tree not in holding:
                    holding.add(tree)
                    stack.append(tree)
        found.by_hit[hit] = holding
    return found


def find_paths(objects: Objects, holders: Holders, tops: Iterable[bytes], name_size: int, gaps: Gaps) -> None:
    """Fill in `holders.paths`, starting from `tops` (trees of commits, and trees that refs or tags name).

    Where no top leads, the paths are relative to a tree that no other tree holds.
    """
    trees = set().union(*holders.by_hit.values())
    below: dict[bytes, list[tuple[bytes, bytes]]] = {}
    held: set[bytes] = set()
    for piece in objects.read(trees):
        for mode, name, child in entries(piece.data, name_size) or ():
            if child in trees and is_tree(mode):
                below.setdefault(piece.name, []).append((name + b"/", child))
                held.add(child)
            elif child in holders.by_hit:
                below.setdefault(piece.name, []).append((name, child))
    proper, cut = _spread(set(tops) & trees, below, trees)
    stray, cut_too = _spread(trees - held - set(tops), below, trees)
    holders.paths = stray | proper
    if cut or cut_too:
        gaps.add("paths of some hits", f"more than {MAX_PATHS} of one object, or longer than {MAX_PATH} bytes")


def _spread(
    tops: set[bytes], below: Mapping[bytes, list[tuple[bytes, bytes]]], trees: set[bytes]
) -> tuple[dict[bytes, set[bytes]], bool]:
    """Object -> its paths from the `tops`, and whether some had to be left out."""
    paths: dict[bytes, set[bytes]] = {tree: {b""} for tree in tops}
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


def tree_paths(paths: Mapping[bytes, set[bytes]], tree: bytes, names: Iterable[bytes]) -> list[bytes]:
    """Full paths of entries of a tree."""
    return [path + name for path in paths.get(tree, {b""}) for name in names]
