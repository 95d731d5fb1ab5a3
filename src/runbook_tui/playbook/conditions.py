"""Structured conditions: `{path: facts.used, eq: true}`, `{all: [...]}`, `{any: [...]}`, `{not: {...}}`.

No expression language: nothing to inject into, nothing that can loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
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
    if tests[0] == "in" and not isinstance(condition["in"], list):
        return "`in` takes a list"
    return None


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
        # Same type only: "200" is not 200, and True is not 1.
        same = type(value) is type(expected) and bool(value == expected)
        return same if test == "eq" else not same
    if test == "in":
        return any(_test("eq", value, option) for option in expected)
    if test == "contains":
        return isinstance(value, str | list | tuple | Mapping) and expected in value
    if test == "starts":
        return isinstance(value, str) and value.startswith(str(expected))
    numbers = all(isinstance(side, int | float) and not isinstance(side, bool) for side in (value, expected))
    return numbers and _NUMERIC[test](value, expected)
