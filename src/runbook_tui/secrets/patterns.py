"""Recognises secrets in free text by their shape: the guard at every field where an operator may paste one by mistake.

What it knows stands in `shapes.yaml`. It knows no vault and no provider; `Redactor` takes out what is known, this
refuses what only looks like a secret.
Public ids (an AWS access key id, a fingerprint, a commit, an SSH public key) pass: a record has to name keys somehow.
A false alarm has one way on, and it is safe: other words. There is no switch to record it all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.shapes import known_shapes, looks_random

_WHOLE_TEXT = 200_000  # characters; a longer text is nothing that somebody typed, and is refused as too long


@dataclass(frozen=True, slots=True)
class Hit:
    """Something with the shape of a secret: what, and where in the text (characters, the end excluded)."""

    what: str
    start: int
    end: int


class Guard:
    """Finds values with the shape of a secret. `shapes` adds (what, RE2 of the whole value) to those known here."""

    def __init__(self, shapes: Iterable[tuple[str, str]] = ()) -> None:
        # A shape of a manifest has no boundaries of its own; one with a dot is also that of a name in a program.
        self._added = [(what, rf"(?:^|[^A-Za-z0-9_])(?:{shape})", "." in shape) for what, shape in shapes]
        self._compiled: list[tuple[str, Any, bool]] | None = None

    def hits(self, text: str) -> list[Hit]:
        """Everything with the shape of a secret, by place; empty for ordinary text."""
        shown = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate counts as one `?`
        found = [
            Hit(what, match.start(), match.end())
            for what, shape, random in self._patterns()
            for match in shape.finditer(shown)
            if not random or looks_random(match[0])
        ]
        return sorted(found, key=lambda hit: (hit.start, -hit.end))

    def refuse(self, value: Any, where: str) -> None:
        """RunbookError when any text in `value` (what JSON can hold; about to be recorded) looks like a secret.

        The message says what and at which characters, and never shows any of it.
        """
        for place, text in _texts(value, where):
            if len(text) > _WHOLE_TEXT:
                raise RunbookError(
                    f"{place} has {len(text):,} characters", "nothing was recorded; attach a file instead"
                )
            if hits := self.hits(text):
                first = hits[0]
                at = f"characters {first.start + 1} to {first.end} of {len(text)}"
                raise RunbookError(
                    f"{place} looks like it holds a secret ({first.what}, {at})",
                    "nothing was recorded; name the key by its id or its last four characters instead. "
                    "If it is none, leave out its middle: there is no way to record it as it stands",
                )

    def _patterns(self) -> list[tuple[str, Any, bool]]:
        if self._compiled is None:
            import re2  # linear in the text, whatever a manifest of a workspace says

            options = re2.Options()
            options.log_errors = False
            known = [(shape.what, shape.pattern, shape.random) for shape in known_shapes().values()]
            self._compiled = [
                (what, re2.compile(shape, options), random) for what, shape, random in (*known, *self._added)
            ]
        return self._compiled


@cache
def _own() -> Guard:
    return Guard()


def looks_secret(text: str) -> list[str]:
    """What in `text` has the shape of a secret, in words that can be shown; empty when nothing has."""
    return list(dict.fromkeys(hit.what for hit in _own().hits(text)))


def refuse_secret(text: str, where: str) -> None:
    """`Guard.refuse` with the shapes that are known without any provider."""
    _own().refuse(text, where)


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield f"a name in {where}", str(key)
            yield from _texts(item, f"{where}, {key}" if _is_name(str(key)) else where)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, where)


def _is_name(text: str) -> bool:
    return len(text) <= 40 and text.replace("_", "").replace("-", "").isalnum()
