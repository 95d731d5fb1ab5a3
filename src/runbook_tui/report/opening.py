"""Sections 0 to 4: header, summary, key numbers, exposure window, timeline chart."""

from __future__ import annotations

from runbook_tui.foundation.clock import duration_text, parse_instant
from runbook_tui.incident.lines import closed_loop, open_lines
from runbook_tui.incident.metrics import Figure
from runbook_tui.report.safe import UNKNOWN, inline, label
from runbook_tui.report.view import View, duration, fields, moment, table, utc

_MILESTONES = {
    "detected": "Detected",
    "ack": "Acknowledged",
    "first_action": "First action",
    "new_live": "New one accepted",
    "rolled_out": "Rolled out",
    "contained": "Contained",
    "closed": "Closed",
}


def header(view: View) -> list[str]:
    """Section 0: what this report is about and how it was made."""
    state, opened = view.state, view.opened
    book = opened.get("playbook") or {}
    title = inline(state.title if not view.public else view.book.title if view.book else None)
    steps = [event.data for event in view.of("clock_step")]
    stepped = f"; set back {len(steps)} times during the run" if steps else ""
    facts = state.facts
    return [
        f"# Incident report {inline(state.incident)}: {title}",
        "",
        *(notice(view)),
        *fields(
            [
                ("incident", inline(state.incident)),
                ("mode", inline(str(state.mode).upper())),
                ("state", inline((state.closed or ("contained" if state.contained_at else "open")).replace("_", " "))),
                ("report status", "draft, not reviewed"),
                ("TLP", inline(facts.get("tlp"))),
                ("severity", inline(facts.get("severity"))),
                ("commander", view.person(state.commander)),
                ("scribe", view.person(facts.get("scribe"))),
                ("host", view.free(opened.get("host"))),
                ("opened", f"{utc(state.opened_at)} UTC"),
                ("written", f"{utc(view.now)} UTC"),
                ("playbook", f"{inline(book.get('id'))}, version {inline(view.book.version if view.book else None)}"),
                ("playbook SHA-256", inline(book.get("sha256"))),
                ("tool", inline(view.tool)),
                ("clock", f"this machine's clock, UTC; its offset is {UNKNOWN}{stepped}"),
            ]
        ),
    ]


def notice(view: View) -> list[str]:
    """The banner of a report that is not about a live incident; nothing for a live one."""
    words = {
        "drill": "a rehearsal against a simulated provider: no real credential was touched.",
        "dry-run": "a dry run: no changing request was sent.",
    }
    if not view.banner:
        return []
    return [f"**{view.banner}**: this is {words.get(view.state.mode, 'not a live incident.')}", ""]


def summary(view: View) -> list[str]:
    """Section 1: what leaked, for how long it worked, abused or not, dead or not, what is open."""
    state, measures = view.state, view.measures
    names = [
        f"{view.credential(slot)} ({inline(subject.provider_name or subject.provider)})"
        for slot, subject in state.subjects.items()
    ]
    exposure = measures.figure("exposure")
    dwell = measures.figure("dwell")
    used = inline(state.facts.get("used_by_others"))
    foreign = measures.anchors.get("first_use")
    logs = f"FOREIGN USE, first at {utc(foreign.hi)} UTC" if foreign else dwell.text or UNKNOWN
    contained = (
        f"Every old one was seen dead or attested dead at {utc(state.contained_at)} UTC"
        if "contained" in measures.anchors
        else "Not every old one is proven dead"
    )
    lines = open_lines(state)
    unknown = state.unknown_operations()
    left = "; ".join(view.line(line.id) for line in lines) if lines else "nothing"
    waived = "; ".join(view.line(line) for line in state.waivers)
    sentences = [
        f"Affected: {', '.join(names) if names else UNKNOWN}.",
        f"Readable by outsiders (as stated): {inline(state.facts.get('exposure'))}; exposure window: "
        f"{duration(exposure.seconds)}.",
        f"Used by others, as stated: {used}; as far as the provider's log shows: {logs}.",
        f"{contained} ({closed_loop(state)}).",
        f"Still open: {left}." + (f" Waived by name: {waived}." if waived else ""),
    ]
    if unknown:
        sentences.append(f"The outcome of {len(unknown)} calls is unknown: they may or may not have taken effect.")
    if view.banner:
        sentences.append(f"This was a {view.banner}.")
    return [" ".join(sentences), ""]


def key_numbers(view: View) -> list[str]:
    """Section 2: every figure with its target and verdict."""
    rows = []
    for figure in view.measures.figures:
        _, _, slot = figure.id.partition(":")
        name = inline(figure.title) if not slot else f"{inline(figure.title.split(',')[0])}: {view.credential(slot)}"
        target = duration_text(figure.target) if figure.target else ""
        rows.append((name, figure_text(figure), target, figure.verdict(), inline(figure.how, "")))
    return table(("metric", "value", "target", "verdict", "how"), rows)


def figure_text(figure: Figure) -> str:
    """The value of a figure in words."""
    if figure.count is not None:
        return f"{figure.count[0]} of {figure.count[1]}" if figure.count[1] else "none known"
    return figure.text or duration(figure.seconds)


def exposure(view: View) -> list[str]:
    """Section 3: from when to when each credential could be read and used."""
    rows = []
    for life in view.measures.lives:
        if view.state.subjects[life.slot].kind == "credential":
            earliest, latest = moment(life.exposed)
            source = inline(life.exposed.source if life.exposed else None)
            end = moment(life.dead)[1]
            evidence = f"{source}; end: {inline(life.dead.source if life.dead else None)}"
            rows.append((view.credential(life.slot), earliest, latest, end, duration(life.window), evidence))
    header = ("credential", "exposed, earliest (UTC)", "exposed, latest (UTC)", "dead (UTC)", "length", "evidence")
    return table(header, rows)


def chart(view: View) -> list[str]:
    """Section 4: a Mermaid gantt; the table of section 10 holds the same facts."""
    if not view.state.opened_at:
        return [f"Start: {UNKNOWN}.", ""]
    measures, end_of_all = view.measures, view.state.last_at
    lines = [f"    title {label(view.state.incident, 1)[2:] or 'Incident'} response, UTC"]
    lines += ["    dateFormat YYYY-MM-DDTHH:mm:ss", "    axisFormat %H:%M:%S"]
    bars: dict[str, list[str]] = {"Exposure": [], "Live keys": [], "Steps": [], "Milestones": []}
    for number, life in enumerate(measures.lives, 1):
        end = life.dead.event.ts if life.dead and life.dead.event else end_of_all
        if life.exposed:
            if life.exposed.lo and life.exposed.lo < life.exposed.hi:
                bars["Exposure"].append(
                    _bar(f"{number} may be public", "crit", f"x{number}a", utc(life.exposed.lo), utc(life.exposed.hi))
                )
            bars["Exposure"].append(_bar(f"{number} public", "crit", f"x{number}b", utc(life.exposed.hi), utc(end)))
        if life.new_live and life.new_live.event:
            start = utc(life.new_live.event.ts)
            bars["Live keys"].append(_bar(f"{number} new one accepted", "active", f"n{number}", start, utc(end_of_all)))
        bars["Live keys"].append(
            _bar(f"{number} old one not yet dead", "crit", f"k{number}", utc(view.state.opened_at), utc(end))
        )
    for number, step in enumerate(measures.steps, 1):
        done = "done" if step.status == "done" else "crit"
        stop = utc(step.end.ts if step.end else end_of_all)
        bars["Steps"].append(_bar(label(step.title, number), done, f"s{number}", utc(step.start.ts), stop))
    for number, (name, said) in enumerate(_MILESTONES.items()):
        if anchor := measures.anchors.get(name):
            stamp = utc(anchor.hi).replace(" ", "T")
            bars["Milestones"].append(f"    {said} :milestone, m{number}, {stamp}, 0s")
    for section, rows in bars.items():
        if rows:
            lines += [f"    section {section}", *rows]
    return ["```mermaid", "gantt", *lines, "```", "", "Section 10 lists the same events as a table.", ""]


def _bar(name: str, kind: str, bar: str, start: str, end: str) -> str:
    """One task; a task that ended before it began is drawn as a point in time."""
    stop = max(parse_instant(f"{end}+00:00"), parse_instant(f"{start}+00:00"))
    return f"    {name} :{kind}, {bar}, {start.replace(' ', 'T')}, {stop:%Y-%m-%dT%H:%M:%S}"
