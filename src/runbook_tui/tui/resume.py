"""Coming back to an outcome that nobody knows: it is shown before anything else, and nothing runs by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from runbook_tui.incident.board import Board
from runbook_tui.tui import drawing
from runbook_tui.tui.block import Block, Rows, foreign, row
from runbook_tui.tui.styling import BAD, FAINT, KEY, STRONG

if TYPE_CHECKING:
    from runbook_tui.tui.host import Host


class ResumeScreen(Screen[None]):
    """What was under way when the session ended."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "continue", priority=True),
        Binding("k", "settle", "settle it"),
        Binding("q", "app.leave", "leave"),
    ]

    def compose(self) -> ComposeResult:
        yield Block(id="head")
        yield Block(id="told")

    def on_resize(self) -> None:
        cast("Host", self.app).redraw()

    def draw(self, shown: Board) -> None:
        """Draw what is known of the open attempts."""
        app = cast("Host", self.app)
        state, width = app.client.state, app.size.width
        self.query_one("#head", Block).show(drawing.short_head(shown, app.client.driving, width))
        started = f"started {state.opened_at[11:19]} UTC by {foreign(state.commander)}"
        rows: Rows = [
            row(""),
            row(("  This incident was left while something was under way.", STRONG)),
            row(""),
            row(f"  {shown.incident}  {shown.title}  {started}"),
            row(""),
        ]
        for op in state.unknown_operations():
            rows += [
                row(("  ! UNKNOWN OUTCOME  ", BAD), foreign(op.what)),
                row((f"    step {foreign(op.step)}, sent at {(op.sent_at or op.at)[11:19]} UTC", FAINT)),
                row((f"    {foreign(op.reason)}", FAINT)),
                row(""),
            ]
        rows += [
            row("  It may have happened or not. It is never sent again by itself:"),
            row("  running the step asks for its proof, or you look yourself and settle it."),
            row(""),
            row("  ", ("Enter", KEY), "  continue: the step is NEXT, and running it only proves"),
            row("  ", ("k", KEY), "      settle it by your own look"),
            row("  ", ("q", KEY), "      leave"),
            row(""),
            row(("  Nothing is run until you say so. The clock kept counting.", FAINT)),
        ]
        self.query_one("#told", Block).show(rows)

    def action_go_on(self) -> None:
        self.dismiss(None)

    def action_settle(self) -> None:
        from runbook_tui.tui.acting import ask_for

        self.dismiss(None)
        ask_for(cast("Host", self.app), "clear")
