"""`runbook run`: a playbook on a real incident."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import json_option
from runbook_tui.foundation.errors import RunbookError

if TYPE_CHECKING:
    from runbook_tui.conductor.protocol import Client
    from runbook_tui.playbook.model import Playbook


@click.command("run")
@click.argument("playbook")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="An input of the playbook (`runbook playbook show` lists them); lists separated by commas. Repeatable.",
)
@click.option("--provider", default="", metavar="P", help="The provider of a value that is pasted, or of a key id.")
@click.option("--key-id", default="", metavar="K", help="Start from the public id of a key whose value is not known.")
@click.option(
    "--finding",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Start from a finding: the output of `runbook scan --json` with --credential NAME or --rules.",
)
@click.option(
    "--admin", default="", metavar="NAME", help="The credential that signs administrative calls; `none`: by hand."
)
@click.option(
    "--vault",
    "vault_kind",
    type=click.Choice(["keyring", "session", "file"]),
    help="Where secrets are kept. Default: the OS keyring, or init's choice.",
)
@click.option("--wait", is_flag=True, help="Give the keyring's unlock dialog up to 60 seconds.")
@click.option("--dry-run", is_flag=True, help="Show the steps and the requests; change nothing.")
@click.option("--headless", is_flag=True, help="No operator: every question is answered by --answers.")
@click.option(
    "--answers", type=click.Path(path_type=Path, dir_okay=False), help="For --headless, YAML: STEP: {QUESTION: answer}."
)
@click.option("--plain", is_flag=True, help="Line by line, without a full screen.")
@json_option
def command(
    playbook: str,
    inputs: tuple[str, ...],
    provider: str,
    key_id: str,
    finding: Path | None,
    admin: str,
    vault_kind: str | None,
    wait: bool,
    dry_run: bool,
    headless: bool,
    answers: Path | None,
    plain: bool,
    as_json: bool,
) -> int:
    """Run PLAYBOOK (an id or a file) on a real incident.

    Without --input for the leaked credential its value is asked for, not shown.

    Exit code: 0 contained or closed, 1 failed, 2 bad input, 3 still open, 130 interrupted.
    """
    from runbook_tui.cli import wiring
    from runbook_tui.cli.intake import prepare
    from runbook_tui.cli.launch import SIGNALLED, leave, show, start_conductor
    from runbook_tui.cli.playbook import own_folders
    from runbook_tui.playbook.loader import read_playbook
    from runbook_tui.playbook.shelf import find_playbook

    book = read_playbook(find_playbook(playbook, own_folders()), wiring.catalogue())
    if not headless and not dry_run and not sys.stdin.isatty() and not plain:
        raise RunbookError("there is no terminal to ask at", "use --headless --answers FILE, or --plain to read lines")
    if answers is not None and not headless:
        raise click.UsageError("--answers goes with --headless")
    _refuse_secrets({"--input": list(inputs), "--provider": provider, "--key-id": key_id, "--admin": admin})
    given, told = _inputs(inputs), _answers(book, answers)
    _refuse_secrets({"the answers file": told})
    prepared = prepare(
        book,
        given,
        provider=provider,
        key_id=key_id,
        admin=admin,
        vault_kind=vault_kind,
        finding=finding,
        ask=not headless,
        dry_run=dry_run,
        wait=wait,
    )
    if dry_run:
        from runbook_tui.cli.dry_run import show_plan

        return show_plan(book, prepared, as_json=as_json)
    client = start_conductor(prepared.setup, book.source, prepared.secrets, passphrase=prepared.passphrase, wait=wait)
    if headless:
        return _without_operator(client, told, as_json=as_json)
    code = show(client, plain=plain)
    if code > SIGNALLED:
        leave(client, as_json=as_json)
        return code
    prepared.offer_to_save(client)
    return leave(client, as_json=as_json)


def _refuse_secrets(typed: dict[str, Any]) -> None:
    """Before anything is looked up by what was typed: an error would show it."""
    from runbook_tui.cli import wiring

    guard = wiring.guard()
    for where, text in typed.items():
        guard.refuse(text, where)


def _without_operator(client: Client, told: dict[str, Any], *, as_json: bool) -> int:
    from runbook_tui.cli.launch import leave
    from runbook_tui.plain.headless import run_headless

    try:
        run_headless(client, told, lambda line: click.echo(line, err=True))
    except RunbookError as error:
        click.echo(f"error: {error}", err=True)
        leave(client, as_json=as_json)
        return error.exit_code
    return leave(client, as_json=as_json)


def _answers(book: Playbook, path: Path | None) -> dict[str, Any]:
    """The answers file, read before anything is begun; an answer to a step that does not exist is a mistake."""
    from runbook_tui.plain.headless import read_answers

    found = read_answers(path)
    known = [*(step.id for step in book), "waive"]
    for name in found:
        if name not in known:
            raise RunbookError(f"{path}: the playbook has no step {name!r}", f"known: {', '.join(known)}")
    return found


def _inputs(pairs: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise RunbookError(f"--input {pair!r} is not NAME=VALUE", "such as --input leaked=stripe-prod")
        given[name] = value
    return given
