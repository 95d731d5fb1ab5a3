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

_PUNCTUATION = {ord(char): f"&#{ord(char)};" for char in string.punctuation}
_FORMULA = "=+-@%|"  # also in their full-width forms


def inline(value: Any, missing: str = UNKNOWN, limit: int = 300) -> str:
    """`value` as Markdown text on one line: every ASCII punctuation mark is a numeric entity.

    None and blank text give `missing` (our own words, not escaped); lists are joined, mappings shown as JSON.
    """
    text = words(value, limit)
    return text.translate(_PUNCTUATION) if text else missing


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
