"""Loose objects: one file each, a zlib stream of `type size`, NUL and the content (gitformat-loose(5))."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from runbook_tui.exposure import objects
from runbook_tui.exposure.objects import NUMBERS
from runbook_tui.exposure.reading import open_regular

_FOLDER = re.compile(r"[0-9a-f]{2}")
_HEADER = re.compile(rb"(blob|commit|tree|tag) (\d{1,20})\0")
_LONGEST_HEADER = 64  # bytes
_START = 512  # stored bytes that hold at least the header


class LooseDamaged(Exception):
    """The file is no object, or one that is not read here."""


def list_loose(store: Path, name_size: int) -> Iterator[tuple[bytes, Path]]:
    """(name, file) of every loose object in an object directory; folders that cannot be read are passed over."""
    rest = re.compile(f"[0-9a-f]{{{2 * name_size - 2}}}")
    for folder in sorted(store.iterdir()):
        if not _FOLDER.fullmatch(folder.name) or not folder.is_dir():
            continue
        try:
            files = sorted(folder.iterdir())
        except OSError:  # named as a gap when the store was opened
            continue
        for file in files:
            if rest.fullmatch(file.name):
                yield bytes.fromhex(folder.name + file.name), file


def loose_header(path: Path) -> tuple[int, int, int]:
    """(kind, stored bytes, stated length); kind 0 when its beginning makes no sense."""
    try:
        handle = open_regular(path)
        if handle is None:
            return 0, 0, 0
        with os.fdopen(handle, "rb", 0) as stream:
            start = zlib.decompressobj().decompress(stream.read(_START), _LONGEST_HEADER)
            match = _HEADER.match(start)
            stored = os.fstat(handle).st_size
            return (NUMBERS[match[1]], stored, int(match[2])) if match else (0, stored, 0)
    except (OSError, zlib.error):
        return 0, 0, 0


def read_loose(path: Path) -> bytes:
    """The content; LooseDamaged when it cannot be read or is larger than one window."""
    limit = objects.WINDOW
    try:
        handle = open_regular(path)
        if handle is None:
            raise LooseDamaged
        with os.fdopen(handle, "rb") as stream:
            stored = stream.read(limit + 1)
        if len(stored) > limit:
            raise LooseDamaged
        inflater = zlib.decompressobj()
        data = inflater.decompress(stored, limit + _LONGEST_HEADER)
    except (OSError, zlib.error, MemoryError):
        raise LooseDamaged from None
    match = _HEADER.match(data)
    if match is None or not inflater.eof or inflater.unused_data or len(data) - match.end() != int(match[2]):
        raise LooseDamaged
    return data[match.end() :]
