"""Foreign text made safe to show: no control characters, no direction tricks, no surprises in length."""

from __future__ import annotations

import unicodedata

# Cc control, Cf format (bidi, zero width, tags), Cs surrogate, Co private use, Zl/Zp line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def plain(text: str, limit: int = 2000, *, keep_newlines: bool = False) -> str:
    """`text` with every unsafe character shown as `<U+XXXX>`, cut at `limit` characters.

    Tabs become a space; newlines stay only when asked for.
    """
    kept = text[: limit + 1]
    if kept.isprintable():  # nothing of the categories above, of the unassigned, or of the separators but the space
        return kept[:limit] + "…" if len(text) > limit else kept
    out: list[str] = []
    for char in kept:
        if char == "\t":
            out.append(" ")
        elif char == "\n" and keep_newlines:
            out.append(char)
        elif unicodedata.category(char) in _UNSAFE:
            out.append(f"<U+{ord(char):04X}>")
        else:
            out.append(char)
    shown = "".join(out)
    return shown[:limit] + "…" if len(text) > limit else shown


def one_line(text: str, limit: int = 200) -> str:
    """`plain` on one line, runs of white space folded."""
    return plain(" ".join(text.split()), limit)


def same_width(text: str) -> str:
    """`text` with every unsafe character as one replacement character, so that a laid out line keeps its columns."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _UNSAFE else char for char in text)
