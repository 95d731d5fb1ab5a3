"""`runbook conductor` (not shown): the process that runs one incident, started by `launch` and detached from it.

Standard input carries one JSON line {setup, playbook, secrets, passphrase, wait}; standard output answers with one,
{"ready": true} or {"error", "hint", "exit_code", "reason"}. Afterwards both belong to nobody.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import wiring
from runbook_tui.cli.setup import Setup, make_kit, read_inventory
from runbook_tui.foundation.clock import Clock, RealClock
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.places import Places
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, SessionVault, Vault, VaultError

if TYPE_CHECKING:
    from runbook_tui.conductor.core import Conductor
    from runbook_tui.drill.world import World


@click.command("conductor", hidden=True)
def command() -> int:
    """Run one incident until it is told to end."""
    try:
        request = json.loads(sys.stdin.buffer.readline())
        setup = Setup(**request["setup"])
    except (ValueError, TypeError, KeyError):
        raise RunbookError("this process is started by `runbook run`, `drill` and `resume`", "use those") from None
    from runbook_tui.conductor.address import check_place
    from runbook_tui.conductor.server import Server
    from runbook_tui.journal.storage import JournalHeldError

    try:
        check_place(Places.default().incident(setup.incident))  # before anything is opened that nobody could reach
        conductor, world = raise_conductor(setup, request.get("playbook", ""), request, RealClock())
        rebuildable = world is not None or conductor.kit.vault.durable
        server = Server(conductor, conductor.kit.folder, rebuildable=rebuildable)
    except RunbookError as error:
        why = error.reason if isinstance(error, VaultError) else "held" if isinstance(error, JournalHeldError) else ""
        _answer({"error": error.message, "hint": error.hint, "exit_code": int(error.exit_code), "reason": why})
        return error.exit_code
    except OSError as error:
        hint = (
            "nothing was sent: free some space or set RUNBOOK_HOME, then try again; act by hand meanwhile"
            " (`runbook playbook show` lists the steps) and record it later with `incident note --at`"
        )
        told = {"error": f"cannot write {error.filename or setup.incident}: {error.strerror}", "hint": hint}
        _answer({**told, "exit_code": int(Exit.INCOMPLETE), "reason": ""})
        return Exit.INCOMPLETE
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for end in (signal.SIGTERM, signal.SIGINT):
        signal.signal(end, lambda *_: conductor.over.set())
    _answer({"ready": True})
    _let_go(conductor.kit.folder)
    server.serve()
    if world is not None:
        world.stop()
    return Exit.GOOD


def raise_conductor(
    setup: Setup, playbook: str, request: dict[str, Any], clock: Clock
) -> tuple[Conductor, World | None]:
    """A conductor for a new incident (with the playbook's text) or, without, for one that is in its folder already.

    RunbookError or OSError when it cannot be opened; a new incident then leaves nothing behind.
    """
    try:
        return _raise(setup, playbook, request, clock)
    except BaseException:  # Ctrl-C too: a drill that plays itself runs in the operator's own process
        if playbook:
            shutil.rmtree(Places.default().incident(setup.incident), ignore_errors=True)
        raise


def _raise(setup: Setup, playbook: str, request: dict[str, Any], clock: Clock) -> tuple[Conductor, World | None]:
    from runbook_tui.conductor.core import Conductor
    from runbook_tui.conductor.opening import Opening, half_open, open_incident
    from runbook_tui.foundation.places import user_name
    from runbook_tui.journal.store import Journal
    from runbook_tui.net.client import Network
    from runbook_tui.playbook.loader import from_source

    places = Places.default()
    folder = places.incident(setup.incident)
    new = bool(playbook)
    world: World | None = None
    inventory = read_inventory(setup)
    network: Any
    if setup.drill:
        world = _world(setup, folder, clock, new=new)
        vault: Vault = _filled(world.credentials)
        inventory, network = world.inventory, world.network(clock)
        setup.inputs = dict(world.inputs)
        setup.admins = dict(world.admins)
    else:
        vault, network = _vault(setup, request), Network()
    setup.save(folder)
    kit = make_kit(setup, places, vault, network, clock, inventory)
    kit.dashboard = world.dashboard_url if world is not None else ""
    path = folder / "journal.db"
    make = Journal.create if new else Journal.open
    journal = make(path, clock, kit.redactor.data)
    if not new and not journal.head()[0]:
        hint = "start it again: `runbook run` or `runbook drill`"
        raise RunbookError(f"{setup.incident} was never opened, and nothing was done in it", hint)
    source = playbook or str(journal.events(limit=1)[0].data["playbook"]["source"])
    conductor = Conductor(
        from_source(source, f"{setup.incident}/playbook"), journal, kit, setup.commander or user_name()
    )
    if not new:
        _register(conductor)
    if new or half_open(conductor):
        opening = Opening(setup.incident, setup.mode, setup.inputs, setup.admin, setup.commander, setup.facts)
        try:
            open_incident(conductor, opening)
        except RunbookError:
            journal.close()
            raise
        setup.admins = dict(kit.admins)
        setup.save(folder)
    if not new:
        conductor.recover()
    return conductor, world


def _vault(setup: Setup, request: dict[str, Any]) -> Vault:
    given = [
        Credential(one["name"], Secret(one["value"]) if one["value"] else None, Binding.from_dict(one["binding"]))
        for one in request.get("secrets", ())
    ]
    if setup.vault == "session":
        return _filled(given)
    if setup.vault == "file":
        from runbook_tui.secrets.file_vault import FileVault

        return FileVault(Places.default(), lambda new: Secret(request["passphrase"]))
    return wiring.open_vault(setup.vault, wait=request.get("wait"))


def _filled(credentials: list[Credential]) -> SessionVault:
    vault = SessionVault()
    for credential in credentials:
        vault.put(credential)
    return vault


def _register(conductor: Conductor) -> None:
    """After a restart the redactor has to know every secret of the incident before anything is recorded."""
    names = set(conductor.kit.vault.names())
    for subject in conductor.state.subjects.values():
        for name in (subject.name, subject.new_name):
            if name in names:
                conductor.kit.credential(name)


def _world(setup: Setup, folder: Path, clock: Clock, *, new: bool) -> World:
    from runbook_tui.drill.scenario import load_scenario
    from runbook_tui.drill.world import build, reopen
    from runbook_tui.net.lockdown import lock_down

    catalogue = wiring.catalogue()
    if new:
        world = build(load_scenario(setup.drill["scenario"]), folder / "drill", setup.drill["seed"], clock, catalogue)
    else:
        world = reopen(folder / "drill", clock, catalogue)
    lock_down(*world.address)
    return world


def _answer(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _let_go(folder: Path) -> None:
    """Let go of the terminal; what goes wrong from here on is in the incident's own log."""
    log = os.open(folder / "conductor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(null)
    os.close(log)
