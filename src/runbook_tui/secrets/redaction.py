"""Takes known secrets out of text: the second line of defence, at the journal's door.

Found: the raw value, percent-encoded, JSON-escaped (once and twice), HTML-escaped, hexadecimal, base64 and base64url at
any alignment, each also broken over lines, the single lines of a value with several, and every prefix of 12 or more
characters. Not found: compressed, hashed or encrypted values, base64 of base64, other letter case, values spread
over several strings.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.forms import Form, forms_of, why_refused
from runbook_tui.secrets.secret import Secret

_PER_PATTERN = 60  # anchors in one compiled pattern: keeps its automaton small
_MEMORY = 64 * 1024 * 1024


class Redactor:
    """Knows secrets and replaces them by `«label»`."""

    def __init__(self) -> None:
        self._secrets: list[tuple[Secret, str]] = []
        self._forms: list[tuple[Form, str]] = []
        self._patterns: list[Any] | None = None
        self._shortest = sys.maxsize  # characters of the shortest anchor: a shorter text holds none

    def add(self, secret: Secret, label: str) -> None:
        """Redact `secret` from now on, as `«label»`.

        RunbookError for a value that cannot be told from ordinary text (below 8 characters, or fewer than 4 different
        ones): the caller must not record anything that could hold it.
        """
        value = secret.expose_bytes()
        reason = why_refused(value)
        if reason:
            value = b""
            raise RunbookError(
                f"the value of {label} cannot be kept out of records: it is {reason}",
                "use a longer secret, or keep it out of this program",
            )
        if any(known == secret for known, _ in self._secrets):
            return
        self._secrets.append((secret, label))
        forms = forms_of(value)
        self._forms += [(form, label) for form in forms]
        self._shortest = min(self._shortest, *(form.anchor for form in forms))  # a unit is a character or more
        self._patterns = None

    def text(self, text: str) -> str:
        """`text` with every known secret replaced."""
        if len(text) < self._shortest:  # most of a record: names, states, numbers
            return text
        found = self._find(text)
        if not found:
            return text
        out, at = [], 0
        for start, end, label in found:
            out += [text[at:start], f"«{label}»"]
            at = end
        return "".join([*out, text[at:]])

    def data(self, value: Any) -> Any:
        """`value` (what JSON can hold) with every known secret replaced, in keys and numbers too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            shown = str(value)
            clean = self.text(shown)
            return value if clean == shown else clean
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        if isinstance(value, dict):
            return self._mapping(value)
        raise TypeError(f"cannot redact a {type(value).__name__}: hand over what JSON can hold")

    def _mapping(self, value: dict[Any, Any]) -> dict[str, Any]:
        clean: dict[str, Any] = {}
        for key, item in value.items():
            name = self.text(str(key))
            while name in clean:  # two secret keys became one label
                name += "′"  # noqa: RUF001 - a prime, to tell them apart
            clean[name] = self.data(item)
        return clean

    def _find(self, text: str) -> list[tuple[int, int, str]]:
        """Where secrets stand: disjoint spans in order, each with the label of its longest secret."""
        raw = text.encode("utf-8", "replace")  # a lone surrogate (from a file name) counts as one `?`
        shown = raw.decode("utf-8")
        spans = [span for pattern in self._compiled() for at in _hits(pattern, raw) for span in self._spans(shown, at)]
        merged: list[tuple[int, int, str]] = []
        longest = 0
        for start, end, label in sorted(spans):
            if not merged or start >= merged[-1][1]:
                longest = end - start
                merged.append((start, end, label))
                continue
            first, last, known = merged[-1]
            merged[-1] = (first, max(last, end), label if end - start > longest else known)
            longest = max(longest, end - start)
        return merged

    def _spans(self, text: str, at: int) -> Iterator[tuple[int, int, str]]:
        for form, label in self._forms:
            end = form.end(text, at)
            if end >= 0:
                yield form.start(text, at), end, label

    def _compiled(self) -> list[Any]:
        if self._patterns is None:
            import re2

            options = re2.Options()
            options.max_mem = _MEMORY
            options.log_errors = False
            anchors = list(dict.fromkeys(form.pattern for form, _ in self._forms))
            self._patterns = [
                re2.compile("|".join(anchors[at : at + _PER_PATTERN]).encode(), options)
                for at in range(0, len(anchors), _PER_PATTERN)
            ]
        return self._patterns


def _hits(pattern: Any, raw: bytes) -> Iterator[int]:
    """Every place where an anchor begins, overlapping ones too, counted in characters."""
    at = characters = counted = 0
    while found := pattern.search(raw, at):
        start = found.start()
        characters += len(raw[counted:start].decode("utf-8"))
        counted = start
        yield characters
        at = start + 1
