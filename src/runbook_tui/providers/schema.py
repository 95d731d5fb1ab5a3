"""The JSON Schema of a provider manifest: what editors complete from and what the loader checks."""

from __future__ import annotations

from typing import Any

KINDS = ("read", "idempotent", "keyed", "once")
OVERLAPS = ("none", "grace", "parallel")
IDENTITIES = ("credential", "admin", "new", "none")
STYLES = (
    "none",
    "bearer",
    "header",
    "basic",
    "query",
    "body",
    "form",
    "oauth2_client_credentials",
    "sigv4",
)
# What an operation does. The first group ends or changes something that exists; `new` is a fresh secret.
VERBS = ("revoke", "rotate", "disable", "offboard", "restore", "create", "store", "add", "change", "notify")
TARGETS = ("credential", "previous", "account", "new", "derived", "named")  # named: by the arguments
STATES = ("dead", "alive", "undetermined")
PROOFS = ("refused", "listed", "none")

_TEXT = {"type": "string"}
_NAME = {"type": "string", "pattern": r"^[a-z][a-z0-9_-]{0,39}$", "description": "lower-case letters, digits, - and _"}
_DURATION = {
    "type": "string",
    "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+(\.\d+)?s)?$",
    "description": "such as 45s or 1h30m",
}
_LINES = {"type": "array", "items": _TEXT, "minItems": 1}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_ANY_MAP = {"type": "object"}
_CONDITION = {"type": "object", "description": "such as {path: body.ok, eq: true}, {all: […]}, {not: {…}}"}
_STATUS = {
    "type": "array",
    "items": {"type": "integer", "description": "an HTTP status"},
    "minItems": 1,
    "description": "HTTP statuses, such as [200, 204]",
}


def _object(properties: dict[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _map(of: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": of, **more}


_EXPECT = _object({"status": _STATUS, "when": _CONDITION}, ("status",))
_VERDICT = _object(
    {
        "status": _STATUS,
        "when": _CONDITION,
        "is": {"type": "string", "enum": list(STATES)},
        "proof": {"type": "string", "enum": list(PROOFS), "description": "how the state was seen"},
        "reason": _TEXT,
    },
    ("is",),
)
_MATCH = _object(
    {
        "field": {**_TEXT, "description": "JMESPath in one item of the list"},
        "equals": {**_TEXT, "description": "a reference, such as $credential.key_id"},
        "redacts": {"type": "string", "const": "credential", "description": "the field shows parts of the secret"},
    },
    ("field",),
    description="how one item of the list is recognised: the first rule with a value decides, exactly one may match",
)
_PAGINATE = _object(
    {
        "style": {"type": "string", "enum": ["cursor", "link", "next", "page"]},
        "send": {**_TEXT, "description": "the request field that takes the cursor or the page number"},
        "in": {"type": "string", "enum": ["query", "form", "json"]},
        "from": {**_TEXT, "description": "JMESPath of the cursor, or of the next page's address"},
        "more": {**_TEXT, "description": "JMESPath that is true while there are more pages"},
        "most": {"type": "integer", "description": "pages read at most; 20 unless told"},
    },
    ("style",),
)
_REQUEST = _object(
    {
        "method": {"type": "string", "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "LIST"]},
        "path": {"type": "string", "pattern": "^/", "description": "starts with /; $(credential.key_id) inside"},
        "origin": _NAME,
        "service": {**_NAME, "description": "the AWS service that is signed for"},
        "region": _TEXT,
        "query": _ANY_MAP,
        "headers": _TEXTS,
        "json": {},
        "form": _ANY_MAP,
        "content_type": _TEXT,
    },
    ("method", "path"),
)
_MANUAL = _object(
    {
        "link": {"type": "string", "pattern": "^https://|^$", "description": "deep link of the dashboard page"},
        "steps": {**_LINES, "description": "what to click, one line each"},
        "asks": {"type": "string", "enum": ["secret", "attest"], "description": "what the operator brings back"},
        "note": _TEXT,
    },
    ("link", "steps", "asks"),
)
_ARGUMENT = _object(
    {
        "ask": {**_TEXT, "description": "the question, in one sentence"},
        "type": {"type": "string", "enum": ["text", "integer", "instant", "path"]},
        "form": {"type": "string", "enum": ["iso", "epoch"], "description": "how an instant is sent"},
        "default": {"type": ["string", "integer"], "description": "for an instant a duration before now, such as 30d"},
        "required": {"type": "boolean"},
    },
    ("ask",),
)
_OPERATION = _object(
    {
        "title": {**_TEXT, "description": "what it does, in one line, starting with a verb"},
        "kind": {"type": "string", "enum": list(KINDS), "description": "whether it may be repeated"},
        "as": {"type": "string", "enum": list(IDENTITIES), "description": "who signs the request"},
        "args": _map({"$ref": "#/$defs/argument"}),
        "request": _REQUEST,
        "manual": _MANUAL,
        "expect": _EXPECT,
        "already_done": _EXPECT,
        "verdict": {"type": "array", "items": _VERDICT, "minItems": 1},
        "answer": {"type": "string", "enum": ["json", "xml"]},
        "items": {**_TEXT, "description": "JMESPath of the list in the answer"},
        "match": {"type": "array", "items": _MATCH, "minItems": 1},
        "outputs": {**_TEXTS, "description": "name: JMESPath; nothing secret"},
        "learn": {**_TEXTS, "description": "what the binding lacks: key_id or an attribute: JMESPath"},
        "new": _object(
            {"secret": _TEXT, "key_id": _TEXT, "attributes": _TEXTS},
            ("secret",),
            description="JMESPath of the created credential's parts",
        ),
        "paginate": _PAGINATE,
        "also": {"type": "array", "items": _NAME, "minItems": 1, "description": "reads whose outputs are added"},
        "effect": _map(
            {"type": "string", "enum": list(TARGETS)},
            minProperties=1,
            description="verb: target, such as {revoke: credential}",
        ),
        "undo": {**_NAME, "description": "the operation that takes it back"},
        "idempotency": {**_TEXT, "description": "the header that makes a repeated call harmless"},
        "settle": {**_DURATION, "description": "the vendor's worst delay until the effect shows"},
        "min_interval": {**_DURATION, "description": "the shortest time between two calls"},
        "per": {**_TEXT, "description": "the attribute whose value shares one min_interval"},
        "note": _TEXT,
        "unproven": {**_TEXT, "description": "why this could not be checked against the vendor"},
    },
    ("title",),
)
_AUTH = _object(
    {
        "style": {"type": "string", "enum": list(STYLES)},
        "name": {**_TEXT, "description": "header, query field or body field that takes the secret"},
        "prefix": {**_TEXT, "description": "text before the secret in the header"},
        "user": {**_TEXT, "description": "user name of basic authentication; empty puts the secret there"},
        "fields": {**_TEXTS, "description": "further body fields sent with the secret"},
        "path": {"type": "string", "pattern": "^/"},
        "origin": _NAME,
    },
    ("style",),
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "runbook-tui provider manifest",
    **_object(
        {
            "provider": {"type": "integer", "const": 1, "description": "the format's version: 1"},
            "id": _NAME,
            "name": _TEXT,
            "docs": _TEXT,
            "source": {**_TEXT, "description": "where the facts come from, with the licence"},
            "checked_on": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$", "description": "YYYY-MM-DD"},
            "notes": _LINES,
            "origins": _map(
                _object({"url": _TEXT, "ask": _TEXT, "example": _TEXT}),
                minProperties=1,
                description="name: {url: https://api.example.com}, or {ask: …} where every customer has an own address",
            ),
            "overlap": {
                "type": "string",
                "enum": list(OVERLAPS),
                "description": "whether old and new key work at once",
            },
            "longest_overlap": _DURATION,
            "credential": _object(
                {
                    "name": {**_TEXT, "description": "what the vendor calls it"},
                    "kinds": {
                        "type": "array",
                        "items": _object(
                            {"id": _TEXT, "prefixes": {"type": "array", "items": _TEXT}, "pattern": _TEXT}, ("id",)
                        ),
                    },
                    "key_id": {
                        **_TEXT,
                        "description": "what the vendor's public id of the key is, and where to find it",
                    },
                    "attributes": _map(
                        _object(
                            {"ask": _TEXT, "required": {"type": "boolean"}, "default": _TEXT, "example": _TEXT},
                            ("ask",),
                        )
                    ),
                },
                ("name",),
            ),
            "auth": _map(_AUTH, minProperties=1),
            "admin_from": {**_LINES, "description": "further providers whose credentials may sign as admin here"},
            "identities": _object({name: _TEXT for name in IDENTITIES if name != "none"}),
            "headers": _TEXTS,
            "rate_limit": _object(
                {
                    "remaining": {**_TEXT, "description": "header with the calls that are left"},
                    "reset": {**_TEXT, "description": "header with the time of the next window"},
                    "reset_form": {"type": "string", "enum": ["epoch", "seconds"]},
                    "note": _TEXT,
                }
            ),
            "error": {**_TEXT, "description": "JMESPath of the message in a refusal"},
            "no_proof": {**_TEXT, "description": "why the vendor offers no proof that a key is dead"},
            "derived": {
                "type": "array",
                "items": _object({"what": _TEXT, "lasts": _TEXT, "operation": _NAME}, ("what", "lasts")),
                "description": "what the credential minted and what outlives it",
            },
            "operations": _map({"$ref": "#/$defs/operation"}, minProperties=1),
        },
        (
            "provider",
            "id",
            "name",
            "source",
            "checked_on",
            "origins",
            "overlap",
            "credential",
            "auth",
            "identities",
            "operations",
        ),
    ),
    "$defs": {"operation": _OPERATION, "argument": _ARGUMENT},
}
