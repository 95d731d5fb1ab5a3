"""The index file (git's `gitformat-index`, versions 2 to 4) with the extension that keeps resolved conflicts."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_GITLINK = 0o160000
# Version 4 writes what a path shares with the one before as a number: paths may come out longer than the file, but an
# honest one is never this many times its size.
_MOST_GROWTH = 16


class IndexDamaged(Exception):
    """The file is not an index, or is cut."""


class Entry(NamedTuple):
    """An object the index keeps. `path` is empty for a version kept only by an extension."""

    object: bytes
    path: bytes
    gitlink: bool = False


def read_index(content: bytes, name_size: int) -> Iterator[Entry]:
    """All entries; `name_size` is 20 (SHA-1) or 32 (SHA-256). IndexDamaged when it makes no sense."""
    try:
        signature, version, count = struct.unpack_from(">4sII", content)
        if signature != b"DIRC" or version not in (2, 3, 4):
            raise IndexDamaged("not an index of version 2, 3 or 4")
        position = 12
        path = b""
        room = len(content) * _MOST_GROWTH
        for _ in range(count):
            entry, path, position = _entry(content, position, version, path, name_size)
            room -= len(path)
            if room < 0:
                raise IndexDamaged("its paths are absurdly long")
            yield entry
        yield from _extensions(content, position, name_size)
    except (struct.error, IndexError, ValueError):
        raise IndexDamaged("the file is damaged") from None


def _entry(content: bytes, start: int, version: int, previous: bytes, name_size: int) -> tuple[Entry, bytes, int]:
    (mode,) = struct.unpack_from(">I", content, start + 24)
    name_at = start + 40
    (flags,) = struct.unpack_from(">H", content, name_at + name_size)
    position = name_at + name_size + (4 if flags & 0x4000 else 2)
    if version == 4:
        strip, position = _varint(content, position)
        if strip > len(previous):
            raise ValueError
        end = content.index(b"\0", position)
        path = previous[: len(previous) - strip] + content[position:end]
        after = end + 1
    else:
        end = content.index(b"\0", position)
        path = content[position:end]
        after = start + ((end - start) // 8 + 1) * 8
    return Entry(content[name_at : name_at + name_size], path, mode & 0o170000 == _GITLINK), path, after


def _varint(content: bytes, position: int) -> tuple[int, int]:
    byte = content[position]
    value = byte & 0x7F
    while byte & 0x80:
        position += 1
        byte = content[position]
        value = ((value + 1) << 7) | (byte & 0x7F)
        if value > 1 << 20:
            raise ValueError
    return value, position + 1


def _extensions(content: bytes, position: int, name_size: int) -> Iterator[Entry]:
    while position + 8 + name_size <= len(content):
        signature, size = struct.unpack_from(">4sI", content, position)
        if signature == b"REUC":
            yield from _resolved(content[position + 8 : position + 8 + size], name_size)
        position += 8 + size


def _resolved(content: bytes, name_size: int) -> Iterator[Entry]:
    """Conflicted versions that were resolved: path, three octal modes, one name for each mode that is not 0."""
    position = 0
    while position < len(content):
        end = content.index(b"\0", position)
        path = content[position:end]
        position = end + 1
        modes = []
        for _ in range(3):
            end = content.index(b"\0", position)
            modes.append(int(content[position:end], 8))
            position = end + 1
        for mode in modes:
            if mode:
                yield Entry(content[position : position + name_size], path)
                position += name_size
