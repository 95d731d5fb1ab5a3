"""Refs, reflogs and indexes, read by our own bounded parsers: what still points at an object."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from runbook_tui.exposure.index import IndexDamaged, read_index
from runbook_tui.exposure.model import Gaps
from runbook_tui.exposure.reading import TooLarge, open_regular, read_or_gap, read_small, walk_files
from runbook_tui.exposure.refstack import read_stack
from runbook_tui.exposure.repository import Repository

_REF_LIMIT = 4096
_PACKED_LIMIT = 1 << 30
_LOG_LINE_LIMIT = 1 << 16
_INDEX_LIMIT = 1 << 30
_MAX_FILES = 2_000_000
_HEX = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass
class Pointers:
    """Everything outside the object store that names an object (raw names)."""

    refs: dict[str, bytes] = field(default_factory=dict)
    reflogs: dict[str, set[bytes]] = field(default_factory=dict)  # ref name -> all old and new values
    index: dict[bytes, set[bytes]] = field(default_factory=dict)  # object -> paths (empty: kept without a path)
    gitlinks: set[bytes] = field(default_factory=set)  # paths of submodules in an index
    shallow: frozenset[bytes] = frozenset()


def read_pointers(repository: Repository, gaps: Gaps) -> Pointers:
    """Read them all; what cannot be read becomes a gap."""
    found = Pointers()
    symbolic: dict[str, str] = {}
    storage = repository.config.ref_storage
    if storage == "reftable":
        for prefix, folder in repository.git_dirs():
            _tables(folder, prefix, repository.name_size, found, symbolic, gaps)
    else:
        if storage != "files":
            gaps.add("refs and reflogs", f"kept in the format {storage}, which is not read")
        _packed_refs(repository.common / "packed-refs", found.refs, gaps)
        for prefix, folder in repository.git_dirs():
            _loose_refs(folder, prefix, found.refs, symbolic, gaps)
            _reflogs(folder, prefix, found.reflogs, gaps)
    for _, folder in repository.git_dirs():
        _index(folder, repository.name_size, found, gaps)
    for name, target in symbolic.items():
        value = _resolve(target, found.refs, symbolic)
        # A HEAD that follows a branch says nothing that the branch does not.
        if value is not None and (name.startswith("refs/") or "/refs/" in name):
            found.refs[name] = value
    shallow = read_or_gap(repository.common / "shallow", _PACKED_LIMIT, gaps, "the list of shallow commits")
    found.shallow = frozenset(bytes.fromhex(name.decode()) for name in _HEX.findall(shallow))
    return found


def _tables(folder: Path, prefix: str, size: int, found: Pointers, symbolic: dict[str, str], gaps: Gaps) -> None:
    """HEAD, refs and reflogs of one git directory that keeps them in tables: worktrees have tables of their own."""
    stack = read_stack(folder / "reftable", size, gaps, "refs and reflogs")
    for ref in stack.refs.values():
        name = prefix + _text(ref.name)
        if ref.target:
            symbolic[name] = _text(ref.target)
        elif ref.value:
            found.refs[name] = ref.value
    for raw, values in stack.logs.items():
        found.reflogs[prefix + _text(raw)] = values


def _packed_refs(path: Path, refs: dict[str, bytes], gaps: Gaps) -> None:
    for line in read_or_gap(path, _PACKED_LIMIT, gaps, "packed refs").split(b"\n"):
        value, _, name = line.partition(b" ")
        if _HEX.fullmatch(value) and name:
            refs[_text(name.rstrip(b"\r"))] = bytes.fromhex(value.decode())


def _loose_refs(folder: Path, prefix: str, refs: dict[str, bytes], symbolic: dict[str, str], gaps: Gaps) -> None:
    """HEAD and `refs/` of one git directory; loose values win over packed ones."""
    files = [folder / "HEAD"]
    if (folder / "refs").is_dir():
        files += walk_files(folder / "refs", gaps, _MAX_FILES)
    for path in files:
        name = prefix + str(path.relative_to(folder))
        if name.endswith(".lock"):
            continue
        try:
            content = (read_small(path, _REF_LIMIT) or b"").strip()
        except TooLarge:
            gaps.add(f"ref {name}", "larger than any ref")
            continue
        except OSError as error:
            gaps.add(f"ref {name}", (error.strerror or "cannot be read").lower())
            continue
        if content.startswith(b"ref:"):
            symbolic[name] = _text(content[4:].strip())
        elif _HEX.fullmatch(content):
            refs[name] = bytes.fromhex(content.decode())
        elif content or path.exists():
            gaps.add(f"ref {name}", "does not name an object")


def _resolve(target: str, refs: dict[str, bytes], symbolic: dict[str, str]) -> bytes | None:
    for _ in range(5):
        if target in refs:
            return refs[target]
        if target not in symbolic:
            return None
        target = symbolic[target]
    return None


def _reflogs(folder: Path, prefix: str, logs: dict[str, set[bytes]], gaps: Gaps) -> None:
    top = folder / "logs"
    if not top.is_dir():
        return
    for path in walk_files(top, gaps, _MAX_FILES):
        name = prefix + str(path.relative_to(top))
        values = logs.setdefault(name, set())
        try:
            handle = open_regular(path)
        except OSError as error:
            gaps.add(f"reflog of {name}", (error.strerror or "cannot be read").lower())
            continue
        if handle is None:
            continue
        with os.fdopen(handle, "rb") as stream:
            while line := stream.readline(_LOG_LINE_LIMIT):
                for part in line.split(b" ", 2)[:2]:
                    if _HEX.fullmatch(part) and part.strip(b"0"):
                        values.add(bytes.fromhex(part.decode()))


def _index(folder: Path, name_size: int, found: Pointers, gaps: Gaps) -> None:
    names = [folder / "index"]
    if folder.is_dir():
        names += sorted(folder.glob("sharedindex.*"))
    for path in names:
        content = read_or_gap(path, _INDEX_LIMIT, gaps, f"index {path}")
        if not content:
            continue
        try:
            for entry in read_index(content, name_size):
                if entry.gitlink:
                    found.gitlinks.add(entry.path)
                else:
                    paths = found.index.setdefault(entry.object, set())
                    if entry.path:
                        paths.add(entry.path)
        except IndexDamaged as error:
            gaps.add(f"index {path}", str(error))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
