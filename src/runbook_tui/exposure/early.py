"""What is found, told while the search still goes on: the whole answer needs all objects, this does not."""

from __future__ import annotations

from collections.abc import Callable

from runbook_tui.exposure.share import Found, Share


class EarlyShare(Share):
    """A share that tells of every found place when it takes it in."""

    __slots__ = ("_tell",)

    def __init__(self, tell: Callable[[Found], None]) -> None:
        super().__init__()
        self._tell = tell

    def add(self, other: Share) -> None:
        super().add(other)
        for found in other.found:
            self._tell(found)
