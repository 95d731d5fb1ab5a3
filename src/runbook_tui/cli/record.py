"""One incident as its journal tells it: what every command that only reads goes through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.places import Places

if TYPE_CHECKING:
    from runbook_tui.incident.events import Event
    from runbook_tui.incident.state import IncidentState
    from runbook_tui.playbook.model import Playbook

JOURNAL = "journal.db"


@dataclass(frozen=True)
class Record:
    """One incident as its journal tells it."""

    events: list[Event]
    state: IncidentState
    head: tuple[int, str]

    @cached_property
    def book(self) -> Playbook | None:
        """The playbook the incident was opened with; None when it cannot be read. Only who asks for it waits for it."""
        return _playbook(self.events)


def journal_path(here: Places, incident: str) -> Path:
    """Where the incident's journal lies; RunbookError when there is no such incident."""
    from runbook_tui.foundation.ids import check_name

    path = here.incident(check_name(incident, "the incident")) / JOURNAL
    if not path.is_file():
        raise RunbookError(f"there is no incident {incident}", "`runbook incident list` shows them")
    return path


def open_record(here: Places, incident: str) -> Record:
    """Read an incident's journal."""
    from runbook_tui.incident.state import fold
    from runbook_tui.journal.store import Journal

    journal = Journal.read(journal_path(here, incident))
    try:
        head = journal.head()
        events = [event for event in journal.events() if event.seq <= head[0]]
    finally:
        journal.close()
    try:
        state = fold(events)
    except (KeyError, TypeError) as error:
        hint = "the journal was written by another version, or changed: `runbook incident verify`"
        raise RunbookError(f"the events of {incident} cannot be read: {error}", hint) from None
    return Record(events, state, head)


def _playbook(events: list[Event]) -> Playbook | None:
    from runbook_tui.foundation.errors import InputProblems
    from runbook_tui.playbook.loader import from_source

    for event in events:
        if event.kind == "opened":
            known = event.data.get("playbook") or {}
            try:
                return from_source(known["source"], str(known.get("id", "playbook")))
            except (InputProblems, KeyError):
                return None  # the report then shows step ids and no targets
    return None
