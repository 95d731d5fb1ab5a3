# ruff: noqa: PT017, PT018 - a finding is an exception, wherever it is raised
"""The strict YAML loader: any bytes are plain data without hiding characters, or a mistake with its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runbook_tui.foundation.errors import InputProblems
from runbook_tui.foundation.strict_yaml import MAX_DEPTH, load
from runbook_tui.foundation.text import plain

_ROOT = Path(__file__).parents[2]


def seeds() -> Iterator[bytes]:
    yield from (b'a: 1\nb: [x, {c: "\\x41"}]\n', b"a: |\n  text\n  more\n", b"- 'q'\n- >-\n  folded\n", b"? a\n: b\n")
    yield from (
        b"a: &x 1\nb: *x\n",
        b"a: {<<: {b: 1}}\n",
        b"%YAML 1.2\n---\na: !!str 1\n...\n",
        b'a: "\\e\\u202e\\L"\n',
    )
    for path in sorted((_ROOT / "src/runbook_tui/webhooks/schemes").glob("*.yaml")):
        yield path.read_bytes()


def one(data: bytes) -> None:
    try:
        document = load(data, "fuzz.yaml")
    except InputProblems as error:
        assert error.problems
        for problem in error.problems:
            assert problem.line >= 1
            assert problem.column >= 1
            shown = str(problem)
            assert shown == plain(shown, len(shown), keep_newlines=True)
        return
    _check(document.data, 0)


def _check(value: Any, depth: int) -> None:
    assert depth <= MAX_DEPTH + 1
    if isinstance(value, str):
        assert not set(value) & set("\x00\x07\x1b\x7f\x9b\u200b\u202e\u2028\ufeff")
        value.encode()
    elif isinstance(value, dict):
        for key, part in value.items():
            assert key != "<<"
            _check(key, depth)
            _check(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _check(part, depth + 1)
    else:
        assert value is None or isinstance(value, bool | int | float)
        assert value == value and value not in (float("inf"), float("-inf"))
