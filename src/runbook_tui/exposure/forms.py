"""The forms a known value takes in files, and the search for all of them at once.

Two kinds of form. *Literals* are found wherever their bytes stand: the value itself, hexadecimal, every byte
percent-encoded, every character as a `\\u` or `\\x` escape, UTF-16, and base64 or base64url at each of its three
alignments (the characters that the value alone decides; line ends in between are allowed). *Partial escapes* (percent,
JSON and backslash, HTML) leave letters and digits alone but writers differ in which other characters they escape, so a
pattern allows each of them both ways. It runs only where the value's longest run of letters and digits stands, which
every such writing contains.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from runbook_tui.exposure.literals import smallest, standing
from runbook_tui.foundation.errors import RunbookError

MIN_VALUE = 6  # bytes; a shorter one stands in any large history by chance
_MIN_ANCHOR = 3
_LINE = 60  # base64 is never broken into shorter lines by the tools that break it (MIME 76, PEM 64)
_BLANKS = b"\r\n\t "
_MANY = 6  # values, from which on it pays to ask first which of them may be there at all
_WIDEST_ESCAPE = 12  # bytes that one byte of a value takes at most (an astral character as two \uXXXX, HTML numbers)


@dataclass(frozen=True, slots=True)
class Match:
    """The first place of one form: `needle` is the index of the value, `start` the offset in the searched bytes."""

    needle: int
    form: str
    start: int


@dataclass(frozen=True, slots=True, repr=False)
class _Base64:
    """One alignment. A line end can cut `head` or `tail`, neighbours within one line's length, but not both."""

    form: str
    core: bytes
    head: bytes
    tail: bytes

    def find(self, data: bytes) -> int:
        """Where it starts (or, cut by a line end, where its whole part starts); -1 when it is not there."""
        at = data.find(self.head)
        if at < 0:
            at = data.find(self.tail)
        if at < 0:
            return -1
        whole = data.find(self.core)
        if whole >= 0:
            return whole
        return at if self.core in data.translate(None, _BLANKS) else -1


@dataclass(frozen=True, slots=True, repr=False)
class _Needle:
    raw: bytes
    literals: tuple[tuple[str, bytes], ...]
    encoded: tuple[_Base64, ...]
    anchor: bytes  # empty: the patterns run on everything
    escaped: bool  # whether there are writings that escape a part of it: `patterns`
    compiled: list[tuple[str, re.Pattern[bytes]]] = field(default_factory=list)

    def patterns(self) -> list[tuple[str, re.Pattern[bytes]]]:
        """The partial escapes; made when they are first needed, as most values of many are nowhere."""
        if not self.compiled:
            characters = _characters(self.raw)
            for form, ways in (("url", _url_ways), ("json", _json_ways), ("html", _html_ways)):
                one = b"".join(b"(?:" + b"|".join(ways(char)) + b")" for char in characters)
                self.compiled.append((form, re.compile(one, re.DOTALL)))
        return self.compiled

    @property
    def unmarked(self) -> bool:
        """Whether it may have a match where none of its `marks` stands."""
        return self.escaped and not self.anchor

    def marks(self) -> set[bytes]:
        """Literals of which one stands wherever it is found (but see `unmarked`)."""
        found = {literal for _, literal in self.literals}
        for encoded in self.encoded:
            found |= {encoded.head, encoded.tail}
        return smallest(found | {self.anchor} if self.escaped and self.anchor else found)


class Forms:
    """All forms of all values. Holds the values in memory; its repr shows none."""

    __slots__ = ("_every", "_needles", "_select", "overlap")

    def __init__(self, values: Sequence[bytes]) -> None:
        """`values` in the order that `Match.needle` counts; RunbookError for one shorter than 6 bytes."""
        for position, value in enumerate(values, 1):
            if len(value) < MIN_VALUE:
                raise RunbookError(
                    f"value {position} is shorter than {MIN_VALUE} bytes",
                    "so short a text stands in any history by chance; search for it by eye",
                )
        self._needles = [_needle(value) for value in values]
        self._every = [index for index, needle in enumerate(self._needles) if needle.unmarked]
        self._select = standing([needle.marks() for needle in self._needles]) if len(values) >= _MANY else None
        #: Bytes that two windows of one large object must share so that no match falls between them.
        self.overlap = max((len(value) for value in values), default=0) * _WIDEST_ESCAPE

    def find(self, data: bytes) -> list[Match]:
        """The first match of each form of each value in `data`."""
        found = list(self._find(data))
        wide = {(match.needle, match.form): match for match in found if match.form in ("utf-16le", "utf-16be")}
        for (needle, form), match in wide.items():
            other = wide.get((needle, "utf-16be" if form == "utf-16le" else "utf-16le"))
            # ASCII text in one byte order is the other order read one byte off: text starts at even places.
            if other and abs(other.start - match.start) == 1 and match.start % 2:
                found.remove(match)
        return found

    def prefilter(self) -> set[bytes]:
        """Literals of which every match of `find` has at least one beside it; empty where that cannot be said."""
        if self._every:
            return set()
        found = {literal for needle in self._needles for literal in needle.marks()}
        return smallest(found) if len(self._needles) < _MANY else found

    def _chosen(self, data: bytes) -> Iterable[int]:
        """The values that may have a match; all of them where nothing tells."""
        if self._select is None:
            return range(len(self._needles))
        found = self._select(data)
        return sorted({*found, *self._every}) if self._every else found

    def _find(self, data: bytes) -> Iterator[Match]:
        for index in self._chosen(data):
            needle, seen = self._needles[index], set()
            for form, literal in needle.literals:
                start = data.find(literal)
                if start >= 0 and form not in seen:
                    seen.add(form)
                    yield Match(index, form, start)
            for encoded in needle.encoded:
                start = -1 if encoded.form in seen else encoded.find(data)
                if start >= 0:
                    seen.add(encoded.form)
                    yield Match(index, encoded.form, start)
            if not needle.escaped or needle.anchor not in data:
                continue
            for form, pattern in needle.patterns():
                match = next((m for m in pattern.finditer(data) if m.group() != needle.raw), None)
                if match and form not in seen:
                    seen.add(form)
                    yield Match(index, form, match.start())


def _needle(value: bytes) -> _Needle:
    runs: list[bytes] = re.findall(rb"[A-Za-z0-9]+", value)
    anchor = max(runs, key=len, default=b"")
    return _Needle(
        value,
        tuple(_literals(value)),
        tuple(_encoded(value)),
        anchor if len(anchor) >= _MIN_ANCHOR else b"",
        escaped=anchor != value,
    )


def _characters(value: bytes) -> list[str]:
    """The value as characters; bytes that are not UTF-8 become one lone surrogate each."""
    return list(value.decode("utf-8", "surrogateescape"))


def _literals(value: bytes) -> list[tuple[str, bytes]]:
    found: dict[bytes, str] = {value: "raw"}
    digits = value.hex()
    pairs = [digits[i : i + 2] for i in range(0, len(digits), 2)]
    for case in (str.lower, str.upper):
        found.setdefault(case(digits).encode(), "hex")
        found.setdefault("".join("%" + case(pair) for pair in pairs).encode(), "url")
        found.setdefault("".join("\\x" + case(pair) for pair in pairs).encode(), "hex")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return [(form, literal) for literal, form in found.items()]
    units = text.encode("utf-16-be").hex(" ", 2).split()
    for case in (str.lower, str.upper):
        found.setdefault("".join("\\u" + case(unit) for unit in units).encode(), "json")
    once = json.dumps(text)[1:-1]
    found.setdefault(json.dumps(once)[1:-1].encode(), "json")  # JSON inside a JSON string
    found.setdefault(text.encode("utf-16-le"), "utf-16le")
    found.setdefault(text.encode("utf-16-be"), "utf-16be")
    return [(form, literal) for literal, form in found.items()]


def _encoded(value: bytes) -> Iterator[_Base64]:
    seen = set()
    for form, alphabet in (("base64", b"+/"), ("base64url", b"-_")):
        for core in _base64_cores(value, alphabet):
            if core not in seen:
                seen.add(core)
                half = min(len(core), _LINE) // 2
                yield _Base64(form, core, core[:half], core[half : 2 * half])


def _base64_cores(value: bytes, alphabet: bytes) -> Iterator[bytes]:
    """For each of the three alignments, the base64 characters whose six bits all come from the value."""
    for before, dropped in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * before + value, alphabet)
        yield encoded[dropped : (before + len(value)) * 8 // 6]


def _bytes_of(char: str) -> bytes:
    return char.encode("utf-8", "surrogateescape")


def _hex_way(prefix: bytes, digits: str) -> bytes:
    return prefix + b"(?i:" + digits.encode() + b")"


def _url_ways(char: str) -> list[bytes]:
    """Percent-encoding: letters and digits stand, `%` is always encoded, a space may be a plus."""
    raw = _bytes_of(char)
    ways = [b"".join(_hex_way(b"%", f"{byte:02x}") for byte in raw)]
    if char == " ":
        ways.append(rb"\+")
    return ways if char == "%" else [re.escape(raw), *ways]


_SHORT_ESCAPES = {"\n": rb"\\{1,3}n", "\r": rb"\\{1,3}r", "\t": rb"\\{1,3}t", "\b": rb"\\{1,3}b", "\f": rb"\\{1,3}f"}


def _json_ways(char: str) -> list[bytes]:
    """JSON strings and their like: a backslash is always escaped, other signs with a backslash or by number.

    Up to three backslashes, as a string inside a string has them.
    """
    raw = _bytes_of(char)
    if 0xDC80 <= ord(char) <= 0xDCFF:  # a byte that is not text
        return [re.escape(raw)]
    units = char.encode("utf-16-be").hex(" ", 2).split()
    ways = [b"".join(_hex_way(rb"\\{1,3}u" if len(units) == 1 else rb"\\u", unit) for unit in units)]
    if char in _SHORT_ESCAPES:
        ways.append(_SHORT_ESCAPES[char])
    if char == "\\":
        return [*ways, rb"\\\\"]
    if char.isascii() and not char.isalnum() and char.isprintable():
        ways.append(rb"\\{1,3}" + re.escape(raw))
    return [re.escape(raw), *ways]


_ENTITIES = {"&": b"&amp;", "<": b"&lt;", ">": b"&gt;", '"': b"&quot;", "'": b"&apos;"}


def _html_ways(char: str) -> list[bytes]:
    """HTML and XML text: an ampersand is always an entity, other characters may be."""
    raw = _bytes_of(char)
    if 0xDC80 <= ord(char) <= 0xDCFF:
        return [re.escape(raw)]
    ways = [b"&#0{0,3}%d;" % ord(char), _hex_way(b"&#[xX]0{0,3}", f"{ord(char):x}") + b";"]
    if char in _ENTITIES:
        ways.append(_ENTITIES[char])
    return ways if char == "&" else [re.escape(raw), *ways]
