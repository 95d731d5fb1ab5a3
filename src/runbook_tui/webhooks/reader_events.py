"""The parts of a scheme's file that describe requests and answers: safe event, variants, answers, handshakes."""

from __future__ import annotations

from typing import Any

from runbook_tui.webhooks.checker import Checker, Place
from runbook_tui.webhooks.scheme import BODY_TOKENS, PROBE_TOKENS, Answers, Expect, Handshake, SafeEvent
from runbook_tui.webhooks.template import Statuses

_METHODS = ("POST", "GET", "HEAD")
_OK = Statuses(("2xx",))


def safe_event(check: Checker, place: Place, entry: Any) -> SafeEvent:
    data = check.mapping(place, entry, {"event", "body"}, {"caution", "scope"}) if entry != {} else {}
    event, body, caution = data.get("event", ""), data.get("body", {}), data.get("caution", "")
    if not isinstance(event, str) or not isinstance(caution, str) or not isinstance(body, dict | list):
        check.refuse(place, "`event` and `caution` are text, `body` is a mapping or a list")
        return SafeEvent("", {})
    check.templates((*place, "body"), body, BODY_TOKENS)
    return SafeEvent(event, body, caution, check.text(place, data, "scope", ""))


def variants(check: Checker, entries: Any) -> dict[str, SafeEvent]:
    if not isinstance(entries, dict):
        check.refuse(("variants",), "`variants` must be a mapping of a name to `event` and `body`")
        return {}
    return {name: safe_event(check, ("variants", name), entry) for name, entry in entries.items()}


def answers(check: Checker, entry: Any) -> Answers:
    data = check.mapping(("answers",), entry, (), {"ok", "duplicate", "bad"})
    usual = Answers()
    return Answers(
        check.statuses(("answers",), data, "ok", usual.ok),
        check.statuses(("answers",), data, "duplicate", usual.duplicate),
        check.statuses(("answers",), data, "bad", usual.bad),
    )


def handshakes(check: Checker, field: str, entries: Any, facts: tuple[str, ...]) -> tuple[Handshake, ...]:
    """`probes` say with `expect` what a good endpoint answers, `abuse` with `fails_on` what only a faulty one does."""
    if not isinstance(entries, list):
        check.refuse((field,), f"{field!r} must be a list")
        return ()
    return tuple(_handshake(check, (field, index), entry, facts) for index, entry in enumerate(entries))


def _handshake(check: Checker, place: Place, entry: Any, facts: tuple[str, ...]) -> Handshake:
    answer = "expect" if place[0] == "probes" else "fails_on"
    data = check.mapping(
        place, entry, {"name", "title", "signed", answer}, {"method", "query", "headers", "body", "acts", "why"}
    )
    tokens = (*PROBE_TOKENS, *facts)
    parts: dict[str, dict[str, Any]] = {}
    for part in ("query", "headers"):
        given = data.get(part, {})
        if not isinstance(given, dict):
            check.refuse((*place, part), f"{part!r} must be a mapping")
            given = {}
        parts[part] = {name: check.template((*place, part, name), text, tokens) for name, text in given.items()}
    check.templates((*place, "body"), data.get("body"), tokens)
    return Handshake(
        name=check.text(place, data, "name"),
        title=check.text(place, data, "title"),
        method=check.choice(place, data, "method", _METHODS, "POST"),
        signed=check.flag(place, data, "signed", False),
        query=parts["query"],
        headers=parts["headers"],
        body=data.get("body"),
        answer=_expect(check, (*place, answer), data.get(answer, {}), tokens),
        acts=check.flag(place, data, "acts", False),
        why=check.text(place, data, "why", ""),
    )


def _expect(check: Checker, place: Place, entry: Any, tokens: tuple[str, ...]) -> Expect:
    data = check.mapping(place, entry, (), {"status", "json", "text", "holds", "headers", "content_type"})
    headers = data.get("headers", {})
    if not isinstance(headers, dict):
        check.refuse((*place, "headers"), "'headers' must be a mapping")
        headers = {}
    text = data.get("text")
    if text is not None and not isinstance(text, str):
        check.refuse((*place, "text"), "'text' must be text", "put it in quotes")
        text = None
    holds = check.text(place, data, "holds", "")
    for part, value in (("json", data.get("json")), ("text", text), ("holds", holds), ("headers", headers)):
        check.templates((*place, part), value, tokens)
    status = check.statuses(place, data, "status", _OK)
    return Expect(status, data.get("json"), text, holds, headers, check.text(place, data, "content_type", ""))
