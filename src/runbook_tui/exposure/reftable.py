"""One table of git's reftable format, version 1 (SHA-1) or 2 (either): refs and reflogs, sorted and packed.

The format is git's `Documentation/technical/reftable`; numbers in it are written as the offsets in packs are. A table
is read from its header to its footer, block after block, so no position that it tells can lead in a circle; indexes
are stepped over. What does not fit is refused, and what may come out is bounded.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

MAGIC = b"REFT"
_MAX_NAME = 1 << 16
_MOST = 1 << 30  # what all records may come to: see `Allowance`
_RECORD = 256  # what a record costs at least
_PIECE = 16 << 10  # fed to zlib at once: inflates to 16 MiB at most, what a block may be
_SIZES = {b"sha1": 20, b"s256": 32}


class TableDamaged(Exception):
    """The file is not a reftable, is cut, or holds what no git writes."""


class Ref(NamedTuple):
    """One ref as of one table; neither value nor target: it was deleted."""

    name: bytes
    value: bytes = b""
    target: bytes = b""  # of a symbolic ref


class Log(NamedTuple):
    """One reflog entry as of one table; without values it was deleted."""

    key: bytes  # the ref's name, NUL, and a number that no other entry of the ref has
    values: tuple[bytes, ...] = ()
    text: bytes = b""  # who and why


def log_name(key: bytes) -> bytes:
    """The ref whose reflog has this entry."""
    return key[:-9]


class Allowance:
    """What may still come out: a few bytes may stand for a long name, and a small log block inflate to a large one."""

    def __init__(self) -> None:
        self._left = _MOST

    def take(self, count: int) -> None:
        """Use some of it. TableDamaged when there is no more."""
        self._left -= count
        if self._left < 0:
            raise TableDamaged(f"it comes to more than {_MOST >> 20} MiB")


def object_size(data: bytes) -> int:
    """Bytes of an object's name in this table: 20 or 32. TableDamaged when this is none."""
    if data[:4] != MAGIC or len(data) < 28 or data[4] not in (1, 2):
        raise TableDamaged("not a reftable of version 1 or 2")
    size = 20 if data[4] == 1 else _SIZES.get(data[24:28])
    if size is None:
        raise TableDamaged("its objects are of a format that is not known")
    return size


def read_table(data: bytes, allowance: Allowance) -> Iterator[Ref | Log]:
    """All records in their order. TableDamaged when it makes no sense: then nothing of it is to be believed."""
    size = object_size(data)
    begin = 24 if data[4] == 1 else 28
    end = len(data) - begin - 44
    last = {b"r": b"", b"g": b""}  # the names, which have to ascend
    logs = 0
    at = begin
    while at < end:
        kind = data[at : at + 1]
        if kind == b"\0":  # up to the place where blocks begin
            padding = data[at : min(end, at + _PIECE)]
            at += len(padding) - len(padding.lstrip(b"\0"))
            continue
        logs = logs or (at if kind == b"g" else 0)
        length = int.from_bytes(data[at + 1 : at + 4], "big") - 4 - (begin if at == begin else 0)
        at += 4
        if kind == b"g":
            body, at = _inflated(data, at, end, length)
        else:
            body = data[at : at + max(length, 0)]
            at += length
        if length < 2 or at > end or kind not in b"rgio":
            raise TableDamaged("a block of it makes no sense")
        if kind in last:
            allowance.take(len(body))
            for record in _records(body, kind, size, last[kind]):
                last[kind] = record[0]
                allowance.take(_RECORD + len(record[0]))
                yield record
    _check_end(data, begin, end, logs)


def _check_end(data: bytes, begin: int, end: int, logs: int) -> None:
    """The footer repeats the header and tells where sections begin; `logs` is where their first block was (0: none)."""
    if end < begin or data[end : end + begin] != data[:begin]:
        raise TableDamaged("it has no end")
    if zlib.crc32(data[end:-4]) != int.from_bytes(data[-4:], "big"):
        raise TableDamaged("its checksum is wrong")
    told = int.from_bytes(data[end + begin + 24 : end + begin + 32], "big")
    if told != logs and (told or logs != begin):
        raise TableDamaged("its end tells another place of its logs")


def table_text(data: bytes) -> Iterator[bytes]:
    """What the records of a table say, for a search: log blocks are compressed, and names are told in part.

    TableDamaged where it makes no sense, after what came before.
    """
    for record in read_table(data, Allowance()):
        name, text = (record.name, record.target) if isinstance(record, Ref) else (log_name(record.key), record.text)
        yield name + b" " + text + b"\n"


def _inflated(data: bytes, at: int, end: int, length: int) -> tuple[bytes, int]:
    """A block of exactly `length` bytes, and where its compressed form ends."""
    engine = zlib.decompressobj()
    out = b""
    while not engine.eof:
        piece = data[at : min(end, at + _PIECE)]
        at += len(piece)
        try:
            out += engine.decompress(piece, max(1, length - len(out) + 1))
        except zlib.error:
            raise TableDamaged("a log block of it cannot be inflated") from None
        if not piece or len(out) > length:
            raise TableDamaged("a log block of it is not as long as it says")
    if len(out) != length:
        raise TableDamaged("a log block of it is not as long as it says")
    return out, at - len(engine.unused_data)


def _records(body: bytes, kind: bytes, size: int, last: bytes) -> Iterator[Ref | Log]:
    """The records of one block; each name is told by what it has not in common with the one before."""
    end = len(body) - 2 - 3 * int.from_bytes(body[-2:], "big")
    if end < 0:
        raise TableDamaged("a block of it makes no sense")
    cursor = _Cursor(body, end)
    name = b""
    while cursor.at < end:
        common = cursor.number()
        rest = cursor.number()
        if common > len(name) or common + (rest >> 3) > _MAX_NAME:
            raise TableDamaged("a name in it is absurd")
        name = name[:common] + cursor.bytes(rest >> 3)
        if name <= last:
            raise TableDamaged("its names are out of order")
        last = name
        yield _ref(name, rest & 7, cursor, size) if kind == b"r" else _log(name, rest & 7, cursor, size)


def _ref(name: bytes, form: int, cursor: _Cursor, size: int) -> Ref:
    cursor.number()  # when it was changed
    if form == 0:
        return Ref(name)
    if form in (1, 2):
        value = cursor.bytes(size)
        cursor.bytes(size if form == 2 else 0)  # what the tag stands on: the tag itself says so too
        return Ref(name, value)
    if form == 3 and (target := cursor.bytes(cursor.number())):
        return Ref(name, target=target)
    raise TableDamaged("a ref in it is of a kind that is not known")


def _log(key: bytes, form: int, cursor: _Cursor, size: int) -> Log:
    if len(key) < 10 or key[-9]:
        raise TableDamaged("a log entry of it has no name")
    if form == 0:
        return Log(key)
    if form != 1:
        raise TableDamaged("a log entry of it is of a kind that is not known")
    values = cursor.bytes(size), cursor.bytes(size)
    who, address = cursor.bytes(cursor.number()), cursor.bytes(cursor.number())
    cursor.number()  # when
    cursor.bytes(2)  # and in which time zone
    return Log(key, values, who + b" <" + address + b">\n" + cursor.bytes(cursor.number()))


class _Cursor:
    """Takes numbers and strings from a block, never past its end."""

    def __init__(self, data: bytes, end: int) -> None:
        self._data, self._end, self.at = data, end, 0

    def bytes(self, count: int) -> bytes:
        start = self.at
        self.at += count
        if self.at > self._end:
            raise TableDamaged("a record of it is cut")
        return self._data[start : self.at]

    def number(self) -> int:
        value = -1
        while self.at < self._end and value >> 56 <= 0:
            byte = self._data[self.at]
            self.at += 1
            value = (value + 1) << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        raise TableDamaged("a number in it makes no sense")
