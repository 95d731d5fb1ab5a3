"""`runbook incident`: the journals of this user: list, show, note, verify."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.cli.record import JOURNAL, journal_path, open_record
from runbook_tui.foundation.errors import Exit, RunbookError

if TYPE_CHECKING:
    from runbook_tui.foundation.places import Places


@click.group(help="The journal: list incidents, show one, add a note, verify the record.")
def command() -> None:
    """Reads journals; only `note` writes."""


@command.command("list", help="Every incident of this user, the newest last.")
@json_option
def list_incidents(as_json: bool) -> int:
    """One line each; a journal that cannot be read is listed as such."""
    from runbook_tui.cli.wiring import places

    rows = [_summary(places(), path.parent.name) for path in sorted(places().incidents.glob(f"*/{JOURNAL}"))]
    rows.sort(key=lambda row: (row["opened"] or "", row["incident"]))
    if as_json:
        emit({"incidents": rows})
        return Exit.GOOD
    for row in rows:
        opened = (row["opened"] or "")[:19].replace("T", " ")
        title = row["title"] or row["problem"]
        click.echo(f"{row['incident']:20} {row['mode'].upper():8} {row['state']:16} {opened:19}  {title}")
    if not rows:
        click.echo("no incidents yet; `runbook drill api-key-leaked` rehearses one", err=True)
    return Exit.GOOD


def _summary(here: Places, incident: str) -> dict[str, Any]:
    from runbook_tui.foundation.text import one_line
    from runbook_tui.incident.lines import closed_loop

    try:
        state = open_record(here, incident).state
    except RunbookError as error:
        blank = {"mode": "unknown", "state": "unreadable", "title": "", "opened": None, "closed_loop": None}
        return {"incident": one_line(incident), **blank, "problem": one_line(error.message)}
    return {
        "incident": one_line(incident),
        "mode": one_line(str(state.mode)),
        "state": state.closed or ("contained" if state.contained_at else "open"),
        "title": one_line(str(state.title)),
        "opened": state.opened_at or None,
        "closed_loop": closed_loop(state),
        "problem": None,
    }


@command.command(help="The timeline of an incident.")
@click.argument("incident")
@json_option
def show(incident: str, as_json: bool) -> int:
    """Every event with its number and UTC time."""
    from runbook_tui.cli.wiring import places
    from runbook_tui.foundation.text import one_line
    from runbook_tui.incident.lines import closed_loop
    from runbook_tui.report.safe import words

    record = open_record(places(), incident)
    if as_json:
        from runbook_tui.cli.report import render

        click.echo(render(record, "json", public=False), nl=False)
        return Exit.GOOD
    state = record.state
    click.echo(f"{one_line(state.incident)}  {str(state.mode).upper()}  {one_line(str(state.title))}")
    click.echo(f"{state.closed or 'open'}; {closed_loop(state)}; times are UTC")
    for event in record.events:
        said = words({key: value for key, value in event.data.items() if key != "playbook"}, 160)
        click.echo(
            f"{event.seq:5} {event.ts[:19].replace('T', ' ')} {words(event.actor, 20):12} {event.kind:16} {said}"
        )
    return Exit.GOOD


@command.command(help="Check that the record is whole and unchanged. Exit 0: it is; 1: it is not.")
@click.argument("incident")
@click.option("--head", help="SEQ:HASH from a report: also check that the record still holds that event.")
@json_option
def verify(incident: str, head: str | None, as_json: bool) -> int:
    """Chain, data, guards and end; calls without an outcome are named, they are no damage."""
    from runbook_tui.cli.wiring import places
    from runbook_tui.foundation.text import one_line
    from runbook_tui.incident.state import fold
    from runbook_tui.journal.store import Journal, JournalError

    expected = _head(head)
    journal = Journal.read(journal_path(places(), incident))
    try:
        problems, last, open_calls = journal.verify(expected), (0, ""), []
        if not problems:
            last = journal.head()
            operations = fold(journal.events()).operations.values()
            open_calls = [op.what for op in operations if op.status in ("sending", "unknown") and not op.cleared]
    except (JournalError, KeyError, TypeError) as error:
        problems, last, open_calls = [f"the events cannot be read: {error}"], (0, ""), []
    finally:
        journal.close()
    if as_json:
        shown = {"seq": last[0], "hash": last[1]} if not problems else None
        emit({"incident": incident, "whole": not problems, "problems": problems, "head": shown,
              "without_outcome": open_calls})  # fmt: skip
    else:
        for problem in problems:
            click.echo(f"PROBLEM: {one_line(problem)}")
        for what in open_calls:
            click.echo(f"outcome unknown: {one_line(what)}")
        if not problems:
            click.echo(f"the record is whole: {last[0]} events, head {last[0]}:{last[1]}")
            click.echo("note the head elsewhere: only a head kept outside shows a record rewritten as a whole")
    return Exit.BAD if problems else Exit.GOOD


def _head(text: str | None) -> tuple[int, str] | None:
    import re

    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,12}):([0-9a-f]{64})", text.strip())
    if not match:
        raise RunbookError("--head is not a head", "it looks like 42:9f3a… (number, colon, 64 hex digits)")
    return int(match[1]), match[2]


@command.command(help="Add a note to an incident, running or not. `-` as TEXT reads standard input.")
@click.argument("incident")
@click.argument("text")
@click.option("--at", help="When it happened, if not now: 2026-11-21T22:04:00Z.")
@json_option
def note(incident: str, text: str, at: str | None, as_json: bool) -> int:
    """Through the running conductor when there is one, else straight into the journal."""
    from runbook_tui.cli.wiring import places

    said = sys.stdin.read() if text == "-" else text
    result = add_note(places(), incident, said, at)
    if as_json:
        emit(result)
    else:
        click.echo(f"noted in {incident}", err=True)
    return Exit.GOOD


def add_note(here: Places, incident: str, text: str, at: str | None) -> dict[str, Any]:
    """Record a note; {"incident", "recorded", "through": "conductor" | "journal"}.

    RunbookError when the text is blank or looks like it holds a secret, when `at` is no time, or when the journal is
    being written by a process that cannot be reached.
    """
    import getpass

    from runbook_tui.conductor.client import connect
    from runbook_tui.foundation.clock import RealClock, iso, parse_instant
    from runbook_tui.journal.store import Journal
    from runbook_tui.secrets.patterns import refuse_secret

    path = journal_path(here, incident)
    said = text.strip()
    if not said:
        raise RunbookError("the note is empty", 'write: runbook incident note INCIDENT "what happened"')
    refuse_secret(said, "the note")
    happened = iso(parse_instant(at)) if at else ""
    client = connect(here, incident, getpass.getuser())
    if client is not None:
        try:
            client.request("note", text=said, at=happened)
        finally:
            client.close()
        return {"incident": incident, "recorded": True, "through": "conductor"}
    # No conductor knows secrets here: the patterns above are the only guard, so nothing is left to redact.
    journal = Journal.open(path, RealClock(), lambda value: value)
    try:
        journal.append("note", {"text": said, "at": happened}, getpass.getuser())
    finally:
        journal.close()
    return {"incident": incident, "recorded": True, "through": "journal"}
