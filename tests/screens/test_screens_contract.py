"""What the screens rely on in Textual, private hooks included: these fail loudly when a new version changes it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from probe import Probe, run_app, segments
from textual import events, widgets
from textual.app import App, ComposeResult

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.tui.fields import SecretEntry
from runbook_tui.tui.safe_app import SafeApp

VALUE = "sk_fake_CANARY_4rT7vB1n"


def _told(app: App[Any]) -> str:
    return "".join(map(str, app._exit_renderables))


# -- the secret field


def test_a_secret_field_gives_its_value_to_nobody() -> None:
    """Keyboard, mouse, select all, drag, copy, cut: no clipboard, no sequence; no undo keeps what was deleted."""
    app = Probe(SecretEntry)
    sent: list[str] = []

    async def act(pilot: Any) -> None:
        field = app.query_one(SecretEntry)
        app._driver.write = sent.append
        field.focus()
        app.post_message(events.Paste(VALUE))
        await pilot.pause()
        assert field.value == VALUE
        field.select_all()
        for keys in (("ctrl+x",), ("super+c",), ("ctrl+insert",), ("shift+home", "ctrl+x"), ("ctrl+shift+a", "ctrl+x")):
            await pilot.press(*keys)
        await pilot.click(SecretEntry, times=2)
        await pilot.click(SecretEntry, times=3)
        await pilot.mouse_down(SecretEntry, offset=(1, 0))
        await pilot.hover(SecretEntry, offset=(20, 0))
        await pilot.mouse_up(SecretEntry, offset=(20, 0))
        field.action_copy()
        field.action_cut()
        assert field.selected_text == ""
        assert app.screen.get_selected_text() is None
        assert app.clipboard == ""
        assert "CANARY" not in "".join(segment.text for segment in segments(app))
        with pytest.raises(RunbookError, match="secret"):
            app.export_screenshot()
        assert field.take() == VALUE
        app.export_screenshot()

    run_app(app, act)
    assert not [text for text in sent if "]52;" in text or "CANARY" in text]


def test_a_field_has_no_memory_of_what_was_deleted() -> None:
    """Textual's input keeps no undo history and no suggestion; if it gets one, the secret field has to empty it."""
    names = {name for name, _ in inspect.getmembers(widgets.Input)}
    assert not {name for name in names if "undo" in name or "redo" in name or "history" in name}
    assert SecretEntry()._suggestion == ""
    assert SecretEntry().suggester is None


def test_the_copy_methods_are_the_ones_overridden() -> None:
    """The input copies through `selected_text`, `action_copy` and `action_cut` and nothing else."""
    source = inspect.getsource(widgets.Input)
    assert source.count("copy_to_clipboard(") == 2
    assert set(re.findall(r"def (\w*(?:copy|cut|clipboard)\w*)", source)) == {"action_cut", "action_copy"}
    users = {
        path.name
        for path in Path(inspect.getfile(widgets.Input)).parents[1].rglob("*.py")
        if "copy_to_clipboard(" in path.read_text(encoding="utf-8")
    }
    assert users == {"app.py", "screen.py", "_input.py", "_text_area.py"}


def test_no_program_of_ours_talks_to_the_terminals_clipboard() -> None:
    """An ordinary field's text stays in the program: a secret pasted in the wrong field and cut goes nowhere."""
    app = Probe(widgets.Input)
    sent: list[str] = []

    async def act(pilot: Any) -> None:
        app._driver.write = sent.append
        app.copy_to_clipboard(VALUE)
        assert app.clipboard == VALUE

    run_app(app, act)
    assert not [text for text in sent if "]52;" in text]


# -- pictures and the palette


def test_there_is_no_palette_to_save_a_picture_from() -> None:
    """No palette, none of Textual's keys; every way to a picture goes through `export_screenshot`."""
    app = Probe(SecretEntry)
    assert not app.ENABLE_COMMAND_PALETTE
    keys = {binding.key for _, binding in app._bindings}
    assert keys == {"ctrl+c", "ctrl+q", "ctrl+z"}
    for name in ("save_screenshot", "deliver_screenshot"):
        assert "export_screenshot(" in inspect.getsource(getattr(App, name))


# -- faults


FAULTS = ("compose", "mount", "key", "worker", "call_later", "timer")


@pytest.mark.parametrize("where", FAULTS)
def test_a_fault_anywhere_prints_type_and_place(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    """compose, on_mount, a key, a worker, a callback, a timer: Textual's own report would show locals."""

    def explode() -> None:
        value = VALUE
        raise ValueError(f"broken with {value}")

    class Faulty(SafeApp[None]):
        def compose(self) -> ComposeResult:
            if where == "compose":
                explode()
            yield SecretEntry()

        def on_mount(self) -> None:
            if where == "mount":
                explode()
            elif where == "worker":
                self.run_worker(_later(explode))
            elif where == "call_later":
                self.call_later(explode)
            elif where == "timer":
                self.set_timer(0.01, explode)

        def on_key(self) -> None:
            if where == "key":
                explode()

    async def _later(act: Callable[[], None]) -> None:
        act()

    app = Faulty()

    async def act(pilot: Any) -> None:
        await pilot.press("f9")
        await pilot.pause(0.1)

    with pytest.raises(Exception, match=r"CANARY|Worker"):  # the pilot raises it again; the operator sees the rest
        run_app(app, act)
    told = _told(app) + capsys.readouterr().err
    assert "the screen failed: ValueError at " in told
    assert "CANARY" not in told
    assert "explode" not in told


def test_the_crash_hooks_are_still_textuals_own_way() -> None:
    """Textual reports through `_fatal_error` and `panic`, and shows locals: the reason why both are overridden."""
    assert "show_locals=True" in inspect.getsource(App._fatal_error)
    assert "_fatal_error()" in inspect.getsource(App._handle_exception)
    assert SafeApp._fatal_error is not App._fatal_error
    assert SafeApp.panic is not App.panic
