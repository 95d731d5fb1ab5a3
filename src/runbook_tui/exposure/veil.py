"""A found value also stands in names: of files, branches, authors, remotes. The result says where, never what."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from runbook_tui.exposure.model import Gap, Hit, Mark, RepositoryScan
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.redaction import Redactor

if TYPE_CHECKING:
    from runbook_tui.secrets.secret import Secret

Veil = Callable[[str], str]


def veil(values: Iterable[tuple[str, Secret]]) -> Veil:
    """A function that replaces every value, in every form, by `«name»` in one text."""
    redactor = Redactor()
    for name, secret in values:
        with contextlib.suppress(RunbookError):  # it cannot be told from ordinary text
            redactor.add(secret, name)
    return lru_cache(maxsize=4096)(redactor.text)


def veiled(found: RepositoryScan, hide: Veil) -> RepositoryScan:
    """The same result without a value in any of its names."""
    gaps = tuple(Gap(hide(gap.what), hide(gap.why)) for gap in found.not_scanned)
    return replace(found, path=hide(found.path), not_scanned=gaps, hits=tuple(_hit(hit, hide) for hit in found.hits))


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
