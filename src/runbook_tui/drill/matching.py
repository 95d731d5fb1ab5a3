"""Recognises which operation a request is, and reads back what its template was filled with."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from runbook_tui.providers.drafting import flat_form
from runbook_tui.providers.manifest import Auth, Manifest, Operation

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"
_WHOLE = re.compile(rf"\$({_NAME})")
_INSIDE = re.compile(rf"\$\$|\$\(({_NAME})\)")

Values = dict[str, Any]


@dataclass(frozen=True)
class Incoming:
    """A request as the simulator got it: `path` below the origin, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def fields(self) -> dict[str, str]:
        """The pairs of the query."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def form(self) -> dict[str, str]:
        """The pairs of a form body."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def matching(manifest: Manifest, origin: str, incoming: Incoming) -> Iterator[tuple[Operation, Values]]:
    """Every operation whose template fits, with the values of its references, such as `credential.key_id`."""
    for operation in manifest.operations.values():
        template = operation.request
        if template is None or template.origin != origin or template.method != incoming.method:
            continue
        values: Values = {}
        fits = _path(operation, incoming.path, values)
        fits = fits and _pairs(template.query, incoming.fields(), values)
        if fits and template.form is not None:
            fits = _pairs(template.form, incoming.form(), values)
        if fits and template.json is not None:
            fits = _data(template.json, incoming.json(), values)
        if fits:
            yield operation, values


def presented(manifest: Manifest, operation: Operation, incoming: Incoming) -> str | None:
    """The secret that came where the operation's identity wants it; None when none came, "" when none is wanted."""
    if operation.identity == "none":
        return ""
    auth = manifest.auth[manifest.identities[operation.identity]]
    return "" if auth.style == "none" else _secret(auth, incoming)


def _secret(auth: Auth, incoming: Incoming) -> str | None:
    if auth.style in ("bearer", "header"):
        name = "authorization" if auth.style == "bearer" else auth.name.lower()
        prefix = (auth.prefix or "Bearer ") if auth.style == "bearer" else auth.prefix
        given = incoming.headers.get(name, "")
        return given.removeprefix(prefix) if given.startswith(prefix) and given else None
    if auth.style == "basic":
        return _basic(auth, incoming.headers.get("authorization", ""))
    if auth.style in ("query", "form"):
        return (incoming.fields() if auth.style == "query" else incoming.form()).get(auth.name)
    if auth.style == "body":
        body = incoming.json()
        value = body.get(auth.name) if isinstance(body, dict) else None
        return value if isinstance(value, str) else None
    return None


def _basic(auth: Auth, header: str) -> str | None:
    try:
        user, _, password = base64.b64decode(header.removeprefix("Basic "), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if auth.user else user


def _path(operation: Operation, path: str, values: Values) -> bool:
    assert operation.request is not None
    long = {f"args.{name}" for name, rule in operation.args.items() if rule.type == "path"}
    return _text(operation.request.path, path, values, "[^/]+", long, unquote_values=True)


def _text(
    template: str, actual: str, values: Values, one: str, long: set[str] | None = None, *, unquote_values: bool = False
) -> bool:
    """Match text against a template with references inside."""
    pattern, names, end = "", [], 0
    for match in _INSIDE.finditer(template):
        pattern += re.escape(template[end : match.start()])
        end = match.end()
        if match.group(1) is None:
            pattern += re.escape("$")
            continue
        names.append(match.group(1))
        pattern += "(.+)" if match.group(1) in (long or ()) else f"({one})"
    found = re.fullmatch(pattern + re.escape(template[end:]), actual)
    if not found:
        return False
    for name, value in zip(names, found.groups(), strict=True):
        values[name] = unquote(value) if unquote_values else value
    return True


def _pairs(template: Mapping[str, Any], actual: Mapping[str, str], values: Values) -> bool:
    for name, part in flat_form(template):
        whole = _WHOLE.fullmatch(part)
        if name not in actual:
            if whole is None and "$(" not in part:
                return False
        elif whole:
            values[whole.group(1)] = actual[name]
        elif not _text(part, actual[name], values, ".*"):
            return False
    return True


def _data(template: Any, actual: Any, values: Values) -> bool:
    if isinstance(template, str):
        whole = _WHOLE.fullmatch(template)
        if whole:
            values[whole.group(1)] = actual
            return True
        return isinstance(actual, str) and _text(template, actual, values, ".*")
    if isinstance(template, Mapping):
        return isinstance(actual, Mapping) and all(
            _member(key, part, template, actual, values) for key, part in template.items()
        )
    if isinstance(template, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(template)
            and all(_data(part, item, values) for part, item in zip(template, actual, strict=True))
        )
    return bool(template == actual)


def _member(key: str, part: Any, template: Mapping[str, Any], actual: Mapping[str, Any], values: Values) -> bool:
    if "$" in key:
        # A field whose name is a reference: whichever field the template does not name.
        free = [name for name in actual if name not in template]
        whole = _WHOLE.fullmatch(key)
        name = free[0] if free else ""
        if whole:
            values[whole.group(1)] = name
        return bool(free) and (bool(whole) or _text(key, name, values, ".*")) and _data(part, actual[name], values)
    if key not in actual:
        return isinstance(part, str) and "$" in part
    return _data(part, actual[key], values)
