"""What a well-formed manifest can still get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from runbook_tui.foundation.errors import Problem
from runbook_tui.foundation.strict_yaml import Document, Path_
from runbook_tui.net.fault import NetFault
from runbook_tui.net.origin import parse
from runbook_tui.playbook import conditions, values
from runbook_tui.providers.answers import HEADER
from runbook_tui.providers.schema import IDENTITIES, VERBS

# Facts about a subject that every binding has.
_COMMON = frozenset({"key_id", "name", "secret"})
_SECRETS = frozenset({"credential.secret", "new.secret"})
_NEVER_DEAD = frozenset({408, 425, 429, *range(500, 600)})


def lint(document: Document) -> list[Problem]:
    """Every mistake in a document that has the right shape, in file order."""
    rules: list[Callable[[Document], Iterator[Problem]]] = [
        _origins,
        _kinds,
        _identities,
        _operations,
        _references,
        _verdicts,
        _queries,
    ]
    problems = [problem for rule in rules for problem in rule(document)]
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def _each(document: Document) -> Iterator[tuple[Path_, dict[str, Any]]]:
    for name, operation in document.data["operations"].items():
        yield ("operations", name), operation


def _origins(document: Document) -> Iterator[Problem]:
    for name, origin in document.data["origins"].items():
        path = ("origins", name)
        if ("url" in origin) == ("ask" in origin):
            yield document.problem(
                path, f"the origin {name} needs either `url` or `ask`", "{url: https://api.example.com}"
            )
        elif "url" in origin:
            url = values.resolve(origin["url"], _Anything())
            try:
                if parse(str(url)).scheme != "https":
                    yield document.problem(path, f"the origin {name} must be https")
            except NetFault as fault:
                yield document.problem(path, f"the origin {name} is not usable: {fault.message}")


def _kinds(document: Document) -> Iterator[Problem]:
    import re2

    options = re2.Options()
    options.log_errors = False  # it would print the foreign pattern
    for index, kind in enumerate(document.data["credential"].get("kinds", ())):
        try:
            re2.compile(kind.get("pattern", ""), options)
        except re2.error as error:
            path = ("credential", "kinds", index, "pattern")
            yield document.problem(path, f"not a regular expression: {error}", "RE2 syntax: no look-around")


def _identities(document: Document) -> Iterator[Problem]:
    auth = document.data["auth"]
    for identity, name in document.data["identities"].items():
        if name not in auth:
            yield document.problem(("identities", identity), f"unknown auth {name!r}", f"known: {', '.join(auth)}")
    for name, entry in auth.items():
        needs_name = entry["style"] in ("header", "query", "body", "form")
        if needs_name and not entry.get("name"):
            yield document.problem(
                ("auth", name), f"the style {entry['style']} needs `name`", "the field of the secret"
            )
        if entry["style"] == "oauth2_client_credentials" and not (entry.get("path") and entry.get("user")):
            yield document.problem(("auth", name), "oauth2_client_credentials needs `path` and `user` (the client id)")


def _operations(document: Document) -> Iterator[Problem]:
    data = document.data
    for path, entry in _each(document):
        name = path[-1]
        if ("request" in entry) == ("manual" in entry):
            yield document.problem(path, f"{name} needs either `request` or `manual`")
        kind, effects = entry.get("kind", "read"), entry.get("effect", {})
        if "request" in entry and "kind" not in entry:
            yield document.problem(path, f"{name} needs `kind`", "read, idempotent, keyed or once")
        if "request" in entry and (kind == "read") != (not effects):
            hint = "a read has no `effect`; everything else says what it does"
            yield document.problem(path, f"{name} is {kind!r} and its effect does not fit", hint)
        if (kind == "keyed") != ("idempotency" in entry):
            yield document.problem(path, f"{name}: `keyed` and `idempotency` belong together")
        for verb in effects:
            if verb not in VERBS:
                yield document.problem(
                    (*path, "effect", verb), f"unknown effect {verb!r}", f"known: {', '.join(VERBS)}"
                )
        if ("new" in entry) != ("create" in effects or "rotate" in effects) and "request" in entry:
            yield document.problem(path, f"{name}: `new` belongs to an effect create or rotate")
        yield from _operation_links(document, path, entry, data)


def _operation_links(document: Document, path: Path_, entry: dict[str, Any], data: dict[str, Any]) -> Iterator[Problem]:
    identity = entry.get("as", "credential")
    if "request" in entry and identity in IDENTITIES[:3] and identity not in data["identities"]:
        yield document.problem((*path, "as"), f"the manifest has no identity {identity!r}", "add it to `identities`")
    origin = entry.get("request", {}).get("origin", "api")
    if "request" in entry and origin not in data["origins"]:
        yield document.problem((*path, "request"), f"unknown origin {origin!r}", f"known: {', '.join(data['origins'])}")
    if "undo" in entry and entry["undo"] not in data["operations"]:
        yield document.problem((*path, "undo"), f"unknown operation {entry['undo']!r}")
    for index, other in enumerate(entry.get("also", ())):
        if data["operations"].get(other, {}).get("kind") != "read" or entry.get("kind") != "read":
            yield document.problem((*path, "also", index), f"`also` names {other!r}, and both must be reads")
    request = entry.get("request", {})
    if "json" in request and "form" in request:
        yield document.problem((*path, "request"), "a request has either `json` or `form`")
    if "match" in entry and "items" not in entry:
        yield document.problem((*path, "match"), "`match` needs `items`")
    for index, match in enumerate(entry.get("match", ())):
        if ("equals" in match) == ("redacts" in match):
            yield document.problem((*path, "match", index), "a match needs either `equals` or `redacts`")
    for key in ("expect", "already_done"):
        when = entry.get(key, {}).get("when")
        if when is not None and (why := conditions.problem(when)):
            yield document.problem((*path, key, "when"), f"`when` is not a condition: {why}")


def _references(document: Document) -> Iterator[Problem]:
    attributes = frozenset(document.data["credential"].get("attributes", {}))
    for path, entry in _each(document):
        arguments = frozenset(entry.get("args", {}))
        stores = "store" in entry.get("effect", {})
        for key in ("request", "manual", "match"):
            for place, text in _texts(entry.get(key), (*path, key)):
                if (mistake := values.mistakes(text)) is not None:
                    yield document.problem(place, mistake)
                    continue
                for reference in values.references(text):
                    if why := _unknown(reference, attributes, arguments):
                        yield document.problem(place, f"${reference} refers to nothing", why)
                    if reference == "new.secret" and not stores:
                        hint = "only an operation with the effect {store: new} may send the new secret"
                        yield document.problem(
                            place, "$new.secret is sent by an operation that does not store it", hint
                        )
                    if reference in _SECRETS and key != "request":
                        yield document.problem(place, f"${reference} may stand in a request only")
                    if reference in _SECRETS and "headers" in place:
                        yield document.problem(place, f"${reference} may not stand in a header", "use an `auth` style")


def _unknown(reference: str, attributes: frozenset[str], arguments: frozenset[str]) -> str:
    head, _, rest = reference.partition(".")
    if head in ("credential", "admin", "new"):
        known = (_COMMON | attributes) - ({"secret"} if head == "admin" else set())
    elif head == "args":
        known = arguments
    elif head == "call":
        known = frozenset({"id", "short"})
    else:
        return "known: $credential, $admin, $new, $args, $call"
    return "" if rest in known else f"known: {', '.join(f'${head}.{name}' for name in sorted(known)) or 'nothing'}"


def _verdicts(document: Document) -> Iterator[Problem]:
    for path, entry in _each(document):
        for index, rule in enumerate(entry.get("verdict", ())):
            place = (*path, "verdict", index)
            wrong = _NEVER_DEAD & set(rule.get("status", ()))
            if wrong and rule["is"] != "undetermined":
                hint = "a limit or a failure of the server says nothing about the key"
                yield document.problem(place, f"the status {min(wrong)} can only be undetermined", hint)
            if rule["is"] == "dead" and rule.get("proof", "none") == "none":
                yield document.problem(place, "a dead verdict needs `proof`", "refused or listed")
            if "when" in rule and (why := conditions.problem(rule["when"])):
                yield document.problem(place, f"`when` is not a condition: {why}")
            if "status" not in rule and "when" not in rule:
                yield document.problem(place, "a verdict needs `status` or `when`")


def _queries(document: Document) -> Iterator[Problem]:
    if document.data.get("error"):
        yield from _query(document, ("error",), document.data["error"])
    for path, entry in _each(document):
        for key in ("outputs", "learn"):
            for name, text in entry.get(key, {}).items():
                yield from _query(document, (*path, key, name), text)
        new = entry.get("new", {})
        found = [("items", entry.get("items")), ("new", new.get("secret")), ("new", new.get("key_id"))]
        found += [("new", text) for text in new.get("attributes", {}).values()]
        found += [("paginate", entry.get("paginate", {}).get(key)) for key in ("from", "more")]
        found += [("match", match["field"]) for match in entry.get("match", ())]
        for key, query in found:
            if query:
                yield from _query(document, (*path, key), query)


def _query(document: Document, path: Path_, text: str) -> Iterator[Problem]:
    if text.startswith(HEADER) and "outputs" in path:
        return
    try:
        jmespath.compile(text)
    except JMESPathError:
        yield document.problem(path, f"{text!r} is not JMESPath", "such as data.id or items[0].name")


def _texts(value: Any, path: Path_) -> Iterator[tuple[Path_, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _texts(part, (*path, index))


class _Anything(dict[str, Any]):
    """A scope in which every reference has a harmless value."""

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: str) -> Any:
        return "x" if key not in ("credential", "binding") else self
