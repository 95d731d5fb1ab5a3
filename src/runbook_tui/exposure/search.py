"""The one pass over all objects: every form of every value is looked for, and what is missing is noticed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook_tui.exposure.forms import Forms, Match
from runbook_tui.exposure.graph import Graph
from runbook_tui.exposure.model import Gaps
from runbook_tui.exposure.objects import Objects, Piece
from runbook_tui.exposure.trees import entries, is_gitlink

_PROGRESS_EVERY = 2000  # objects
_LFS_LIMIT = 1024
_LFS_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n")


@dataclass(frozen=True, slots=True)
class Found:
    """The first place of one form of one value in one object."""

    needle: int
    form: str
    object: bytes
    type: str
    line: int
    names: tuple[bytes, ...] = ()  # tree: the entry names that hold the value


@dataclass
class Sweep:
    """What one pass over a store brought in."""

    graph: Graph = field(default_factory=Graph)
    found: dict[tuple[bytes, int, str], Found] = field(default_factory=dict)
    missing: dict[bytes, str] = field(default_factory=dict)  # object -> who names it ("commit 1234…")
    gitlinks: set[bytes] = field(default_factory=set)  # file names under which trees hold a submodule
    lfs: set[bytes] = field(default_factory=set)  # SHA-256 of contents kept outside the repository
    objects: int = 0
    bytes: int = 0


def sweep(
    objects: Objects,
    forms: Forms,
    name_size: int,
    shallow: frozenset[bytes],
    gaps: Gaps,
    progress: Callable[[dict[str, Any]], None],
) -> Sweep:
    """Read every object once, search it, and take in commits, tags and what trees name."""
    result = Sweep()
    lines: dict[bytes, tuple[int, int]] = {}  # windowed blob -> (offset, line there)
    for piece in objects.read(objects.types):
        if piece.offset == 0:
            result.objects += 1
            if result.objects % _PROGRESS_EVERY == 0:
                progress({"phase": "searching", "objects": result.objects, "total": len(objects.types)})
        result.bytes += len(piece.data)
        matches = forms.find(piece.data)
        if piece.type == "tree":
            _tree(result, objects, piece, name_size, forms, matches, gaps)
            continue
        for match in matches:
            key = (piece.name, match.needle, match.form)
            if key not in result.found:
                line = _line(piece, match.start, lines)
                result.found[key] = Found(match.needle, match.form, piece.name, piece.type, line)
        if piece.type == "blob":
            if len(piece.data) <= _LFS_LIMIT and (pointer := _LFS_POINTER.match(piece.data)):
                result.lfs.add(pointer[1])
            _remember_line(piece, lines)
        else:
            result.graph.add(piece.name, piece.type, piece.data)
            _check_node(result, objects, piece, shallow, gaps)
    return result


def _line(piece: Piece, start: int, lines: dict[bytes, tuple[int, int]]) -> int:
    offset, line = lines.get(piece.name, (0, 1))
    if offset != piece.offset:  # an object read again after git gave up on it in the middle
        offset, line = piece.offset, 1
    return line + piece.data.count(b"\n", 0, start)


def _remember_line(piece: Piece, lines: dict[bytes, tuple[int, int]]) -> None:
    """For a blob that comes in windows: the line at which the next window starts is not known yet, so count on."""
    if piece.following is not None:
        line = _line(piece, piece.following - piece.offset, lines)
        lines[piece.name] = (piece.following, line)
    else:
        lines.pop(piece.name, None)


def _check_node(result: Sweep, objects: Objects, piece: Piece, shallow: frozenset[bytes], gaps: Gaps) -> None:
    node = result.graph.nodes[piece.name]
    wanted = [node.content] if node.content else []
    if piece.name not in shallow:
        wanted += node.parents
    if piece.type == "commit" and not node.content:
        gaps.add(f"commit {piece.name.hex()}", "it names no tree: the object is malformed")
    for name in wanted:
        if name not in objects.types:
            result.missing.setdefault(name, f"{piece.type} {piece.name.hex()}")


def _tree(
    result: Sweep, objects: Objects, piece: Piece, name_size: int, forms: Forms, matches: list[Match], gaps: Gaps
) -> None:
    listed = entries(piece.data, name_size)
    if listed is None:
        gaps.add(f"tree {piece.name.hex()}", "malformed")
        # What can be read of it still counts, so its bytes are searched like a file's.
        for match in matches:
            key = (piece.name, match.needle, match.form)
            result.found.setdefault(key, Found(match.needle, match.form, piece.name, "tree", 1))
        return
    known = objects.types
    for mode, name, child in listed:
        if child not in known:
            if is_gitlink(mode):
                result.gitlinks.add(name)
            else:
                result.missing.setdefault(child, f"tree {piece.name.hex()}")
    if not matches:
        return
    # The bytes of object names in between could match by chance: only file names count.
    for position, (_, name, _) in enumerate(listed, 1):
        for match in forms.find(name):
            key = (piece.name, match.needle, match.form)
            before = result.found.get(key)
            names = (*before.names, name) if before else (name,)
            line = before.line if before else position
            result.found[key] = Found(match.needle, match.form, piece.name, "tree", line, names)


def lfs_missing(pointers: set[bytes], git_dir: Path) -> int:
    """How many of the contents that LFS pointers name are not in this clone."""
    store = git_dir / "lfs" / "objects"
    names = (pointer.decode("ascii") for pointer in pointers)
    return sum(not (store / name[:2] / name[2:4] / name).is_file() for name in names)
