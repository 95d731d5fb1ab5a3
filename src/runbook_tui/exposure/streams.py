"""Streams out of chunks of any size: gzip, bzip2, xz, and tar by its headers, of which nothing is believed."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from mmap import mmap
from typing import Protocol

CHUNK = 256 << 10
_FIRST = 1 << 10  # taken of a stream at first: an archive may have tens of thousands of them that are shorter
_XZ_MEMORY = 128 << 20
_BLOCK = 512
_LONG_NAME = 1 << 20
_MAX_NAME = 255
REST = "(rest)"  # what stands behind a damaged tar header
_NO_CONTENT = b"123456"  # links, devices, folders


class Damaged(Exception):
    """The data ends or makes no sense; what came before it stands."""


class Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class Deflate:
    """zlib's decompressor with the manners of the others."""

    def __init__(self, window: int) -> None:
        self._own = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._own.eof

    @property
    def needs_input(self) -> bool:
        return not self._own.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._own.unused_data

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        return self._own.decompress(self._own.unconsumed_tail + data, max_length)


STREAMS: dict[str, Callable[[], Decompressor]] = {
    "gzip": lambda: Deflate(31),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}


class Unpacked:
    """The output of one compressed stream in chunks; then `end` is where it ended in the input (if damaged: began)."""

    def __init__(self, data: bytes | mmap, start: int, make: Callable[[], Decompressor]) -> None:
        self._data = data
        self._make = make
        self._start = start
        self.end = start

    def __iter__(self) -> Iterator[bytes]:
        engine = self._make()
        size = _FIRST
        while not engine.eof:
            fresh = self._data[self.end : self.end + size] if engine.needs_input else b""
            size = min(4 * size, CHUNK)
            dry = engine.needs_input and not fresh
            self.end += len(fresh)
            try:
                out = engine.decompress(fresh, CHUNK)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError) as error:
                too_much = isinstance(error, MemoryError) or "memory" in str(error).lower()
                why = "needs more memory than is given to it" if too_much else "damaged"
                self.end = self._start
                raise Damaged(f"{why}: what follows was not searched") from None
            if out:
                yield out
            elif dry:
                raise Damaged("cut short")
        self.end -= len(engine.unused_data)


class Reader:
    """Reads exact counts from chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""
        self._at = 0

    def read(self, count: int) -> bytes:
        """`count` bytes, fewer at the end."""
        while len(self._held) - self._at < count:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._held = self._held[self._at :] + chunk
            self._at = 0
        out = self._held[self._at : self._at + count]
        self._at += len(out)
        return out

    def give_back(self, data: bytes) -> None:
        """Have these bytes, which were read last, read again."""
        self._held = data + self._held[self._at :]
        self._at = 0

    def part(self, count: int) -> Iterator[bytes]:
        """The next `count` bytes in chunks; Damaged when there are fewer."""
        while count:
            chunk = self.read(min(count, CHUNK))
            if not chunk:
                raise Damaged("cut short")
            count -= len(chunk)
            yield chunk

    def rest(self) -> Iterator[bytes]:
        while chunk := self.read(CHUNK):
            yield chunk


def tar_members(reader: Reader) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Members by their headers; the names and link targets are searched too, as a member of their own.

    Where a header makes no sense, the rest of the data comes as one member, so that it is searched all the same.
    """
    names = bytearray()
    longer = b""
    try:
        while header := reader.read(_BLOCK):
            if not header.strip(b"\0"):
                continue
            size = _tar_size(header)
            if size is None:
                reader.give_back(header)
                yield REST, _then(reader.rest(), "a damaged tar header: what follows was searched as one piece")
                break
            if header[156:157] in b"xgLK" and size <= _LONG_NAME:
                longer = reader.read(-(-size // _BLOCK) * _BLOCK)[:size]
                names += longer + b"\n"
                longer = longer if header[156:157] in b"xL" else b""
                continue
            name = _tar_name(header, longer)
            names += name + b"\n" + header[157:257].rstrip(b"\0") + b"\n" + header[265:329].replace(b"\0", b"\n")
            longer = b""
            if header[156:157] in _NO_CONTENT:
                continue
            yield short(name.decode("utf-8", "replace")), reader.part(size)
            reader.read(-size % _BLOCK)
            if len(names) > _LONG_NAME:
                yield "(names)", iter([bytes(names)])
                names.clear()
    except Damaged as error:
        yield "(names)", _then(iter([bytes(names)]), str(error))
        return
    if names:
        yield "(names)", iter([bytes(names)])


def _then(chunks: Iterator[bytes], why: str) -> Iterator[bytes]:
    """The chunks, and then the news that they are not all there is."""
    yield from chunks
    raise Damaged(why)


def _tar_size(header: bytes) -> int | None:
    """The content's length; None when this is no header."""
    if len(header) < _BLOCK:
        return None
    try:
        told = int(header[148:156].strip(b" \0") or b"x", 8)
        if header[124] & 0x80:
            size = int.from_bytes(header[125:136], "big")
        else:
            size = int(header[124:136].strip(b" \0") or b"0", 8)
    except ValueError:
        return None
    return size if told == sum(header) - sum(header[148:156]) + 8 * 32 else None


def _tar_name(header: bytes, longer: bytes) -> bytes:
    """The name, from a long-name or pax record before it when there is one."""
    if longer:
        for record in longer.split(b"\n"):
            _, found, path = record.partition(b" path=")
            if found:
                return path
        if not longer[:1].isdigit() or b"=" not in longer:
            return longer.rstrip(b"\0")
    name, prefix = (header[a:b].partition(b"\0")[0] for a, b in ((0, 100), (345, 500)))
    return prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name


def short(name: str) -> str:
    """A name as it may be shown: archives may give absurd ones."""
    return name if len(name) <= _MAX_NAME else name[:_MAX_NAME] + "…"
