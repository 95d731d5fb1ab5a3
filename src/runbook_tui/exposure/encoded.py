"""Text that stands encoded in other text: base64 and base64url, hexadecimal, percent and backslash escapes, UTF-16.

Where the search by rules looks besides the text itself: in runs of 32 letters and digits and more, in 12 escapes and
more, in 16 characters of UTF-16 and more, wherever they stand. Only what says ASCII text when it is decoded counts, as
credentials do: base64 of it uses an eighth of the groups of four characters, which tells it from names, paths, hashes
and pictures without decoding any of those. The forms are those in which a known value is found (`forms`), so that
whatever is found here can be traced.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Iterator
from functools import cache

from runbook_tui.exposure.ruleset import re2_options

# The characters at the four places of a group whose three bytes are ASCII: RFC 4648, a byte below 128 has no top bit.
# At the first place no byte below 8 or from 16 to 31 either: such are not in text.
_GROUP = "[CDI-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
_HEX = "(?:[2-7][0-9A-Fa-f]|0[9ADad])"
_PERCENT = "(?:%[0-7][0-9A-Fa-f])"
_ESCAPE = r"(?:\\u00[0-7][0-9A-Fa-f]|\\x[0-7][0-9A-Fa-f])"
_WIDE = r"(?:[\t\n\r -~]\x00)"  # of UTF-16; where the zeros come first, all but the last character
_RUN = "[A-Za-z0-9]{32}"  # base64 of text has other signs only for > and ?
# What says whether there is any at all, and, as that costs more, for runs alone whether they may be text.
_FIRST = (_RUN, f"{_PERCENT}{{12}}", f"{_ESCAPE}{{12}}", f"{_WIDE}{{16}}")
_SECOND = (f"(?:{_GROUP}){{6}}", f"{_HEX}{{16}}")

_REST = "[A-Za-z0-9+/_-]"
# A group before and after: a part of it may be text. Lines are broken between groups (MIME 76, PEM 64, others 60).
_LINE = re.compile(f"((?:{_GROUP}){{6,}}){_REST}{{0,7}}".encode())
_NEXT = re.compile(rf"\r?\n[ \t]*((?:{_GROUP})+{_REST}{{0,7}}|{_REST}{{1,7}})(?!{_REST})".encode())
_WHOLE = re.compile(f"{_REST}{{4}}".encode())
_PERCENTS, _ESCAPES = (re.compile(f"{one}{{12,}}".encode()) for one in (_PERCENT, _ESCAPE))
_WIDES = re.compile(f"{_WIDE}{{16,}}".encode())
_HEXES = re.compile(f"{_HEX}{{16,}}".encode())
_SIGNS = re.compile(rb"%|\\u00|\\x")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_HEAD = 256
_BOMS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_SEEN = 500_000


class Decoder:
    """Decodes each text once: it comes again with every version of a file."""

    def __init__(self) -> None:
        self._first, self._second = _finder(_FIRST), _finder(_SECOND)
        self._seen: set[int] = set()

    def texts(self, data: bytes) -> Iterator[bytes]:
        """What is encoded in `data` and was not in what came before."""
        first = self._first(data)
        if not first:
            return
        if len(self._seen) > _SEEN:
            self._seen.clear()
        second = self._second(data) if 0 in first else ()
        if 0 in second:
            yield from self._base64(data)
        for there, pattern in ((1 in second, _HEXES), (1 in first, _PERCENTS), (2 in first, _ESCAPES)):
            for found in pattern.finditer(data) if there else ():
                if self._new(found.group()):
                    yield bytes.fromhex(_SIGNS.sub(b"", found.group()).decode())
        for found in _WIDES.finditer(data) if 3 in first else ():
            run, after = found.group(), data[found.end() : found.end() + 1]
            if self._new(run + after):
                yield run[::2]
                if after and data[found.start() - 1 : found.start()] == b"\0":
                    yield run[::2] + after

    def _base64(self, data: bytes) -> Iterator[bytes]:
        joined = 0  # up to here lines belong to a text that was taken as one
        for found in _LINE.finditer(data):
            start = found.start()
            if start >= 4 and _WHOLE.match(data, start - 4):
                start -= 4
            line = data[start : found.end()]
            if self._new(line):
                yield _decoded(line)
            if found.end() > joined:
                lines, joined = _lines(data, start, found.end())
                if lines and self._new(lines):
                    yield _decoded(lines)

    def _new(self, text: bytes) -> bool:
        """Whether it was not here before; a hash collision (one in 2^64) would hide it."""
        number = hash(text)
        if number in self._seen:
            return False
        self._seen.add(number)
        return True


def _finder(patterns: tuple[str, ...]) -> Callable[[bytes], Collection[int]]:
    """A function that says which of the patterns stand in a text."""
    try:
        return _by_hyperscan(patterns)
    except ImportError:
        return _by_re2(patterns)


def _by_re2(patterns: tuple[str, ...]) -> Callable[[bytes], Collection[int]]:
    import re2

    known = re2.Set.SearchSet(re2_options())
    for pattern in patterns:
        known.Add(pattern.encode())
    known.Compile()
    return lambda data: known.Match(data) or ()


@cache
def _by_hyperscan(patterns: tuple[str, ...]) -> Callable[[bytes], Collection[int]]:
    import hyperscan

    database = hyperscan.Database()
    count = len(patterns)
    flags = [hyperscan.HS_FLAG_SINGLEMATCH] * count
    database.compile(
        expressions=[one.encode() for one in patterns], ids=list(range(count)), elements=count, flags=flags
    )
    database.scratch = hyperscan.Scratch(database)
    struck: list[int] = []

    def note(number: int, start: int, end: int, flags: int, context: object) -> None:
        struck.append(number)

    def find(data: bytes) -> Collection[int]:
        database.scan(data, match_event_handler=note)
        if not struck:
            return ()
        found = tuple(struck)
        struck.clear()
        return found

    return find


def wide(data: bytes) -> bytes:
    """UTF-16 as UTF-8; empty when it is no such text."""
    head = data[:_HEAD]
    if b"\0" not in head and head[:2] not in _BOMS:
        return b""
    order = _BOMS.get(head[:2], "")
    for name, half in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if not order and len(half) > 3 and half.count(0) * 4 > len(half) * 3:
            order = name
    return data.decode(order, "replace").encode("utf-8", "replace") if order else b""


def _lines(data: bytes, start: int, end: int) -> tuple[bytes, int]:
    """The text of the lines from this one on, empty when it is but one; and where they end."""
    lines = [data[start:end]]
    while len(lines[-1]) % 4 == 0 and (line := _NEXT.match(data, end)):
        lines.append(line[1])
        end = line.end()
    return b"".join(lines) if len(lines) > 1 else b"", end


def _decoded(run: bytes) -> bytes:
    whole = run[: len(run) & ~3] if len(run) % 4 == 1 else run + b"=" * (-len(run) % 4)
    try:
        return base64.b64decode(whole.translate(_TO_STANDARD))
    except binascii.Error:
        return b""
