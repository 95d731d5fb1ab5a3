"""The base of every screen program: what Textual does by default and a tool that handles secrets must not do."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import traceback
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.filter import LineFilter
from textual.widgets import Input

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.text import same_width

_LAST_RESORT = 5.0  # seconds a screen without a terminal gets to end by itself
_GLANCE = 1.0  # seconds between two looks whether there is still a terminal
_PATIENCE = 0.2  # seconds a key may keep the next one waiting

Result = TypeVar("Result")


class ControlFilter(LineFilter):
    """Takes control, direction and zero-width characters, links and click actions out of every line drawn.

    Text is made safe when it is put into words; this is the second door, in front of the terminal and the mouse. No
    widget of ours has links or click actions: those that are there came as markup in somebody else's text.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if all(segment.text.isprintable() and not _clickable(segment.style) for segment in segments):
            return segments
        return [Segment(same_width(text), _inert(style), control) for text, style, control in segments]


def _clickable(style: Style | None) -> bool:
    return style is not None and (style.link is not None or any(name.startswith("@") for name in style.meta))


def _inert(style: Style | None) -> Style | None:
    if style is None or not _clickable(style):
        return style
    kept = {name: value for name, value in style.meta.items() if not name.startswith("@")}
    return style.clear_meta_and_links() + Style.from_meta(kept)


class SafeApp(App[Result], inherit_bindings=False):
    """An application without palette, screenshots, text selection, animations or tracebacks with values in them."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "leave", "leave", show=False, priority=True),
        Binding("ctrl+q", "leave", "leave", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "shell", show=False, priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.animation_level = "none"
        self._last_resort: threading.Timer | None = None
        self._filters.append(ControlFilter())

    def on_mount(self) -> None:
        self.set_interval(_GLANCE, self._look_at_terminal)
        # Back from ctrl+z the terminal is empty, and nothing on the screen knows it.
        self.app_resume_signal.subscribe(self, lambda _: self.screen.refresh(layout=True))
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, partial(self._end_by_signal, number))

    def on_unmount(self) -> None:
        if self._last_resort is not None:
            self._last_resort.cancel()

    async def on_event(self, event: events.Event) -> None:
        """Take keys strictly one after the other.

        Textual hands a key to the focused widget's own queue and goes on. Keys that arrive in a burst over a slow line
        would then be given to a field that the key before them is about to leave.
        """
        await super().on_event(event)
        if isinstance(event, (events.Key, events.Paste)):
            await self._handled()

    async def _handled(self) -> None:
        """Wait until the widget, and everything above it, has dealt with what it was given."""
        for node in (self.focused or self.screen).ancestors_with_self:
            done = asyncio.Event()
            if node is self or not node.call_later(done.set):
                return
            try:
                await asyncio.wait_for(done.wait(), _PATIENCE)
            except TimeoutError:
                return

    def _end_by_signal(self, number: signal.Signals) -> None:
        """End in order: by default Textual is killed on the spot and leaves the terminal in its own mode."""
        status = 128 + int(number)
        if self._terminal_is_gone():
            self._let_go(status)
        self.exit(return_code=status)

    def _look_at_terminal(self) -> None:
        """A terminal can go without a signal: one that does not control this process."""
        if self._last_resort is None and self._terminal_is_gone():
            self._end_by_signal(signal.SIGHUP)

    def _terminal_is_gone(self) -> bool:
        fileno = getattr(self._driver, "fileno", None)
        if not isinstance(fileno, int) or not getattr(self._driver, "input_tty", False):
            return False
        import termios

        try:
            termios.tcgetattr(fileno)
        except termios.error:
            return True
        return False

    def _let_go(self, status: int) -> None:
        """Without a terminal: reading it would spin, writing to it fail."""
        driver: Any = self._driver
        driver.exit_event.set()
        driver.write = lambda data: None
        self._last_resort = threading.Timer(_LAST_RESORT, os._exit, (status,))
        self._last_resort.daemon = True
        self._last_resort.start()

    def action_leave(self) -> None:
        self.exit()

    def copy_to_clipboard(self, text: str) -> None:
        """Keep it for a paste in this program: a terminal's clipboard passes it through every multiplexer and log."""
        self._clipboard = text

    def export_screenshot(self, **options: Any) -> str:
        """Every way to a picture comes here; RunbookError while a field holds a secret."""
        for screen in self.screen_stack:
            if any(field.password and field.value for field in screen.query(Input)):
                raise RunbookError("no picture while a secret stands in a field", "finish the question first")
        return super().export_screenshot(**options)

    def _fatal_error(self) -> None:
        """Say what failed and where, never with what values."""
        self._exit_renderables.append(failure(self._exception))
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        """Textual's own reports hold source lines and values: ours takes their place."""
        self._return_code = 1
        self._fatal_error()


def failure(error: BaseException | None) -> str:
    """`TypeError at incident.py:40`: the type and the place of an error."""
    cause = getattr(error, "error", None) or error
    frames = traceback.extract_tb(cause.__traceback__) if isinstance(cause, BaseException) else []
    ours = [frame for frame in frames if "runbook_tui" in frame.filename] or list(frames)
    place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"the screen failed: {type(cause).__name__}{place}\nthe record is safe: `runbook resume` goes on"
