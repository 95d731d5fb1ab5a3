"""The JSON Schema of a playbook: what editors complete from and what the loader checks."""

from __future__ import annotations

from typing import Any

PHASES = (
    "declare",
    "capture",
    "decide",
    "contain",
    "replace",
    "roll_out",
    "prove",
    "audit",
    "search",
    "recover",
    "close",
)
ORDERS = ("contain_first", "replace_first", "staged", "receiver_first")
ACTIONS = ("call", "scan", "webhook", "rollout", "manual", "ask", "note", "wait", "run", "decide", "report")
INPUT_TYPES = ("credential", "consumer", "endpoint", "person", "path", "text", "choice", "time")

# In Python `$` also matches before a last line break; the look-ahead makes it mean the end, as it does in editors.
_END = r"$(?!\n)"
NAME = f"^[a-z][a-z0-9_-]{{0,39}}{_END}"
_NAME = {"type": "string", "pattern": NAME, "description": "lower-case letters, digits, - and _"}
_TEXT = {"type": "string"}
_DURATION = {
    "type": "string",
    "pattern": rf"^(?=.)([0-9]{{1,6}}d)?([0-9]{{1,6}}h)?([0-9]{{1,6}}m)?([0-9]{{1,6}}(\.[0-9]{{1,3}})?s)?{_END}",
    "description": "such as 45s, 5m or 1h30m",
}
_NAMES = {"type": "array", "items": _NAME}
_REFERENCE = {
    "type": "string",
    "pattern": rf"^\$[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*{_END}",
    "description": "a reference such as $leaked",
}
_CONDITION = {
    "type": "object",
    "description": "such as {path: leaked.can.disable, exists: true}, {all: […]}, {not: {…}}",
}


def _object(properties: dict[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


_FIELD = _object(
    {
        "ask": {**_TEXT, "description": "the question, in one sentence"},
        "type": {"enum": ["text", "choice", "time"], "type": "string"},
        "options": {"type": "array", "items": _TEXT, "minItems": 2},
        "default": _TEXT,
        "required": {"type": "boolean"},
    },
    ("ask",),
)
_FIELDS = {"type": "object", "additionalProperties": {"$ref": "#/$defs/field"}, "minProperties": 1}

_STEP = _object(
    {
        "id": {**_NAME, "description": "a name for this step, unique in the playbook"},
        "phase": {"type": "string", "enum": list(PHASES), "description": "the part of the response it belongs to"},
        "title": {**_TEXT, "description": "what the operator does, in one line"},
        "why": {**_TEXT, "description": "why it matters, shown beside the step"},
        "expect": {**_TEXT, "description": "what the operator should see"},
        "when": _CONDITION,
        "needs": {**_NAMES, "description": "steps that must be done first: hard gates"},
        "for_each": {**_REFERENCE, "description": "run once for every entry of this list; $each is the entry"},
        "call": _object(
            {
                "operation": {**_NAME, "description": "an operation of the provider's manifest"},
                "on": {**_REFERENCE, "description": "the credential or account it acts on"},
                "args": {"type": "object"},
            },
            ("operation", "on"),
            description="one call to a provider",
        ),
        "scan": _object(
            {
                "credential": {**_REFERENCE, "description": "the known value that is searched for"},
                "repositories": {**_REFERENCE, "description": "a list of git repositories"},
                "rules": {"type": "boolean", "description": "true: also find credentials by their vendors' formats"},
            },
            ("repositories",),
            description="search whole git histories: for a known value, for any credential by rules, or for both",
        ),
        "webhook": _object({"endpoint": _REFERENCE}, ("endpoint",)),
        "rollout": _object({"credential": _REFERENCE, "to": _REFERENCE}, ("credential", "to")),
        "manual": _object(
            {
                "do": {"type": "array", "items": _TEXT, "minItems": 1, "description": "what to do, one line each"},
                "link": _TEXT,
                "see": {**_TEXT, "description": "what the operator reports back: a value that was seen, not `done`"},
            },
            ("do", "see"),
        ),
        "ask": {**_FIELDS, "description": "facts to state; they become $facts.NAME"},
        "note": {**_TEXT, "description": "text put into the record"},
        "wait": _object({"for": _DURATION, "reason": _TEXT}, ("for", "reason")),
        "run": _object({"playbook": _NAME, "with": {"type": "object"}}, ("playbook",)),
        "decide": {"type": "string", "const": "order", "description": "pick one of `orders` from the stated facts"},
        "report": {"type": "string", "enum": ["markdown"]},
        "record": {"type": "array", "items": _TEXT, "description": "outputs of the call that are kept"},
        "store": {**_REFERENCE, "description": "where a new secret goes: $leaked.new"},
        "verify": {"$ref": "#/$defs/verify"},
        "confirm": {"type": "string", "enum": ["none", "typed"]},
        "target": {**_DURATION, "description": "how long this step may take, such as 45s"},
        "undo": {**_NAME, "description": "the operation that takes it back"},
    },
    ("id", "phase", "title"),
)

_VERIFY = _object(
    {
        "credential": {**_REFERENCE, "description": "$leaked.old or $leaked.new"},
        "account": {**_REFERENCE, "description": "an account, or $each"},
        "consumers": {**_REFERENCE, "description": "a list of consumers"},
        "is": {"type": "string", "enum": ["dead", "alive", "gone", "used"]},
        "within": _DURATION,
        "gate": {"type": "boolean", "description": "false: a refuted answer is recorded and the run goes on"},
    },
    ("is", "within"),
    description="how the step is proven",
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "runbook playbook",
    **_object(
        {
            "runbook": {"type": "integer", "const": 1, "description": "the version of the format: 1"},
            "id": _NAME,
            "title": _TEXT,
            "version": {"type": "integer"},
            "summary": _TEXT,
            "target": {**_DURATION, "description": "the time in which the leaked credential should be contained"},
            "references": {"type": "array", "items": _TEXT},
            "inputs": {
                "type": "object",
                "additionalProperties": _object(
                    {
                        "type": {"type": "string", "enum": list(INPUT_TYPES)},
                        "ask": _TEXT,
                        "many": {"type": "boolean"},
                        "required": {"type": "boolean"},
                        "options": {"type": "array", "items": _TEXT},
                        "default": {},
                    },
                    ("type", "ask"),
                ),
            },
            "orders": _object(dict.fromkeys(ORDERS, _NAMES)),
            "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}, "minItems": 1},
        },
        ("runbook", "id", "title", "target", "steps"),
    ),
    "$defs": {"step": _STEP, "verify": _VERIFY, "field": _FIELD},
}
