"""JSON pointers into a delivery's body: reading a value, and a copy with one value changed."""

from __future__ import annotations

from typing import Any

from runbook_tui.foundation.errors import RunbookError


def value_at(data: Any, pointer: str) -> Any:
    """The value at `pointer` (`/data/0/id`); RunbookError when there is none."""
    for step in _steps(pointer):
        try:
            data = data[int(step)] if isinstance(data, list) else data[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise _nothing(pointer) from None
    return data


def changed(data: Any, pointer: str, value: Any) -> Any:
    """A copy of `data` with `value` at `pointer`; missing members are made, missing elements of a list are not.

    A number stays one when `value` is a text of digits.
    """
    return _changed(data, _steps(pointer), value, pointer)


def _changed(data: Any, steps: list[str], value: Any, pointer: str) -> Any:
    if not steps:
        number = isinstance(data, int) and not isinstance(data, bool) and isinstance(value, str) and value.isdecimal()
        return int(value) if number else value
    step, rest = steps[0], steps[1:]
    if isinstance(data, list):
        if not step.isdecimal() or int(step) >= len(data):
            raise _nothing(pointer)
        return [
            _changed(inner, rest, value, pointer) if index == int(step) else inner for index, inner in enumerate(data)
        ]
    if not isinstance(data, dict):
        raise _nothing(pointer)
    return {**data, step: _changed(data.get(step, {}), rest, value, pointer)}


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _nothing(pointer: str) -> RunbookError:
    return RunbookError(f"the body has nothing at {pointer}", "does the body belong to this scheme?")
