"""A whole page of lines: the steps, the timeline, the report, the keys. Only the lines in view are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from runbook_tui.incident.board import Board
from runbook_tui.tui import drawing
from runbook_tui.tui.block import Block, Rows, row
from runbook_tui.tui.styling import KEY

if TYPE_CHECKING:
    from runbook_tui.tui.host import Host

Content = Callable[[Board, int], Rows]


class Page(ScrollView, can_focus=True):
    """Lines that scroll, by arrows, page keys, j, k, g and G."""

    DEFAULT_CSS = "Page { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "down"),
        Binding("k", "scroll_up", "up"),
        Binding("g", "scroll_home", "top"),
        Binding("G", "scroll_end", "bottom"),
        Binding("space", "page_down", "page"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.rows: Rows = []

    def show(self, rows: Rows) -> None:
        """Draw these lines; a reader at the end stays at the end."""
        if rows == self.rows:
            return
        at_end = self.rows and self.scroll_offset.y >= self.max_scroll_y
        self.rows = rows
        self.virtual_size = Size(self.size.width, len(rows))
        self.refresh()
        if at_end:
            self.scroll_end(animate=False)

    def render_line(self, y: int) -> Strip:
        index = self.scroll_offset.y + y
        width = self.size.width
        if index >= len(self.rows):
            return Strip([Segment(" " * width, self.rich_style)], width)
        text = self.rows[index].truncate(width, ellipsis=True, pad=True)
        return Visual.to_strips(self, text, width, 1, self.visual_style)[0]


class PageScreen(Screen[None]):
    """A page under the incident's short head; the clock goes on above it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,tab", "back", "back", priority=True),
    ]

    def __init__(self, title: str, content: Content, *, from_end: bool = False) -> None:
        super().__init__()
        self._heading, self._content, self._from_end = title, content, from_end

    def compose(self) -> ComposeResult:
        yield Block(id="head")
        yield Page()
        yield Block(id="keys")

    def on_mount(self) -> None:
        self.query(Page).focus()  # none is there when the program ends in the same moment

    def on_resize(self) -> None:
        app = cast("Host", self.app)
        app.redraw()
        if self._from_end:
            self._from_end = False
            self.call_after_refresh(self.query_one(Page).scroll_end, animate=False)

    def draw(self, shown: Board) -> None:
        """Draw head and page again."""
        app = cast("Host", self.app)
        width = app.size.width
        following = row((" NEXT ", KEY), shown.next_title)
        head = drawing.short_head(shown, app.client.driving, width)
        self.query_one("#head", Block).show([*head, following, drawing.heading(self._heading, "", width)])
        self.query_one(Page).show(self._content(shown, width - 2))
        keys = row(" ", ("Esc", KEY), " back   ", ("↑ ↓ PgUp PgDn j k g G", KEY), " move")
        self.query_one("#keys", Block).show([drawing.rule(shown.mode, width), keys])

    def action_back(self) -> None:
        self.dismiss(None)
