"""What stands on each page."""

from __future__ import annotations

from html import unescape
from itertools import groupby, zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING

from runbook_tui.foundation.text import plain
from runbook_tui.incident.actions import ACTIONS, why_disallowed
from runbook_tui.incident.board import Board, sentence
from runbook_tui.incident.details import details
from runbook_tui.incident.findings import label, owner, untaken
from runbook_tui.tui import drawing
from runbook_tui.tui.block import Rows, foreign, row
from runbook_tui.tui.drawing import key_name
from runbook_tui.tui.page import PageScreen
from runbook_tui.tui.styling import BAD, FAINT, KEY, STRONG

if TYPE_CHECKING:
    from runbook_tui.tui.host import Host


def show(app: Host, name: str) -> None:
    """Open the page of that name: steps, timeline or help."""
    if name == "steps":
        app.push_screen(PageScreen("STEPS AND CLOSED LOOP", lambda shown, width: _steps(app, shown, width)))
    elif name == "timeline":
        app.push_screen(PageScreen("TIMELINE (UTC)", lambda shown, width: _timeline(app, width), from_end=True))
    else:
        app.push_screen(PageScreen("KEYS", lambda shown, width: _keys(app)))


def show_report(app: Host, markdown: str) -> None:
    """The report as the text it is: rendering sixty sections would take seconds."""

    def lines(shown: Board, width: int) -> Rows:
        rows: Rows = []
        # The report writes punctuation as numeric entities; here nothing is markup, so the characters themselves show.
        for line in _aligned(plain(unescape(markdown), 1_000_000, keep_newlines=True).split("\n"), width):
            style = STRONG if line.startswith("#") else FAINT if line.startswith(("```", "|--", "| -")) else ""
            rows += [row(" ", (part, style)) for part in wrap(line, width - 1, drop_whitespace=False) or [""]]
        return rows

    app.push_screen(PageScreen("REPORT PREVIEW: `runbook report` writes it", lines))


def _aligned(lines: list[str], width: int) -> list[str]:
    """Tables with their columns below each other, where they fit."""
    found: list[str] = []
    for is_table, group in groupby(lines, key=lambda line: line.startswith("| ")):
        block = list(group)
        if is_table:
            cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in block]
            widths = [max(map(len, column)) for column in zip_longest(*cells, fillvalue="")]
            if sum(widths) + 3 * len(widths) < width:
                block = [
                    "| " + " | ".join(cell.ljust(room) for cell, room in zip(row_, widths, strict=False)) + " |"
                    for row_ in cells
                ]
        found += block
    return found


def _steps(app: Host, shown: Board, width: int) -> Rows:
    lines = [drawing.loop_line(line, width) for line in shown.lines]
    title = drawing.heading("CLOSED LOOP", shown.loop, width)
    return [*drawing.steps(shown, width, 0, reasons=True), row(""), title, *lines, *_findings(app, width)]


def _findings(app: Host, width: int) -> Rows:
    """What searches found by rule, and what each is in the incident."""
    state = app.client.state
    if not state.findings:
        return []
    rows: Rows = [row(""), drawing.heading("FOUND BY RULE", f"{len(untaken(state))} not taken", width)]
    for one in state.findings.values():
        slot = owner(state, one)
        right = row((f"{slot or 'not taken'} ", FAINT if slot else BAD))
        rows.append(drawing.spread(row(f"  {'✓' if slot else '□'} ", foreign(label(one))), right, width))
    if state.findings_left:
        rows.append(row((f"    and {state.findings_left} more that are not listed", FAINT)))
    return rows


def _timeline(app: Host, width: int) -> Rows:
    rows: Rows = []
    for event in app.client.events:
        said = sentence(event)
        for number, part in enumerate(wrap(said, width - 12)) if said else ():
            rows.append(drawing.event_row(event, part) if not number else row(" " * 11, part))
        for line in details(event):
            rows += [row(" " * 13, (part, FAINT)) for part in wrap(line, width - 14)]
    return rows


def _keys(app: Host) -> Rows:
    client = app.client
    rows: Rows = []
    for one in ACTIONS:
        why = why_disallowed(client.book, client.state, one.name, client.clock.now(), driving=client.driving)
        rows.append(row((f"  {key_name(one.key):<8}", KEY), one.help))
        if why:
            rows.append(row((f"          not now: {why}", FAINT)))
    rows += [
        row((f"  {'? or F1':<8}", KEY), "these keys"),
        row((f"  {'ctrl+z':<8}", KEY), "to the shell; `fg` comes back"),
        row((f"  {'ctrl+c':<8}", KEY), "leave, after a question"),
        row(""),
        row(("  Marks  ", STRONG), "✓ done  ▶ now  ◷ waiting  ✗ failed or refuted  ? no answer  ! unknown"),
        row("         ⤼ skipped or waived  □ open"),
        row(("  Grades ", STRONG), "refused: the secret was refused  ·  listed: the vendor lists it so"),
        row("         attested: a named person says so"),
    ]
    return rows
