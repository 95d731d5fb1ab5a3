"""Each event in one sentence: for the timeline of the report, as Markdown with foreign text escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runbook_tui.incident.events import Event
from runbook_tui.incident.findings import credentials, places
from runbook_tui.report.view import View

Say = Callable[[View, Mapping[str, Any]], str]


def sentence(view: View, event: Event) -> str:
    """What the event says, in Markdown."""
    say = _SAY.get(event.kind)
    return say(view, event.data) if say else view.fact(event.kind.replace("_", " "))


def _because(view: View, data: Mapping[str, Any]) -> str:
    reason = view.free(data.get("reason"), "")
    return f": {reason}" if reason else ""


def _opened(view: View, data: Mapping[str, Any]) -> str:
    return f"opened as {view.fact(data.get('mode'))}: {view.free(data.get('title'))}"


def _subject(view: View, data: Mapping[str, Any]) -> str:
    known = view.free(data.get("key_id") or data.get("mask"), "no key id known")
    return f"affected: {view.credential(data.get('slot'))} at {view.fact(data.get('provider_name'))} ({known})"


def _facts(view: View, data: Mapping[str, Any]) -> str:
    stated = data.get("values") or {}
    return "stated: " + "; ".join(f"{view.fact(str(key).replace('_', ' '))} = {view.free(stated[key])}"
                                  for key in stated)  # fmt: skip


def _decision(view: View, data: Mapping[str, Any]) -> str:
    order = view.fact(str(data.get("order", "")).replace("_", " "))
    return f"order decided: {order} (rule {view.fact(data.get('rule'))}){_because(view, data)}"


def _outcome(view: View, data: Mapping[str, Any]) -> str:
    op = view.state.operations.get(str(data.get("op")))
    what = view.free(op.what) if op else "a call"
    status = f", answer {view.fact(data['status'])}" if data.get("status") else ""
    result = {"done": "done", "rejected": "REJECTED", "not_sent": "NOT SENT", "unknown": "OUTCOME UNKNOWN"}
    already = ", it was so already" if data.get("already") else ""
    return f"{result.get(str(data.get('result')), 'unclear')}: {what}{status}{already}{_because(view, data)}"


def _what(view: View, data: Mapping[str, Any]) -> str:
    op = view.state.operations.get(str(data.get("op")))
    return view.free(op.what) if op else "a call"


def _verification(view: View, data: Mapping[str, Any]) -> str:
    side = "old" if data.get("side") == "old" else "new"
    seen = {"dead": "seen dead", "alive": "seen alive"}.get(str(data.get("verdict")), "not determined")
    grade = f", proof: {view.fact(data['proof'])}" if data.get("proof") not in (None, "", "none") else ""
    return f"{view.credential(data.get('slot'))}, {side} one: {seen}{grade}{_because(view, data)}"


def _scan(view: View, data: Mapping[str, Any]) -> str:
    result = data.get("result") or {}
    repositories = result.get("repositories", [])
    gaps = sum(len(one.get("not_scanned", [])) for one in repositories)
    found = len(result.get("findings") or ()) + (result.get("findings_left") or 0)
    by_rule = f"{credentials(found)} found by rule, " if "findings" in result else ""
    searched = f"searched {len(repositories)} repositories: {places(result)} places found"
    return f"{searched}, {by_rule}{gaps} things could not be seen"


def _deliveries(view: View, data: Mapping[str, Any]) -> str:
    results = [one for one in data.get("results") or [] if one.get("verdict") != "not_applicable"]
    passed = sum(one.get("verdict") in ("pass", "warn") for one in results)
    return f"webhook test by {view.fact(data.get('scheme'))}: {passed} of {len(results)} as expected"


def _audit(view: View, data: Mapping[str, Any]) -> str:
    count = data.get("count", len(data.get("items") or []))
    since = view.time(data.get("since"), "the log's beginning")
    return f"provider's log read: {view.fact(count)} entries since {since}"


def _note(view: View, data: Mapping[str, Any]) -> str:
    attached = data.get("attached") or {}
    file = f"; attached: {view.free(attached.get('name'))} (appendix A)" if attached else ""
    return f"note: {view.free(data.get('text'), limit=2000)}{file}"


def _purged(view: View, data: Mapping[str, Any]) -> str:
    named = ", ".join(str(one.get("seq")) for one in data.get("events") or () if isinstance(one, Mapping))
    return f"DATA PURGED of event {view.fact(named)}{_because(view, data)}"


def _step(words: str) -> Say:
    return lambda view, data: f"{view.step(data.get('step'))}: {words}{_because(view, data)}"


_SAY: dict[str, Say] = {
    "opened": _opened,
    "driver": lambda view, data: f"{view.person(data.get('name'))} drives",
    "resumed": lambda view, data: "the program started again and took the incident up",
    "clock_step": lambda view, data: f"the wall clock was set back ({view.fact(data.get('seconds'))} s)",
    "closed": lambda view, data: (
        f"closed as {view.fact(str(data.get('state', '')).replace('_', ' '))}{_because(view, data)}"
    ),
    "input": lambda view, data: f"input {view.fact(data.get('name'))}: {view.free(data.get('value'))}",
    "subject": _subject,
    "learned": lambda view, data: (
        f"learned from the provider about {view.credential(data.get('slot'))}: "
        f"key id {view.free(data.get('key_id'))}, {view.free(data.get('attributes'), 'nothing more')}"
    ),
    "consumer": lambda view, data: f"uses it: {view.consumer(data.get('id'))} in {view.free(data.get('where'))}",
    "facts": _facts,
    "decision": _decision,
    "tripwire": lambda view, data: f"CONTAIN NOW{_because(view, data)}",
    "step_started": _step("started"),
    "step_acted": _step("acted, proof follows"),
    "step_done": _step("done"),
    "step_failed": lambda view, data: (
        f"{view.step(data.get('step'))}: {view.fact(data.get('status'), 'failed').upper()}{_because(view, data)}"
    ),
    "step_waiting": lambda view, data: (
        f"{view.step(data.get('step'))}: waits until {view.time(data.get('until'))}{_because(view, data)}"
    ),
    "step_skipped": _step("SKIPPED"),
    "step_reopened": _step("reopened"),
    "recorded": lambda view, data: f"{view.step(data.get('step'))}: recorded {view.free(data.get('values'))}",
    "intent": lambda view, data: f"about to: {_what(view, data)}",
    "sending": lambda view, data: f"sending: {_what(view, data)}",
    "outcome": _outcome,
    "cleared": lambda view, data: (
        f"unknown outcome settled as {view.fact(str(data.get('as', '')).replace('_', ' '))} by "
        f"{view.fact(data.get('by'))}: {_what(view, data)}{_because(view, data)}"
    ),
    "new_credential": lambda view, data: (
        f"new secret for {view.credential(data.get('slot'))}: {view.free(data.get('name'))}, "
        f"key id {view.free(data.get('key_id'))}, stored in {view.free(data.get('stored_in'))}"
    ),
    "verification": _verification,
    "consumer_state": lambda view, data: (
        f"{view.consumer(data.get('consumer'))}: {view.fact(data.get('stage'))}{_because(view, data)}"
    ),
    "attested": lambda view, data: (
        f"{view.person(data.get('by'))} attests for {view.credential(data.get('slot'))}, "
        f"{view.fact(data.get('side'))} one: {view.free(data.get('what'))}"
    ),
    "waiver": lambda view, data: (
        f"WAIVED by {view.person(data.get('name'))}: {view.line(str(data.get('line', '')))}{_because(view, data)}"
    ),
    "scan": _scan,
    "deliveries": _deliveries,
    "audit": _audit,
    "note": _note,
    "purged": _purged,
    "exported": lambda view, data: f"report written ({view.fact(data.get('format'))}): {view.free(data.get('path'))}",
}
