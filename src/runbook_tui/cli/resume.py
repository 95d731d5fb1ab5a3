"""`runbook resume`: back to an open incident, after a closed terminal or a crash."""

from __future__ import annotations

import click

from runbook_tui.cli import json_option
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.places import Places


@click.command("resume")
@click.argument("incident", required=False)
@click.option("--watch", is_flag=True, help="Look on and take notes; another terminal drives.")
@click.option("--plain", is_flag=True, help="Line by line, without a full screen.")
@json_option
def command(incident: str | None, watch: bool, plain: bool, as_json: bool) -> int:
    """Continue INCIDENT (without it: the newest open one)."""
    from runbook_tui.cli.launch import show_and_leave, start_conductor, terminal_name
    from runbook_tui.cli.setup import Setup
    from runbook_tui.conductor.client import connect

    places = Places.default()
    chosen = incident or newest_open(places)
    role = "watch" if watch else "drive"
    client = connect(places, chosen, terminal_name(), role)
    if client is None:
        setup = Setup.load(places.incident(chosen))
        if _closed(places, chosen):
            raise RunbookError(f"{chosen} is closed", f"`runbook report {chosen}` prints its report")
        passphrase, secrets = "", []
        if setup.vault == "session" and not setup.drill:
            from runbook_tui.cli.intake import ask_again

            secrets = ask_again(places, chosen, setup)
        elif setup.vault == "file":
            from runbook_tui.cli.wiring import ask_secret

            passphrase = ask_secret("passphrase of the file vault").expose()
        client = start_conductor(setup, "", secrets, passphrase=passphrase, role=role)
    return show_and_leave(client, plain=plain, as_json=as_json)


def newest_open(places: Places) -> str:
    """The open incident that was opened last."""
    found = sorted(
        (one for one in places.incidents.iterdir() if (one / "journal.db").exists()), key=_opened, reverse=True
    )
    for folder in found:
        if not _closed(places, folder.name):
            return folder.name
    raise RunbookError(
        "no incident is open", "`runbook run PLAYBOOK` opens one; `runbook incident list` shows the others"
    )


def _opened(folder: object) -> float:
    from pathlib import Path

    assert isinstance(folder, Path)
    return (folder / "journal.db").stat().st_ctime


def _closed(places: Places, incident: str) -> bool:
    from runbook_tui.cli.record import open_record

    return bool(open_record(places, incident).state.closed)
