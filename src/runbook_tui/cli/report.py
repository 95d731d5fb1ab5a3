"""`runbook report`: an incident's report, on the screen or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runbook_tui.foundation.errors import Exit

if TYPE_CHECKING:
    from runbook_tui.cli.record import Record


@click.command(help="Export an incident's report. Markdown is the canonical form; csv is the timeline alone.")
@click.argument("incident")
@click.option("--format", "form", type=click.Choice(["md", "json", "csv"]), default="md", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write a file (mode 0600).")
@click.option("--public", is_flag=True, help="Withhold people, hosts, evidence and sections 8, 9 and 16.")
def command(incident: str, form: str, output: Path | None, public: bool) -> int:
    """Render the journal; nothing is recorded, the incident stays as it is."""
    from runbook_tui.cli.record import open_record
    from runbook_tui.cli.wiring import places

    text = render(open_record(places(), incident), form, public=public)
    if output is None:
        click.echo(text, nl=False)
        return Exit.GOOD
    write(output, text)
    click.echo(f"written: {output}", err=True)
    return Exit.GOOD


def render(record: Record, form: str, *, public: bool) -> str:
    """The report of a record in one of the forms."""
    import json

    from runbook_tui import __version__
    from runbook_tui.foundation.clock import RealClock
    from runbook_tui.report.exports import document, timeline_csv
    from runbook_tui.report.markdown import markdown

    if form == "csv":
        return timeline_csv(record.events, public=public)
    tool, now, head = f"runbook {__version__}", RealClock().now(), record.head
    if form == "md":
        return markdown(record.book, record.state, record.events, tool=tool, now=now, public=public, head=head)
    found = document(record.book, record.state, record.events, tool=tool, now=now, public=public, head=head)
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def write(path: Path, text: str) -> None:
    """Write the file whole, readable by the owner only; RunbookError when it cannot be written."""
    from runbook_tui.foundation.errors import RunbookError
    from runbook_tui.foundation.files import write_atomic

    try:
        write_atomic(path, text.encode("utf-8"))
    except OSError as error:
        raise RunbookError(
            f"cannot write {path}: {error.strerror}", "choose a folder that exists and is yours"
        ) from None
