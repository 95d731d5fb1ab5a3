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


def veil(values: Iterable[tuple[str, Secret]]) -> Veil:
    """A function that replaces every value, in every form, by `«name»` in one text."""
    redactor = Redactor()
    for name, secret in values:
        with contextlib.suppress(RunbookError):  # it cannot be told from ordinary text
            redactor.add(secret, name)
    return lru_cache(maxsize=4096)(redactor.text)


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
