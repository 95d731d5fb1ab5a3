"""Where the client's reader thread meets the screen: pushes are gathered and handed over at most every 50 ms."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Pushes = list[dict[str, Any]]
EVERY = 0.05  # seconds between two hand-overs; one message per push would freeze the screen in a burst


class Bridge:
    """`deliver` is called on the screen's own thread with everything that came since the last time."""

    def __init__(self, deliver: Callable[[Pushes], None]) -> None:
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._gathered: Pushes = []
        self._last = 0.0

    def take(self, push: dict[str, Any]) -> None:
        """Called from any thread."""
        with self._lock:
            self._gathered.append(push)
            if len(self._gathered) > 1:
                return
        with suppress(RuntimeError):  # the screen has ended: nobody is left to tell
            self._loop.call_soon_threadsafe(self._arm)

    def _arm(self) -> None:
        self._loop.call_later(max(0.0, self._last + EVERY - self._loop.time()), self._flush)

    def _flush(self) -> None:
        with self._lock:
            gathered, self._gathered = self._gathered, []
        self._last = self._loop.time()
        self._deliver(gathered)
