"""How far a pass over the parts of a store is: objects, bytes, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from runbook_tui.exposure.objects import Part

_EVERY = 0.1  # seconds between two words


class Pace:
    """Adds up what parts brought in, and tells of it now and then."""

    def __init__(self, phase: str, parts: Iterable[Part], total: int, tell: Callable[[dict[str, Any]], None]) -> None:
        """`parts` are all that will be taken, `total` is how many objects they have; `tell` hears the facts."""
        self._phase, self._total, self._tell = phase, total, tell
        self._weight = sum(part.weight for part in parts)
        self._start, self._told = time.monotonic(), 0.0
        self._done = self._objects = self._bytes = 0

    def took(self, part: Part, objects: int, size: int) -> None:
        """One more part is done: its objects, and their bytes."""
        self._done += part.weight
        self._objects += objects
        self._bytes += size
        now = time.monotonic()
        if now - self._told < _EVERY:
            return
        self._told = now
        spent = now - self._start
        left = spent * (self._weight - self._done) / self._done if 0 < self._done <= self._weight else None
        counts = {"objects": self._objects, "total": self._total, "bytes": self._bytes}
        self._tell({"phase": self._phase, **counts, "seconds_left": None if left is None else round(left, 1)})
