"""Sections 10 to 16 and the appendices: timeline, lessons, actions, notifications, residual risk, the record itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runbook_tui.foundation.clock import duration_text
from runbook_tui.incident.events import KINDS
from runbook_tui.incident.findings import untaken
from runbook_tui.incident.lines import lines
from runbook_tui.incident.purge import PURGED, purges
from runbook_tui.report.safe import UNKNOWN, block, inline
from runbook_tui.report.view import View, table, utc
from runbook_tui.report.words import sentence


def timeline(view: View) -> list[str]:
    """Section 10: every event, in the order of the journal; a stated time stands beside the recorded one."""
    rows = []
    for event in view.events:
        stated = event.data.get("at") if event.kind == "note" else None
        happened = f"{view.time(stated)} (stated)" if stated else utc(event.ts)
        recorded = event.ts[11:-1] if event.ts.endswith("Z") else utc(event.ts)
        step = inline(event.data.get("step"), "")
        kind = event.kind.replace("_", " ") if event.kind in KINDS else "of an unknown kind"
        rows.append((str(event.seq), happened, recorded, view.person(event.actor), step, kind, sentence(view, event)))
    return table(("seq", "happened (UTC)", "recorded (UTC)", "actor", "step", "kind", "event"), rows)


def lessons(view: View) -> list[str]:
    """Section 11: from notes that begin with `well:`, `badly:` or `lucky:`."""
    found: list[str] = []
    for prefix, title in (("well", "Went well"), ("badly", "Went badly"), ("lucky", "Where we were lucky")):
        said = [view.free(text) for _, text in notes(view, prefix)]
        found += [f"{title}: {'; '.join(said) if said else UNKNOWN}.", ""]
    return found


def notes(view: View, prefix: str) -> list[tuple[str, str]]:
    """(time, rest of the text) of the notes that begin with `prefix:`."""
    found = []
    for event in view.of("note"):
        head, colon, rest = str(event.data.get("text", "")).partition(":")
        if colon and head.strip().lower() == prefix:
            found.append((event.data.get("at") or event.ts, rest.strip()))
    return found


def detection_gaps(view: View) -> list[str]:
    """Section 12: filled in at the review."""
    return table(("signal that should have fired", "existed", "fired", "fix"), [(UNKNOWN,) * 4])


def action_items(view: View) -> list[str]:
    """Section 13: what the run left behind, and notes that begin with `action:`."""
    rows = [
        (f"A{number}", action, kind, UNKNOWN, UNKNOWN, UNKNOWN)
        for number, (action, kind) in enumerate(_actions(view), 1)
    ]
    if not rows:
        return ["Nothing was left open, skipped or noted as an action.", ""]
    return table(("id", "action", "type", "owner", "due", "ticket"), rows)


def _actions(view: View) -> Iterable[tuple[str, str]]:
    for line in lines(view.state):
        if line.is_open():
            yield f"close the open line: {view.line(line.id)}", "contain"
        elif line.waived_by and not line.closed:
            yield f"revisit the waiver: {view.line(line.id)}", "contain"
    for name, step in view.state.steps.items():
        if step.status == "skipped":
            yield f"decide on the skipped step: {view.step(name)} ({view.free(step.reason, 'no reason')})", "process"
        elif step.status not in ("done", "pending"):
            yield f"finish the step: {view.step(name)} ({inline(step.status)})", "contain"
    yield from _searched(view)
    for _, text in notes(view, "action"):
        yield view.free(text), "noted"


def _searched(view: View) -> Iterable[tuple[str, str]]:
    """What the searches left to do."""
    for event in view.of("scan"):
        for repository in (event.data.get("result") or {}).get("repositories", []):
            if hits := len(repository.get("hits", [])):
                yield f"clean the {hits} copies in {view.free(repository.get('path'))} (section 6)", "prevent"
            for gap in repository.get("not_scanned", []):
                yield f"search by other means: {view.free(gap.get('what'))} ({view.free(gap.get('why'))})", "detect"
    for finding in untaken(view.state):
        named = f"{finding.fingerprint}, {finding.title} {finding.mask}"
        yield f"decide on the credential found by rule: {view.free(named)}", "contain"
    if view.state.findings_left:
        yield f"look at {view.state.findings_left} more findings: run the search again when these are done", "detect"


def notifications(view: View) -> list[str]:
    """Section 14: from notes that begin with `told:`; clocks are for the reader's own law."""
    told = [(view.time(at), view.free(text)) for at, text in notes(view, "told")]
    return [
        *table(("when", "who was told what"), told),
        f"Regulatory clocks: {UNKNOWN}. They run from the moment of detection; ask whoever knows the law that applies.",
        "",
    ]


def residual(view: View) -> list[str]:
    """Section 15: what this report cannot say."""
    found = [*_not_closed(view), *_not_known(view)]
    return [*(f"- {line}" for line in found or ["Nothing known beyond the limits of the checks above."]), ""]


def _not_closed(view: View) -> Iterable[str]:
    state = view.state
    for op in state.unknown_operations():
        yield f"UNKNOWN OUTCOME: {view.free(op.what)}; it may or may not have taken effect."
    for line in lines(state):
        if line.waived_by and not line.closed:
            name, reason = state.waivers[line.id]
            yield (
                f"WAIVED, not proven: {view.line(line.id)}, by {view.person(name)}, "
                f"reason: {view.free(reason, 'none given')}."
            )
        elif line.is_open():
            yield f"OPEN: {view.line(line.id)} is {inline(line.state)}."
    for slot, subject in state.subjects.items():
        if subject.old.state == "dead" and subject.old.proof == "attested":
            yield f"Only attested, nothing was seen: {view.credential(slot)}."


def _not_known(view: View) -> Iterable[str]:
    state, measures = view.state, view.measures
    if not view.of("audit"):
        yield "No provider log was read: whether somebody else used it is not determined."
    elif measures.figure("dwell").text:
        yield "No foreign use was seen in the provider's log; the log has limits (section 6)."
    elif "first_use" in measures.anchors:
        yield "The provider's log shows use that was not ours; what else it led to is an open question."
    else:
        yield "The entries of the provider's log are not all judged as ours."
    for life in measures.lives:
        if state.subjects[life.slot].kind == "credential" and (life.exposed is None or life.exposed.lo is None):
            yield f"Since when {view.credential(life.slot)} could be read is {UNKNOWN}."
    scans = view.of("scan")
    if not scans:
        yield f"No repository was searched: copies are {UNKNOWN}."
    results = [event.data.get("result") or {} for event in scans]
    gaps = sum(len(one.get("not_scanned") or []) for result in results for one in result.get("repositories") or [])
    if gaps:
        yield f"{gaps} things in searched repositories could not be seen: no copy found there is no proof (section 6)."
    if view.of("clock_step"):
        yield "The wall clock was set back during the run: times before and after do not compare; seq gives the order."


def playbook_changes(view: View) -> list[str]:
    """Section 16: steps that were skipped, slow, repeated or did not succeed."""
    rows = []
    for span in view.measures.steps:
        step = view.state.step(span.id)
        slow = span.target is not None and span.seconds is not None and span.seconds > span.target
        what = [inline(span.status)] if span.status != "done" else []
        what += [f"{duration_text(span.seconds or 0)} against {duration_text(span.target or 0)}"] if slow else []
        what += [f"{step.attempts} attempts"] if step.attempts > 1 else []
        if what:
            rows.append((view.step(span.id), ", ".join(what), view.free(step.reason, "")))
    if not rows:
        return ["Every step ran once, within its target.", ""]
    return table(("step", "what", "reason"), rows)


def evidence_manifest(view: View) -> list[str]:
    """Appendix A: files this incident wrote, and files that were attached, with their text where it was recorded."""
    rows = [
        (view.free(event.data.get("path")), inline(event.data.get("sha256")), UNKNOWN, utc(event.ts))
        for event in view.of("exported")
    ]
    texts: list[str] = []
    for event in view.of("note"):
        if file := event.data.get("attached"):
            size = f"{file.get('size')} bytes"
            rows.append((view.free(file.get("name")), inline(file.get("sha256")), inline(size), utc(event.ts)))
            title = f"{view.free(file.get('name'))}, attached to event {event.seq}"
            if file.get("text"):
                texts += [f"{title}:", "", *block(str(file["text"])), ""]
            else:
                texts += [f"{title}: no text is recorded ({view.free(file.get('left_out'))}).", ""]
    return [*table(("file", "SHA-256", "size", "recorded at (UTC)"), rows), *texts]


def the_record(view: View) -> list[str]:
    """Appendix B: the journal's head, and what it proves."""
    head = f"event {view.head[0]}, SHA-256 {view.head[1]}" if view.head else UNKNOWN
    return [
        f"Events: {len(view.events)}. Head of the journal: {head}.",
        "",
        f"Signature: {UNKNOWN}. Trusted timestamp: {UNKNOWN}.",
        "",
        "Each event's hash covers all its fields, its time and the hash of the event before. Whoever kept this head "
        "elsewhere can show that the journal up to that event was not changed or cut since: compare with `runbook "
        "incident verify`. The chain alone does not show who wrote it, that the clock was right, that everything was "
        "recorded, or that nobody rewrote the whole file before the head was noted.",
        "",
    ]


def redactions(view: View) -> list[str]:
    """Appendix C: how many secrets were taken out of the record; never their values."""
    count = sum(str(event.data).replace(PURGED, "").count("«") for event in view.events if event.kind != "purged")
    found = [f"Replaced before recording: {count} places (shown as a name between angle quotes).", ""]
    for one in purges(view.events):
        found += [
            f"Event {one.seq}: data purged by {view.person(one.by)} on {utc(one.at)} UTC "
            f"(event {one.event}: {view.free(one.reason)}); the hash of the event still covers what it was.",
            "",
        ]
    return found


_GLOSSARY: Mapping[str, str] = {
    "exposure window": "seen dead minus first readable, as a range; over several keys their union, not their sum",
    "time to detect": "detected minus exposed",
    "time to acknowledge": "run opened minus detected",
    "time to first action": "first change that took effect minus run opened",
    "time to contain": "last old one seen dead minus detected (and minus run opened)",
    "time to roll out": "last consumer seen using the new one minus new one first accepted",
    "overlap": "old one seen dead minus new one first accepted; negative is an outage",
    "verification lag": "old one seen dead minus the call that kills it",
    "dead, alive": "the provider refused it (or lists it as gone), accepted it; anything else is not determined",
    "used": "the consumer was seen working with the new one; stored or loaded is not used",
}


def glossary(view: View) -> list[str]:
    """Appendix D: words and formulas."""
    return table(("word", "means"), list(_GLOSSARY.items()))
