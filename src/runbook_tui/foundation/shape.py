"""Checks loaded YAML against a JSON Schema and says where each mistake stands.

The subset of JSON Schema 2020-12 that our own schemas use: type, enum, const, pattern, properties, required,
additionalProperties, minProperties, maxProperties, items, minItems, minimum, maximum, $ref into $defs, description. One
schema serves the loader's messages and the file that editors complete from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runbook_tui.foundation.errors import Problem
from runbook_tui.foundation.strict_yaml import Document

Schema = Mapping[str, Any]
_Place = tuple[str | int, ...]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
}


_FIXES = {
    "object": "write `name: value` lines",
    "array": "write it like [one, two]",
    "string": "put it in quotes",
    "integer": "write it like 3",
    "number": "write it like 1.5",
    "boolean": "write true or false",
}


def check(document: Document, schema: Schema) -> list[Problem]:
    """Every mistake in the document, in file order."""
    return list(_check(document, document.data, (), schema, schema))


def _check(document: Document, value: Any, path: _Place, schema: Schema, root: Schema) -> Iterator[Problem]:
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    hint = str(schema.get("description", ""))
    allowed = schema.get("type")
    kinds = [allowed] if isinstance(allowed, str) else list(allowed or [])
    if kinds and not any(_is(value, kind) for kind in kinds):
        expected = " or ".join(_WORDS[kind] for kind in kinds)
        yield document.problem(
            path, f"{_name(path)} must be {expected}, not {_WORDS[_kind(value)]}", hint or _FIXES.get(kinds[0], "")
        )
        return
    if "const" in schema and value != schema["const"]:
        yield document.problem(path, f"{_name(path)} must be {schema['const']!r}", hint or f"write {schema['const']}")
    if "enum" in schema and value not in schema["enum"]:
        options = ", ".join(map(str, schema["enum"]))
        yield document.problem(
            path, f"{_name(path)} cannot be {value!r}", _near(value, schema["enum"]) or f"one of {options}"
        )
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        yield document.problem(path, f"{_name(path)} cannot be {value!r}", hint or f"it must match {schema['pattern']}")
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield document.problem(path, f"{_name(path)} cannot be {value}", hint or _limits(schema, "imum"))
    if isinstance(value, dict):
        yield from _check_object(document, value, path, schema, root)
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield document.problem(path, f"{_name(path)} needs {schema['minItems']} or more entries", hint or "add one")
        for index, item in enumerate(value):
            yield from _check(document, item, (*path, index), schema.get("items", {}), root)


def _check_object(
    document: Document, value: dict[str, Any], path: _Place, schema: Schema, root: Schema
) -> Iterator[Problem]:
    properties, hint = schema.get("properties", {}), str(schema.get("description", ""))
    others = schema.get("additionalProperties", True)
    for key in schema.get("required", ()):
        if key not in value:
            wanted = str(properties.get(key, {}).get("description", ""))
            yield document.problem(path, f"{_name(path)} needs `{key}`", wanted or f"add `{key}: …`")
    if len(value) < schema.get("minProperties", 0) or len(value) > schema.get("maxProperties", len(value)):
        yield document.problem(path, f"{_name(path)} has {len(value)} entries", hint or _limits(schema, "Properties"))
    for key, item in value.items():
        if key in properties:
            yield from _check(document, item, (*path, key), properties[key], root)
        elif others is False:
            options = ", ".join(properties)
            yield document.problem(
                (*path, key), f"unknown field `{key}`", _near(key, list(properties)) or f"known here: {options}"
            )
        elif isinstance(others, Mapping):
            yield from _check(document, item, (*path, key), others, root)


def _limits(schema: Schema, what: str) -> str:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    return " and ".join(part for part in (least and f"at least {least}", most and f"at most {most}") if part)


def _near(word: Any, options: list[Any]) -> str:
    import difflib

    close = difflib.get_close_matches(str(word), [str(option) for option in options], 1, 0.6)
    return f"did you mean `{close[0]}`?" if close else ""


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind in ("integer", "number"):
        return False
    return isinstance(value, _TYPES[kind])


def _kind(value: Any) -> str:
    return next(
        kind for kind in ("null", "boolean", "integer", "number", "string", "array", "object") if _is(value, kind)
    )


def _name(path: _Place) -> str:
    if not path:
        return "the file"
    last = path[-1]
    return (
        f"`{last}`" if isinstance(last, str) else f"entry {last + 1}" + (f" of `{path[-2]}`" if len(path) > 1 else "")
    )
