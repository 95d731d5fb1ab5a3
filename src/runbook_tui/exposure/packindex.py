"""Indexes of packs, versions 1 and 2, mapped. Format: gitformat-pack(5)."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runbook_tui.exposure.names import Longs, Rows

_FAN = 1024  # bytes: 256 counts of four
_FAR = 1 << 31  # an offset that is the number of one in the table of eight-byte offsets


class PackDamaged(Exception):
    """The pack or its index is not what its format says."""


class PackIndex(NamedTuple):
    """What an index says, entries in its own order (by name)."""

    names: Rows  # a view of the file
    offsets: Longs
    checksum: bytes  # of the pack it belongs to


def map_file(path: Path) -> mmap.mmap:
    """The whole file, read only; PackDamaged when it is empty, OSError when it cannot be opened."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return mmap.mmap(handle, 0, prot=mmap.PROT_READ)
    except ValueError:
        raise PackDamaged("it is empty") from None
    finally:
        os.close(handle)


def read_index(path: Path, name_size: int) -> PackIndex:
    """PackDamaged when it makes no sense."""
    content = np.frombuffer(map_file(path), np.uint8)
    second = content[:4].tobytes() == b"\xfftOc"
    start = 8 if second else 0
    if second and content[4:8].tobytes() != b"\0\0\0\2":
        raise PackDamaged("its index has an unknown version")
    end = len(content) - 2 * name_size
    if end < start + _FAN:
        raise PackDamaged("its index is cut off")
    fan = content[start : start + _FAN].view(">u4").astype(np.int64)
    if (np.diff(fan) < 0).any():
        raise PackDamaged("its index is out of order")
    body = content[start + _FAN : end]
    names, offsets = (_second if second else _first)(body, int(fan[-1]), name_size)
    return PackIndex(names, offsets, content[end : end + name_size].tobytes())


def _first(body: NDArray[np.uint8], count: int, name_size: int) -> tuple[Rows, Longs]:
    if len(body) != count * (4 + name_size):
        raise PackDamaged("its index is cut off")
    rows = body.reshape(count, 4 + name_size)
    return rows[:, 4:], rows[:, :4].copy().view(">u4").reshape(count).astype(np.int64)


def _second(body: NDArray[np.uint8], count: int, name_size: int) -> tuple[Rows, Longs]:
    if len(body) < count * (name_size + 8):
        raise PackDamaged("its index is cut off")
    names = body[: count * name_size].reshape(count, name_size)
    # Behind the names: four bytes of checksum each, then four of offset each.
    offsets = body[count * (name_size + 4) : count * (name_size + 8)].view(">u4").astype(np.int64)
    table = body[count * (name_size + 8) :]
    far = np.flatnonzero(offsets >= _FAR)
    if len(far):
        numbers = offsets[far] - _FAR
        if len(table) % 8 or int(numbers.max()) >= len(table) // 8:
            raise PackDamaged("its index is cut off")
        offsets[far] = table.view(">u8")[numbers].astype(np.int64)
        if (offsets[far] < 0).any():
            raise PackDamaged("its index names places that are none")
    return names, offsets
