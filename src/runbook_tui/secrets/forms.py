"""The forms a value takes in texts, as lists of small patterns: one pattern for each character of the form.

A form is matched from an anchor (its first characters, long enough to be no accident) and then followed one pattern
after the other for as long as the text agrees. So a prefix, a value broken over lines, and a value in which only some
characters are escaped are found by the same few patterns.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

ANCHOR = 12  # characters of the value that are no accident; a shorter value must stand there whole
SHORTEST = 8
FEWEST = 4  # distinct characters

# A line break inside a value: a folded line, a quoted-printable or shell continuation, YAML's indentation.
BREAK = r"(?:[=\\]?\r?\n[ \t]*)?"
_BREAK = re.compile(r"([=\\]?\r?\n)[ \t]*")
_LINES = re.compile(r"\r?\n")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]")
_NEWLINE = r"(?:\r?\n|\\{1,4}r\\{1,4}n|\\{1,4}n|(?:%(?:25)?0[dD])?%(?:25)?0[aA]|&#(?:10|[xX]0?[aA]);)"
_BLANKS = r"(?:[ \t+]|%(?:25)?(?:20|09)|\\{1,4}t|&#(?:32|9);)*"


Unit = tuple[str, ...]  # regular expressions for one character: the ways to write it


def _ends(unit: Unit, text: str, at: int) -> Iterator[int]:
    """Where the character can end that starts at `at`, or after a line break that starts there."""
    starts = {at}
    if bridge := _BREAK.match(text, at):
        starts |= {bridge.end(1), bridge.end()}  # the blanks after it are indentation, or the value's own
    for start in starts:
        for option in unit:
            found = _compiled(option).match(text, start)
            if found:
                yield found.end()


@dataclass(frozen=True)
class Form:
    """One way to write a value, from one of its anchors on."""

    units: tuple[Unit, ...]  # one a character
    anchor: int  # how many units must match
    first: int = 0  # where in `units` this form begins; the lines of one value share them
    before: bool = False  # the character before shares bits with the value (base64 at an odd alignment)
    after: bool = False  # so does the character after

    @property
    def pattern(self) -> str:
        """The anchor as one regular expression."""
        units = self.units[self.first : self.first + self.anchor]
        return BREAK.join(f"(?:{'|'.join(unit)})" for unit in units)

    def end(self, text: str, start: int) -> int:
        """Where the form that starts at `start` ends in `text`; -1 when its anchor is not there."""
        # A text can be read in several ways (`%25` is `%` escaped, or the value's own `%25`): all are followed.
        ways = {start}
        for number in range(self.first, len(self.units)):
            onward = {end for at in ways for end in _ends(self.units[number], text, at)}
            if not onward:
                if number < self.first + self.anchor:
                    return -1
                return max(ways)
            ways = onward
        end = max(ways)
        if self.after and (last := _BASE64.match(text, end)):
            end = last.end()
        return end

    def start(self, text: str, start: int) -> int:
        """Where the value's first bits stand when the anchor was found at `start`."""
        return start - 1 if self.before and start and _BASE64.match(text, start - 1) else start


def forms_of(value: bytes) -> list[Form]:
    """All forms of `value` that the redactor looks for. The value must be acceptable (`why_refused`)."""
    forms = [_hex(value), *_base64(value)]
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return forms
    forms += _texts(text)
    lines = [line.strip().encode() for line in _LINES.split(text)]
    if len(lines) > 1:
        for line in lines:
            if not why_refused(line) and not line.startswith(b"-----"):
                forms += [_hex(line), *_base64(line)]
    return forms


def why_refused(value: bytes) -> str:
    """Why `value` cannot be told from ordinary text, or ""."""
    characters = value.decode("utf-8", "replace")
    if len(characters) < SHORTEST:
        return f"shorter than {SHORTEST} characters"
    if len(set(characters)) < FEWEST:
        return f"fewer than {FEWEST} different characters"
    return ""


def _texts(text: str) -> list[Form]:
    """The value as text, from its start and from the start of each of its lines on."""
    units, starts = _text_units(text)
    forms = []
    for start, length, armour in starts:
        if not armour and length >= SHORTEST and len(set(units[start : start + length])) >= FEWEST:
            forms.append(Form(units, min(length, ANCHOR), start))
    return forms or [Form(units, min(len(units), ANCHOR))]  # all lines are short: only the whole says enough


def _text_units(text: str) -> tuple[tuple[Unit, ...], list[tuple[int, int, bool]]]:
    """The patterns, and for each line its first pattern, its number of patterns, and whether it is PEM armour."""
    units: list[Unit] = []
    starts: list[tuple[int, int, bool]] = []
    for number, line in enumerate(_LINES.split(text)):
        if number:
            units.append((_NEWLINE, rf"{_NEWLINE}[ \t]*", _BLANKS + _NEWLINE + _BLANKS))
        # A run of backslashes is one unit: escaping multiplies it and the next character's escape joins it.
        parts = re.findall(r"\\{1,8}|[^\\]", line.strip(" \t"))
        starts.append((len(units), len(parts), line.startswith("-----")))
        units += [_run_unit(len(part)) if part[0] == "\\" else _char_unit(part) for part in parts]
    return tuple(units), starts


def _run_unit(count: int) -> Unit:
    one = r"(?:\\|%(?:25)?5[cC]|&#92;|&#[xX]5[cC];|&bsol;)"
    return tuple(f"{one}{{{times}}}" for times in range(count, count * 4 + 1))


_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


@lru_cache(maxsize=512)
def _char_unit(char: str) -> Unit:
    """One character: itself, percent-encoded (once or twice), a JSON or repr escape (once or twice), an HTML entity."""
    code = ord(char)
    raw = char.encode("utf-8")
    options = [re.escape(char)]
    if char in "\"'/":
        options[0] = rf"\\{{0,7}}{char}"
    if char == " ":
        options.append(r"\+")
    if char == "\t":
        options.append(r"\\{1,4}t")
    options.append("".join(rf"%(?:25)?{_hex_digits(byte)}" for byte in raw))
    units16 = char.encode("utf-16-be")
    options.append(
        "".join(rf"\\{{1,4}}u{_hex_digits(a)}{_hex_digits(b)}" for a, b in zip(*[iter(units16)] * 2, strict=True))
    )
    options.append("".join(rf"\\{{1,4}}x{_hex_digits(byte)}" for byte in raw))
    options.append(rf"&(?:amp;)?#(?:0*{code}|[xX]0*{_any_case(f'{code:x}')});")
    if char in _NAMED:
        options.append(rf"&(?:amp;)?{_NAMED[char]};")
    return tuple(options)


def _hex(value: bytes) -> Form:
    units = tuple((_hex_digits(byte),) for byte in value)
    return Form(units, min(len(units), ANCHOR))


def _hex_digits(byte: int) -> str:
    return _any_case(f"{byte:02x}")


def _any_case(digits: str) -> str:
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in digits)


def _base64(value: bytes) -> list[Form]:
    """The characters of base64 that depend on the value alone, at each of the three alignments."""
    forms = []
    for offset in range(3):
        bits = (offset + len(value)) * 8
        text = b64encode(b"\0" * offset + value).decode("ascii")
        first, last = -(-offset * 8 // 6), bits // 6
        units = tuple(_base64_unit(char) for char in text[first:last])
        # 12 bytes give 15 characters that depend on nothing else, at the worst alignment.
        forms.append(Form(units, min(len(units), 15), before=offset > 0, after=bits % 6 > 0))
    return forms


def _base64_unit(char: str) -> Unit:
    if char == "+":
        return (r"[+-]|%2[bB]",)
    if char == "/":
        return (r"\\{0,2}/|_|%2[fF]",)
    return (char,)


@lru_cache(maxsize=4096)
def _compiled(unit: str) -> re.Pattern[str]:
    return re.compile(unit)
