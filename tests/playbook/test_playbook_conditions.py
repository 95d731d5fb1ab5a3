"""Promise: conditions compare by type, and a condition that the linter accepts never raises, whatever the facts are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_tui.playbook.conditions import TESTS, holds, paths, problem

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
_ANY = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
_PATHS = st.sampled_from(["a", "a.b", "a.0", "b", "c.c.c", "missing.one"])
_LEAVES = st.builds(lambda path, test, value: {"path": path, test: value}, _PATHS, st.sampled_from(sorted(TESTS)), _ANY)
_CONDITIONS = st.recursive(
    _LEAVES,
    lambda inner: (
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda part: {"not": part}, inner)
    ),
    max_leaves=5,
)
_SCOPES = st.dictionaries(st.sampled_from("abc"), _ANY, max_size=3)


@given(condition=_CONDITIONS, scope=_SCOPES)
def test_an_accepted_condition_never_raises(condition: dict[str, Any], scope: dict[str, Any]) -> None:
    """Any accepted condition is true or false of any facts; so is its opposite, the other way round."""
    if problem(condition) is None:
        answer = holds(condition, scope)
        assert isinstance(answer, bool)
        assert holds({"not": condition}, scope) is not answer
        assert list(paths(condition))


@given(anything=_ANY)
def test_the_linter_never_raises(anything: Any) -> None:
    """Whatever stands where a condition is expected is told to be none, or is one."""
    assert problem(anything) is None or isinstance(problem(anything), str)


@given(value=_ANY)
def test_a_value_equals_itself(value: Any) -> None:
    """`eq` holds of a value and itself, `ne` of no such pair, and `in` finds it in a list."""
    assert holds({"path": "a", "eq": value}, {"a": value})
    assert not holds({"path": "a", "ne": value}, {"a": value})
    assert holds({"path": "a", "in": [value]}, {"a": value})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(200, "200"), (1, True), (0, False), (1, 1.0), ([1], [True]), ({"a": 1}, {"a": True}), (None, False), ("", None)],
)
def test_types_are_strict(value: Any, expected: Any) -> None:
    """Text is no number, true is no one, at any depth."""
    assert not holds({"path": "a", "eq": expected}, {"a": value})
    assert not holds({"path": "a", "in": [expected]}, {"a": value})
    assert holds({"path": "a", "ne": expected}, {"a": value})


@pytest.mark.parametrize(
    ("condition", "scope", "answer"),
    [
        ({"path": "a", "lt": 3}, {"a": 2}, True),
        ({"path": "a", "lt": 3}, {"a": "2"}, False),
        ({"path": "a", "ge": 3}, {"a": True}, False),
        ({"path": "a", "contains": 3}, {"a": "123"}, False),
        ({"path": "a", "contains": "2"}, {"a": "123"}, True),
        ({"path": "a", "contains": True}, {"a": [1]}, False),
        ({"path": "a", "contains": []}, {"a": {"x": 1}}, False),
        ({"path": "a", "starts": "ab"}, {"a": "abc"}, True),
        ({"path": "a", "exists": True}, {"a": None}, False),
        ({"path": "a", "exists": False}, {}, True),
        ({"path": "a", "ne": 1}, {}, True),
        ({"path": "a", "eq": 1}, {}, False),
        (None, {}, True),
    ],
)
def test_the_words(condition: dict[str, Any] | None, scope: dict[str, Any], answer: bool) -> None:
    """Each test's meaning; a missing value is nothing but `exists: false` and `ne`."""
    assert holds(condition, scope) is answer
