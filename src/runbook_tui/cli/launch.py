"""Starts a conductor process and brings a front end to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli.setup import Setup
from runbook_tui.cli.wiring import interactive
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.places import Places

if TYPE_CHECKING:
    from runbook_tui.conductor.client import SocketClient
    from runbook_tui.conductor.protocol import Client
    from runbook_tui.secrets.vault import Credential

PATIENT = 60.0  # seconds to wait for somebody to unlock the keyring
SIGNALLED = 128  # an exit code above it names the signal
_MEETING = 5.0  # seconds a conductor that holds the incident gets to listen


def start_conductor(
    setup: Setup,
    playbook: str = "",
    secrets: list[Credential] | None = None,
    *,
    passphrase: str = "",
    role: str = "drive",
    name: str = "",
    wait: bool = False,
) -> SocketClient:
    """Start the process for `setup` and connect to it; at a terminal, offers to wait for a keyring's dialog.

    `wait` gives each keyring call the time of a dialog from the start, and for as long as the conductor lives.
    """
    from runbook_tui.conductor.client import connect

    request = {
        "setup": asdict(setup),
        "playbook": playbook,
        "passphrase": passphrase,
        "secrets": [
            {"name": one.name, "value": one.secret.expose() if one.secret else "", "binding": one.binding.as_dict()}
            for one in secrets or ()
        ],
        **({"wait": PATIENT} if wait else {}),
    }
    answer = _start(request)
    if answer.get("reason") in ("prompt", "hanging") and not wait and interactive():
        click.echo(answer["error"], err=True)
        if click.confirm(f"wait up to {PATIENT:.0f} s for it?", default=True, err=True):
            answer = _start({**request, "wait": PATIENT})
    client = None
    if answer.get("reason") == "held":
        client = _meet(setup.incident, name or terminal_name(), role)
    if client is None and not answer.get("ready"):
        raise RunbookError(answer["error"], answer["hint"], exit_code=Exit(answer["exit_code"]))
    client = client or connect(Places.default(), setup.incident, name or terminal_name(), role)
    if client is None:
        raise RunbookError("the conductor ended at once", "see conductor.log in the incident's folder")
    return client


def _meet(incident: str, name: str, role: str) -> SocketClient | None:
    """The conductor that somebody else started a moment earlier, once it listens."""
    from time import monotonic, sleep

    from runbook_tui.conductor.client import connect

    limit = monotonic() + _MEETING
    while (client := connect(Places.default(), incident, name, role)) is None and monotonic() < limit:
        sleep(0.1)
    return client


def _start(request: dict[str, Any]) -> dict[str, Any]:
    """Start the process and hear how it went. Secrets go through its standard input, nothing else."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "runbook_tui", "conductor"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a closed terminal ends no incident
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.close()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
    except (OSError, ValueError):
        last = process.stderr.read().decode(errors="replace").strip().splitlines()[-1:]
        raise RunbookError("the conductor could not be started", *last, exit_code=Exit.INCOMPLETE) from None
    except KeyboardInterrupt:
        click.echo(f"{request['setup']['incident']} may be open already: `runbook incident list` shows it", err=True)
        raise
    return answer


def terminal_name() -> str:
    """`kim on pts/3`: tells two terminals of one person apart."""
    from runbook_tui.foundation.places import user_name

    try:
        where = os.ttyname(0).removeprefix("/dev/")
    except OSError:
        where = f"process {os.getpid()}"
    return f"{user_name()} on {where}"


def plain_wanted(plain: bool) -> bool:
    """Whether line by line: asked for, no terminal, or one that cannot draw."""
    dumb = os.environ.get("TERM", "dumb") in ("dumb", "")
    return plain or bool(os.environ.get("RUNBOOK_PLAIN")) or dumb or not (sys.stdin.isatty() and sys.stderr.isatty())


def show(client: Client, *, plain: bool) -> int:
    """Run a front end on the incident until the operator leaves or it is closed."""
    if plain_wanted(plain):
        from runbook_tui.plain.front import run_plain

        code = run_plain(client)
    else:
        from runbook_tui.tui.start import run_incident

        code = run_incident(client)
    return code


def show_and_leave(client: Client, *, plain: bool, as_json: bool) -> int:
    """Run a front end and say how the incident stands; 128 + its number when a signal ended it (Ctrl-C: 130)."""
    code = show(client, plain=plain)
    stands = leave(client, as_json=as_json)
    return code if code > SIGNALLED else stands


def leave(client: Any, *, as_json: bool) -> int:
    """After the front end: end the conductor of a closed incident, print the result, and say how it stands."""
    from runbook_tui.cli import emit
    from runbook_tui.incident.result import result

    state = client.state
    document = result(client.book, state, client.events)
    if state.closed:
        client.request("shutdown")
    client.close()
    if as_json:
        emit(document)
    elif state.closed:
        click.echo(
            f"{state.incident} closed: {state.closed.replace('_', ' ')}. Report: {state.report or 'not written'}",
            err=True,
        )
    else:
        click.echo(f"{state.incident} stays open and safe. Come back with: runbook resume {state.incident}", err=True)
    return exit_code(document["state"])


def exit_code(run_state: str) -> int:
    """0 contained or closed, 1 failed, 3 still open."""
    return {"contained": Exit.GOOD, "closed": Exit.GOOD, "failed": Exit.BAD}.get(run_state, Exit.INCOMPLETE)
