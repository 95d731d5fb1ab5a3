"""The files of a git directory that are not objects: configuration, logs, hooks, messages, large files kept by LFS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from runbook_tui.exposure.forms import Forms, Match
from runbook_tui.exposure.model import Gaps, ScanCancelled
from runbook_tui.exposure.reading import open_regular, walk_files
from runbook_tui.exposure.repository import Repository

_WINDOW = 16 << 20
_MAX_FILES = 500_000
# Objects are read as objects; submodules and this program's own lists are repositories of their own.
_ELSEWHERE = frozenset({"objects", "modules"})


class FileMatch(NamedTuple):
    """The first place of one form in one file; `line` counts from 1."""

    path: str  # relative to the repository as it is shown
    match: Match
    line: int


def search_side_files(
    repository: Repository, forms: Forms, gaps: Gaps, cancelled: Callable[[], bool]
) -> Iterator[FileMatch]:
    """Every match in every regular file of the git directory outside the object store; links are not followed."""
    prefix = "" if repository.common == repository.path else repository.common.name + "/"
    for path in walk_files(repository.common, gaps, _MAX_FILES, _ELSEWHERE):
        shown = prefix + str(path.relative_to(repository.common))
        try:
            handle = open_regular(path, follow=False)
            if handle is not None:
                yield from _search(handle, shown, forms, cancelled)
        except OSError as error:
            gaps.add(shown, (error.strerror or "cannot be read").lower())


def _search(handle: int, shown: str, forms: Forms, cancelled: Callable[[], bool]) -> Iterator[FileMatch]:
    seen: set[tuple[int, str]] = set()
    kept = b""
    lines = 1
    with os.fdopen(handle, "rb") as stream:
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
