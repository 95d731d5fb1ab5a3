"""Promise: nothing foreign acts on a terminal, whichever command prints it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runbook_tui.cli.door import Door, harmless

ACTING = set("\x00\x07\x08\x1b\x7f\x90\x9b\x9d\u200b\u200f\u202e\u2066\ufeff")


@given(st.text())
def test_the_door_lets_nothing_acting_through(text: str) -> None:
    """Control, direction and hidden characters come out as text; line ends, tabs and all the rest stay."""
    out = harmless(text)
    assert not set(out) & ACTING
    assert out.replace("\r\n", "\n").count("\r") == 0
    assert out.count("\n") == text.count("\n")
    if text.replace("\n", "").isprintable():
        assert out == text


def test_the_door_is_a_stream() -> None:
    """Lines and long writes pass; what it does not know it hands on."""
    inner = io.StringIO()
    door = Door(inner)
    door.writelines(["a\x1b[2J\n", "b\r\n", "\tc\u202e"])
    assert inner.getvalue() == "a<U+001B>[2J\nb\r\n\tc<U+202E>"
    assert not door.isatty()


def _run(folder: Path, *args: str) -> str:
    home = {"RUNBOOK_HOME": str(folder / "home"), "PATH": os.environ["PATH"], "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "runbook_tui", *args], cwd=folder, env=home, capture_output=True, check=False, timeout=60
    )
    return (done.stdout + done.stderr).decode()


def test_names_of_files_in_lists_and_messages(tmp_path: Path) -> None:
    """A cloned workspace brings file names: lists, checks and errors show their control characters as text."""
    (tmp_path / "inventory.yaml").write_text("inventory: 1\n")
    for folder in ("playbooks", "manifests", "schemes"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a\x1b]0;x\x07\u202e.yaml").write_text("a: !%1b%5b2J x\n")
    shown = "".join(
        _run(tmp_path, *args)
        for args in (
            ("playbook", "list"),
            ("playbook", "check"),
            ("playbook", "check", "playbooks/a\x1b]0;x\x07\u202e.yaml"),
            ("provider", "list"),
            ("provider", "check", "manifests/a\x1b]0;x\x07\u202e.yaml"),
            ("webhook", "list"),
            ("incident", "show", "x\x1b[2J"),
        )
    )
    assert "<U+001B>" in shown
    assert not set(shown) & ACTING
