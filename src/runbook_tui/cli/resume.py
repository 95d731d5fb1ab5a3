"""`runbook resume`: back to an open incident, after a closed terminal or a crash."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runbook_tui.cli import json_option
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.places import Places

if TYPE_CHECKING:
    from runbook_tui.conductor.client import SocketClient


@click.command("resume")
@click.argument("incident", required=False)
@click.option("--watch", is_flag=True, help="Look on and take notes; another terminal drives.")
@click.option(
    "--vault",
    "vault_kind",
    type=click.Choice(["keyring", "session", "file"]),
    help="Another vault from now on. `session`: the secrets are asked for and kept in memory.",
)
@click.option("--wait", is_flag=True, help="Give the keyring's unlock dialog up to 60 seconds.")
@click.option("--plain", is_flag=True, help="Line by line, without a full screen.")
@json_option
def command(incident: str | None, watch: bool, vault_kind: str | None, wait: bool, plain: bool, as_json: bool) -> int:
    """Continue INCIDENT (without it: the newest open one)."""
    from runbook_tui.cli.launch import show_and_leave, terminal_name
    from runbook_tui.conductor.client import connect

    places = Places.default()
    chosen = incident or newest_open(places)
    role = "watch" if watch else "drive"
    if watch and vault_kind:
        raise click.UsageError("--vault goes with driving, not with --watch")
    client = connect(places, chosen, terminal_name(), role)
    if client is None or vault_kind:
        client = _start_again(places, chosen, client, role, vault_kind, wait=wait)
    return show_and_leave(client, plain=plain, as_json=as_json)


def _start_again(
    places: Places, incident: str, client: SocketClient | None, role: str, vault_kind: str | None, *, wait: bool
) -> SocketClient:
    """A new conductor, after the end of the one behind `client` if there is one."""
    from runbook_tui.cli.launch import start_conductor
    from runbook_tui.cli.setup import Setup

    setup = Setup.load(places.incident(incident))
    if _closed(places, incident):
        raise RunbookError(f"{incident} is closed", f"`runbook report {incident}` prints its report")
    passphrase, secrets = "", []
    if vault_kind and setup.drill:
        raise RunbookError("a drill has a vault of its own", "leave --vault out")
    if client is not None:
        if setup.vault == "session":
            client.close()
            raise RunbookError(
                f"the secrets of {incident} are only in the memory of its conductor, which works", "leave --vault out"
            )
        _end(client, places.incident(incident))
    if vault_kind and vault_kind != setup.vault:
        from runbook_tui.cli.intake import leave_vault

        leave_vault(setup, vault_kind)
    if setup.vault == "session" and not setup.drill:
        from runbook_tui.cli.intake import ask_again

        secrets = ask_again(places, incident, setup)
    elif setup.vault == "file":
        from runbook_tui.cli.wiring import ask_secret

        passphrase = ask_secret("passphrase of the file vault").expose()
    return start_conductor(setup, "", secrets, passphrase=passphrase, role=role, wait=wait)


def _end(client: SocketClient, folder: Path) -> None:
    """End the conductor that works with another vault, and wait until its journal is free."""
    import os
    import time

    from runbook_tui.journal.storage import lock_writer
    from runbook_tui.journal.store import JournalError

    client.request("shutdown")
    client.close()
    deadline = time.monotonic() + 30
    while True:
        try:
            os.close(lock_writer(folder / "journal.db"))
            return
        except JournalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


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
    assert isinstance(folder, Path)
    return (folder / "journal.db").stat().st_ctime


def _closed(places: Places, incident: str) -> bool:
    from runbook_tui.cli.record import open_record

    return bool(open_record(places, incident).state.closed)
