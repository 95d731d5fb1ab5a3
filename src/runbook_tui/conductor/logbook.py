"""The record of a running incident, and the terminals that are told of every event."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_tui.conductor.protocol import PORTION
from runbook_tui.incident.events import Event
from runbook_tui.incident.purge import Entry
from runbook_tui.incident.state import IncidentState, apply, fold
from runbook_tui.journal.store import Journal, JournalError

Push = Callable[[dict[str, Any]], None]


@dataclass
class Terminal:
    """One connected terminal: its name, whether it drives, and how to tell it something."""

    name: str
    push: Push
    driving: bool = False


class Logbook:
    """The only writer of the journal. `lock` also guards what must not change between a look and a record."""

    def __init__(self, journal: Journal, actor: str) -> None:
        self.actor = actor
        self.lock = threading.RLock()
        self.terminals: list[Terminal] = []
        self.by_hand: Callable[[], list[str]] = list  # how to do without us what is being done
        self.broken = ""  # why the journal cannot be written: then nothing is done
        self._journal = journal
        self.events: list[Event] = journal.events()
        self.state: IncidentState = fold(self.events)

    def record(self, kind: str, data: Mapping[str, Any], actor: str = "") -> IncidentState:
        """Append an event and tell every terminal; raises JournalError when it is not durable."""
        with self.lock:
            try:
                event = self._journal.append(kind, dict(data), actor or self.actor)
                news = [event] if event.seq == self.state.seq + 1 else self._journal.events(self.state.seq)
            except JournalError as error:
                if self.broken != error.message:
                    alarm = f"NO JOURNAL, NO ACTION: {error.message}"
                    self.tell({"progress": {"alarm": alarm, "hint": error.hint, "by_hand": self.by_hand()}})
                self.broken = error.message
                raise
            self._take(news)
            return self.state

    def catch_up(self) -> None:
        """Take in what stands in the journal and nobody was told of; JournalError when it cannot be read.

        An event that was refused can turn out to be there, and the journal itself notes that the clock was set back.
        """
        with self.lock:
            self._take(self._journal.events(self.state.seq))

    def _take(self, news: list[Event]) -> None:
        for event in news:
            self.events.append(event)
            self.state = apply(self.state, event)
            self.tell({"event": event.fields()})

    def portion(self, since: int) -> list[dict[str, Any]]:
        """The next events after number `since`: a long record is told in pieces, so that nobody waits for the whole."""
        return [event.fields() for event in self.events[since : since + PORTION]]

    def purge(self, entries: Sequence[Entry], reason: str) -> tuple[Event, bool]:
        """See Journal.purge; every terminal forgets the data too."""
        with self.lock:
            event, clean = self._journal.purge(entries, reason, self.actor)
            known = self.state.seq
            self.events = self._journal.events()
            self.state = fold(self.events)
            for one in self.events[known:]:
                self.tell({"event": one.fields()})
            return event, clean

    def tell(self, push: dict[str, Any]) -> None:
        """Tell every terminal."""
        with self.lock:
            for terminal in self.terminals:
                terminal.push(push)

    def head(self) -> tuple[int, str]:
        """The number and the hash of the last event."""
        return self._journal.head()
