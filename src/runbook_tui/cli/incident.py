"""`runbook incident`: the journals of this user: list, show, note, verify, purge."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.cli.incident_purge import purge
from runbook_tui.cli.incident_verify import verify
from runbook_tui.cli.record import JOURNAL, journal_path, open_record
from runbook_tui.foundation.errors import Exit, RunbookError

if TYPE_CHECKING:
    from runbook_tui.foundation.places import Places


@click.group(help="The journal: list incidents, show one, add a note, verify the record, purge a secret.")
def command() -> None:
    """Reads journals; `note` and `purge` write."""


command.add_command(verify)
command.add_command(purge)


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


@command.command(help="Add a note to an incident, running or not. `-` as TEXT reads standard input.")
@click.argument("incident")
@click.argument("text", required=False)
@click.option("--at", help="When it happened, if not now: 2026-11-21T22:04:00Z.")
@click.option(
    "--attach",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file as evidence: its name, size, SHA-256 and, up to 20,000 characters, its text.",
)
@click.option("--digest-only", is_flag=True, help="Record the attached file's digest and not its text.")
@json_option
def note(incident: str, text: str | None, at: str | None, attach: Path | None, digest_only: bool, as_json: bool) -> int:
    """Through the running conductor when there is one, else straight into the journal."""
    from runbook_tui.cli.wiring import places

    if digest_only and attach is None:
        raise click.UsageError("--digest-only goes with --attach")
    if text is None and attach is None:
        raise click.UsageError("say what happened, or --attach a file")
    said = sys.stdin.read() if text == "-" else text or ""
    result = add_note(places(), incident, said, at, attach, digest_only=digest_only)
    if as_json:
        emit(result)
    else:
        click.echo(f"noted in {incident}", err=True)
    return Exit.GOOD


def add_note(
    here: Places, incident: str, text: str, at: str | None, attach: Path | None = None, *, digest_only: bool = False
) -> dict[str, Any]:
    """Record a note; {"incident", "recorded", "through": "conductor" | "journal"}.

    RunbookError when the text is blank or looks like it holds a secret (so does an attached one), when `at` is no time,
    or when the journal is being written by a process that cannot be reached.
    """
    import getpass

    from runbook_tui.cli.attachment import read_attachment
    from runbook_tui.cli.wiring import guard
    from runbook_tui.conductor.client import connect
    from runbook_tui.foundation.clock import RealClock
    from runbook_tui.incident.notes import note_data
    from runbook_tui.journal.store import Journal

    path = journal_path(here, incident)
    known = guard()
    attached = read_attachment(attach, known, digest_only=digest_only) if attach is not None else None
    said = text.strip() or ("see the attached file" if attached else "")
    if not said:
        raise RunbookError("the note is empty", 'write: runbook incident note INCIDENT "what happened"')
    known.refuse(said, "the note")
    known.refuse(at or "", "the time")
    data = note_data(said, at or "", attached)
    client = connect(here, incident, getpass.getuser())
    if client is not None:
        try:
            client.request("note", **data)
        finally:
            client.close()
        return {"incident": incident, "recorded": True, "through": "conductor"}
    # No conductor knows secrets here: the patterns above are the only guard, so nothing is left to redact.
    journal = Journal.open(path, RealClock(), lambda value: value)
    try:
        journal.append("note", data, getpass.getuser())
    finally:
        journal.close()
    return {"incident": incident, "recorded": True, "through": "journal"}
