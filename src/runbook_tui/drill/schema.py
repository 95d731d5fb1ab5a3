"""The JSON Schema of a drill scenario."""

from __future__ import annotations

from typing import Any

CONSUMER_KINDS = ("env-file", "secret-manager")
ENDPOINT_SCHEMES = ("standard-webhooks", "fastpix", "streampixel")

_NAME = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$",
    "description": "letters, digits, dot, dash and underscore",
}
_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_DURATION = {
    "type": "string",
    "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+(\.\d+)?s)?$",
    "description": "such as 45s, 5m or 1h30m",
}
_OFFSET = {
    "type": "string",
    "pattern": r"^-(\d+d)?(\d+h)?(\d+m)?(\d+(\.\d+)?s)?$",
    "description": "a time before the drill's start, such as -25m or -214d",
}


def _object(properties: dict[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_KEY = {
    "name": {**_NAME, "description": "what the credential is called in the vault"},
    "key_id": _TEXT,
    "kind": {**_TEXT, "description": "one of the manifest's credential kinds; the first unless told"},
    "created": _OFFSET,
    "used": _OFFSET,
    "scopes": {"type": "array", "items": _TEXT},
    "owner": _TEXT,
    "attributes": {**_TEXTS, "description": "facts in the vault's binding"},
    "hidden": {**_TEXTS, "description": "facts that only the provider knows"},
}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "runbook-tui drill scenario",
    **_object(
        {
            "scenario": {"type": "integer", "const": 1, "description": "the format's version: 1"},
            "id": _NAME,
            "playbook": _NAME,
            "default": {"type": "boolean", "description": "played when no scenario is named"},
            "title": _TEXT,
            "brief": {**_TEXT, "description": "what the operator is told at the start"},
            "provider": _NAME,
            "lag": {**_DURATION, "description": "how long the provider goes on accepting a dead key"},
            "leaked": _object(_KEY, ("name", "created")),
            "admin": _object(_KEY, ("name",)),
            "facts": {"type": "object", "additionalProperties": _TEXT},
            "repository": {**_NAME, "description": "folder name of the repository that holds the leaked key"},
            "consumers": {"type": "array", "items": {"$ref": "#/$defs/consumer"}},
            "manager": _object({"name": _NAME, "provider": _NAME, "mount": _NAME}, ("name", "provider", "mount")),
            "endpoint": _object(
                {"id": _NAME, "scheme": {"type": "string", "enum": list(ENDPOINT_SCHEMES)}, "secret": _NAME},
                ("id", "scheme", "secret"),
            ),
            "log": {
                "type": "array",
                "items": _object({"at": _OFFSET, "actor": _TEXT, "call": _TEXT, "ip": _TEXT}, ("at", "actor", "call")),
                "description": "what the provider's log shows at the start",
            },
            "says": {**_TEXTS, "description": "step: what the model operator truthfully reports"},
        },
        ("scenario", "id", "playbook", "title", "brief", "provider", "leaked", "facts", "repository"),
    ),
    "$defs": {
        "consumer": _object(
            {
                "id": _NAME,
                "kind": {"type": "string", "enum": list(CONSUMER_KINDS)},
                "title": _TEXT,
                "variable": _NAME,
                "path": _TEXT,
                "field": _NAME,
                "reload": {**_DURATION, "description": "how long after a change the consumer has loaded it"},
            },
            ("id", "kind", "title", "reload"),
        )
    },
}
