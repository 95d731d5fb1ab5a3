"""Sections 5 to 9: credentials, impact, what happened, decisions, verification evidence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from runbook_tui.incident.cleanup import advice
from runbook_tui.incident.events import Event
from runbook_tui.incident.findings import owner
from runbook_tui.incident.lines import closed_loop, lines
from runbook_tui.incident.state import Side, Subject
from runbook_tui.report.benches import benches
from runbook_tui.report.safe import UNKNOWN, block, inline
from runbook_tui.report.view import View, fields, table, utc

_ENTRIES = 40  # of a provider's log, shown in full; the JSON export has all


def credentials(view: View) -> list[str]:
    """Section 5: each old one with its proof, each new one, each consumer, the grades and the closed loop."""
    found: list[str] = []
    for number, (slot, subject) in enumerate(view.state.subjects.items(), 1):
        what = "Account" if subject.kind == "account" else "Credential"
        found += [f"### {what} {number}", "", *fields(_subject(view, slot, subject))]
    if not view.state.subjects:
        found += [f"Affected credentials: {UNKNOWN}.", ""]
    consumers = [
        (
            view.consumer(one.id),
            view.free(one.where),
            view.credential(one.credential),
            inline(one.stage),
            inline(one.proof if one.proof != "none" else None),
            utc(one.at),
        )
        for one in view.state.consumers.values()
    ]
    header = ("consumer", "where", "credential", "stage (only used counts)", "proof", "since (UTC)")
    return [*found, "### Consumers", "", *table(header, consumers), "### Grades", "", *_grades(view)]


def _subject(view: View, slot: str, subject: Subject) -> list[tuple[str, str]]:
    new_event = next((one for one in reversed(view.of("new_credential")) if one.data.get("slot") == slot), None)
    stored = new_event.data.get("stored_in") if new_event else None
    word = "gone" if subject.kind == "account" else "dead"
    pairs = [
        ("name", view.credential(slot)),
        ("provider", inline(subject.provider_name or subject.provider)),
        ("key id", view.free(subject.key_id)),
        ("fingerprint and mask", f"{view.free(subject.fingerprint)}, {view.free(subject.mask)}"),
        ("owner", view.free(subject.attributes.get("owner") or _captured(view, "owner"))),
        ("rights", view.free(_captured(view, "scopes"))),
        ("created", view.free(_captured(view, "created_at"))),
        ("last used", view.free(_captured(view, "last_used_at"))),
        (f"old one: proof that it is {word}", _proof(view, subject.old)),
    ]
    if subject.kind == "credential":
        pairs += [
            ("new one", view.free(subject.new_name)),
            ("new key id", view.free(subject.new_key_id)),
            ("new one stored in", view.free(stored)),
            ("new one: proof that it is accepted", _proof(view, subject.new)),
        ]
    return pairs


def _captured(view: View, name: str) -> Any:
    """What was recorded of the key before it was destroyed."""
    for event in view.of("recorded"):
        values = event.data.get("values")
        if isinstance(values, Mapping) and values.get(name) not in (None, ""):
            return values[name]
    return None


def _proof(view: View, side: Side) -> str:
    if side.state == "undetermined":
        return f"{UNKNOWN} ({view.free(side.reason, 'it was not seen')})"
    by = f", by {view.person(side.by)}" if side.by else ""
    grade = f"grade: {inline(side.proof)}" if side.proof != "none" else "no grade"
    return f"seen {inline(side.state)}, {grade}{by}, at {utc(side.at)} UTC ({view.free(side.reason, 'no more said')})"


def _grades(view: View) -> list[str]:
    """Old ones by grade of proof: the grades are never added up."""
    old = [subject.old for subject in view.state.subjects.values()]
    count = {grade: sum(side.state == "dead" and side.proof == grade for side in old) for grade in
             ("refused", "listed", "attested")}  # fmt: skip
    waived = [line for line in lines(view.state) if line.waived_by and not line.closed]
    rows = [
        ("refused", "a call with the old one was refused", str(count["refused"])),
        ("listed", "the provider lists it as inactive or gone", str(count["listed"])),
        ("attested", "a named person says so; nothing was seen", str(count["attested"])),
        ("waived", "no proof; a named person took the risk", str(len(waived))),
        ("open", "neither proven nor waived", str(sum(line.is_open() for line in lines(view.state)))),
    ]
    return [*table(("grade", "means", "count"), rows), f"Closed loop: {closed_loop(view.state)}.", ""]


def impact(view: View) -> list[str]:
    """Section 6: what it could do, what the provider's log shows, where copies were found."""
    found = [f"What it could do, as stated: {inline(view.state.facts.get('power'))}.", ""]
    found += ["### Provider's log", ""]
    audits = view.of("audit")
    for event in audits:
        found += _audit(view, event.data)
    if not audits:
        found += [f"No log was read: what it did is {UNKNOWN}.", ""]
    found += ["### Copies in git history", ""]
    scans = view.of("scan")
    for event in scans:
        found += _scan(view, event.data.get("result") or {})
    if not scans:
        found += [f"No repository was searched: copies are {UNKNOWN}.", ""]
    return found


def _audit(view: View, data: Mapping[str, Any]) -> list[str]:
    items = list(data.get("items") or [])
    evidence = data.get("evidence")
    query = evidence.get("request") if isinstance(evidence, Mapping) else None
    judged = [entry for entry in items if isinstance(entry, Mapping) and isinstance(entry.get("ours"), bool)]
    foreign = sum(entry["ours"] is False for entry in judged)
    verdict = f"{foreign} not ours, {len(judged) - foreign} ours" if judged else "not judged"
    shown = fields(
        [
            ("query", view.free(query)),
            ("window", f"{view.time(data.get('since'))} to {view.time(data.get('until'))} (UTC)"),
            ("limits of the log", view.free(data.get("limits"))),
            ("entries", inline(data.get("count", len(items)))),
            ("disposition", f"{verdict}; {len(items) - len(judged)} not judged" if judged else verdict),
        ]
    )
    if items and not view.public:
        text = "\n".join(json.dumps(entry, ensure_ascii=False, default=str) for entry in items[:_ENTRIES])
        shown += [*block(text), ""]
        if len(items) > _ENTRIES:
            shown += [f"{len(items) - _ENTRIES} more entries are in the JSON export.", ""]
    return shown


def _scan(view: View, result: Mapping[str, Any]) -> list[str]:
    hits, gaps = [], []
    for repository in result.get("repositories") or []:
        where = view.free(repository.get("path"))
        for hit in repository.get("hits") or []:
            first: Mapping[str, Any] = next(iter(hit.get("first") or []), {})
            hits.append(
                (
                    where,
                    view.free(hit.get("credential")),
                    view.free(hit.get("paths") or f"the {hit.get('type')} {hit.get('object')}"),
                    inline(hit.get("form")),
                    f"{view.free(first.get('commit'))} {view.time(first.get('time'), 'at a time not determined')}",
                    view.free(hit.get("refs"), "none"),
                    inline(hit.get("reachable")),
                )
            )
        gaps += [(where, view.free(gap.get("what")), view.free(gap.get("why"))) for gap in
                 repository.get("not_scanned") or []]  # fmt: skip
    summaries = [
        (
            view.free(one.get("credential")),
            view.time(one.get("earliest")),
            view.time(one.get("latest")),
            inline(one.get("pushed")),
        )
        for one in result.get("credentials") or []
    ]
    shown = _by_rule(view, result) if "findings" in result else []
    shown += table(("credential", "first commit with it", "last commit with it", "pushed"), summaries)
    if hits:
        header = ("repository", "credential", "where", "form", "first commit", "refs", "reachable from")
        shown += table(header, hits)
        steps = ["Rotate first, history second."] if view.public else advice(result)
        shown += ["Clean-up, in this order:", "", *(f"- {inline(one, limit=700)}" for one in steps), ""]
    else:
        shown += ["No copy was found in what was searched.", ""]
    if gaps:
        shown += ["Not searched:", "", *table(("repository", "what", "why"), gaps)]
    return shown


def _by_rule(view: View, result: Mapping[str, Any]) -> list[str]:
    """Credentials that the search found by their vendors' formats, and what each is in this incident."""
    rows = []
    for one in result.get("findings") or []:
        finding = view.state.findings.get(str(one.get("credential")))
        slot = owner(view.state, finding) if finding else ""
        places = inline(one.get("places")) if one.get("traced") else "not traced"
        taken = view.credential(slot.removesuffix(".new")) + (", the new one" if slot.endswith(".new") else "")
        rows.append(
            (
                view.free(one.get("credential")),
                view.free(one.get("title")),
                view.free(one.get("mask")),
                places,
                taken if slot else "not taken",
            )
        )
    if not rows:
        return ["No credential was found by rule.", ""]
    left = result.get("findings_left") or 0
    more = [f"{inline(left)} more findings, of less specific rules, are not listed.", ""] if left else []
    return ["Found by rule:", "", *table(("fingerprint", "what", "mask", "places", "in this incident"), rows), *more]


def what_happened(view: View) -> list[str]:
    """Section 7: the trigger, the leak and its detection, as stated."""
    facts = view.state.facts
    asked = {
        "trigger": "trigger",
        "how": "how it leaked",
        "contributing": "contributing factors",
        "detected_by": "how it was detected",
        "detected_at": "first signal",
    }
    pairs = [(title, view.free(facts.get(name))) for name, title in asked.items()]
    pairs += [(inline(name.replace("_", " ")), view.free(facts[name])) for name in facts if name not in asked]
    return fields(pairs)


def decisions(view: View) -> list[str]:
    """Section 8: the order decision and every deviation from the playbook, with who and why."""
    rows = []
    for event in view.of("decision"):
        data = event.data
        followed = "as advised" if data.get("order") == data.get("recommended") else "AGAINST THE ADVICE"
        choice = f"order: {inline(_words(data.get('order')))} ({followed}, rule {inline(data.get('rule'))})"
        options = inline([_words(option) for option in data.get("options") or []])
        why = f"rule: {view.free(data.get('why'))}; operator: {view.free(data.get('reason'), 'no more said')}"
        rows.append(_row(view, event, options, choice, why))
    if not rows:
        rows.append((UNKNOWN, UNKNOWN, UNKNOWN, "order decision: none was recorded", UNKNOWN))
    for event in view.of("step_skipped", "waiver", "tripwire", "attested", "cleared", "step_reopened", "closed"):
        data = event.data
        if event.kind == "cleared" and data.get("by") == "proof":
            continue  # no decision: the provider's answer settled it
        options, choice = _deviation(view, event.kind, data)
        rows.append(_row(view, event, options, choice, view.free(data.get("reason") or data.get("what"), "none given")))
    return table(("time (UTC)", "who", "options", "choice", "reason"), rows)


def _deviation(view: View, kind: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """(options, choice) of a decision that is not the order decision."""
    if kind == "step_skipped":
        return "do it, skip it", f"skipped: {view.step(data.get('step'))}"
    if kind == "step_reopened":
        return "leave it, reopen it", f"reopened: {view.step(data.get('step'))}"
    if kind == "waiver":
        return "prove, waive", f"waived: {view.line(str(data.get('line', '')))}"
    if kind == "attested":
        return "prove, attest", f"attested: {view.credential(data.get('slot'))}"
    if kind == "cleared":
        return "done, not done", f"unknown call taken as {inline(_words(data.get('as')))}"
    if kind == "tripwire":
        return "go on, contain now", "contain now"
    return "close, go on", f"closed as {inline(_words(data.get('state')))}"


def _row(view: View, event: Event, options: str, choice: str, reason: str) -> tuple[str, ...]:
    who = event.data.get("name") if event.kind == "waiver" else event.data.get("by")
    known = who if who not in (None, "", "operator", "proof") else event.actor
    return utc(event.ts), view.person(known), options, choice, reason


def _words(value: Any) -> str:
    return str(value or "").replace("_", " ")


def evidence(view: View) -> list[str]:
    """Section 9: every check, what was expected, what came."""
    rows = [row for event in view.events for row in _checks(view, event)]
    header = ("seq", "time (UTC)", "check", "request", "expected", "actual", "proof")
    return [*table(header, rows), *benches(view)]


def _checks(view: View, event: Event) -> Iterable[tuple[str, ...]]:
    data, seq, time = event.data, str(event.seq), utc(event.ts)
    seen = data.get("evidence")
    request = view.free(seen.get("request") if isinstance(seen, Mapping) else None)
    status = f", status {inline(seen['status'])}" if isinstance(seen, Mapping) and seen.get("status") else ""
    reason = f" ({view.free(data.get('reason'))})" if data.get("reason") else ""
    if event.kind == "verification":
        old = data.get("side") == "old"
        what = f"{view.credential(data.get('slot'))}, {'old' if old else 'new'} one"
        actual = f"{inline(data.get('verdict'))}{status}{reason}"
        yield seq, time, what, request, "dead" if old else "alive", actual, inline(data.get("proof"), "none")
    elif event.kind == "consumer_state":
        actual = f"{inline(data.get('stage'))}{status}{reason}"
        yield seq, time, view.consumer(data.get("consumer")), request, "used", actual, inline(data.get("proof"), "none")
    elif event.kind == "deliveries":
        what = f"webhook endpoint {view.free(data.get('endpoint'))}"
        actual = f"rotation {inline(data.get('rotation'))}, endpoint {inline(data.get('verdict'))} (below)"
        yield seq, time, what, view.free(data.get("url")), "new accepted, old and none refused", actual, "deliveries"
