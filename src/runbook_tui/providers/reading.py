"""From what was heard to an outcome."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runbook_tui.foundation.clock import iso
from runbook_tui.foundation.text import plain
from runbook_tui.playbook.values import Unresolved, lookup
from runbook_tui.providers import answers
from runbook_tui.providers.answers import Parsed, scrub, search
from runbook_tui.providers.drafting import facts
from runbook_tui.providers.heard import Heard
from runbook_tui.providers.results import CallOutcome
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential

if TYPE_CHECKING:
    from runbook_tui.providers.calls import Call


class Lenient(dict[str, Any]):
    """A scope for instructions to a human: what is not known stands there as `<name>`."""

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: str) -> Any:
        value = self.get(key)
        return Lenient(value) if isinstance(value, dict) else f"<{key}>" if value in (None, "") else value

    def __missing__(self, key: str) -> Any:
        return f"<{key}>"


def outcome(call: Call, heard: Heard) -> CallOutcome:
    """The outcome of a call; see CallOutcome for the words."""
    evidence = _evidence(heard)
    last = heard.last
    if heard.fault is not None:
        result = "unknown" if heard.fault.sent else "not_sent"
        return CallOutcome(result, None, heard.fault.message, evidence={**evidence, "fault": heard.fault.kind})
    assert last is not None
    operation = call.operation
    if operation.already_done is not None and last.fits(operation.already_done):
        return CallOutcome("done", last.status, call.refusal(last), evidence=evidence, already=True)
    if not last.fits(operation.expect):
        result, reason = _refused(call, last)
        return CallOutcome(result, last.status, reason, evidence=evidence)
    needs_body = bool(operation.outputs or operation.items or operation.new)
    if needs_body and (not last.readable or last.body is None):
        form = operation.answer.upper()
        reason = f"the provider answered {last.status}, but not in {form}: is this address the API?"
        return CallOutcome("unknown", last.status, reason, evidence=evidence)
    return _done(call, heard, last, evidence)


def _refused(call: Call, last: Parsed) -> tuple[str, str]:
    reason, status, changes = call.refusal(last), last.status, call.operation.changes
    if 300 <= status < 400:
        return "unknown" if changes else "rejected", f"{reason}, a redirect, which is never followed"
    if status in call.operation.expect.status:
        return "rejected", reason if ": " in reason else f"{reason}, and its body says that it failed"
    if 400 <= status < 500 and status != 408:
        return "rejected", reason
    return "unknown", reason


def _done(call: Call, heard: Heard, last: Parsed, evidence: dict[str, Any]) -> CallOutcome:
    operation, secrets = call.operation, call.secrets()
    new = _new(call, last) if operation.new else None
    if operation.new is not None and new is None:
        reason = f"the provider answered {last.status}, but the new secret is not in the answer"
        return CallOutcome("unknown", last.status, reason, evidence=evidence)
    if new is not None and new.secret is not None:
        secrets = [*secrets, (new.secret.expose(), "<new secret>")]
    learned: Binding | None = None
    if operation.items:
        listed: list[Any] = []
        for page in heard.pages:
            part = answers.items(operation, page)
            if part is None:
                reason = f"the provider answered {page.status}, but its answer has no list"
                return CallOutcome("unknown", page.status, reason, evidence=evidence)
            listed += part
        found, learned = _listed(call, listed, heard.complete)
    else:
        found = answers.outputs(operation, last)
        learned = _learned(call, last.body)
    return CallOutcome("done", last.status, "", scrub(found, secrets), new, evidence, learned=learned)


def _listed(call: Call, listed: list[Any], complete: bool) -> tuple[dict[str, Any], Binding | None]:
    operation = call.operation
    if not operation.match:
        rows = [answers.item_outputs(operation, item) for item in listed]
        return {"items": rows, "count": len(rows), "complete": complete}, None
    matching = _matching(call, listed)
    known: dict[str, Any] = {"found": False, "matching": None, "listed": len(listed), "complete": complete}
    if matching is None:
        return known, None
    known["matching"] = len(matching)
    if len(matching) != 1:
        return known, None
    known["found"] = True
    return {**answers.item_outputs(operation, matching[0]), **known}, _learned(call, matching[0])


def _matching(call: Call, listed: list[Any]) -> list[Any] | None:
    """The items that the first usable rule recognises as the credential; None when no rule can be used."""
    about = call.subjects["credential"]
    scope = {"credential": facts(call.manifest, about, lambda _: ""), "args": call.args}
    for rule in call.operation.match:
        if rule.redacts and about.secret is not None:
            return [item for item in listed if answers.recognises(search(rule.field, item), about)]
        try:
            wanted = str(lookup(rule.equals.removeprefix("$"), scope))
        except Unresolved:
            continue  # the key id is not known: the next rule
        return [item for item in listed if str(search(rule.field, item)) == wanted]
    return None


def _learned(call: Call, body: Any) -> Binding | None:
    """The credential's binding with what the answer adds; None when it adds nothing."""
    about = call.subjects.get("credential")
    if about is None or not call.operation.learn:
        return None
    found = {name: search(query, body) for name, query in call.operation.learn.items()}
    told = {name: plain(str(value)) for name, value in found.items() if isinstance(value, str | int) and value != ""}
    key_id = told.pop("key_id", about.binding.key_id)
    learned = replace(about.binding, key_id=key_id, attributes={**about.binding.attributes, **told})
    return None if learned == about.binding else learned


def _new(call: Call, last: Parsed) -> Credential | None:
    rule = call.operation.new
    assert rule is not None
    value = search(rule.secret, last.body)
    if not isinstance(value, str) or not value or any(0xD800 <= ord(char) < 0xE000 for char in value):
        return None
    base = call.subjects.get("credential") or call.subjects["admin"]
    key_id = search(rule.key_id, last.body) if rule.key_id else ""
    added = {name: search(query, last.body) for name, query in rule.attributes.items()}
    attributes = {**base.binding.attributes, **{name: plain(str(part)) for name, part in added.items() if part}}
    binding = replace(base.binding, key_id=plain(str(key_id or "")), attributes=attributes, created=iso(call.now))
    return Credential(base.name, Secret(value), binding)


def _evidence(heard: Heard) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "request": heard.request,
        "milliseconds": round(heard.seconds * 1000),
        "at": iso(heard.at),
    }
    if heard.last is not None:
        evidence["status"] = heard.last.status
        for name in ("x-request-id", "request-id", "x-amzn-requestid", "x-github-request-id", "paypal-debug-id"):
            if name in heard.last.headers:
                evidence["request_id"] = answers.tidy(heard.last.headers[name])
    if heard.tries > max(1, len(heard.pages)):
        evidence["tries"] = heard.tries
    return evidence
