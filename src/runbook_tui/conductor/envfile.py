"""Env files: one variable set, everything else kept byte for byte.

Read as a POSIX shell reads assignments: a quoted value may span lines, and what stands inside one is no assignment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from runbook_tui.foundation.errors import RunbookError

# In a shell these stand for themselves at any place of an assignment's value ("~" and ":~" do not).
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_./:=+@%,-]*")
_ASSIGNMENT = re.compile(r"\ufeff?[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=")
_BLANKS = re.compile(r"[ \t]+")
_REST = re.compile(r"[^\r\n]*")


def set_variable(text: str, variable: str, value: str) -> str:
    """The file's text with `variable` set wherever it is assigned, or added at the end.

    Other lines, comments, `export`, the kind of quotes and the ends of lines stay as they are. `value` has one line.
    RunbookError when the result would not read back as that: a quote somewhere before is never closed, and would be
    closed by the ones of the new value; or the new line would belong to the one before.
    """
    changed = _set(text, variable, value)
    kept = [text[start:end] for name, start, end in _values(text) if name != variable]
    read = [(name, changed[start:end]) for name, start, end in _values(changed)]
    ours = [one for name, one in read if name == variable]
    forms = {_quoted(value, before) for before in ("", "'", '"')}
    if [one for name, one in read if name != variable] != kept or not ours or not forms.issuperset(ours):
        message = "a quote in the file is never closed, or its last line goes on after a backslash"
        raise RunbookError(message, "mend it, or set the variable by hand")
    return changed


def _set(text: str, variable: str, value: str) -> str:
    changed, kept = [], 0
    for name, start, end in _values(text):
        if name == variable:
            changed += [text[kept:start], _quoted(value, text[start : start + 1])]
            kept = end
    if changed:
        return "".join([*changed, text[kept:]])
    newline = "\r\n" if "\r\n" in text else "\n"
    between = "" if not text or text.endswith("\n") else newline
    return f"{text}{between}{variable}={_quoted(value, '')}{newline}"


def _quoted(value: str, before: str) -> str:
    """The value as a shell takes it literally; in the quotes it had before, where they make no difference."""
    if _PLAIN_VALUE.fullmatch(value):
        return f"{before}{value}{before}" if before in ("'", '"') else value
    return "'" + value.replace("'", "'\\''") + "'"


def _values(text: str) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of every assignment's value, the comment behind it left out."""
    at, by_line = 0, False
    while at < len(text):
        found = _ASSIGNMENT.match(text, at)
        if found:
            end = _end(text, found.end(), len(text)) if not by_line else -1
            if end < 0:
                # A quote that is never closed: no shell reads this file, so from here on each line is by itself.
                by_line = True
                end = _end_in_line(text, found.end())
            yield found.group(1), found.end(), end
            at = end
        rest = _REST.match(text, at)
        at = rest.end() if rest else at
        while at < len(text) and text[at] in "\r\n":
            at += 1


def _end_in_line(text: str, start: int) -> int:
    """Where a value ends that takes no more than its line; a quote that is not closed there is none."""
    found = _REST.match(text, start)
    line = found.end() if found else start
    end = _end(text, start, line)
    return line if end < 0 else end


def _end(text: str, at: int, most: int) -> int:
    """Where a value ends: at the end of its line, before a comment, quotes and escapes taken into account.

    Looks as far as `most`; -1 when a quote is still open there.
    """
    quote = ""
    while at < most:
        char = text[at]
        if quote:
            if char == "\\" and quote == '"':
                at += 1
            elif char == quote:
                quote = ""
        elif char in "\r\n":
            return at
        elif char in " \t" and (blanks := _BLANKS.match(text, at, most)):
            if text[blanks.end() : blanks.end() + 1] == "#":
                return at
            at = blanks.end() - 1
        elif char in "'\"":
            quote = char
        elif char == "\\":
            at += 2 if text[at + 1 : at + 3] == "\r\n" else 1
        at += 1
    return -1 if quote else min(at, most)
