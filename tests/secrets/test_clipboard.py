"""Promise: the clipboard is used on a local desktop only, and emptied only while it holds our value."""

from __future__ import annotations

import pyperclip
import pytest

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets import clipboard
from runbook_tui.secrets.secret import Secret

DESKTOP = {"DISPLAY": ":0"}
VALUE = Secret("canary-Zq8Xw2Lm9Kp4")


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A clipboard in memory: pyperclip's own programs need a desktop."""
    held = {"text": ""}
    monkeypatch.setattr(pyperclip, "copy", lambda text: held.update(text=text))
    monkeypatch.setattr(pyperclip, "paste", lambda: held["text"])
    return held


@pytest.mark.parametrize(
    "environment", [{}, {"DISPLAY": ":10", "SSH_CONNECTION": "1 2 3 4"}, {"SSH_TTY": "/dev/pts/1"}]
)
def test_refused_without_a_local_desktop(board: dict[str, str], environment: dict[str, str]) -> None:
    with pytest.raises(RunbookError, match="nothing was copied"):
        clipboard.copy(VALUE, environment)
    assert board["text"] == ""


def test_cleared_while_it_is_ours(board: dict[str, str]) -> None:
    clear = clipboard.copy(VALUE, DESKTOP)
    assert board["text"] == VALUE.expose()
    assert clear()
    assert board["text"] == ""
    assert not clear()


def test_what_the_operator_copied_since_stays(board: dict[str, str]) -> None:
    clear = clipboard.copy(VALUE, DESKTOP)
    board["text"] = "a shopping list"
    assert not clear()
    assert board["text"] == "a shopping list"


def test_no_clipboard_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's failure becomes one clear line that does not hold the value."""

    def fail(text: str) -> None:
        raise pyperclip.PyperclipException(text)

    monkeypatch.setattr(pyperclip, "copy", fail)
    with pytest.raises(RunbookError, match="no clipboard program") as caught:
        clipboard.copy(VALUE, DESKTOP)
    assert caught.value.__context__ is None
