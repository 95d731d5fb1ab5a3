"""Promise: substitution is the only computing a playbook does, and no value changes the structure it lands in."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.playbook.values import Unresolved, lookup, mistakes, references, resolve

_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_ANY = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(name=_NAMES, value=_ANY)
def test_a_whole_reference_keeps_the_value(name: str, value: Any) -> None:
    """`$name` alone is the value itself, whatever it is, with its type, and is never looked into again."""
    assert resolve(f"${name}", {name: value}) is value
    assert resolve({"a": [f"${name}"]}, {name: value}) == {"a": [value]}


@given(value=st.text())
def test_a_value_inside_text_is_not_looked_at_again(value: str) -> None:
    """A value that looks like a reference stays what it is: nothing is ever resolved twice."""
    scope = {"a": value, "b": "SECOND"}
    assert resolve("<$(a)>", scope) == f"<{value}>"
    assert resolve("<$(a)>", {"a": "$(b) $b $$", "b": "x"}) == "<$(b) $b $$>"


@given(value=st.text())
def test_an_escaped_value_stays_in_its_segment(value: str) -> None:
    """In a URL's path a value with slashes, dots, question marks or line breaks is one segment of that path."""
    url = resolve("https://api.example/v1/keys/$(id)/revoke", {"id": value}, lambda text: quote(text, safe=""))
    parts = urlsplit(url)
    assert (parts.netloc, parts.query, parts.fragment) == ("api.example", "", "")
    assert parts.path.count("/") == 4
    assert unquote(parts.path.split("/")[3]) == value


@given(value=st.text())
def test_a_value_in_a_structure_stays_a_value(value: str) -> None:
    """In a body, quotes and brackets of a value stay inside their string: the keys are those of the template."""
    body = json.loads(json.dumps(resolve({"id": "$id", "note": "of $(id)"}, {"id": value})))
    assert body == {"id": value, "note": f"of {value}"}


@given(value=_ANY)
def test_only_text_and_numbers_stand_inside_text(value: Any) -> None:
    """A list, a mapping, true or nothing inside text is refused, not printed as Python writes it."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        assert resolve("x$(a)", {"a": value}) == f"x{value}"
    else:
        with pytest.raises(RunbookError, match="not text or a number"):
            resolve("x$(a)", {"a": value})


@given(text=st.text(alphabet="ab$(). -"))
def test_the_linter_knows_what_the_run_would_refuse(text: str) -> None:
    """A template without mistakes resolves or lacks a value; one with mistakes is refused when it is run, too."""
    try:
        resolve(text, {})
        refused = False
    except RunbookError as error:
        refused = not isinstance(error, Unresolved)
    if not list(references(text)):
        assert refused is (mistakes(text) is not None)
    elif refused:
        assert mistakes(text) is not None


def test_dollars() -> None:
    """`$$` is a dollar, also next to a reference; a lone one is a mistake."""
    assert resolve("$$5 for $(a), $$(a)", {"a": 7}) == "$5 for 7, $(a)"
    assert mistakes("$5") is not None
    assert mistakes("$$5") is None
    with pytest.raises(RunbookError, match="a lone"):
        resolve("costs $5", {})


@pytest.mark.parametrize("path", ["a.x", "a.9", "b", "a.-1", "a." + "9" * 5000, "a.0.0", "__class__", "a.__len__"])
def test_what_is_not_there_is_unresolved(path: str) -> None:
    """A path walks mappings and lists and nothing else: no attributes, no negative or endless index."""
    with pytest.raises(Unresolved):
        lookup(path, {"a": ["x"]})
