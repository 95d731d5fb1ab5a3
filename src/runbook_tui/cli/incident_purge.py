"""`runbook incident purge`: take a secret that got into a record out of it, on record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.cli.record import journal_path
from runbook_tui.foundation.errors import Exit, RunbookError

if TYPE_CHECKING:
    from runbook_tui.foundation.places import Places
    from runbook_tui.secrets.secret import Secret


@click.command(
    help="Take a secret out of the record, on record: the chain still verifies and nothing done is forgotten."
)
@click.argument("incident")
@click.argument("events", nargs=-1, type=click.IntRange(1), metavar="[SEQ]...")
@click.option(
    "--matching",
    is_flag=True,
    help="Ask for the secret (or read it from standard input) and mask it wherever it stands, in any form.",
)
@click.option("--reason", default="", help="Why; it is recorded, the secret is not.")
@click.option("--take-over", is_flag=True, help="Drive the incident from here when another terminal does.")
@json_option
def purge(incident: str, events: tuple[int, ...], matching: bool, reason: str, take_over: bool, as_json: bool) -> int:
    """With SEQ all free text of those events is masked. Without SEQ and --matching: finish a purge that was cut off.

    Exit code: 0 purged; 2 nothing purged; 3 purged, but bytes are left in a file (it is named).
    """
    from runbook_tui.cli.wiring import guard, places

    here = places()
    path = journal_path(here, incident)
    if not events and not matching:
        return _finish(path, as_json=as_json)
    if bool(events) == matching:
        raise click.UsageError("name the events, or say --matching")
    if not reason.strip():
        raise RunbookError("a purge needs a reason", '--reason "a key was pasted into a note"')
    guard().refuse(reason, "the reason")
    secret = _secret() if matching else None
    done = _purge(here, incident, events, secret, reason, take_over=take_over)
    left = _left(path, secret)
    if as_json:
        emit({"incident": incident, **done, **{name: list(map(str, paths)) for name, paths in left.items()}})
    else:
        _tell(incident, done, left)
    return Exit.GOOD if done["clean"] and not left["still_in"] else Exit.INCOMPLETE


def _purge(
    here: Places, incident: str, events: tuple[int, ...], secret: Secret | None, reason: str, *, take_over: bool
) -> dict[str, Any]:
    """{events, recorded, clean}: through the running conductor when there is one, else straight in the journal."""
    import getpass

    from runbook_tui.cli.launch import terminal_name
    from runbook_tui.conductor.client import connect
    from runbook_tui.conductor.purging import entries
    from runbook_tui.foundation.clock import RealClock
    from runbook_tui.journal.store import Journal

    client = connect(here, incident, terminal_name(), "drive")
    if client is not None:
        try:
            if not client.driving:
                if not take_over:
                    raise RunbookError(
                        f"{client.state.driver} drives this incident", "say --take-over to drive from here"
                    )
                client.request("take_over")
            what = {"secret": secret.expose()} if secret else {"events": list(events)}
            return client.request("purge", reason=reason, **what)
        finally:
            client.close()
    # Nobody knows secrets here; the reason passed the guard, and the rest is masked already.
    journal = Journal.open(journal_path(here, incident), RealClock(), lambda value: value)
    try:
        found = entries(journal.events(), events, secret)
        event, clean = journal.purge(found, _without(reason, secret), getpass.getuser())
    finally:
        journal.close()
    return {"events": [one["seq"] for one in found], "recorded": event.seq, "clean": clean}


def _without(reason: str, secret: Secret | None) -> str:
    from runbook_tui.secrets.redaction import Redactor

    redactor = Redactor()
    if secret is not None:
        redactor.add(secret, "purged")
    return redactor.text(reason)


def _left(path: Path, secret: Secret | None) -> dict[str, list[Path]]:
    """What the journal does not hold: reports that were exported before, other files of the incident."""
    from runbook_tui.conductor.purging import files_with
    from runbook_tui.journal.store import Journal

    journal = Journal.read(path)
    try:
        exported = {Path(str(one.data.get("path", ""))) for one in journal.events() if one.kind == "exported"}
    finally:
        journal.close()
    reports = sorted(one for one in exported if one.is_file())
    if secret is None:
        return {"still_in": [], "not_searched": reports}
    still_in, unread = files_with(path.parent, reports, secret)
    return {"still_in": still_in, "not_searched": unread}


def _tell(incident: str, done: dict[str, Any], left: dict[str, list[Path]]) -> None:
    from runbook_tui.foundation.text import one_line

    named = ", ".join(map(str, done["events"]))
    click.echo(f"purged from {incident}: the data of event {named}; recorded as event {done['recorded']}", err=True)
    if not done["clean"]:
        hint = f"when nobody reads it: runbook incident purge {incident}"
        click.echo(f"bytes of it may be left in the journal's files; {hint}", err=True)
    for file in left["still_in"]:
        click.echo(f"STILL IN {one_line(str(file), 400)}: edit or remove it yourself", err=True)
    for file in left["not_searched"]:
        click.echo(f"look yourself, it was not searched: {one_line(str(file), 400)}", err=True)
    click.echo(
        "copies, backups and screens that showed it are beyond this; what was written down is burnt: replace it",
        err=True,
    )


def _finish(path: Path, *, as_json: bool) -> int:
    from runbook_tui.foundation.clock import RealClock
    from runbook_tui.journal import purging
    from runbook_tui.journal.store import Journal

    if not purging.unfinished(path):
        raise click.UsageError("name the events, or say --matching")
    journal = Journal.open(path, RealClock(), lambda value: value)
    try:
        clean = journal.finish_purge()
    finally:
        journal.close()
    if as_json:
        emit({"incident": path.parent.name, "clean": clean})
    else:
        click.echo(
            "the purge is finished" if clean else "not yet: somebody reads the journal, or the disk is full", err=True
        )
    return Exit.GOOD if clean else Exit.INCOMPLETE


def _secret() -> Secret:
    from runbook_tui.cli.wiring import ask_secret
    from runbook_tui.secrets.secret import Secret

    if sys.stdin.isatty():
        return ask_secret("secret to take out")
    secret = Secret(sys.stdin.read().strip("\r\n"))
    if not secret.expose():
        raise RunbookError("no secret came on standard input", "pipe it in, or run it in a terminal")
    return secret
