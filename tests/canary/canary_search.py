"""Looks for canaries in bytes: as they are, unwrapped, without terminal sequences, without NUL bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from canaries import pieces

_WRAP = re.compile(rb"[=\\]?\r?\n[ \t]*(?:[|>#] ?)?")
_ANSI = re.compile(rb"\x1b(?:\[[0-9:;<=>?]*[ -/]*[@-~]|[PX^_\]].*?(?:\x07|\x1b\\)|[()][0-9A-B]|[=>78cDEHM])", re.DOTALL)
# What a terminal could be made to do with a secret: its clipboard, its title, a link's target, a device string.
_SEQUENCES = {
    "OSC 52": rb"\x1b\]52;",
    "title": rb"\x1b\](?:[012];|[lL])|\x1bk",
    "link": rb"\x1b\]8;",
    "device string": rb"\x1bP(?!\+q)",
}


@dataclass(frozen=True)
class Find:
    """One canary where it must not be."""

    sink: str
    canary: str
    form: str


@lru_cache(maxsize=1)
def _needles() -> tuple[list[Any], dict[bytes, tuple[str, str]]]:
    import re2

    options = re2.Options()
    options.max_mem = 1 << 30
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    known = pieces()
    texts = sorted(known)
    groups = [texts[at : at + 1500] for at in range(0, len(texts), 1500)]
    return [re2.compile(b"|".join(re.escape(text) for text in group), options) for group in groups], known


def views(blob: bytes) -> Iterator[bytes]:
    """The ways to read a blob, each once."""
    bare = _ANSI.sub(b"", blob)
    yield from dict.fromkeys((blob, bare, _WRAP.sub(b"", blob), _WRAP.sub(b"", bare)))


def finds(sink: str, blob: bytes, but: Iterable[str] = ()) -> list[Find]:
    """Every canary in `blob`, except those named in `but`."""
    patterns, known = _needles()
    found: dict[tuple[str, str], None] = {}
    for view in views(blob):
        for pattern in patterns:
            at = 0
            while hit := pattern.search(view, at):
                found.setdefault(known[hit.group()], None)
                at = hit.start() + 1
    return [Find(sink, canary, form) for canary, form in found if canary not in set(but)]


def sequences(blob: bytes) -> list[str]:
    """The terminal sequences in a byte stream that no screen of ours may send."""
    return [name for name, pattern in _SEQUENCES.items() if re.search(pattern, blob)]


def files(roots: Iterable[Path], leave_out: Iterable[Path] = ()) -> Iterator[tuple[str, bytes]]:
    """Every file's and symlink's path and content below `roots`; `leave_out` names files and folders that are not read.

    The name is searched as well: a path may hold a secret.
    """
    skipped = set(leave_out)
    for root in roots:
        for path in sorted(root.rglob("*")):
            if skipped.isdisjoint({path, *path.parents}):
                if path.is_symlink():
                    yield str(path), bytes(path.readlink())
                elif path.is_file():
                    yield str(path), path.read_bytes()
