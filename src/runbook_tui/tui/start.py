"""The two doors into the screens. Nothing of Textual is loaded before the surroundings are cleaned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runbook_tui.tui.environment import scrub

if TYPE_CHECKING:
    from runbook_tui.conductor.protocol import Client
    from runbook_tui.tui.home import HomeData


def run_incident(client: Client) -> int:
    """Show the incident until the operator leaves.

    Returns 0 when it is closed as contained, 3 when something is open, 128 + the signal's number when a signal ended
    the screen, 1 when the screen itself failed.
    """
    scrub()
    from runbook_tui.tui.app import IncidentApp

    app = IncidentApp(client)
    app.run()
    return app.exit_status()


def run_home(data: HomeData) -> tuple[str, str] | None:
    """Show playbooks, open incidents and readiness; the choice is ("run" | "drill", playbook) or ("resume", id)."""
    scrub()
    from runbook_tui.tui.home_screen import HomeApp

    return HomeApp(data).run()
