"""One widget for many lines: rows are handed over as text and drawn as they are."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget

from runbook_tui.foundation.text import one_line

Rows = list[Content]
Part = str | Content | tuple[str, str]


def row(*parts: Part) -> Content:
    """A line of parts, each a text or (text, style). Text is shown as it is: nothing in it is markup."""
    return Content.assemble(*(part if isinstance(part, Content) else _part(part) for part in parts))


def _part(part: str | tuple[str, str]) -> Content:
    text, style = (part, "") if isinstance(part, str) else part
    return Content.styled(text, style) if style else Content(text)


def foreign(text: object, limit: int = 400) -> str:
    """Text from outside, on one line and without control characters."""
    return one_line(str(text), limit)


class Block(Widget):
    """Draws rows from the top; refreshes only when they differ from what is shown."""

    DEFAULT_CSS = "Block { height: auto; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }"

    def __init__(self, rows: Iterable[Content] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: Rows = list(rows)
        self.display = bool(self.rows)

    def show(self, rows: Rows) -> None:
        """Draw these rows from now on."""
        if rows == self.rows:
            return
        taller = len(rows) != len(self.rows)
        self.rows = rows
        self.display = bool(rows)
        self.refresh(layout=taller)

    def render(self) -> Content:
        return Content("\n").join(self.rows)
