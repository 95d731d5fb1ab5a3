"""From an operation and its subjects to a request: once with the secrets, once with their masks.

Both come from the same code; what an operator is shown differs from what is sent in nothing but the secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from runbook_tui.foundation.clock import iso, parse_duration, parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Request
from runbook_tui.playbook.values import Unresolved, references, resolve
from runbook_tui.providers.manifest import Argument, Manifest, Operation
from runbook_tui.secrets.fingerprint import mask
from runbook_tui.secrets.vault import Credential

_WHOLE = re.compile(r"-?[0-9]{1,18}")

Subjects = Mapping[str, Credential]
Show = Callable[[Credential], str]


@dataclass(repr=False)
class Draft:
    """A request under construction; its repr shows nothing, since it may hold the secret."""

    method: str
    base: str  # the bound origin, without a slash at the end
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    json: Any = None
    form: dict[str, Any] | None = None
    content_type: str = ""

    @property
    def url(self) -> str:
        """The whole address, every value percent-encoded."""
        pairs = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in self.query)
        return f"{self.base}{self.path}{'?' + pairs if pairs else ''}"

    def body(self) -> bytes:
        """The encoded body; empty when there is none."""
        if self.form is not None:
            pairs = flat_form(self.form)
            return "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in pairs).encode()
        return b"" if self.json is None else json.dumps(self.json, ensure_ascii=False, separators=(",", ":")).encode()

    def finish(self) -> Request:
        """The request as the network takes it."""
        body, headers = self.body(), list(self.headers)
        default = "application/x-www-form-urlencoded" if self.form is not None else "application/json"
        if body:
            headers.append(("Content-Type", self.content_type or default))
        return Request(self.method, self.url, headers, body)


@dataclass(frozen=True)
class Place:
    """Where a request goes: the base address, whether the operator bound it by hand, and whom it trusts."""

    base: str
    bound: bool
    ca_file: str | None


def expose(credential: Credential) -> str:
    """The secret itself, for the one request that needs it."""
    if credential.secret is None:
        raise RunbookError(
            f"the secret of {credential.name} is not known", "only its key id is: store the secret to use it"
        )
    return credential.secret.expose()


def masker(manifest: Manifest) -> Show:
    """Shows a credential's mask."""
    return lambda credential: "••••••••" if credential.secret is None else mask(credential.secret, manifest.prefixes)


def place(manifest: Manifest, origin: str, holder: Credential) -> Place:
    """Where `origin` is for this holder: the binding's address, else the manifest's own."""
    ca_file = holder.binding.attributes.get("ca_file") or None
    bound = holder.binding.origins.get(origin, "")
    if bound:
        return Place(bound.rstrip("/"), True, ca_file)
    rule = manifest.origins[origin]
    if not rule.url:
        hint = f"bind it: {rule.ask}" + (f", such as {rule.example}" if rule.example else "")
        raise RunbookError(f"the address {origin!r} of {manifest.name} is not known for {holder.name}", hint)
    scope = {"credential": facts(manifest, holder, lambda _: "")}
    return Place(str(_filled(manifest, rule.url, scope)).rstrip("/"), False, ca_file)


def facts(manifest: Manifest, credential: Credential, show: Show) -> dict[str, Any]:
    """What a template may say about a subject. The secret stands there as `show` writes it."""
    known: dict[str, Any] = {name: rule.default for name, rule in manifest.attributes.items() if rule.default}
    known.update({name: value for name, value in credential.binding.attributes.items() if value})
    known["name"] = credential.name
    if credential.binding.key_id:
        known["key_id"] = credential.binding.key_id
    if credential.secret is not None:
        known["secret"] = show(credential)
    return known


def arguments(operation: Operation, given: Mapping[str, Any], now: datetime, call_id: str) -> dict[str, Any]:
    """The operation's arguments: given ones checked, missing ones by default; an absent optional one is None."""
    unknown = sorted(set(given) - set(operation.args))
    if unknown:
        known = ", ".join(operation.args) or "none"
        raise RunbookError(f"{operation.id} takes no argument {unknown[0]!r}", f"known: {known}")
    scope = {"call": {"id": call_id, "short": call_id[:8]}}
    return {name: _argument(name, rule, given.get(name), now, scope) for name, rule in operation.args.items()}


def _argument(name: str, rule: Argument, value: Any, now: datetime, scope: Mapping[str, Any]) -> Any:
    if value is None or value == "":
        if rule.required:
            raise RunbookError(f"the argument {name!r} is missing", rule.ask)
        if rule.default is None:
            return None
        if rule.type == "instant":
            return _instant(now - timedelta(seconds=parse_duration(str(rule.default))), rule)
        return resolve(rule.default, scope)
    if rule.type == "instant":
        return _instant(parse_instant(str(value)), rule)
    if rule.type == "integer":
        text = str(value)
        if not _WHOLE.fullmatch(text):
            raise RunbookError(f"the argument {name!r} is not a whole number", rule.ask)
        return int(text)
    text = str(value)
    if any(0xD800 <= ord(char) < 0xE000 for char in text):  # bytes of the command line that are no UTF-8
        raise RunbookError(f"the argument {name!r} is not text", rule.ask)
    return text


def _instant(moment: datetime, rule: Argument) -> Any:
    return int(moment.timestamp()) if rule.form == "epoch" else iso(moment)[:19] + "Z"


def draft(
    manifest: Manifest,
    operation: Operation,
    subjects: Subjects,
    args: Mapping[str, Any],
    base: str,
    show: Show,
    call_id: str,
) -> Draft:
    """The request without its authentication. `args` come from `arguments`."""
    template = operation.request
    assert template is not None
    scope: dict[str, Any] = {role: facts(manifest, subject, show) for role, subject in subjects.items()}
    scope["args"] = args
    scope["call"] = {"id": call_id, "short": call_id[:8]}
    made = Draft(template.method, base, _path(manifest, operation, template.path, scope))
    made.query = flat_form(_deep(manifest, template.query, scope))
    headers = {**manifest.headers, **template.headers}
    made.headers = [(name, str(_filled(manifest, value, scope))) for name, value in headers.items()]
    if operation.idempotency:
        made.headers.append((operation.idempotency, call_id))
    made.json = _deep(manifest, template.json, scope)
    made.form = None if template.form is None else _deep(manifest, template.form, scope)
    made.content_type = template.content_type
    return made


def placed_secrets(operation: Operation) -> set[str]:
    """The roles whose secret the request template itself carries (`credential`, `new`)."""
    request = operation.request
    parts = [request.path, request.query, request.json, request.form] if request else []
    found = {name for part in parts for name in references(part)}
    return {name.partition(".")[0] for name in found if name.endswith(".secret")}


def _path(manifest: Manifest, operation: Operation, template: str, scope: dict[str, Any]) -> str:
    path_args = {name for name, rule in operation.args.items() if rule.type == "path"}
    values: dict[str, Any] = dict(scope["args"])
    for name in path_args:
        # The slashes of a path argument separate segments; everything else in it is escaped.
        parts = [part for part in str(values.get(name) or "").split("/") if part]
        values[name] = parts
        template = template.replace(f"$(args.{name})", "/".join(f"$(args.{name}.{i})" for i in range(len(parts))))
    return str(_filled(manifest, template, {**scope, "args": values}, lambda text: quote(text, safe="")))


def _deep(manifest: Manifest, template: Any, scope: Mapping[str, Any]) -> Any:
    """`template` filled, keys too; entries without a value are left out."""
    if isinstance(template, Mapping):
        filled = {str(_filled(manifest, key, scope)): _deep(manifest, part, scope) for key, part in template.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(template, list | tuple):
        return [_deep(manifest, part, scope) for part in template]
    return _filled(manifest, template, scope)


def _filled(
    manifest: Manifest, template: Any, scope: Mapping[str, Any], escape: Callable[[str], str] | None = None
) -> Any:
    try:
        return resolve(template, scope, escape)
    except Unresolved as error:
        role, _, fact = error.path.partition(".")
        if role not in scope:
            raise RunbookError(f"this operation needs a credential in the role {role!r}") from None
        asked = manifest.attributes[fact].ask if fact in manifest.attributes else manifest.key_id
        name = scope[role].get("name", role) if isinstance(scope[role], Mapping) else role
        raise RunbookError(f"{fact} of {name} is not known", asked or "add it to the credential's binding") from None


def flat_form(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Name and value pairs; lists as `name[]` unless the name ends in `]`, mappings as `name[key]`."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}[{key}]" if prefix else str(key)
        if isinstance(value, Mapping):
            pairs += flat_form(value, name)
        elif isinstance(value, list | tuple):
            pairs += [(name if name.endswith("]") else f"{name}[]", _text(item)) for item in value]
        elif value is not None:
            pairs.append((name, _text(value)))
    return pairs


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
