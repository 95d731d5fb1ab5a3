"""What the screens stand on: holds the client, ticks the clock, passes what arrives to the screens that are shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from runbook_tui.conductor.protocol import Client
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.incident.board import Board, board
from runbook_tui.tui.block import foreign
from runbook_tui.tui.bridge import Bridge, Pushes
from runbook_tui.tui.safe_app import SafeApp
from runbook_tui.tui.styling import CSS

Reply = Callable[[dict[str, Any]], None]
_FOUND = 5  # places shown while a search goes on; all of them stand in the timeline when it is over


@runtime_checkable
class Shows(Protocol):
    """A screen that draws the board."""

    def draw(self, shown: Board) -> None: ...


class Host(SafeApp[int]):
    """`words` is the line above the keys: why a key is dead, or what was refused. It stays until the next key."""

    CSS = CSS

    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client
        self.words = ""
        self.progress = ""
        self.found: tuple[str, ...] = ()  # the last things a running step has found or tried
        self.alarm = ""
        self._pending = ""  # the request whose reply is awaited

    def on_mount(self) -> None:
        bridge = Bridge(self._hand_over)
        self.client.listen(bridge.take)
        self.set_interval(1.0, self.redraw)

    def _hand_over(self, pushes: Pushes) -> None:
        self.call_later(self._take, pushes)

    def exit_status(self) -> int:
        """What the command ends with."""
        if self.return_code:
            return self.return_code
        return int(Exit.GOOD if self.client.state.closed == "contained" else Exit.INCOMPLETE)

    # -- what arrives

    def _take(self, pushes: Pushes) -> None:
        for push in pushes:
            if "progress" in push:
                self._note_progress(push["progress"])
            if "lost" in push:
                self.alarm = f"the conductor is gone: {foreign(push['lost'])}; leave, then `runbook resume`"
        if not any(one.status == "running" for one in self.client.state.steps.values()):
            self.progress, self.found = "", ()
        self.redraw()

    def _note_progress(self, progress: Mapping[str, Any]) -> None:
        if "alarm" in progress:
            self.alarm = foreign(progress["alarm"])
        elif "found" in progress or "case" in progress:
            line = progress.get("case") or f"found: {progress['found']}"
            self.found = (*self.found, foreign(line))[-_FOUND:]
        else:
            said = progress.get("text") or ", ".join(f"{key} {value}" for key, value in progress.items())
            self.progress = foreign(said)

    def board(self) -> Board:
        """What is to be shown now."""
        return board(self.client.book, self.client.state, self.client.clock.now())

    def redraw(self) -> None:
        """Draw the board on every screen that can be seen, a dialog's background included."""
        shown = self.board()
        for screen in reversed(self.screen_stack):
            if screen.is_mounted and isinstance(screen, Shows):
                screen.draw(shown)
            if not screen.is_modal:
                return

    def say(self, words: str) -> None:
        self.words = words
        self.redraw()

    # -- what is asked

    def ask(self, method: str, then: Reply | None = None, **params: Any) -> None:
        """Ask the conductor from a thread of its own; `then` gets the reply here. A refusal is shown in words.

        A daemon thread: leaving never waits for an answer. One request at a time: a second Enter is no second step.
        """
        if self._pending:
            self.say(f"{self._pending} is under way")
            return
        self._pending = method

        def work() -> None:
            try:
                reply = self.client.request(method, **params)
            except RunbookError as error:
                said = f"refused: {error.message}" + (f" ({error.hint})" if error.hint else "")
                self.call_later(self._answered, lambda: self.say(said))
            except Exception as error:  # noqa: BLE001 - a fault in a thread has to end the screen like any other
                self.call_later(self._handle_exception, error)
            else:
                self.call_later(self._answered, lambda: then(reply) if then is not None else None)

        threading.Thread(target=work, name=f"ask {method}", daemon=True).start()

    def _answered(self, act: Callable[[], None]) -> None:
        self._pending = ""
        act()

    def action_leave(self) -> None:
        if self.client.state.closed:
            self.exit()
            return
        from runbook_tui.tui.leave import Leave

        if not isinstance(self.screen, Leave):
            self.push_screen(Leave(), lambda leaving: self.exit() if leaving else None)
