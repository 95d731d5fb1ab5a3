"""JSON from outside that can be read in one way only, and that nothing later stumbles over."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_DEPTH = 100


def loads(raw: bytes | str) -> Any:
    """The value of a JSON text; ValueError when it is none.

    Refused beside bad JSON: NaN and Infinity, a key that stands twice in one object (readers disagree which one
    counts), numbers of more than 4,300 digits, and nesting deeper than 100 (what could be read here could be too deep
    to write or compare elsewhere). Lone surrogates stay: show such text with `plain`.
    """
    try:
        value = json.loads(raw, parse_constant=_no_constant, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [part for one in level if isinstance(one, dict | list) for part in _parts(one)]
        if not level:
            return value
    raise ValueError("nested too deeply")


def _parts(value: dict[str, Any] | list[Any]) -> Any:
    return value.values() if isinstance(value, dict) else value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
