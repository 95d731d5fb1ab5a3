"""Text that stands encoded in other text: base64 and base64url, hexadecimal, percent and backslash escapes, UTF-16.

Where the search by rules looks besides the text itself. `MARKS` are patterns that say in the same pass as the rules
whether there is any; a `Decoder` then decodes it, once. The forms are those in which a known value is found (`forms`),
so that whatever is found here can be traced.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Iterator

LEAST = 40  # characters of base64 or hexadecimal; a shorter run is too often a name in a program
_CLASS = "A-Za-z0-9+/_-"
#: Base64 or hexadecimal; percent and backslash escapes. Each says no more than whether there is one.
MARKS = (
    rf"[{_CLASS}]{{{LEAST}}}",
    r"(?:%[0-9A-Fa-f]{2}){12}",
    r"(?:\\u00[0-7][0-9A-Fa-f]){8}|(?:\\x[0-7][0-9A-Fa-f]){8}",
)
_RUN, _PERCENT, _ESCAPE = range(len(MARKS))

_WHOLE_RUN = re.compile(rb"[A-Za-z0-9+/_-]+")
_RUN_START = rf"(?:^|[^{_CLASS}])[{_CLASS}]{{{LEAST}}}"
_LONG_RUN = re.compile(rf"(?<![{_CLASS}])[{_CLASS}]{{{LEAST}}}".encode())
_HEX = re.compile(rb"[0-9A-Fa-f]{%d,}" % LEAST)
_PROBE = 36  # characters at both ends of a run that show whether it is text at an alignment
_PERCENTS = re.compile(rb"(?:%[0-9A-Fa-f]{2}){12,}")
_ESCAPES = re.compile(rb"(?:\\u00[0-7][0-9A-Fa-f]){8,}|(?:\\x[0-7][0-9A-Fa-f]){8,}")
_NEXT_LINE = re.compile(rb"\r?\n[ \t]*([A-Za-z0-9+/_-]+)")
_WIDEST = 128  # characters of a line that a tool broke
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_HEAD = 256
_SEEN = 500_000
_BOMS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class Decoder:
    """Decodes each text once: a run comes again with every version of a file."""

    def __init__(self) -> None:
        self._starts = _run_starts()
        self._seen: set[int] = set()

    def texts(self, data: bytes, marks: Collection[int]) -> Iterator[bytes]:
        """What is encoded in `data` and was not in what came before. `marks`: places of those of `MARKS` it has."""
        if len(self._seen) > _SEEN:
            self._seen.clear()
        if _RUN in marks:
            yield from self._runs(data)
        for mark, pattern in ((_PERCENT, _PERCENTS), (_ESCAPE, _ESCAPES)):
            for found in pattern.finditer(data) if mark in marks else ():
                if self._new(found.group()):
                    yield bytes.fromhex(re.sub(rb"%|\\u00|\\x", b"", found.group()).decode())

    def _runs(self, data: bytes) -> Iterator[bytes]:
        known = 0  # up to here lines belong to a block that was decoded as one
        for start in self._starts(data):
            run = _WHOLE_RUN.match(data, start)
            if run is None or not self._new(run.group()):
                continue
            yield from _of_run(run.group())
            if start >= known:
                block, known = _block(data, run)
                if block and self._new(block):
                    yield _decoded(block)

    def _new(self, text: bytes) -> bool:
        """Whether it was not here before; a hash collision (one in 2^64) would hide it."""
        number = hash(text)
        if number in self._seen:
            return False
        self._seen.add(number)
        return True


def _run_starts() -> Callable[[bytes], list[int]]:
    """A function that says where runs of at least `LEAST` characters start."""
    try:
        import hyperscan
    except ImportError:
        return lambda data: [found.start() for found in _LONG_RUN.finditer(data)]
    database = hyperscan.Database()
    database.compile(expressions=[_RUN_START.encode()], ids=[0], elements=1, flags=[0])
    database.scratch = hyperscan.Scratch(database)

    def find(data: bytes) -> list[int]:
        found: list[int] = []

        def take(number: int, start: int, end: int, flags: int, context: object) -> None:
            found.append(end - LEAST)

        database.scan(data, match_event_handler=take)
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


def _of_run(run: bytes) -> Iterator[bytes]:
    """What a run of letters and digits may say. A path or a name may stand before base64: all alignments count."""
    for found in _HEX.finditer(run):
        text = bytes.fromhex(run[found.start() : found.start() + (len(found.group()) & ~1)].decode())
        if text[:20].isascii():
            yield text
    if _HEX.fullmatch(run):
        return
    yield _decoded(run)
    for shift in (1, 2, 3):
        last = shift + max(0, (len(run) - shift - _PROBE) & ~3)
        if _decoded(run[shift : shift + _PROBE]).isascii() or _decoded(run[last:]).isascii():
            yield _decoded(run[shift:])


def _block(data: bytes, run: re.Match[bytes]) -> tuple[bytes, int]:
    """The lines of one length from this one on with the shorter last one, if there are any; and where they end."""
    width = len(run.group())
    lines, end = [run.group()], run.end()
    while len(lines[-1]) == width <= _WIDEST and (line := _NEXT_LINE.match(data, end)) and len(line[1]) <= width:
        lines.append(line[1])
        end = line.end()
    return b"".join(lines) if len(lines) > 1 else b"", end


def _decoded(run: bytes) -> bytes:
    whole = run[: len(run) & ~3] if len(run) % 4 == 1 else run + b"=" * (-len(run) % 4)
    try:
        return base64.b64decode(whole.translate(_TO_STANDARD))
    except binascii.Error:
        return b""
