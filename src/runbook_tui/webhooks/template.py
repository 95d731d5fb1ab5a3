"""Text with `{token}` parts and nothing cleverer, and sets of HTTP statuses as a scheme's file writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r"\{([a-z_0-9]+)\}")
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)")
_NUMBERS = frozenset({"{ts}", "{ts_ms}"})


@dataclass(frozen=True)
class Template:
    """Text with `{token}` parts: no expressions, no formats, no escapes."""

    source: str
    parts: tuple[tuple[str, bool], ...]  # (text, False) or (token, True)

    @classmethod
    def parse(cls, source: str, allowed: Iterable[str]) -> Template:
        """ValueError, in words for the author of the file, when `source` is not such a text."""
        known = tuple(allowed)
        parts: list[tuple[str, bool]] = []
        end = 0
        for match in _TOKEN.finditer(source):
            parts.append((source[end : match.start()], False))
            if match.group(1) not in known:
                shown = ", ".join("{" + name + "}" for name in known)
                raise ValueError(f"unknown token {match.group()} (known: {shown})")
            parts.append((match.group(1), True))
            end = match.end()
        parts.append((source[end:], False))
        if any("{" in text or "}" in text for text, is_token in parts if not is_token):
            raise ValueError("a brace that belongs to no token")
        return cls(source, tuple(part for part in parts if part[0]))

    @property
    def tokens(self) -> frozenset[str]:
        return frozenset(text for text, is_token in self.parts if is_token)

    def text(self, values: Mapping[str, str]) -> str:
        return "".join(values[text] if is_token else text for text, is_token in self.parts)

    def data(self, values: Mapping[str, bytes]) -> bytes:
        return b"".join(values[text] if is_token else text.encode() for text, is_token in self.parts)


@dataclass(frozen=True)
class Statuses:
    """HTTP statuses: `200`, `404`, or a whole class like `2xx`. `status in statuses` asks."""

    source: tuple[str, ...]

    @classmethod
    def parse(cls, entries: Any) -> Statuses:
        """ValueError, in words, for anything else than a list of them."""
        texts = tuple(str(entry) for entry in entries) if isinstance(entries, list) else ()
        if not texts or not all(_STATUS.fullmatch(text) for text in texts):
            raise ValueError("a list of statuses like [200, 202] or [2xx]")
        return cls(texts)

    def __contains__(self, status: object) -> bool:
        return isinstance(status, int) and (str(status) in self.source or f"{status // 100}xx" in self.source)

    def __str__(self) -> str:
        return ", ".join(self.source)


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """`value` (a body's data) with its tokens filled in; a text that is only `{ts}` or `{ts_ms}` becomes a number."""
    if isinstance(value, Mapping):
        return {name: filled(inner, values) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, values) for inner in value]
    if not isinstance(value, str):
        return value
    if value in _NUMBERS:
        return int(values[value[1:-1]])
    return Template.parse(value, values).text(values)
