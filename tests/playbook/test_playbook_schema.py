"""Promise: `playbook schema` is a JSON Schema 2020-12 that says the same as our own checker, good or bad."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playbook_cases import GOOD

from runbook_tui.foundation import shape
from runbook_tui.foundation.strict_yaml import Document, load
from runbook_tui.playbook.schema import SCHEMA

_SHIPPED = sorted((Path(__file__).parents[2] / "playbooks").glob("*.yaml"))
_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
_TEXTS = [load(GOOD).data, *(load(path.read_text(encoding="utf-8")).data for path in _SHIPPED)]
_WORDS = st.sampled_from(
    [
        "",
        "x",
        "$leaked",
        "$leaked.old",
        "dead",
        "typed",
        "contain",
        "5m",
        "1h30m",
        "m",
        "a\n",
        "45s\n",
        "call",
        "Á",
        "9" * 9 + "d",
    ]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 200)
    | st.floats(-2, 200).filter(lambda number: not number.is_integer())
    | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_WORDS | st.sampled_from(["is", "within", "times"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def test_it_is_a_json_schema() -> None:
    """The schema itself follows the rules of JSON Schema 2020-12."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", _SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_playbook_satisfies_it(path: Path) -> None:
    """With somebody else's validator, not only with ours."""
    _VALIDATOR.validate(load(path.read_text(encoding="utf-8")).data)


def _places(data: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path]
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, part in entries:
        found += _places(part, (*path, key))
    return found


def _changed(data: Any, path: tuple[str | int, ...], how: str, value: Any) -> Any:
    """A copy with one part replaced, removed, or given one more entry."""
    if not path:
        return value
    data = copy.deepcopy(data)
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    if how == "remove":
        del parent[path[-1]]
    elif how == "add" and isinstance(parent[path[-1]], dict):
        parent[path[-1]]["runbook"] = value
    else:
        parent[path[-1]] = value
    return data


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_both_checkers_agree(data: st.DataObject) -> None:
    """On a playbook with one to three random changes, our checker and jsonschema accept and refuse alike.

    But for one thing: JSON Schema takes 1.0 for a whole number, we do not.
    """
    changed = data.draw(st.sampled_from(_TEXTS))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_places(changed)))
        changed = _changed(changed, path, data.draw(st.sampled_from(["replace", "remove", "add"])), data.draw(_VALUES))
    ours = shape.check(Document("x", changed), SCHEMA)
    theirs = list(_VALIDATOR.iter_errors(changed))
    assert bool(ours) == bool(theirs), (ours[:1], theirs[:1])
