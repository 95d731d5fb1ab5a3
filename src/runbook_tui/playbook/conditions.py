"""Structured conditions: `{path: facts.used, eq: true}`, `{all: [...]}`, `{any: [...]}`, `{not: {...}}`.

No expression language: nothing to inject into, nothing that can loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runbook_tui.playbook.values import Unresolved, lookup

_NUMERIC: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda value, limit: value < limit,
    "le": lambda value, limit: value <= limit,
    "gt": lambda value, limit: value > limit,
    "ge": lambda value, limit: value >= limit,
}
TESTS = frozenset({"eq", "ne", "in", "exists", "contains", "starts", *_NUMERIC})
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


def problem(condition: Any) -> str | None:
    """Why this is not a condition, or None."""
    if not isinstance(condition, Mapping) or not condition:
        return "a condition is a mapping such as {path: facts.used, eq: true}"
    for joiner in ("all", "any"):
        if joiner in condition:
            parts = condition[joiner]
            if len(condition) != 1 or not isinstance(parts, list) or not parts:
                return f"`{joiner}` stands alone and takes a list of conditions"
            return next((why for part in parts if (why := problem(part))), None)
    if "not" in condition:
        return "`not` stands alone" if len(condition) != 1 else problem(condition["not"])
    path, tests = condition.get("path"), [key for key in condition if key != "path"]
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        return "a condition needs `path`, such as facts.used (without $)"
    if len(tests) != 1 or tests[0] not in TESTS:
        return f"a condition needs exactly one of {', '.join(sorted(TESTS))}"
    return _misfit(tests[0], condition[tests[0]])


def _misfit(test: str, expected: Any) -> str | None:
    """Why a test cannot take that value, or None."""
    if test == "in" and not isinstance(expected, list):
        return "`in` takes a list"
    if test == "exists" and not isinstance(expected, bool):
        return "`exists` takes true or false"
    if test == "starts" and not isinstance(expected, str):
        return "`starts` takes a text"
    if test in _NUMERIC and not _is_number(expected):
        return f"`{test}` takes a number"
    return None


def paths(condition: Any) -> Iterator[str]:
    """Every path that a condition looks at."""
    if isinstance(condition, Mapping):
        if isinstance(condition.get("path"), str):
            yield condition["path"]
        for part in (*condition.get("all", ()), *condition.get("any", ()), condition.get("not")):
            yield from paths(part)


def holds(condition: Mapping[str, Any] | None, scope: Mapping[str, Any]) -> bool:
    """Whether the condition is true of `scope`. A missing path makes every test but `exists: false` and `ne` false."""
    if not condition:
        return True
    if "all" in condition:
        return all(holds(part, scope) for part in condition["all"])
    if "any" in condition:
        return any(holds(part, scope) for part in condition["any"])
    if "not" in condition:
        return not holds(condition["not"], scope)
    test = next(key for key in condition if key != "path")
    expected = condition[test]
    try:
        value = lookup(condition["path"], scope)
    except Unresolved:
        return (test == "exists" and expected is False) or test == "ne"
    return _test(test, value, expected)


def _test(test: str, value: Any, expected: Any) -> bool:
    if test == "exists":
        return (value is not None) is bool(expected)
    if test in ("eq", "ne"):
        return _same(value, expected) is (test == "eq")
    if test == "in":
        return any(_same(value, option) for option in expected)
    if test == "contains":
        if isinstance(value, list | tuple):
            return any(_same(part, expected) for part in value)
        return isinstance(value, str | Mapping) and isinstance(expected, str) and expected in value
    if test == "starts":
        return isinstance(value, str) and value.startswith(expected)
    return _is_number(value) and _NUMERIC[test](value, expected)


def _same(value: Any, expected: Any) -> bool:
    """Equal and of the same type, all the way down: "200" is not 200, and True is not 1."""
    if isinstance(value, Mapping) and isinstance(expected, Mapping):
        return value.keys() == expected.keys() and all(_same(value[key], expected[key]) for key in value)
    if isinstance(value, list | tuple) and isinstance(expected, list | tuple):
        return len(value) == len(expected) and all(map(_same, value, expected))
    return type(value) is type(expected) and bool(value == expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
