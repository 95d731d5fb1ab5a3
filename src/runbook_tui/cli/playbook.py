"""`runbook playbook`: list, show, check, schema, new."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.foundation.errors import Exit, InputProblems, Problem, RunbookError

if TYPE_CHECKING:
    from runbook_tui.providers.catalogue import Catalogue


@click.group("playbook")
def command() -> None:
    """Playbooks: list, show, check, schema, new."""


def own_folders() -> list[Path]:
    """The folders searched before the shipped playbooks."""
    from runbook_tui.foundation.places import workspace_folder

    root = workspace_folder(Path.cwd())
    return [root / "playbooks"] if root else []


@command.command("list")
@json_option
def list_(as_json: bool) -> int:
    """Every playbook: the shipped ones and those of the workspace."""
    from runbook_tui.foundation.clock import duration_text
    from runbook_tui.playbook.shelf import cover, list_playbooks

    covers = [cover(path) for path in list_playbooks(own_folders())]
    if as_json:
        emit([{"id": one.id, "title": one.title, "target": one.target, "file": one.file} for one in covers])
        return Exit.GOOD
    for one in covers:
        click.echo(f"{one.id:<24} {duration_text(one.target) if one.target else '':>8}  {one.title}")
    return Exit.GOOD


@command.command("show")
@click.argument("playbook")
@json_option
def show(playbook: str, as_json: bool) -> int:
    """The steps of one playbook."""
    from runbook_tui.foundation.clock import duration_text
    from runbook_tui.playbook.loader import read_playbook
    from runbook_tui.playbook.shelf import find_playbook

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
@json_option
def check(files: tuple[Path, ...], as_json: bool) -> int:
    """Every mistake in playbook files, with its place and a hint. Without FILES, all playbooks.

    Exit code: 0 good (warnings are no mistakes), 2 a mistake, or a file that cannot be read.
    """
    from dataclasses import asdict

    from runbook_tui.cli.wiring import catalogue
    from runbook_tui.playbook.shelf import list_playbooks

    known = catalogue()
    chosen = files or tuple(list_playbooks(own_folders()))
    found = {path: _problems(path, known) for path in chosen}
    problems = [problem for some in found.values() for problem in some]
    if as_json:
        emit([asdict(problem) for problem in problems])
    for path, some in () if as_json else found.items():
        for line in [str(problem) for problem in some] or [f"{path}: good"]:
            click.echo(line)
    return Exit.USAGE if any(problem.level == "error" for problem in problems) else Exit.GOOD


def _problems(path: Path, known: Catalogue) -> list[Problem]:
    """Errors and warnings of one file."""
    from runbook_tui.foundation import shape
    from runbook_tui.foundation.strict_yaml import load_file
    from runbook_tui.playbook.lint import lint
    from runbook_tui.playbook.schema import SCHEMA

    try:
        document = load_file(path)
    except InputProblems as error:
        return error.problems
    except RunbookError as error:
        return [Problem(str(path), 0, 0, error.message, error.hint)]
    return shape.check(document, SCHEMA) or lint(document, known)


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
    from runbook_tui.playbook.loader import from_source, read_playbook
    from runbook_tui.playbook.schema import NAME
    from runbook_tui.playbook.shelf import find_playbook

    text = read_playbook(find_playbook(source, own_folders())).source
    text = re.sub(r"^id:.*$", f"id: {name}", text, count=1, flags=re.MULTILINE)
    if not re.search(NAME, name) or from_source(text, source).id != name:
        raise RunbookError(f"a playbook cannot be named {name[:80]!r}", "use lower-case letters, digits, - and _")
    folder = next(iter(own_folders()), Path.cwd())
    path = folder / f"{name}.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_new(path, text.encode(), 0o644)
    except FileExistsError:
        raise RunbookError(f"{path} is there already", "choose another name") from None
    except OSError as error:
        raise RunbookError(f"cannot write {path}: {error.strerror}", "choose a folder you may write to") from None
    click.echo(str(path))
    return Exit.GOOD
