"""`runbook incident verify`: whether the record is whole, and what in it has no end yet."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.cli.record import journal_path
from runbook_tui.foundation.errors import Exit, RunbookError

if TYPE_CHECKING:
    from pathlib import Path

    from runbook_tui.incident.events import Event
    from runbook_tui.incident.model import Operation

_OPEN = {"intent": "never sent", "sending": "outcome unknown", "unknown": "outcome unknown"}


@click.command(help="Check that the record is whole and unchanged, and that every call has an outcome.")
@click.argument("incident")
@click.option("--head", help="SEQ:HASH from a report: also check that the record still holds that event.")
@json_option
def verify(incident: str, head: str | None, as_json: bool) -> int:
    """Chain, gaps, data, guards and end; purges on record are named, they are no damage.

    Exit code: 0 whole; 1 damaged; 3 whole, but a call has no outcome or a purge is not finished. A call that a running
    conductor is making right now is neither.
    """
    from runbook_tui.cli.wiring import places
    from runbook_tui.foundation.text import one_line

    found = _look(journal_path(places(), incident), _head(head))
    if as_json:
        emit({"incident": incident, **found})
        return _exit(found)
    for problem in found["problems"]:
        click.echo(f"PROBLEM: {one_line(problem)}")
    for one in found["purged"]:
        said = f"event {one['seq']}: data purged by {one['by']} on {one['at']} (event {one['event']}): {one['reason']}"
        click.echo(one_line(said, 400))
    for one in found["open"]:
        click.echo(f"{'in flight' if one['in_flight'] else _OPEN[one['status']]}: {one_line(one['what'])}")
    if found["purge_unfinished"]:
        click.echo(f"bytes of purged data may be left in the files: runbook incident purge {one_line(incident)}")
    if found["whole"]:
        last = found["head"]
        click.echo(f"the record is whole: {last['seq']} events, head {last['seq']}:{last['hash']}")
        click.echo("note the head elsewhere: only a head kept outside shows a record rewritten as a whole")
    return _exit(found)


def _exit(found: dict[str, Any]) -> int:
    if not found["whole"]:
        return Exit.BAD
    left = found["purge_unfinished"] or any(not one["in_flight"] for one in found["open"])
    return Exit.INCOMPLETE if left else Exit.GOOD


def _look(path: Path, expected: tuple[int, str] | None) -> dict[str, Any]:
    from runbook_tui.incident.purge import purges
    from runbook_tui.incident.state import fold
    from runbook_tui.journal.storage import JournalDamagedError
    from runbook_tui.journal.store import Journal, JournalError

    running = _runs(path.parent)  # before the record is read: what began since then is no surprise
    try:
        journal = Journal.read(path)
    except JournalDamagedError as error:
        nothing: dict[str, Any] = {"open": [], "without_outcome": [], "purged": [], "purge_unfinished": False}
        return {"whole": False, "problems": [error.message], "head": None, "running": running, **nothing}
    last: tuple[int, str] = (0, "")
    events: list[Event] = []
    operations: list[Operation] = []
    try:
        problems = journal.verify(expected)
        if not problems:
            last, events = journal.head(), journal.events()
            operations = list(fold(events).operations.values())
        unfinished = not journal.finish_purge()
    except (JournalError, KeyError, TypeError) as error:
        problems, unfinished = [f"the events cannot be read: {error}"], False
    finally:
        journal.close()
    left = [op for op in operations if op.status in _OPEN and not op.cleared]
    return {
        "whole": not problems,
        "problems": problems,
        "head": {"seq": last[0], "hash": last[1]} if not problems else None,
        "running": running,
        "open": [_shown(op, running) for op in left],
        "without_outcome": [op.what for op in left if op.status != "intent"],
        "purged": [asdict(one) for one in purges(events)],
        "purge_unfinished": unfinished,
    }


def _shown(op: Operation, running: bool) -> dict[str, Any]:
    return {"op": op.op, "what": op.what, "status": op.status, "in_flight": running and op.status != "unknown"}


def _runs(folder: Path) -> bool:
    """Whether a conductor of this user runs the incident."""
    from runbook_tui.conductor.address import reach

    connection = reach(folder)
    if connection is None:
        return False
    connection.close()
    return True


def _head(text: str | None) -> tuple[int, str] | None:
    import re

    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,12}):([0-9a-f]{64})", text.strip())
    if not match:
        raise RunbookError("--head is not a head", "it looks like 42:9f3a… (number, colon, 64 hex digits)")
    return int(match[1]), match[2]
