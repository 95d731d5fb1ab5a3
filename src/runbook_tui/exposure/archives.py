"""What files hold that are themselves compressed or packed: zip (jar, docx, wheel), gzip, bzip2, xz, tar, reftable.

`expand` gives the contents of one such file, archives inside it too, and names what it had to leave out. It is meant
for anybody's files: nothing is written to disk, names are only shown, no directory of an archive is believed (zip
members are found by their own headers, so a broken, lying or incomplete central directory hides nothing), and output,
ratio, members and depth are bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from mmap import mmap

from runbook_tui.exposure.expansion import Budget, Spent
from runbook_tui.exposure.reftable import TableDamaged, table_text
from runbook_tui.exposure.streams import (
    CHUNK,
    REST,
    STREAMS,
    Damaged,
    Decompressor,
    Deflate,
    Reader,
    Unpacked,
    short,
    tar_members,
)

MAX_DEPTH = 3  # an archive in an archive in an archive
WHOLE = 32 << 20  # longer members come in windows, and archives inside are opened up to this size
OVERLAP = 64 << 10  # bytes that two windows of one member share

_ZIP = b"PK\x03\x04"
_ZIP_END = b"PK\x05\x06"
_HEADS = {
    _ZIP: "zip",
    _ZIP_END: "zip",
    b"PK\x07\x08": "zip",
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z archive",
    b"Rar!\x1a\x07": "rar archive",
    b"\x28\xb5\x2f\xfd": "zstd stream",
    b"\x04\x22\x4d\x18": "lz4 stream",
    b"\x1f\x9d": "compress stream",
    b"# v2 git bundle\n": "git bundle",
    b"# v3 git bundle\n": "git bundle",
    b"PACK\0\0\0\x02": "git pack",
    b"REFT\1": "reftable",
    b"REFT\2": "reftable",
}
_STARTS = tuple(_HEADS)


@dataclass(frozen=True, slots=True)
class Left:
    """Something inside the file that was not searched."""

    what: str  # name inside the file; empty for the file as a whole
    why: str


Data = bytes | mmap
Item = tuple[str, bytes] | Left


def kind(data: Data) -> str | None:
    """What the first bytes (for a zip behind a program: the last ones) say the file is; None for ordinary files."""
    head = data[:16]
    if head.startswith(_STARTS):
        name = next(_HEADS[start] for start in _STARTS if head.startswith(start))
        return None if name == "bzip2" and not b"1" <= head[3:4] <= b"9" else name
    if data[257:262] == b"ustar":
        return "tar"
    return "zip" if data[-22:-18] == _ZIP_END else None


def packed(data: Data) -> bool:
    """Whether `expand` has something to say about this file: a check of a few bytes."""
    return kind(data) is not None


def expand(data: Data, overlap: int = OVERLAP) -> Iterator[Item]:
    """(inner name, content) of everything in a file that is `packed`, and a `Left` for what is left out.

    Inner names are foreign text; archives in archives are joined by `!`. A member above `WHOLE` comes in several
    windows that share `overlap` bytes, the later ones named with their offset.
    """
    yield from _expand("", data, 1, None, overlap)


def _expand(prefix: str, data: Data, depth: int, around: Budget | None, overlap: int) -> Iterator[Item]:
    """One archive within its own budget: one inside that is a bomb hides nothing of what stands around it."""
    budget = Budget(len(data), around)
    try:
        yield from _members(prefix, data, depth, budget, overlap)
    except Spent as limit:
        if limit.budget is not budget:
            raise
        yield Left(budget.at, str(limit))


def _members(prefix: str, data: Data, depth: int, budget: Budget, overlap: int) -> Iterator[Item]:
    what = kind(data)
    if depth > MAX_DEPTH:
        yield Left(prefix.rstrip("!"), f"nested deeper than {MAX_DEPTH}")
        return
    members: Iterator[tuple[str, Iterator[bytes]] | Left]
    if what == "zip":
        members = _zip(data)
    elif what == "tar":
        members = tar_members(Reader(data[at : at + CHUNK] for at in range(0, len(data), CHUNK)))
    elif what in STREAMS:
        members = _stream(data, what)
    elif what == "reftable":
        members = iter([("refs and reflogs", _reftable(data))])
    else:
        yield Left(prefix.rstrip("!"), f"a {what}: this format is not opened")
        return
    for member in members:
        budget.member(prefix + (member.what if isinstance(member, Left) else member[0]))
        if isinstance(member, Left):
            yield Left(prefix + member.what if member.what else prefix.rstrip("!"), member.why)
            continue
        yield from _member(prefix + member[0], member[1], depth, budget, overlap)


def _member(name: str, chunks: Iterator[bytes], depth: int, budget: Budget, overlap: int) -> Iterator[Item]:
    """One member whole, then what it holds itself; in windows when it is long. It is always read to its end."""
    content = bytearray()
    start = 0
    inner = False
    damage = ""
    try:
        for chunk in chunks:
            budget.took(len(chunk))
            content += chunk
            if len(content) >= WHOLE + overlap:
                inner = inner or (start == 0 and packed(bytes(content[:512])))
                yield (f"{name} (from byte {start})" if start else name, bytes(content))
                start += len(content) - overlap
                del content[: len(content) - overlap]
    except Damaged as error:
        damage = str(error)
    except Spent:
        yield (f"{name} (from byte {start})" if start else name, bytes(content))
        raise
    whole = bytes(content)
    if whole:
        yield (f"{name} (from byte {start})" if start else name, whole)
    if damage:
        yield Left(name, damage)
    if inner:
        yield Left(name, f"an archive inside, larger than {WHOLE >> 20} MiB")
    elif start == 0 and packed(whole) and not name.endswith(REST):
        yield from _expand(name + "!", whole, depth + 1, budget, overlap)


def _stream(data: Data, what: str) -> Iterator[tuple[str, Iterator[bytes]] | Left]:
    """A compressed stream (several behind each other count as one): one member, or those of a tar inside."""
    chunks = _all_streams(data, what)
    reader = Reader(chunks)
    try:
        tar = packed(head := reader.read(512)) and kind(head) == "tar"
    except Damaged as error:
        yield Left("", str(error))
        return
    reader.give_back(head)
    if tar:
        yield from tar_members(reader)
    else:
        yield "content", reader.rest()


def _reftable(data: Data) -> Iterator[bytes]:
    """git's refs and reflogs as text: in the table names stand in part, and log messages compressed."""
    try:
        yield from table_text(bytes(data))
    except TableDamaged as error:
        raise Damaged(str(error)) from None


def _all_streams(data: Data, what: str) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        unpacked = Unpacked(data, at, STREAMS[what])
        yield from unpacked
        at = unpacked.end
        while data[at : at + 1] == b"\0":
            at += 1
        if kind(data[at : at + 16]) != what:
            return  # what stands behind is not compressed: it was searched with the file itself


def _zip(data: Data) -> Iterator[tuple[str, Iterator[bytes]] | Left]:
    """Every member that has a header of its own, wherever it stands.

    A stored member is not skipped as a whole: members of a stored zip inside show up as members of this one.
    """
    found = 0
    at = data.find(_ZIP)
    while at >= 0:
        header = _local_header(data, at)
        if header is None:
            at = data.find(_ZIP, at + 4)
            continue
        found += 1
        name, method, encrypted, start, size = header
        after = start
        if encrypted:
            yield Left(name, "encrypted")
        elif method == 0:
            end = _stored_end(data, start, size)
            if kind(data[start : start + 512]) not in (None, "zip"):
                yield name, _slices(data, start, end)
        elif method in _METHODS:
            unpacked = Unpacked(data, start, _METHODS[method])
            yield name, iter(unpacked)
            after = unpacked.end
        else:
            yield Left(name, f"compressed by zip method {method}, which is not opened")
        at = data.find(_ZIP, after)
    yield from _zip_total(data, found)


_METHODS: dict[int, Callable[[], Decompressor]] = {8: lambda: Deflate(-15), 12: STREAMS["bzip2"]}
_KNOWN_METHODS = frozenset((*range(13), 14, 16, 18, 19, 20, *range(93, 100)))


def _local_header(data: Data, at: int) -> tuple[str, int, bool, int, int] | None:
    """Name, method, whether encrypted, where the content starts, its length as claimed (-1: not told)."""
    raw = data[at + 4 : at + 30]
    if len(raw) < 26:
        return None
    needed, flags, method, size, name_size, extra_size = struct.unpack("<HHH8xI4xHH", raw)
    start = at + 30 + name_size + extra_size
    if method not in _KNOWN_METHODS or needed & 0xFF > 99 or start > len(data):
        return None
    name = data[at + 30 : at + 30 + name_size].decode("utf-8", "replace")
    known = not flags & 8 and size != 0xFFFFFFFF
    return short(name), method, bool(flags & 1), start, size if known else -1


def _stored_end(data: Data, start: int, size: int) -> int:
    if size >= 0 and data[start + size : start + size + 2] == b"PK":
        return start + size
    ends = [data.find(mark, start) for mark in (b"PK\x07\x08", b"PK\x01\x02", _ZIP)]
    return min((end for end in ends if end >= 0), default=len(data))


def _zip_total(data: Data, found: int) -> Iterator[Left]:
    """The directory is not believed, but when it lists more than was found, something is hidden."""
    end = data.rfind(_ZIP_END)
    listed = int.from_bytes(data[end + 10 : end + 12], "little") if end >= 0 else 0
    if found < listed < 0xFFFF:
        yield Left("", f"{listed - found} members that its directory lists were not found")
    if end < 0:
        yield Left("", "the archive is cut short: it has no end" if found else "not readable as a zip archive")


def _slices(data: Data, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, CHUNK):
        yield data[at : min(end, at + CHUNK)]
