"""The incident program: which screens stand on the host."""

from __future__ import annotations

from textual.screen import Screen

from runbook_tui.tui.host import Host
from runbook_tui.tui.incident import IncidentScreen


class IncidentApp(Host):
    """The incident screen; on top of it, after a crash, the question that the crash left open."""

    def get_default_screen(self) -> Screen[None]:
        return IncidentScreen()

    def on_mount(self) -> None:
        if self._left_open():
            from runbook_tui.tui.resume import ResumeScreen

            self.push_screen(ResumeScreen())

    def _left_open(self) -> bool:
        """Whether an outcome is unknown: that is looked at before anything else."""
        return self.client.driving and bool(self.client.state.unknown_operations())
