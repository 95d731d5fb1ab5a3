"""`runbook` without a command: the home screen, and what was chosen there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runbook_tui.foundation.errors import Exit
from runbook_tui.foundation.places import Places

if TYPE_CHECKING:
    from runbook_tui.tui.home import HomeData


def open_home() -> int:
    """Show playbooks, open incidents and readiness; then do what was chosen. Line by line without a terminal."""
    from runbook_tui.cli.launch import plain_wanted

    if plain_wanted(False):
        from runbook_tui.cli import runbook

        with click.Context(runbook, info_name="runbook") as ctx:
            click.echo(runbook.get_help(ctx))
        return Exit.GOOD
    from runbook_tui.tui.start import run_home

    chosen = run_home(_data())
    if chosen is None:
        return Exit.GOOD
    verb, name = chosen
    from runbook_tui.cli import runbook

    return int(runbook.main([verb, name], standalone_mode=False) or 0)


def _data() -> HomeData:
    from runbook_tui.cli.home_data import collect

    return collect(Places.default())
