"""What the home screen shows: playbooks, open incidents, readiness."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from runbook_tui import __version__
from runbook_tui.cli import wiring
from runbook_tui.cli.playbook import own_folders
from runbook_tui.cli.record import JOURNAL, open_record
from runbook_tui.foundation.clock import clock_text
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.places import Places
from runbook_tui.incident.lines import closed_loop
from runbook_tui.incident.state import IncidentState
from runbook_tui.playbook.shelf import cover, list_playbooks

if TYPE_CHECKING:
    from runbook_tui.tui.home import HomeData, IncidentRow, PlaybookRow, Ready

_MIB = 1 << 20


def collect(places: Places) -> HomeData:
    """Reads playbooks and journals; asks neither the keyring nor the network."""
    from runbook_tui.tui.home import HomeData

    states = _states(places)
    return HomeData(_playbooks(states), _incidents(states), _readiness(places), __version__)


def _states(places: Places) -> list[IncidentState]:
    found: list[IncidentState] = []
    for path in places.incidents.glob(f"*/{JOURNAL}"):
        with contextlib.suppress(RunbookError):  # `runbook incident verify` says what is wrong with it
            found.append(open_record(places, path.parent.name).state)
    return sorted((state for state in found if state.incident), key=lambda state: state.opened_at, reverse=True)


def _playbooks(states: list[IncidentState]) -> tuple[PlaybookRow, ...]:
    from runbook_tui.tui.home import PlaybookRow

    return tuple(
        PlaybookRow(one.id, one.title, clock_text(one.target) if one.target else "", _last_drill(states, one.title))
        for one in map(cover, list_playbooks(own_folders()))
    )


def _last_drill(states: list[IncidentState], title: str) -> str:
    drilled = [one for one in states if one.mode == "drill" and one.title == title and one.contained_at]
    return f"last drilled {drilled[0].contained_at[:10]}" if drilled else ""


def _incidents(states: list[IncidentState]) -> tuple[IncidentRow, ...]:
    from runbook_tui.tui.home import IncidentRow

    return tuple(
        IncidentRow(
            one.incident, one.title, one.mode.upper(), f"{one.opened_at[:16].replace('T', ' ')} UTC", closed_loop(one)
        )
        for one in states
        if not one.closed
    )


def _readiness(places: Places) -> tuple[Ready, ...]:
    from runbook_tui.tui.home import Ready

    free = shutil.disk_usage(places.state if places.state.exists() else "/").free
    workspace = wiring.workspace()
    return (
        Ready("vault", wiring.vault_choice(places) or "OS keyring (see runbook doctor)"),
        Ready("disk", f"{free // _MIB} MiB free", free > 64 * _MIB),
        Ready("workspace", str(workspace.root) if workspace else "none: runbook init makes one", workspace is not None),
    )
