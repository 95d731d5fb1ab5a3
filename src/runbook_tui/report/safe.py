"""Foreign text made harmless in each format: nothing that came from outside can become markup, chart or formula."""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections.abc import Mapping
from typing import Any

from runbook_tui.foundation.text import one_line, plain

UNKNOWN = "not determined"

# Marks that mean nothing to Markdown, GitHub or HTML text wherever they stand. A full stop, a dash and a colon do only
# at the start of a line or in a web address, so they stay between two characters of a word.
_HARMLESS = set(",;'\"()?%/")
_ESCAPED = {ord(char): f"&#{ord(char)};" for char in string.punctuation if char not in _HARMLESS}
_IN_A_WORD = re.compile(r"(?<=[A-Za-z0-9])[.:-](?=[A-Za-z0-9])")
_ADDRESS = re.compile(r"\bwww\.", re.IGNORECASE)
_FORMULA = "=+-@%|"  # also in their full-width forms


def inline(value: Any, missing: str = UNKNOWN, limit: int = 300) -> str:
    """`value` as Markdown text on one line: every punctuation mark that could mean something is a numeric entity.

    None and blank text give `missing` (our own words, not escaped); lists are joined, mappings shown as JSON.
    """
    text = words(value, limit)
    if not text:
        return missing
    kept = {match.start() for match in _IN_A_WORD.finditer(text)} - {
        match.end() - 1 for match in _ADDRESS.finditer(text)
    }
    return "".join(char if at in kept else char.translate(_ESCAPED) for at, char in enumerate(text))


def words(value: Any, limit: int = 300) -> str:
    """`value` as plain text on one line, safe characters only; "" for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple, set, frozenset)):
        return one_line(", ".join(part for entry in value if (part := words(entry, limit))), limit)
    if isinstance(value, Mapping):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return one_line(str(value), limit)


def block(text: str) -> list[str]:
    """`text` as the lines of a fenced block, the fence longer than any run of backticks inside."""
    safe = plain(text, 20_000, keep_newlines=True)
    longest = max((len(run) for run in re.findall(r"`+", safe)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *safe.split("\n"), fence]


def label(text: Any, number: int) -> str:
    """A chart label: a number, then letters, digits, blanks and commas only.

    Mermaid cuts a label at its first colon and reads some words at the start of a line as commands.
    """
    kept = "".join(char if char.isalnum() or char in " ," else " " for char in words(text, 60))
    return f"{number} {' '.join(kept.split())}".strip()


def cell(value: Any) -> str:
    """A spreadsheet cell that no program takes for a formula."""
    text = words(value, 2000)
    first = unicodedata.normalize("NFKC", text[:1])
    return f"'{text}" if first and first in _FORMULA else text
