# ruff: noqa: E501 - lists of attacks
"""Promise: every attack on YAML loaders is refused with its place, in bounded time; what loads hides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_tui.foundation.errors import InputProblems
from runbook_tui.foundation.strict_yaml import MAX_BYTES, load

LAUGHS = "a0: &a0 [lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MERGES = "m0: &m0 {k: v}\n" + "".join(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}\n" for n in range(1, 30))

REFUSED = {
    "billion laughs": LAUGHS,
    "merge bomb": MERGES,
    "recursive alias": "a: &a [*a]\n",
    "duplicate key": "a: 1\na: 2\n",
    "duplicate key by escape": 'a: 1\n"\\x61": 2\n',
    "merge key overrides": "b: {<<: {a: 1}, a: 2}\n",
    "python tag": "a: !!python/object/apply:os.system ['true']\n",
    "python name tag": "a: !!python/name:os.system\n",
    "tag by directive": "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!name:os.system\n",
    "nesting 20,000, flow": "a: " + "[" * 20_000,
    "nesting 20,000, maps": "{a: " * 20_000,
    "nesting 20,000, block": "- " * 20_000 + "x",
    "200,000 keys": "".join(f"k{n}: 1\n" for n in range(200_000)),
    "60,000 empty items": "[" + "," * 60_000 + "]",
    "60,000 items": "[" + "1," * 60_000 + "]",
    "two documents": "a: 1\n---\nb: 2\n",
    "text after the end": "a: 1\n...\nb: 2\n",
    "escape character as an escape": 'a: "\\e[31m"\n',
    "NUL as an escape": 'a: "x\\0y"\n',
    "direction override as an escape": 'a: "\\u202eevil"\n',
    "line separator as an escape": 'a: "x\\Ly"\n',
    "C1 control as an escape": 'a: "\\x9b31m"\n',
    "tag characters as an escape": 'a: "\\U000e0041"\n',
    "escape in a key": '"\\e]0;x": 1\n',
    "lone surrogate as an escape": 'a: "\\ud800"\n',
    "a raw escape character": "a: \x1b[31m\n",
    "a raw direction override": "a: \u202eevil\n",
    "a soft hyphen": "reco\u00adrd: 1\n",
    "a line separator that another reader takes for a line end": "a: 1 \u2028b: 2\n",
    "NEL, a line end of YAML 1.1": "a: 1\x85b: 2\n",
    "a lone surrogate": "a: \ud800\n",
    "complex key": "? {a: 1}\n: 2\n",
    "alias as a key": "a: &x k\n*x : 2\n",
    "UTF-16": "a: 1\n".encode("utf-16"),
    "not UTF-8": b"a: \xff\n",
    "an overlong NUL": b"a: \xc0\x80\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_place(name: str) -> None:
    """Each row of the table of loaders, and what hides in quoted text: InputProblems with line and column."""
    with pytest.raises(InputProblems) as caught:
        load(REFUSED[name], "play.yaml")
    assert all(problem.line >= 1 and problem.column >= 1 for problem in caught.value.problems)
    assert "play.yaml:" in str(caught.value)


def test_words_and_numbers_are_what_they_look_like() -> None:
    """The Norway problem and its relatives; a number beyond any counting stays text, so no infinity comes in."""
    text = "a: no\nb: 010\nc: 12:30:45\nd: 2026-11-21\ne: 1.0e999\nf: .inf\ng: .nan\nh: 0x1F\ni: 1_000\nj: 99999999999999999999\n"
    assert list(load(text).data.values()) == [
        "no", "010", "12:30:45", "2026-11-21", "1.0e999", ".inf", ".nan", "0x1F", "1_000", "99999999999999999999",
    ]  # fmt: skip


def test_a_message_about_a_hostile_file_is_inert() -> None:
    """A tag writes control characters by percent signs, a file name as it likes: the message shows them as text."""
    with pytest.raises(InputProblems) as caught:
        load("a: !%1b%5d0;x%07 1\n", "play\x1b[2J\u202e.yaml")
    assert "<U+001B>" in str(caught.value)
    assert not set(str(caught.value)) & set("\x1b\x07\u202e")


PIECES = st.lists(
    st.sampled_from(
        ["a", ": ", "- ", "\n", " ", "? ", "'", '"', "\\x", "\\u202e", "\\e", "[", "]", "{", "}", ",", "&a", "*a", "!", "|",
         ">", "#", "%", "---", "<<", "1.0e999", "\t", "\ud800", "\u2028", "\x85", "é", "…"]
    ),
    max_size=40,
).map("".join)  # fmt: skip


def _all(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *(one for part in value.values() for one in _all(part))]
    return [one for part in value for one in _all(part)] if isinstance(value, list) else [value]


@settings(max_examples=400)
@given(st.one_of(st.binary(max_size=80), st.text(max_size=60), PIECES))
def test_any_bytes_are_data_or_a_list_of_places(content: bytes | str) -> None:
    """Never another exception; what is loaded holds plain values that can be written as JSON and as UTF-8."""
    try:
        found = load(content)
    except InputProblems as error:
        assert [one for one in error.problems if one.line >= 1 and one.column >= 1] == error.problems  # noqa: PT017
        return
    for one in _all(found.data):
        assert one is None or isinstance(one, str | bool | int | float)
        if isinstance(one, str):
            one.encode()
            assert not set(one) & set("\x00\x1b\x7f\x9b\xad\u200b\u202e\u2028\ufeff")


def test_size_bounds_the_work(tmp_path: Path) -> None:
    """A file of any size costs one read of 256 KiB; the largest allowed one of each kind is loaded or refused."""
    for unit in ("a", "- ", " \n", "#\n", "'", '"\\', "{", "a: ", "? ", "|\n ", "\t", "*", "%", "- - "):
        content = unit * (MAX_BYTES // len(unit))
        try:
            load(content)
        except InputProblems as error:
            assert len(error.problems) == 1  # noqa: PT017
