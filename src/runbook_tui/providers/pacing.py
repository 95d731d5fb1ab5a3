"""Rate limits: when the next call may be made, remembered across restarts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from runbook_tui.foundation import strict_json
from runbook_tui.foundation.clock import Clock, iso, parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.files import make_private_dir, write_atomic
from runbook_tui.providers.manifest import RateLimit

LONGEST = 300.0  # seconds; a longer demand of a server is clamped

Waiting = Callable[[float, str], None]


class Pacer:
    """Keeps, for each limit, the time before which no call may be made."""

    def __init__(self, clock: Clock, file: Path | None = None, waiting: Waiting | None = None) -> None:
        """`file` keeps the times over a restart; `waiting(seconds, why)` is told before each wait."""
        self._clock = clock
        self._file = file
        self._waiting = waiting
        self._lock = threading.Lock()
        self._memory: dict[str, str] = {}

    def left(self, *limits: str) -> float:
        """Seconds until all of `limits` allow a call."""
        now = self._clock.now()
        times = [self._load().get(limit) for limit in limits]
        return max([0.0, *((parse_instant(time) - now).total_seconds() for time in times if time)])

    def wait(self, *limits: str, why: str, wake: threading.Event | None = None) -> bool:
        """Wait until all of `limits` allow a call; False when `wake` ended the wait early."""
        left = min(self.left(*limits), LONGEST)
        if left <= 0:
            return True
        if self._waiting:
            self._waiting(left, why)
        return not self._clock.sleep(left, wake)

    def hold(self, limit: str, seconds: float) -> None:
        """No call under `limit` for that long."""
        until = self._clock.now() + timedelta(seconds=min(max(seconds, 0.0), LONGEST))
        with self._lock:
            times = {key: time for key, time in self._load().items() if parse_instant(time) > self._clock.now()}
            times[limit] = max(iso(until), times.get(limit, ""))
            self._memory = times
            if self._file is None:
                return
            try:
                make_private_dir(self._file.parent)
                write_atomic(self._file, json.dumps(times, indent=1).encode())
            except OSError:
                # Never an error: this also runs after a request, whose outcome must not be lost to a full disk.
                # This process goes on to know the limit.
                self._file = None

    def _load(self) -> dict[str, str]:
        if self._file is None:
            return self._memory
        try:
            times = strict_json.loads(self._file.read_bytes())
            return {str(key): iso(parse_instant(str(time))) for key, time in times.items()}
        except (OSError, ValueError, AttributeError, RunbookError):
            return self._memory  # absent or damaged: the worst is that a limit is met once more


def demanded(limit: RateLimit, status: int, headers: Mapping[str, str], now: datetime) -> float:
    """Seconds the server asks us to wait: Retry-After, or the window's end when no call is left; 0 for nothing."""
    retry_after = _retry_after(headers.get("retry-after", ""), now)
    if retry_after is not None and status in (403, 429, 503):
        return min(retry_after, LONGEST)
    spent = limit.remaining and headers.get(limit.remaining, "").strip() in ("0", "0.0")
    reset = headers.get(limit.reset, "") if limit.reset else ""
    if not (spent or status == 429) or not reset:
        return 0.0
    try:
        moment = float(reset)
    except ValueError:
        return 0.0
    seconds = moment - now.timestamp() if limit.reset_form == "epoch" else moment
    return min(max(seconds, 0.0), LONGEST)


def _retry_after(text: str, now: datetime) -> float | None:
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
