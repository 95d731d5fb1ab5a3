"""What every section of a report draws from, and the few shapes it draws: tables, times, durations.

A public report withholds people, hosts, secret-manager places, repositories and all free text: `View` decides that in
one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from runbook_tui.foundation.clock import duration_text, parse_instant
from runbook_tui.incident.anchors import Anchor, Range, instant
from runbook_tui.incident.events import Event
from runbook_tui.incident.metrics import Measures, measure
from runbook_tui.incident.state import IncidentState
from runbook_tui.playbook.model import Playbook
from runbook_tui.report.safe import UNKNOWN, inline

WITHHELD = "(withheld)"
_PROGRAM = frozenset({"conductor", "journal", "runbook", "drill"})


@dataclass(frozen=True)
class View:
    """One incident as a report shows it. Methods that give text give Markdown, foreign text already escaped."""

    book: Playbook | None
    state: IncidentState
    events: Sequence[Event]
    tool: str
    now: datetime
    public: bool = False
    head: tuple[int, str] | None = None

    @cached_property
    def measures(self) -> Measures:
        return measure(self.book, self.events)

    @cached_property
    def opened(self) -> Mapping[str, Any]:
        return next((event.data for event in self.events if event.kind == "opened"), {})

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]

    @property
    def banner(self) -> str:
        """`DRILL`, `DRY-RUN` or "" for a live incident."""
        return "" if self.state.mode == "live" else inline(str(self.state.mode).upper(), "MODE UNKNOWN")

    def free(self, value: Any, missing: str = UNKNOWN, limit: int = 300) -> str:
        """Free text, a place, a host, or a time that somebody stated (shown as UTC)."""
        shown = self.time(value, "") if isinstance(value, str) and instant(value) else inline(value, "", limit)
        return (WITHHELD if self.public else shown) if shown else missing

    def fact(self, value: Any, missing: str = UNKNOWN) -> str:
        """A word from a closed list or an identifier of ours; shown in a public report too."""
        return inline(value, missing)

    def time(self, value: Any, missing: str = UNKNOWN) -> str:
        """A time out of foreign data: as UTC when it can be read as a time, else as it stands."""
        known = instant(value)
        return utc(known) if known else inline(value, missing)

    def person(self, actor: Any) -> str:
        if self.public and str(actor) not in _PROGRAM:
            return "a person" if actor else UNKNOWN
        return inline(actor)

    def credential(self, slot: Any) -> str:
        """What a credential or account is called."""
        subject = self.state.subjects.get(str(slot))
        number = list(self.state.subjects).index(str(slot)) + 1 if subject else 0
        if self.public:
            return f"{'account' if subject and subject.kind == 'account' else 'credential'} {number or UNKNOWN}"
        return inline(subject.name if subject else slot)

    def consumer(self, consumer: Any) -> str:
        known = self.state.consumers.get(str(consumer))
        if self.public:
            return f"consumer {list(self.state.consumers).index(str(consumer)) + 1 if known else UNKNOWN}"
        return inline(known.title if known else consumer)

    def step(self, step_id: Any) -> str:
        """The title of a step, or its id; steps come from the playbook and stay in a public report."""
        for step in self.book or ():
            if step.id == step_id:
                return inline(step.title)
        return inline(step_id, "")

    def line(self, line: str) -> str:
        """What a line of the closed loop is called (`old:leaked`, `consumer:web` …)."""
        kind, _, name = line.partition(":")
        if kind in ("old", "new", "gone"):
            verb = {"old": "dead", "new": "accepted", "gone": "gone"}[kind]
            return f"{'the new one of ' if kind == 'new' else ''}{self.credential(name)} {verb}"
        if kind == "consumer":
            return f"{self.consumer(name)} on the new one"
        if kind == "operation" and name in self.state.operations:
            return f"outcome of: {self.free(self.state.operations[name].what)}"
        return self.free(line)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table; cells are Markdown already. Without rows: one that says so."""
    lines = [f"| {' | '.join(header)} |", f"|{'|'.join(' --- ' for _ in header)}|"]
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [*lines, *(body or [f"| {' | '.join([UNKNOWN] + [' '] * (len(header) - 1))} |"]), ""]


def utc(ts: str | datetime | None) -> str:
    """`2026-11-21 22:04:06`, of a time of ours or one that parses; else `not determined`."""
    if not ts:
        return UNKNOWN
    moment = ts if isinstance(ts, datetime) else parse_instant(ts)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def moment(anchor: Anchor | None) -> tuple[str, str]:
    """Earliest and latest of an anchor."""
    return (utc(anchor.lo), utc(anchor.hi)) if anchor else (UNKNOWN, UNKNOWN)


def duration(value: Range | None) -> str:
    """`9 m 10 s`, `19 m 29 s to 41 m 40 s`, `at least 40 s`; negative values are marked."""
    if value is None or value == (None, None):
        return UNKNOWN
    lo, hi = value
    if lo is None or hi is None:
        return f"at most {duration_text(hi)}" if hi is not None else f"at least {duration_text(lo or 0.0)}"
    text = duration_text(lo) if round(lo) == round(hi) else f"{duration_text(lo)} to {duration_text(hi)}"
    return f"{text} (negative)" if lo < 0 or hi < 0 else text


def fields(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """A two-column table."""
    return table(("field", "value"), pairs)
