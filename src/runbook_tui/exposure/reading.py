"""Reading files of a git directory that may be anybody's: bounded, never waiting, never through a device or pipe."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from runbook_tui.exposure.model import Gaps


class TooLarge(Exception):
    """The file is longer than its reader's limit."""


def open_regular(path: Path, *, follow: bool = True) -> int | None:
    """A descriptor of a regular file, or None when there is none (absent, a folder, a pipe, a link not followed).

    Raises OSError when it is there and cannot be opened.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        if not follow and stat.S_ISLNK(path.lstat().st_mode):
            return None
        handle = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return handle


def read_small(path: Path, limit: int) -> bytes | None:
    """The whole file, or None when there is none; TooLarge above `limit` bytes, OSError when unreadable."""
    handle = open_regular(path)
    if handle is None:
        return None
    with os.fdopen(handle, "rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise TooLarge
    return content


def read_or_gap(path: Path, limit: int, gaps: Gaps, what: str) -> bytes:
    """`read_small`, with a failure recorded as a gap and nothing returned."""
    try:
        return read_small(path, limit) or b""
    except TooLarge:
        gaps.add(what, f"larger than {limit >> 20} MiB")
    except OSError as error:
        gaps.add(what, error.strerror or "cannot be read")
    return b""


def walk(
    top: Path, failed: Callable[[str, OSError], None] = lambda folder, error: None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Like `os.walk` from the top down, but not recursive: folders may be nested deeper than calls can be."""
    waiting = [str(top)]
    while waiting:
        here = waiting.pop()
        folders: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(here) as listed:
                for entry in listed:
                    (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
        except OSError as error:
            failed(here, error)
            continue
        folders.sort()
        files.sort()
        yield Path(here), folders, files
        waiting += [os.path.join(here, name) for name in reversed(folders)]  # noqa: PTH118


def walk_files(top: Path, gaps: Gaps, limit: int, skip: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Every file below `top`, links to folders not followed, folders named in `skip` (relative to `top`) left out."""
    count = 0
    for here, folders, files in walk(
        top, lambda folder, error: gaps.add(folder, (error.strerror or "cannot be read").lower())
    ):
        folders[:] = [name for name in folders if str((here / name).relative_to(top)) not in skip]
        for name in files:
            count += 1
            if count > limit:
                gaps.add(str(top), f"more than {limit} files")
                return
            yield here / name
