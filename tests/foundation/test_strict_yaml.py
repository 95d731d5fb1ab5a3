"""Promise: YAML files mean what they look like; everything else is refused with file:line:column."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_tui.foundation.errors import InputProblems, RunbookError
from runbook_tui.foundation.strict_yaml import load, load_file


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("010", "010"),
        ("1e5", "1e5"),
        ("0x1F", "0x1F"),
        ("2026-11-21", "2026-11-21"),
        ("1_000", "1_000"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("3", 3),
        ("-7", -7),
        ("1.5", 1.5),
        (".5e3", 500.0),
        ('"3"', "3"),
        ("'true'", "true"),
        ("=", "="),
        ("9" * 30, "9" * 30),
        ("! 3", "3"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = load(f"a: {text}\n").data["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "empty"),
        ("# nothing\n", "", "empty"),
        ("a: 1\nb: 2\na: 3\n", "3:1", "stands here twice"),
        ("a: {x: 1, x: 2}\n", "1:11", "stands here twice"),
        ("a: &x 1\nb: *x\n", "1:4", "anchors"),
        ("b: *x\n", "1:4", "aliases"),
        ("a: {<<: {b: 1}}\n", "1:5", "merge keys"),
        ("a: !!python/object/apply:os.system [ls]\n", "1:4", "tag"),
        ("a: !!str 3\n", "1:4", "tag"),
        ("a: 1\n---\nb: 2\n", "2:1", "only one document"),
        ("? [a]\n: 1\n", "1:3", "a key must be plain text"),
        ("a: [1\n", "2:1", "not valid YAML"),
        ("a:\n\t- 1\n", "2:1", "not valid YAML"),
        ("a: b\x07\n", "1:5", "U+0007"),
        ("ok: 1\na: \u202eb\n", "2:4", "U+202E"),
        ("a: \u200bb\n", "1:4", "U+200B"),
        ("[" * 30 + "]" * 30, "1:22", "nested deeper"),
        ("- " * 30 + "a", "1:43", "nested deeper"),
    ],
)
def test_refused_with_a_place(text: str, place: str, message: str) -> None:
    with pytest.raises(InputProblems) as caught:
        load(text, "play.yaml")
    assert f"play.yaml:{place}" in str(caught.value)
    assert message in str(caught.value)


def test_bombs_are_refused_quickly() -> None:
    """300 kB, a million empty nodes, billion laughs, bytes that are no text."""
    for content in (
        b"a: " + b"x" * 300_000,
        b"[" + b"," * 100_000,
        ("[" + "1," * 60_000 + "]").encode(),
        b'a: &a ["lol"]\n' + b"".join(b"%c: &%c [*a,*a]\n" % (n, n) for n in range(98, 120)),
        b"a: \xff\n",
        b"\xff\xfea\x00",
    ):
        with pytest.raises(InputProblems):
            load(content)


def test_places_of_every_part() -> None:
    document = load("a: 1\nsteps:\n  - id: x\n    call: {on: 1}\n", "f.yaml")
    assert document.places[("steps",)] == (2, 1)
    assert document.places[("steps", 0)] == (3, 5)
    assert document.places[("steps", 0, "call", "on")] == (4, 12)
    assert str(document.problem(("steps", 0, "call", "nothing", "there"), "m")).startswith("f.yaml:4:5: error: m")
    assert document.problem(("zzz",), "m").line == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.yaml"):
        with pytest.raises(RunbookError, match="cannot read"):
            load_file(path)


@settings(max_examples=300, deadline=None)
@given(st.text("ab:-?!&*[]{}<>#|%@`\"'\n\t ,01~.=", max_size=40))
def test_any_text_loads_or_is_refused_cleanly(text: str) -> None:
    """No input ends in anything but data or a list of problems."""
    try:
        load(text)
        problems = []
    except InputProblems as error:
        problems = error.problems
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
