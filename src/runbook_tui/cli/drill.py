"""`runbook drill`: rehearse a playbook against the simulated world."""

from __future__ import annotations

import secrets

import click

from runbook_tui.cli import json_option
from runbook_tui.cli.setup import Setup


@click.command("drill")
@click.argument("playbook")
@click.option("--scenario", default="", metavar="S", help="Another scenario than the playbook's own, by id or file.")
@click.option("--seed", type=int, help="The same seed makes the same drill.")
@click.option("--auto", is_flag=True, help="The model operator plays, on a clock that does not wait.")
@click.option("--plain", is_flag=True, help="Line by line, without a full screen.")
@json_option
def command(playbook: str, scenario: str, seed: int | None, auto: bool, plain: bool, as_json: bool) -> int:
    """Rehearse PLAYBOOK: made-up secrets, a simulated provider, nothing real is touched.

    Exit code: 0 contained, 1 failed, 2 bad input, 3 still open, 130 interrupted.
    """
    from runbook_tui.cli import wiring
    from runbook_tui.cli.launch import show_and_leave, start_conductor
    from runbook_tui.cli.playbook import own_folders
    from runbook_tui.drill.scenario import default_scenario, load_scenario
    from runbook_tui.foundation.clock import RealClock
    from runbook_tui.foundation.ids import new_incident_id
    from runbook_tui.playbook.loader import read_playbook
    from runbook_tui.playbook.shelf import find_playbook

    book = read_playbook(find_playbook(playbook, own_folders()), wiring.catalogue())
    chosen = load_scenario(scenario) if scenario else default_scenario(book.id)
    setup = Setup(
        incident=new_incident_id(RealClock().now()),
        mode="drill",
        vault="session",
        drill={"scenario": str(chosen.file), "seed": seed if seed is not None else secrets.randbelow(10**6)},
    )
    if auto:
        return _auto(setup, book.source, as_json=as_json)
    click.echo(f"DRILL: {chosen.brief}", err=True)
    client = start_conductor(setup, book.source)
    return show_and_leave(client, plain=plain, as_json=as_json)


def _auto(setup: Setup, source: str, *, as_json: bool) -> int:
    """Everything in this process, on a clock that jumps ahead when somebody waits."""
    from runbook_tui.cli.conductor import raise_conductor
    from runbook_tui.cli.launch import leave
    from runbook_tui.conductor.client import LocalClient
    from runbook_tui.drill.operator import play
    from runbook_tui.foundation.clock import FakeClock, RealClock

    conductor, world = raise_conductor(setup, source, {}, FakeClock(RealClock().now(), tick=0.001))
    assert world is not None
    try:
        client = LocalClient(conductor, "model operator")
        play(client, world)
        return leave(client, as_json=as_json)
    finally:
        world.stop()
