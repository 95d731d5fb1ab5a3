"""The incident's board as rows of text: the head, the steps, the NEXT box, the closed loop and the timeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby, islice
from textwrap import wrap

from textual.content import Content

from runbook_tui.incident.board import Board, StepRow, sentence
from runbook_tui.incident.events import Event
from runbook_tui.incident.lines import Line
from runbook_tui.tui.block import Part, Rows, foreign, row
from runbook_tui.tui.digits import big
from runbook_tui.tui.styling import BAD, BOXES, FAINT, GOOD, KEY, MODES, STATUS, STRONG


def spread(left: Content, right: Content, width: int) -> Content:
    """`left` and `right` at the two ends of a line; the left one gives way."""
    room = max(0, width - right.cell_length - 1)
    return left.truncate(room, ellipsis=True, pad=True) + Content(" ") + right


def rule(mode: str, width: int) -> Content:
    _, colour, _, char = MODES[mode]
    return row((char * width, colour))


def badge(mode: str) -> Content:
    """The mode as a word on a tab of its own colour."""
    style, colour, _, _ = MODES[mode]
    return row(("▐", colour), (mode, style), ("▌", colour))


def head(shown: Board, vault: str, driving: bool, now: datetime, width: int) -> Rows:
    """Six rows for a wide screen: who and what, then the big clock against its target and the closed loop."""
    who = "you drive" if driving else f"{shown.driver or 'nobody'} drives"
    here = f"{now:%H:%M:%S} UTC · {now.astimezone():%H:%M} here · vault: {vault}"
    right = row((f"{shown.incident} · {who} · saved {shown.saved}   ? keys", FAINT))
    bar, percent = _bar(shown.used, 30), f"{round(shown.used * 100)} % of the time"
    beside = (
        row(f"of {shown.target}     ", left_text(shown), f"     {shown.step_word}     ", (bar, KEY), f"  {percent}"),
        row((shown.loop, STRONG), (f"     {here}", FAINT)),
        row(*phases(shown.rows)),
    )
    clock = big(shown.clock)
    style = BAD if shown.used > 1 and not shown.contained else STRONG
    rows = [row("  ", (line, style), "    ", text) for line, text in zip(clock, beside, strict=True)]
    top = spread(row(" ", badge(shown.mode), "  ", (shown.title, STRONG)), right, width - 1)
    return [top, rule(shown.mode, width), *rows, rule(shown.mode, width)]


def short_head(shown: Board, driving: bool, width: int) -> Rows:
    """Four rows for a small screen, and for the top of every page."""
    who = "you drive" if driving else f"{shown.driver or 'nobody'} drives"
    style = BAD if shown.used > 1 and not shown.contained else STRONG
    time = row(
        " ", (shown.clock, style), f" of {shown.target}   ", left_text(shown), "   ", (_bar(shown.used, 12), KEY)
    )
    top = row(" ", badge(shown.mode), " ", (shown.title, STRONG))
    return [
        spread(top, row((f"{shown.incident} · {who}", FAINT)), width - 1),
        spread(row(time, f"   {shown.step_word}"), row((f"saved {shown.saved} ", FAINT)), width),
        spread(row(" ", *phases(shown.rows, short=True)), row((f"{shown.loop} ", STRONG)), width),
        rule(shown.mode, width),
    ]


def left_text(shown: Board) -> Content:
    """Words for the time left: passing the target changes the words, not only the colour."""
    if shown.contained:
        return row(("CONTAINED", GOOD))
    return row((f"{shown.left.upper()} THE TARGET" if shown.used > 1 else shown.left, BAD if shown.used > 1 else ""))


def _bar(used: float, cells: int) -> str:
    full = min(cells, max(0, round(used * cells)))
    return "■" * full + "□" * (cells - full)


def phases(rows: Sequence[StepRow], *, short: bool = False) -> list[Part]:
    """`contain ✓  replace ▶  prove ·`: where each phase stands."""
    parts: list[Part] = []
    names = list(dict.fromkeys(one.phase for one in rows))
    for name in names:
        steps = [one for one in rows if one.phase == name]
        mark = _phase_mark(steps)
        here = any(one.current for one in steps)
        if short and not here:
            parts.append((mark, FAINT))
            continue
        words = name.replace("_", " ")
        parts += [(f" {words} {mark} " if short else f"{words} {mark}  ", STRONG if here else FAINT)]
    return parts


def _phase_mark(steps: Sequence[StepRow]) -> str:
    for status, mark in (("unknown", "!"), ("failed", "✗"), ("refuted", "✗"), ("undetermined", "?"), ("waiting", "◷")):
        if any(one.status == status for one in steps):
            return mark
    if all(one.status in ("done", "skipped") for one in steps):
        return "✓"
    return "▶" if any(one.current for one in steps) else "·"


def steps(shown: Board, width: int, height: int, *, reasons: bool = False) -> Rows:
    """The steps under their phases, cut to `height` rows around the current one (0: all)."""
    rows: Rows = []
    at = 0
    roomy = not height or len(shown.rows) + 2 * len(list(groupby(shown.rows, key=lambda one: one.phase))) <= height
    for phase, members in groupby(shown.rows, key=lambda one: one.phase):
        if rows and roomy:
            rows.append(Content())
        rows.append(row((phase.replace("_", " ").upper(), FAINT)))
        for one in members:
            at = len(rows) if one.current else at
            rows.append(_step(one, width))
            if reasons and one.reason:
                rows.append(row((f"       {one.reason}", FAINT)))
    if not height or len(rows) <= height:
        return rows
    first = max(0, min(at - height // 2, len(rows) - height))
    return rows[first : first + height]


def _step(one: StepRow, width: int) -> Content:
    style = STRONG if one.current else STATUS[one.status]
    # In a narrow list the mark says it alone.
    word = "" if one.status in ("pending", "done") or width < 60 else one.status
    right = row((f"{word} {one.seconds}".strip(), STATUS[one.status]))
    return spread(row((f"{one.mark} {one.number:>2} ", STATUS[one.status]), (one.title, style)), right, width)


def box(title: str, right: str, body: Iterable[Content], width: int, mode: str) -> Rows:
    """A frame around `body` in the shape of the mode: heavy when live, double in a drill, dashed in a dry run."""
    _, colour, kind, _ = MODES[mode]
    corner_a, corner_b, corner_c, corner_d, top, side, bottom, left = tuple(BOXES[kind])
    inner = width - 4
    heading = row((f"{corner_a}{top} ", colour), ("NEXT", KEY), (f" {top}{top} ", colour), (title, STRONG))
    heading = heading.truncate(max(4, width - len(right) - 6), ellipsis=True) + row((" ", colour))
    ending = row((f" {right} {top}{corner_b}" if right else f"{top}{corner_b}", colour))
    fill = max(0, width - heading.cell_length - ending.cell_length)
    rows = [heading + row((top * fill, colour)) + ending]
    for line in body:
        text = line.truncate(inner, ellipsis=True, pad=True)
        rows.append(row((f"{left} ", colour), text, (f" {side}", colour)))
    rows.append(row((corner_d + bottom * (width - 2) + corner_c, colour)))
    return rows


def next_box(shown: Board, told: Sequence[str], keys: Content, width: int, *, roomy: bool) -> Rows:
    """The one current item: its title, why, what to expect, how it is checked, and the keys that act on it."""
    body: Rows = [Content()] if roomy else []
    for line in shown.next_lines:
        label, rest = line[:8], line[8:]
        limit = 4 if roomy else 2
        for number, part in enumerate(wrap(rest, max(10, width - 12))[:limit]):
            body.append(row((label if not number else " " * 8, FAINT), part))
    label = "By hand " if shown.next_step else "Now     "
    if not shown.next_step:  # how far a step is has counts, and a path behind them
        told = [part for line in told for part in wrap(line, max(10, width - 12))[:2]]
    body += [row((" " * 8 if number else label, FAINT), line) for number, line in enumerate(told)]
    if shown.waiting:
        body.append(row(("Waits   ", FAINT), ", ".join(shown.waiting)))
    if roomy:
        body.append(Content())
    body.append(keys)
    number = next((one.number for one in shown.rows if shown.next_step and one.id == shown.next_step.id), 0)
    title = f"{number}. {shown.next_title}" if number else shown.next_title
    return box(title, shown.next_step.phase.replace("_", " ") if shown.next_step else "", body, width, shown.mode)


def alerts(shown: Board) -> Rows:
    return [row(("  ! ", BAD), (text, BAD)) for text in shown.alerts]


def loop(found: Sequence[Line], width: int, limit: int) -> Rows:
    """The closed loop, open lines first; what does not fit is counted."""
    ordered = sorted(found, key=lambda line: not line.is_open())
    rows = [loop_line(line, width) for line in ordered[:limit]]
    if len(ordered) > limit:
        rows[-1] = row((f"    and {len(ordered) - limit + 1} more: Tab shows all", FAINT))
    return rows


def loop_line(line: Line, width: int) -> Content:
    mark, style = ("✓", GOOD) if line.closed else ("⤼", FAINT) if line.waived_by else ("□", BAD)
    state = f"waived by {foreign(line.waived_by, 40)}" if line.waived_by and not line.closed else line.state
    proof = f" ({line.proof})" if line.proof != "none" else ""
    return spread(row((f"  {mark} ", style), foreign(line.what)), row((f"{state}{proof} ", style)), width)


def heading(text: str, right: str, width: int) -> Content:
    return spread(row((f" {text}", STRONG)), row((right, FAINT)), width)


def tail(events: Sequence[Event], count: int) -> Rows:
    """The last `count` events that say something, oldest first."""
    said = ((event, text) for event in reversed(events) if (text := sentence(event)))
    return [event_row(event, text) for event, text in reversed(list(islice(said, max(0, count))))]


def event_row(event: Event, text: str) -> Content:
    bad = event.kind == "step_failed" or (event.kind == "outcome" and event.data.get("result") != "done")
    bad = bad or event.kind == "tripwire"
    strong = event.kind in ("step_done", "verification", "note", "closed", "waiver", "attested")
    return row((f" {event.ts[11:19]}  ", FAINT), (foreign(text), BAD if bad else "" if strong else FAINT))


KEY_NAMES = {"enter": "Enter", "tab": "Tab", "escape": "Esc"}


def key_name(key: str) -> str:
    """What is printed for a key of the registry."""
    return KEY_NAMES.get(key, key)
