"""Builds a vendor's answer from the manifest: whatever its queries look for stands where they look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runbook_tui.drill.estate import Estate, Key, LogEntry
from runbook_tui.drill.inversion import fulfil, put
from runbook_tui.foundation.clock import parse_instant
from runbook_tui.playbook.values import references
from runbook_tui.providers.answers import search
from runbook_tui.providers.manifest import Expect, Manifest, Operation, VerdictRule

_STATE_WORDS = {"alive": "active", "disabled": "inactive", "dead": "revoked"}


@dataclass
class Reply:
    """An HTTP answer; `body` None is an empty one."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def accepted(manifest: Manifest, operation: Operation) -> Reply:
    """A good answer without content: the status and body that `expect` and the verdict `alive` ask for."""
    status = operation.expect.status[0]
    headers: dict[str, str] = {}
    body = fulfil(operation.expect.when, None, headers)
    rule = _rule(operation, "alive", "refused", "none")
    if rule is not None and rule.status:
        # Asked about something that does not exist, a vendor with several answers says so.
        status = 404 if 404 in rule.status else rule.status[0]
        body = fulfil(rule.when, body, headers)
        if status >= 400:
            body = _said(manifest, body, "no such object")
    if operation.items and status < 300:
        body = put(operation.items, body, []) if operation.items != "@" else []
    return Reply(status, body, headers)


def refused(manifest: Manifest, operation: Operation) -> Reply:
    """The answer to a key that is not (or no longer) valid, as the verdict tables know it."""
    for one in (operation, manifest.operations.get("verify")):
        rule = _rule(one, "dead", "refused") if one is not None else None
        if rule is not None and rule.status:
            headers: dict[str, str] = {}
            body = _said(manifest, None, "invalid API key")
            return Reply(rule.status[0], fulfil(rule.when, body, headers), headers)
    return Reply(401, _said(manifest, None, "invalid API key"))


def unknown_here(manifest: Manifest, operation: Operation) -> Reply | None:
    """How the provider says that it knows no such credential (any more); None when this operation cannot say so."""
    rule = _rule(operation, "dead", "listed")
    if rule is None or not rule.status:
        return None
    headers: dict[str, str] = {}
    return Reply(rule.status[0], fulfil(rule.when, _said(manifest, None, "not found"), headers), headers)


def failed(manifest: Manifest, status: int, message: str) -> Reply:
    """Another refusal, with the vendor's error message in its place."""
    return Reply(status, _said(manifest, None, message))


def already(expect: Expect, manifest: Manifest) -> Reply:
    """The answer when there was nothing left to do."""
    headers: dict[str, str] = {}
    body = _said(manifest, None, "not found")
    return Reply(expect.status[0], fulfil(expect.when, body, headers), headers)


def show(manifest: Manifest, operation: Operation, body: Any, facts: Mapping[str, Any]) -> Any:
    """`body` with every output the operation reads and `facts` knows."""
    for name, query in {**operation.outputs, **operation.learn}.items():
        # Operations that share an address share the answer: the first one's facts stay.
        if facts.get(name) is not None and search(query, body) is None:
            body = put(query, body, facts[name])
    for rule in operation.match:
        if rule.redacts:
            body = put(rule.field, body, facts["redacted"])
        else:
            wanted = next(references(rule.equals)).partition(".")[2]
            body = body if facts.get(wanted) is None else put(rule.field, body, facts[wanted])
    return body


def key_facts(manifest: Manifest, operation: Operation, key: Key) -> dict[str, Any]:
    """What an operation can tell about a key, under the names manifests use for it."""
    at = _times(manifest)
    made, used = at(key.created), at(key.used)
    facts: dict[str, Any] = {
        **key.attributes,
        "id": key.id or None,
        "key_id": key.id or None,
        "name": key.name,
        "created_at": made,
        "created": made,
        "last_used_at": used,
        "last_used": used,
        "scopes": list(key.scopes) or None,
        "owner": key.owner or None,
        "status": _STATE_WORDS[key.state],
        "redacted": f"{key.secret[:12]}...{key.secret[-4:]}",
    }
    rule = _rule(operation, "alive" if key.state == "alive" else "dead", "listed")
    if rule is not None and rule.when and rule.when.get("path") in operation.outputs and "eq" in rule.when:
        facts[rule.when["path"]] = rule.when["eq"]  # the vendor's own word for this state
    return facts


def log_facts(manifest: Manifest, entry: LogEntry, number: int) -> dict[str, Any]:
    """What an audit operation can tell about a line of the log."""
    at = _times(manifest)(entry.at)
    words = {"at": at, "time": at, "when": at, "created_at": at}
    what = dict.fromkeys(("event", "type", "action", "call"), entry.call)
    who = dict.fromkeys(("actor", "user", "who", "by"), entry.actor)
    place = {"ip": entry.ip or None, "address": entry.ip or None, "key": entry.key or None, "key_id": entry.key or None}
    return {"id": f"log-{number:04d}", **words, **what, **who, **place}


def listed(operation: Operation, items: list[Any]) -> Any:
    """The body of a list, with nothing after it."""
    body = items if operation.items == "@" else put(operation.items, None, items)
    paginate = operation.paginate
    if paginate is not None and paginate.more and isinstance(body, dict):
        body = put(paginate.more, body, False)
    return body


def since(estate: Estate, asked: Any) -> datetime | None:
    """The instant in an argument, epoch seconds or RFC 3339."""
    if asked in (None, ""):
        return None
    text = str(asked)
    return datetime.fromtimestamp(int(text), estate.time().tzinfo) if text.isdigit() else parse_instant(text)


def _rule(operation: Operation, state: str, *proofs: str) -> VerdictRule | None:
    return next((rule for rule in operation.verdict if rule.state == state and rule.proof in proofs), None)


def _said(manifest: Manifest, body: Any, message: str) -> Any:
    return put(manifest.error, body, message) if manifest.error else body


def _times(manifest: Manifest) -> Any:
    """How the vendor writes times: as seconds where an argument is sent that way."""
    forms = {rule.form for one in manifest.operations.values() for rule in one.args.values() if rule.type == "instant"}
    if "epoch" in forms:
        return lambda text: int(parse_instant(text).timestamp()) if text else None
    return lambda text: text or None
