"""Asks the operator's own system whether a delivery had an effect: a status code cannot tell.

Three kinds of observer: a command, a URL, a log file. Each is searched for a delivery's unique marker, and what comes
back is a number at most: nothing that was read is kept, shown or recorded.

How often: each line that holds the marker counts once. A command or URL may say the number itself, behind the marker at
the end of its line (`irtest_x | 2`, `irtest_x: 0`); then that counts, 0 included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from runbook_tui.foundation.clock import Clock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import NetFault, Network, Request

PLACEHOLDER = "{marker}"
MOST = 128  # characters of a marker
_MARKER = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{7,{MOST - 1}}}")
# A separator, and then a number that ends the line but for brackets. A space is none: log lines end with a status.
_STATED = rb"[\"']?[ \t]*[:=|,;\t][ \t]*[\"']?([0-9]{1,9})[\"'\]})|, \t]*$"
_TEXT_BYTES = 1 << 20  # of an answer
_URL_SECONDS = 10.0
_SILENT = 3


@dataclass(frozen=True)
class Sight:
    """One look. `seen` None: it cannot be told, and `why` says why, in words that hold nothing of what was read.

    `count` is how often the marker was acted on; None when that is not clear from what was found.
    """

    seen: bool | None
    count: int | None = None
    why: str = ""


class Observer(Protocol):
    """One look at a time, bounded in seconds and bytes; `Watch` waits."""

    kind: str  # command | url | log

    def look(self, marker: str) -> Sight: ...

    def close(self) -> None: ...


class Watch:
    """Looks again and again, for a bounded time, because effects come late.

    The bench has to show that it works, with a delivery that must be seen, and that it does not only repeat the
    question, with a marker that nobody sent (`acted(other, wait=0)` must be False).
    """

    def __init__(self, observer: Observer, clock: Clock, *, wait: float = 5.0, every: float = 0.5) -> None:
        """`wait` and `every` are seconds on `clock`."""
        self._observer, self._clock = observer, clock
        self._wait, self._every = wait, every

    def acted(self, marker: str, *, wait: float | None = None) -> bool | None:
        """True as soon as the marker is seen, False when it was not seen until the end, None when nobody can tell.

        `wait` replaces the usual one; 0 looks once.
        """
        return self.sight(marker, wait=wait).seen

    def count(self, marker: str, *, wait: float = 0) -> int | None:
        """How often the marker was acted on; None when that cannot be told. Looks until the end of `wait`."""
        return self._looking(marker, wait, first=False).count

    def sight(self, marker: str, *, wait: float | None = None) -> Sight:
        """`acted` with the count of that moment and the reason for a None."""
        return self._looking(marker, self._wait if wait is None else wait, first=True)

    def acted_all(self, markers: Iterable[str], *, wait: float | None = None) -> dict[str, bool | None]:
        """`acted` for many markers that had the same time to have an effect: one wait in all, at most.

        Each is looked for after the wait, unless the observer has gone silent: then the rest is not known.
        """
        names = list(markers)
        ends = self._clock.mono_ns() + self._nanoseconds(wait)
        found: dict[str, bool | None] = {}
        while True:
            silent = 0  # looks in a row that told nothing: of an observer that is down each may take many seconds
            for name in names:
                if not found.get(name):
                    given_up = silent >= _SILENT and self._clock.mono_ns() >= ends
                    found[name] = None if given_up else self._observer.look(checked(name)).seen
                    silent = silent + 1 if found[name] is None else 0
            if all(found.values()) or self._clock.mono_ns() >= ends:
                return found
            self._clock.sleep(self._every)

    def close(self) -> None:
        self._observer.close()

    def _looking(self, marker: str, wait: float, *, first: bool) -> Sight:
        ends = self._clock.mono_ns() + self._nanoseconds(wait)
        while True:
            sight = self._observer.look(checked(marker))
            if (first and sight.seen) or self._clock.mono_ns() >= ends:
                return sight
            self._clock.sleep(self._every)

    def _nanoseconds(self, wait: float | None) -> int:
        return int((self._wait if wait is None else wait) * 1e9)


class UrlObserver:
    """GETs a URL, with the marker in place of `{marker}`, and searches the text of a 2xx answer.

    404 means "not seen" when the marker is a part of the path. Goes through the guarded client: https, or this machine.
    """

    kind = "url"

    def __init__(self, url: str, network: Network, *, private: bool = False) -> None:
        """`private` allows a name in a private network, as in `Network.send`. RunbookError for what is no such URL."""
        from runbook_tui.net.origin import parse

        try:
            place = parse(url.replace(PLACEHOLDER, "m")).place
        except NetFault as fault:
            raise RunbookError(f"the observer's URL cannot be used: {fault.message}", "use an https URL") from None
        if not urlsplit(url.replace(PLACEHOLDER, "m")).netloc == urlsplit(url).netloc:
            raise RunbookError("the marker stands in the host of the observer's URL", "put it into the path or query")
        self._url, self._origin, self._network, self._private = url, place, network, private

    def look(self, marker: str) -> Sight:
        request = Request("GET", self._url.replace(PLACEHOLDER, marker))
        try:
            answer = self._network.send(
                request, [self._origin], deadline=_URL_SECONDS, max_bytes=_TEXT_BYTES, private=self._private
            )
        except NetFault as fault:
            return Sight(None, why=f"the observer's URL gave no answer: {fault.message}")
        if 200 <= answer.status < 300:
            return found_in(answer.body, marker)
        if answer.status == 404 and PLACEHOLDER in self._url.partition("?")[0]:
            return Sight(False, 0)
        return Sight(None, why=f"the observer's URL answered {answer.status}")

    def close(self) -> None:
        """Nothing is kept open."""


def checked(marker: str) -> str:
    """`marker`, if it is one: 8 to 128 letters, digits, `_` and `-`, the first one a letter or digit."""
    if not _MARKER.fullmatch(marker):
        raise ValueError("not a marker")
    return marker


def whole(marker: str) -> re.Pattern[bytes]:
    """Finds `marker`, but not a longer one that begins or ends with it."""
    return re.compile(rb"(?<![A-Za-z0-9_])" + re.escape(marker.encode("ascii")) + rb"(?![A-Za-z0-9_-])")


def found_in(text: bytes, marker: str) -> Sight:
    """What the answer of a command or a URL says about `marker`."""
    pattern = whole(marker)
    lines = [line for line in text.splitlines() if pattern.search(line)]
    if not lines:
        return Sight(False, 0)
    if len(lines) == 1:
        stated = re.search(pattern.pattern + _STATED, lines[0])
        if stated:
            return Sight(int(stated[1]) > 0, int(stated[1]))
    clear = all(len(pattern.findall(line)) == 1 for line in lines)
    return Sight(True, len(lines) if clear else None)
