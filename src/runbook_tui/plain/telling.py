"""How far a step is, for people who read lines: what was found at once, counts now and then."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

_EVERY = 5.0  # seconds between two lines of counts


class Telling:
    """Chooses what of a step's progress becomes a line."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def line(self, progress: Mapping[str, Any]) -> str:
        """The line for one push of progress, "" for most."""
        if "found" in progress:
            return f"found: {progress['found']}"
        if "case" in progress:
            return str(progress["case"])
        if "text" in progress and time.monotonic() - self._last >= _EVERY:
            self._last = time.monotonic()
            return str(progress["text"])
        return ""
