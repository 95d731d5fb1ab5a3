"""A found value also stands in names: of files, branches, authors, remotes. The result says where, never what."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from runbook_tui.exposure.model import Gap, Hit, Mark, RepositoryScan
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.redaction import Redactor

if TYPE_CHECKING:
    from runbook_tui.secrets.secret import Secret

Veil = Callable[[str], str]
_FEW = 4  # names that are looked at one by one
_START = 12  # characters that show a value, as it is, which may be cut off behind them


def veil(values: Iterable[tuple[str, Secret]]) -> Veil:
    """A function that replaces every value, in every form, by `«name»` in one text."""
    redactor = Redactor()
    for name, secret in values:
        with contextlib.suppress(RunbookError):  # it cannot be told from ordinary text
            redactor.add(secret, name)
    return lru_cache(maxsize=4096)(redactor.text)


def plain_veil(values: Sequence[tuple[str, Secret]]) -> Veil:
    """As `veil`, for thousands of values: only as they are, also when their end is cut off."""
    by_start: dict[str, list[tuple[str, str]]] = {}
    shown = [(name, secret.expose_bytes().decode("utf-8", "replace")) for name, secret in values]
    width = min((_START, *(len(value) for _, value in shown)))
    for name, value in shown:
        by_start.setdefault(value[:width], []).append((name, value))

    def hide(text: str) -> str:
        out = []
        at = done = 0
        while at <= len(text) - width:
            known = by_start.get(text[at : at + width])
            if known is None:
                at += 1
                continue
            long, name = max((_common(value, text[at : at + len(value)]), name) for name, value in known)
            out += [text[done:at], f"«{name}»"]
            at = done = at + long
        return "".join([*out, text[done:]])

    return hide if shown else lambda text: text


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


def veiled(found: RepositoryScan, hide: Veil) -> RepositoryScan:
    """The same result without a value in any of its names."""
    # Tens of thousands of names and hundreds of values: many names at once are clean, and said to be in one look.
    names = list(dict.fromkeys(_names(found)))
    hidden = {name: hide(name) for name in _doubtful(names, hide)}

    def quick(name: str) -> str:
        return hidden.get(name, name)

    gaps = tuple(Gap(quick(gap.what), quick(gap.why)) for gap in found.not_scanned)
    hits = tuple(_hit(hit, quick) for hit in found.hits)
    return replace(found, path=quick(found.path), not_scanned=gaps, hits=hits)


def _names(found: RepositoryScan) -> Iterator[str]:
    yield found.path
    for gap in found.not_scanned:
        yield from (gap.what, gap.why)
    for hit in found.hits:
        yield from (*hit.paths, *hit.refs, *hit.remotes)
        yield from (mark.author for mark in (*hit.first, *hit.last))


def _doubtful(names: Sequence[str], hide: Veil) -> Iterator[str]:
    """The names in which a value may stand. A value in one of them also stands in all of them in a row."""
    if len(names) <= _FEW:
        yield from names
        return
    together = "\n\n".join(names)
    if hide(together) != together:
        middle = len(names) // 2
        yield from _doubtful(names[:middle], hide)
        yield from _doubtful(names[middle:], hide)


def _hit(hit: Hit, hide: Veil) -> Hit:
    def marks(given: tuple[Mark, ...]) -> tuple[Mark, ...]:
        return tuple(replace(mark, author=hide(mark.author)) for mark in given)

    return replace(
        hit,
        paths=tuple(map(hide, hit.paths)),
        first=marks(hit.first),
        last=marks(hit.last),
        refs=tuple(map(hide, hit.refs)),
        remotes=tuple(map(hide, hit.remotes)),
    )
