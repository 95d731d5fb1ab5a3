"""Looking for something in millions of objects: a quick look that may be wrong one way, then a thorough one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from runbook_tui.exposure.forms import Forms, Match
from runbook_tui.exposure.literals import compiled


class Matcher(Protocol):
    """What a pass over all objects looks for."""

    @property
    def overlap(self) -> int:
        """Bytes that two windows of one large object must share so that no match falls between them."""
        ...

    def suspicious(self, data: bytes) -> bool:
        """False only where `find` finds nothing."""
        ...

    def find(self, data: bytes) -> Sequence[Any]:
        """Everything in `data`; each has `start`, its offset."""
        ...


class FormMatcher:
    """`Matcher` of known values: by hyperscan over literals that every form contains, where there are such."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms
        literals = forms.prefilter()
        scanner = literal_scanner(literals) if literals else None
        self.suspicious: Callable[[bytes], bool] = scanner or (lambda data: True)

    @property
    def overlap(self) -> int:
        return self._forms.overlap

    def find(self, data: bytes) -> list[Match]:
        return self._forms.find(data)


def literal_scanner(literals: Iterable[bytes]) -> Callable[[bytes], bool] | None:
    """A function that says whether any of the literals stands in some bytes; None where hyperscan is not there."""
    database = compiled(sorted(literals))
    if database is None:
        return None
    struck: list[int] = []

    def note(number: int, start: int, end: int, flags: int, context: object) -> None:
        struck.append(number)

    scan = database.scan

    def suspicious(data: bytes) -> bool:
        scan(data, match_event_handler=note)
        if struck:
            struck.clear()
            return True
        return False

    return suspicious
