"""JMESPath and conditions run backwards: which answer would make this query yield that value?

Only what manifests use is inverted: fields, indexes, projections, filters with a literal, `||`, pipes and the functions
that pass a value on. A query that cannot be inverted leaves the answer as it was; tests ask for each shipped one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jmespath

from runbook_tui.playbook.conditions import holds

Node = Mapping[str, Any]


def put(query: str, body: Any, value: Any) -> Any:
    """`body` changed (a new value) so that `query` finds `value` in it."""
    return _put(jmespath.compile(query).parsed, body, value)


def fulfil(condition: Mapping[str, Any] | None, body: Any, headers: dict[str, str]) -> Any:
    """`body` changed so that `condition` over status, body and header holds; `headers` is changed in place.

    Conditions over other names (an operation's outputs) are left alone: the outputs decide them.
    """
    if not condition:
        return body
    for part in condition.get("all", ()):
        body = fulfil(part, body, headers)
    if "any" in condition:
        return fulfil(condition["any"][0], body, headers)
    if "path" not in condition:
        return body
    head, _, rest = condition["path"].partition(".")
    if holds(condition, {"body": body, "header": headers}):
        return body
    value = _example(condition)
    if head == "header" and rest:
        headers[rest] = str(value)
    elif head == "body" and rest:
        return _at(body, rest.split("."), value)
    return body


def _example(condition: Mapping[str, Any]) -> Any:
    """A value for which the test of `condition` holds."""
    test = next(key for key in condition if key != "path")
    wanted = condition[test]
    if test == "exists":
        return "drill" if wanted else None
    if test == "ne":
        return f"not {wanted}" if isinstance(wanted, str) else None
    if test == "in":
        return wanted[0]
    if test in ("lt", "gt"):
        return wanted - 1 if test == "lt" else wanted + 1
    return wanted


def _at(body: Any, parts: list[str], value: Any) -> Any:
    if not parts:
        return value
    head, rest = parts[0], parts[1:]
    if head.isdigit() and not isinstance(body, Mapping):
        items = list(body) if isinstance(body, list) else []
        items += [{}] * (int(head) + 1 - len(items))
        items[int(head)] = _at(items[int(head)], rest, value)
        return items
    fields = dict(body) if isinstance(body, Mapping) else {}
    fields[head] = _at(fields.get(head), rest, value)
    return fields


def _put(node: Node, body: Any, value: Any) -> Any:
    rule = _RULES.get(node["type"])
    return rule(node, body, value) if rule else body


def _get(node: Node, body: Any) -> Any:
    from jmespath.visitor import TreeInterpreter

    return TreeInterpreter().visit(node, body)


def _field(node: Node, body: Any, value: Any) -> Any:
    return {**(body if isinstance(body, Mapping) else {}), node["value"]: value}


def _chain(node: Node, body: Any, value: Any) -> Any:
    """`a.b`, `a[0]` and `a | b`: the second inside what the first finds."""
    *before, last = node["children"]
    if not before:
        return _put(last, body, value)
    first = before[0] if len(before) == 1 else {**node, "children": before}
    return _put(first, body, _put(last, _get(first, body), value))


def _index(node: Node, body: Any, value: Any) -> Any:
    items = list(body) if isinstance(body, list) else []
    place = node["value"] if node["value"] >= 0 else max(0, len(items) + node["value"])
    items += [None] * (place + 1 - len(items))
    items[place] = value
    return items


def _projection(node: Node, body: Any, value: Any) -> Any:
    left, right, *filters = node["children"]
    present = _get(left, body)
    known = present if isinstance(present, list) else []
    wanted = value if isinstance(value, list) else [value]
    items = []
    for place, part in enumerate(wanted):
        item = _put(right, known[place] if place < len(known) else None, part)
        for condition in filters:
            item = _put(condition, item, True)
        items.append(item)
    return _put(left, body, items)


def _flatten(node: Node, body: Any, value: Any) -> Any:
    return _put(node["children"][0], body, value)


def _function(node: Node, body: Any, value: Any) -> Any:
    children = node["children"]
    target = next((child for child in children if child["type"] not in ("literal", "expref")), None)
    if target is None:
        return body
    name = node["value"]
    if name == "to_number":
        value = str(value)
    elif name in ("contains", "starts_with", "ends_with"):
        needle = next((child["value"] for child in children if child["type"] == "literal"), "")
        value = needle if value else ""
    elif name == "join" or name in ("keys", "to_array"):
        value = {value: True} if name == "keys" else [value]
    elif name == "split":
        value = str(value)
    return _put(target, body, value)


def _comparison(node: Node, body: Any, value: Any) -> Any:
    left, right = node["children"]
    if left["type"] == "literal":
        left, right = right, left
    if right["type"] != "literal":
        return body
    equal = (node["value"] == "eq") is bool(value)
    other = (not right["value"]) if isinstance(right["value"], bool) else f"not {right['value']}"
    return _put(left, body, right["value"] if equal else other)


def _both(node: Node, body: Any, value: Any) -> Any:
    first, second = node["children"]
    if not value:
        return _put(first, body, value)
    return _put(second, _put(first, body, True), value)


_RULES: dict[str, Callable[[Node, Any, Any], Any]] = {
    "field": _field,
    "subexpression": _chain,
    "index_expression": _chain,
    "pipe": _chain,
    "index": _index,
    "projection": _projection,
    "filter_projection": _projection,
    "flatten": _flatten,
    "identity": lambda node, body, value: value,
    "current": lambda node, body, value: value,
    "or_expression": lambda node, body, value: _put(node["children"][0], body, value),
    "and_expression": _both,
    "not_expression": lambda node, body, value: _put(node["children"][0], body, not value),
    "function_expression": _function,
    "comparator": _comparison,
}
