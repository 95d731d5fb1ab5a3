"""Sends requests in turn: two a second at most on the injected clock, counted, each with its own time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from runbook_tui.foundation.clock import Clock
from runbook_tui.net.client import Answer, Request
from runbook_tui.net.fault import NetFault

Send = Callable[[Request], Answer]


class Turns:
    """`requests` counts what was sent; others who send in between call `wait` first and add theirs."""

    def __init__(self, send: Send, clock: Clock, pause: float) -> None:
        """`pause` is in seconds. `send` raises NetFault when there is no answer."""
        self._send, self._clock, self._pause = send, clock, pause
        self._free_at = 0  # mono_ns from which on the next request may leave
        self._last: datetime | None = None
        self.requests = 0

    def time(self) -> datetime:
        """Now, and never the same twice: some vendors' ids are times."""
        now = self._clock.now()
        if self._last is not None and now <= self._last:
            now = self._last + timedelta(milliseconds=1)
        self._last = now
        return now

    def ask(self, request: Request) -> Answer | NetFault:
        self.wait()
        self.requests += 1
        return self._answered(request)

    def together(self, requests: Sequence[Request]) -> list[Answer | NetFault]:
        """Several at once; the pause after them is as long as theirs would have been."""
        self.wait()
        self.requests += len(requests)
        with ThreadPoolExecutor(len(requests)) as pool:
            answers = list(pool.map(self._answered, requests))
        self._free_at += int((len(requests) - 1) * self._pause * 1e9)
        return answers

    def wait(self) -> None:
        """Until the next request may leave."""
        left = (self._free_at - self._clock.mono_ns()) / 1e9
        if left > 0:
            self._clock.sleep(left)
        self._free_at = self._clock.mono_ns() + int(self._pause * 1e9)

    def _answered(self, request: Request) -> Answer | NetFault:
        try:
            return self._send(request)
        except NetFault as fault:
            return fault
