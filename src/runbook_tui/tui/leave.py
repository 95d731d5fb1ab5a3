"""Leaving asks once: a key pressed by mistake should not cost the screen."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from runbook_tui.tui.block import Block, row
from runbook_tui.tui.styling import KEY


class Leave(ModalScreen[bool]):
    """True when the operator leaves."""

    DEFAULT_CSS = """
    Leave { align: center middle; }
    Leave #dialog { border: round #9aa4ad; width: 66; height: auto; background: #1b2127; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "answer(True)", "leave"),
        Binding("escape,n,q", "answer(False)", "stay"),
    ]

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Block(
                [
                    row("The incident stays open, and everything so far is recorded."),
                    row("`runbook resume` comes back to it."),
                    row(""),
                    row(("Enter", KEY), " leave     ", ("Esc", KEY), " stay"),
                ]
            )

    def on_mount(self) -> None:
        self.query_one("#dialog").border_title = Content(" Leave? ")

    def action_answer(self, leaving: bool) -> None:
        self.dismiss(leaving)
