"""The fields of a dialog: a line of text, a secret that never leaves the field, and a choice."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input

from runbook_tui.tui.block import Part, foreign, row
from runbook_tui.tui.styling import FAINT, STRONG


class Entry(Input):
    """One line of text."""

    DEFAULT_CSS = """
    Entry { border: none; height: 1; padding: 0 1; background: #2a323a; }
    Entry:focus { background: #34404b; }
    """

    height = 1  # rows

    def __init__(self, value: str = "", *, hint: str = "", password: bool = False) -> None:
        super().__init__(value, placeholder=hint, password=password, compact=True, select_on_focus=False)
        self.cursor_blink = False  # a blinking cursor costs a paint twice a second


class SecretEntry(Entry):
    """A secret: never echoed, and never given to a clipboard."""

    def __init__(self) -> None:
        super().__init__(hint="paste it here", password=True)

    @property
    def selected_text(self) -> str:
        return ""

    def action_copy(self) -> None:
        self.app.bell()

    def action_cut(self) -> None:
        self.app.bell()

    def take(self) -> str:
        """The value; the field is empty afterwards."""
        value, self.value = self.value, ""
        return value


class Choice(Widget, can_focus=True):
    """One of several options: arrows, its number or its first letter choose."""

    class Chosen(Message):
        """Another option was chosen."""

    DEFAULT_CSS = """
    Choice { height: auto; padding: 0 1; background: #232a31; }
    Choice:focus { background: #34404b; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,up", "move(-1)", "previous"),
        Binding("right,down,space", "move(1)", "next"),
    ]
    at: reactive[int] = reactive(0, layout=False)

    def __init__(self, options: tuple[str, ...], labels: tuple[str, ...] = (), default: str = "") -> None:
        super().__init__()
        self.options = options
        self._labels = tuple(foreign(label, 120) for label in (labels or options))
        self.set_reactive(Choice.at, options.index(default) if default in options else 0)
        # Short options stand on one line, long ones below each other.
        self._inline = sum(len(label) + 6 for label in self._labels) <= 70

    @property
    def value(self) -> str:
        return self.options[self.at]

    @property
    def height(self) -> int:
        """Rows it takes."""
        return 1 if self._inline else len(self.options)

    def action_move(self, by: int) -> None:
        self.at = (self.at + by) % len(self.options)
        self.post_message(self.Chosen())

    def on_key(self, event: events.Key) -> None:
        char = event.character or ""
        starts = [n for n, label in enumerate(self._labels) if char.strip() and label.lower().startswith(char.lower())]
        if char.isdigit() and 0 < int(char) <= len(self.options):
            self.action_move(int(char) - 1 - self.at)
        elif starts:
            self.action_move(next((n for n in starts if n > self.at), starts[0]) - self.at)
        else:
            return
        event.stop()

    def render(self) -> Content:
        marked: list[list[Part]] = []
        for number, label in enumerate(self._labels):
            chosen = number == self.at
            marked.append([("◉ " if chosen else "○ ", STRONG if chosen else FAINT), (label, STRONG if chosen else "")])
        if self._inline:
            return row(*(part for parts in marked for part in (*parts, "    ")))
        return Content("\n").join(row(*parts) for parts in marked)
