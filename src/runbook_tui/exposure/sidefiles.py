"""The files of a git directory that are not objects: configuration, logs, hooks, messages, large files kept by LFS."""

from __future__ import annotations

import itertools
import mmap
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from runbook_tui.exposure.archives import OVERLAP, Data, Left, expand, packed
from runbook_tui.exposure.forms import Match
from runbook_tui.exposure.model import Gaps, ScanCancelled
from runbook_tui.exposure.reading import open_regular, walk, walk_files
from runbook_tui.exposure.repository import Repository

_WINDOW = 16 << 20
_HEAD = 1024  # what shows that a file is an archive: its first bytes, or its last
_TAIL = 22
_MAX_FILES = 500_000
# What a store holds by git's own plan: gitrepository-layout(5). Anything else in it is a file like others.
_STORED = re.compile(
    r"[0-9a-f]{2}/(?:[0-9a-f]{38}|[0-9a-f]{62})"
    r"|pack/(?:pack-[0-9a-f]+\.(?:pack|idx|rev|bitmap|keep|mtimes|promisor)|multi-pack-index.*)"
    r"|info/(?:packs|commit-graphs?(?:/.*)?)"
)
# Objects are read as objects; submodules and this program's own lists are repositories of their own.
_ELSEWHERE = frozenset({"objects", "modules"})


class Finder(Protocol):
    """What is looked for: `Forms`, or what only takes note. `overlap`: bytes that two windows of a file share."""

    @property
    def overlap(self) -> int: ...

    def find(self, data: bytes) -> Sequence[Any]: ...


class FileMatch(NamedTuple):
    """The first place of one form in one file, or in one member of an archive; `line` counts from 1 in that."""

    path: str  # relative to the repository as it is shown; `!` stands before a member's name
    match: Match
    line: int


def search_side_files(
    repository: Repository, forms: Finder, gaps: Gaps, cancelled: Callable[[], bool]
) -> Iterator[FileMatch]:
    """Every match in every regular file of the git directory outside the object store; links are not followed.

    The names of the files count too. Archives among them (large files that LFS keeps, backups) are opened.
    """
    prefix = "" if repository.common == repository.path else repository.common.name + "/"
    files = walk_files(repository.common, gaps, _MAX_FILES, _ELSEWHERE)
    for path in itertools.chain(files, _strays(repository.objects)):
        inside = str(path.relative_to(repository.common))
        shown = prefix + inside
        for match in forms.find(os.fsencode(inside)):  # a branch's name may be nothing but a file's name
            yield FileMatch(shown, match, 1)
        try:
            handle = open_regular(path, follow=False)
            if handle is not None:
                with os.fdopen(handle, "rb") as stream:
                    yield from _search(stream, shown, forms, cancelled)
                    yield from _members(stream, shown, forms, gaps, cancelled)
        except OSError as error:
            gaps.add(shown, (error.strerror or "cannot be read").lower())


def _strays(store: Path) -> Iterator[Path]:
    """The files of an object directory that are no objects, packs or lists of them."""
    top = len(str(store)) + 1
    for here, _, files in walk(store):  # unreadable folders are named with the store
        folder = str(here)[top:]
        for name in files:
            if not _STORED.fullmatch(f"{folder}/{name}" if folder else name):
                yield here / name


def _search(stream: BinaryIO, shown: str, forms: Finder, cancelled: Callable[[], bool]) -> Iterator[FileMatch]:
    seen: set[tuple[int, str]] = set()
    kept = b""
    lines = 1
    while fresh := stream.read(_WINDOW):
        if cancelled():
            raise ScanCancelled
        window = kept + fresh
        for match in forms.find(window):
            if (match.needle, match.form) not in seen:
                seen.add((match.needle, match.form))
                yield FileMatch(shown, match, lines + window.count(b"\n", 0, match.start))
        kept = window[max(0, len(window) - forms.overlap) :]
        lines += window.count(b"\n", 0, len(window) - len(kept))


def _members(
    stream: BinaryIO, shown: str, forms: Finder, gaps: Gaps, cancelled: Callable[[], bool]
) -> Iterator[FileMatch]:
    """What an archive holds; nothing for other files."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(_HEAD)
    stream.seek(max(0, size - _HEAD))
    if not packed(head) and not packed(stream.read(_HEAD)[-_TAIL:]):
        return
    stream.seek(0)
    data: Data = stream.read() if size <= _WINDOW else mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    for item in expand(data, max(OVERLAP, forms.overlap)):
        if cancelled():
            raise ScanCancelled
        if isinstance(item, Left):
            gaps.add(f"{shown}!{item.what}" if item.what else shown, item.why)
            continue
        name, content = item
        for match in forms.find(content):
            yield FileMatch(f"{shown}!{name}", match, content.count(b"\n", 0, match.start) + 1)
