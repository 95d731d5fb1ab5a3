"""The simulator's answers come from the manifests: every query a manifest makes can be answered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_tui.drill.inversion import fulfil, put
from runbook_tui.playbook.conditions import holds
from runbook_tui.providers.answers import search
from runbook_tui.providers.catalogue import Catalogue


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("id", "k1"),
        ("data.key.id", "k1"),
        ("a.b[0].c", 5),
        ("[1]", "x"),
        ("data[*].id", ["a", "b"]),
        ("data[].id", ["a", "b"]),
        ("owner.account.name || owner.user.mail", "kim"),
        ("keys[?current].id | [0]", "k9"),
        ("keys[?status == 'live'].id", ["a"]),
        ("to_string(id)", "k1"),
        ("!deleted", True),
        ("status == 'active'", True),
        ("status == 'active'", False),
        ("@", [1, 2]),
    ],
)
def test_a_query_finds_what_was_put(query: str, value: Any) -> None:
    """`put` makes an answer in which the query finds the value."""
    assert search(query, put(query, None, value)) == value


def test_putting_keeps_what_is_there() -> None:
    """Several queries share one answer."""
    body = put("data.name", put("data.id", None, "k1"), "web")
    body = put("data.list[*].id", body, ["a", "b"])
    body = put("data.list[*].name", body, ["A", "B"])
    assert body == {"data": {"id": "k1", "name": "web", "list": [{"id": "a", "name": "A"}, {"id": "b", "name": "B"}]}}


@given(st.lists(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), min_size=1, max_size=5), st.text() | st.integers())
def test_any_path_of_fields_can_be_answered(parts: list[str], value: str | int) -> None:
    """Fields are inverted exactly, whatever their names."""
    query = ".".join(f'"{part}"' for part in parts)
    assert search(query, put(query, None, value)) == value


def test_every_output_of_the_imitated_manifests_can_be_answered(catalogue: Catalogue) -> None:
    """No output, learned fact or new secret of these manifests is out of the simulator's reach."""
    for provider in ("openai", "streampixel", "openbao"):
        for operation in catalogue.get(provider).operations.values():
            queries = {**operation.outputs, **operation.learn}
            if operation.new is not None:
                queries |= {"secret": operation.new.secret, **operation.new.attributes}
            for name, query in queries.items():
                if "sum(" in query:
                    continue  # arithmetic: the drill answers such a list with nothing in it
                assert search(query, put(query, None, "value")) == "value", (provider, operation.id, name)


@pytest.mark.parametrize(
    "condition",
    [
        {"path": "body.ok", "eq": True},
        {"path": "body.errors.0", "contains": "invalid token"},
        {"path": "body.Error.Code", "in": ["A", "B"]},
        {"path": "header.x-state", "eq": "dead"},
        {"path": "body.count", "gt": 3},
        {"path": "body.id", "exists": True},
        {"path": "body.name", "starts": "sk"},
        {"all": [{"path": "body.a", "eq": 1}, {"any": [{"path": "body.b", "ne": "x"}, {"path": "body.c", "eq": 2}]}]},
    ],
)
def test_a_condition_over_the_answer_is_fulfilled(condition: dict[str, Any]) -> None:
    """Verdict tables look into the body; the simulator answers so that the rule it plays is met."""
    headers: dict[str, str] = {}
    body = fulfil(condition, None, headers)
    assert holds(condition, {"body": body, "header": headers})
