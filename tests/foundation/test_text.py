"""Promise: foreign text has no power over the terminal, and names are safe for files, YAML and the screen."""

from __future__ import annotations

import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_tui.foundation.errors import Exit, InputProblems, Problem, RunbookError
from runbook_tui.foundation.ids import check_name, new_incident_id, new_operation_id
from runbook_tui.foundation.places import Places, shipped
from runbook_tui.foundation.text import one_line, plain


@given(st.text(st.characters(exclude_categories=()), max_size=300), st.booleans())
def test_no_control_or_direction_character_is_left(text: str, keep: bool) -> None:
    for char in plain(text, keep_newlines=keep):
        assert unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} or (keep and char == "\n")


def test_escapes_are_shown() -> None:
    assert plain("\x1b]52;c;eA==\x07 a\tb\nc\u202e") == "<U+001B>]52;c;eA==<U+0007> a b<U+000A>c<U+202E>"
    assert plain("a" * 10, 4) == "aaaa…"
    assert one_line("  a\n\n b\t c ") == "a b c"


@pytest.mark.parametrize("name", ["a", "stripe-live", "a.b_c-1", "x" * 80])
def test_names(name: str) -> None:
    assert check_name(name, "credential") == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "a/b", "../a", "a b", "a\n", "ä", "x" * 81, "a\x00"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(RunbookError, match="not a valid name"):
        check_name(name, "credential")


def test_made_names() -> None:
    name = new_incident_id(datetime(2026, 11, 21, tzinfo=UTC))
    assert name.startswith("inc-20261121-")
    assert check_name(name, "incident") == name
    assert len({new_operation_id() for _ in range(100)}) == 100


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RUNBOOK_HOME puts everything under one folder; incidents are made private."""
    monkeypatch.setenv("RUNBOOK_HOME", str(tmp_path / "home"))
    places = Places.default()
    assert places.config == tmp_path / "home" / "config"
    assert places.incident("inc-1") == tmp_path / "home" / "state" / "incidents" / "inc-1"
    assert places.incidents.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_text("")
    with pytest.raises(RunbookError, match="cannot make"):
        _ = Places(tmp_path / "file" / "state", tmp_path).incidents
    monkeypatch.delenv("RUNBOOK_HOME")
    assert "runbook" in str(Places.default().state)
    assert shipped("providers", "catalog").is_dir()


def test_errors_show_their_hint() -> None:
    assert str(RunbookError("no", "do this")) == "no\n  hint: do this"
    assert RunbookError("no", exit_code=Exit.BAD).exit_code == 1
    assert str(RunbookError("no")) == "no"
    problems = InputProblems([Problem("f", 1, 2, "m", "h"), Problem("f", 3, 4, "n", level="warning")])
    assert str(problems) == "f:1:2: error: m\n  hint: h\nf:3:4: warning: n"
    assert problems.exit_code == Exit.USAGE


def test_nothing_unsafe_is_printable() -> None:
    """Promise: the short cut for printable text lets through no character that would have been replaced."""
    for code in range(sys.maxunicode + 1):
        if chr(code).isprintable():
            assert plain(f"{chr(code)}\0", 9) == f"{chr(code)}<U+0000>"
