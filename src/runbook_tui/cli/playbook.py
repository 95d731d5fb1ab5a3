"""`runbook playbook`: list, show, check, schema, new."""

from __future__ import annotations

from pathlib import Path

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.foundation.errors import Exit, InputProblems, RunbookError


@click.group("playbook")
def command() -> None:
    """Playbooks: list, show, check, schema, new."""


def own_folders() -> list[Path]:
    """The folders searched before the shipped playbooks."""
    from runbook_tui.foundation.workspace import find

    workspace = find(Path.cwd())
    return [workspace.root / "playbooks"] if workspace else []


@command.command("list")
@json_option
def list_(as_json: bool) -> int:
    """Every playbook: the shipped ones and those of the workspace."""
    from runbook_tui.foundation.clock import duration_text
    from runbook_tui.playbook.loader import list_playbooks, read_playbook

    rows = []
    for path in list_playbooks(own_folders()):
        try:
            book = read_playbook(path)
        except InputProblems:
            rows.append(
                {"id": path.stem, "title": "has mistakes: runbook playbook check", "target": 0, "file": str(path)}
            )
            continue
        rows.append({"id": book.id, "title": book.title, "target": book.target, "file": str(path)})
    if as_json:
        emit(rows)
        return Exit.GOOD
    for row in rows:
        target = duration_text(float(str(row["target"]))) if row["target"] else ""
        click.echo(f"{row['id']:<24} {target:>8}  {row['title']}")
    return Exit.GOOD


@command.command("show")
@click.argument("playbook")
@json_option
def show(playbook: str, as_json: bool) -> int:
    """The steps of one playbook."""
    from runbook_tui.foundation.clock import duration_text
    from runbook_tui.playbook.loader import find_playbook, read_playbook

    book = read_playbook(find_playbook(playbook, own_folders()))
    if as_json:
        steps = [{"id": one.id, "phase": one.phase, "title": one.title, "action": one.action} for one in book]
        inputs = [{"name": one.name, "type": one.type, "required": one.required, "ask": one.ask} for one in book.inputs]
        orders = {name: list(steps) for name, steps in book.orders.items()}
        emit(
            {
                "id": book.id,
                "title": book.title,
                "target": book.target,
                "inputs": inputs,
                "orders": orders,
                "steps": steps,
            }
        )
        return Exit.GOOD
    click.echo(f"{book.title} ({book.id}), target {duration_text(book.target)}\n{book.summary}\n")
    for one in book.inputs:
        click.echo(f"input  {one.name:<14} {one.type:<11} {one.ask}{'' if one.required else ' (optional)'}")
    for name, names in book.orders.items():
        click.echo(f"order  {name:<14} {' → '.join(names)}")
    click.echo("")
    for number, step in enumerate(book, 1):
        target = duration_text(step.target) if step.target else ""
        click.echo(f"{number:>3} {step.phase:<9} {step.id:<14} {target:>8}  {step.title}")
    return Exit.GOOD


@command.command("check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> int:
    """Every mistake in playbook files, with its place and a hint. Without FILES, all playbooks."""
    from runbook_tui.cli.wiring import catalogue
    from runbook_tui.foundation import shape
    from runbook_tui.foundation.strict_yaml import load_file
    from runbook_tui.playbook.lint import lint
    from runbook_tui.playbook.loader import list_playbooks
    from runbook_tui.playbook.schema import SCHEMA

    known = catalogue()
    bad = False
    for path in files or tuple(list_playbooks(own_folders())):
        try:
            document = load_file(path)
            problems = shape.check(document, SCHEMA) or lint(document, known)
        except InputProblems as error:
            problems = error.problems
        for problem in problems:
            click.echo(str(problem))
        bad = bad or any(problem.level == "error" for problem in problems)
        if not problems:
            click.echo(f"{path}: good")
    return Exit.USAGE if bad else Exit.GOOD


@command.command("schema")
def schema() -> int:
    """The JSON Schema of a playbook, for an editor's completion."""
    from runbook_tui.playbook.schema import SCHEMA

    emit(SCHEMA)
    return Exit.GOOD


@command.command("new")
@click.argument("name")
@click.option("--from", "source", default="api-key-leaked", show_default=True, help="The playbook to start from.")
def new(name: str, source: str) -> int:
    """A copy of a playbook to change, in the workspace (or the current folder)."""
    import re

    from runbook_tui.foundation.files import write_new
    from runbook_tui.foundation.ids import check_name
    from runbook_tui.playbook.loader import find_playbook

    check_name(name, "playbook")
    folder = next(iter(own_folders()), Path.cwd())
    folder.mkdir(parents=True, exist_ok=True)
    text = find_playbook(source, own_folders()).read_text(encoding="utf-8")
    text = re.sub(r"^id: .*$", f"id: {name}", text, count=1, flags=re.MULTILINE)
    path = folder / f"{name}.yaml"
    try:
        write_new(path, text.encode(), 0o644)
    except FileExistsError:
        raise RunbookError(f"{path} is there already", "choose another name") from None
    click.echo(str(path))
    return Exit.GOOD
