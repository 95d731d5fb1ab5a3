# ruff: noqa: E501 - lists of attacks
"""Promise: no pattern of the program takes longer than in proportion to the foreign text it is run on."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import runbook_tui

# Patterns made from a value of the operator's are tested by the redactor and the scan themselves.
_UNITS = ["a", "1", "0", " ", "-", ".", "/", "=", "\\", '"', "'", "<", ">", ";", ",", ":", "`", "\n", "\r\n", "\t", "#", "$",
          "$(", "{a}", "a.", "a-", "<>;", "<>", "a=", " =", "[a", "\\\n", "1 ", "1 +1 ", "a:", "100644 a", "((", "@", "://"]  # fmt: skip
_HEADS = [
    "",
    "a",
    "1",
    "$",
    "$(a",
    "<a>;",
    '[a "',
    "https://a",
    "author ",
    "version https://git-lfs.github.com/spec/v1\n",
]


SEARCHED: set[str] = set()  # names of patterns that are looked for anywhere; the others start at a given place


def _patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes]]]:
    """Every compiled pattern that a module of the program holds."""
    for module in pkgutil.walk_packages(runbook_tui.__path__, "runbook_tui."):
        if module.name.endswith("__main__"):
            continue
        loaded = importlib.import_module(module.name)
        held, source = vars(loaded), Path(str(loaded.__file__)).read_text(encoding="utf-8")
        for name, value in held.items():
            values = value.values() if isinstance(value, dict) else [value]
            for number, one in enumerate(values):
                if isinstance(one, re.Pattern):
                    if re.search(rf"\b{name}(\[\w+\])?\.(search|finditer|findall|sub|subn|split)\b", source):
                        SEARCHED.add(f"{module.name}.{name}.{number}")
                    yield f"{module.name}.{name}.{number}", one


PATTERNS = dict(_patterns())


def _schema_patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for part in schema.values():
            yield from _schema_patterns(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _schema_patterns(part)


def _schemas() -> Iterator[str]:
    for name in ("playbook", "providers", "drill"):
        yield from _schema_patterns(importlib.import_module(f"runbook_tui.{name}.schema").SCHEMA)


PATTERNS.update({f"schema {text}": re.compile(text) for text in _schemas()})


def _cost(pattern: re.Pattern[str] | re.Pattern[bytes], text: str, searched: bool) -> float:
    subject: str | bytes = text.encode() if isinstance(pattern.pattern, bytes) else text
    start = time.process_time()
    if searched:
        pattern.search(subject)  # type: ignore[arg-type]
    pattern.match(subject)  # type: ignore[arg-type]
    pattern.fullmatch(subject)  # type: ignore[arg-type]
    return time.process_time() - start


def test_there_are_patterns_to_look_at() -> None:
    """The search for patterns finds them."""
    assert len(PATTERNS) > 40


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_work_grows_with_the_text_and_not_faster(name: str) -> None:
    """Sixteen times the text costs about sixteen times, not 256; measured in processor time, and again in doubt.

    A pattern is named only when what is slow is slow each time: what takes under 10 ms at 8 KB is no attack.
    """
    pattern = PATTERNS[name]
    searched = name.startswith("schema ") or name in SEARCHED
    for head in _HEADS:
        for unit in _UNITS:
            long = head + unit * (8_000 // len(unit)) + "\x00"
            cost = (
                min((_cost(pattern, long, searched) for _ in range(3)), default=0.0)
                if _cost(pattern, long, searched) > 0.01
                else 0.0
            )
            if cost > 0.01:
                short = min(_cost(pattern, head + unit * (500 // len(unit)) + "\x00", searched) for _ in range(5))
                assert cost < 60 * max(short, 1e-5), (name, head, unit, short, cost)
