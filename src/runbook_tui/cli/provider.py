"""`runbook provider`: the catalogue, and single calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.cli.wiring import VAULTS, catalogue, places, using_vault
from runbook_tui.foundation.errors import Exit, InputProblems, Problem, RunbookError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runbook_tui.providers.engine import CallOutcome, Engine, Preview
    from runbook_tui.providers.manifest import Manifest, Operation
    from runbook_tui.secrets.vault import Credential, Vault

_RESULTS = {"done": Exit.GOOD, "rejected": Exit.BAD}


@click.group("provider")
def command() -> None:
    """The providers whose keys can be handled, and single calls to them."""


@command.command("list")
@json_option
def list_(as_json: bool) -> int:
    """Every provider: the shipped ones and those of the workspace."""
    known = catalogue()
    manifests = [known.get(provider) for provider in known.ids()]
    if as_json:
        emit([_row(manifest) for manifest in manifests])
        return Exit.GOOD
    for manifest in manifests:
        row = _row(manifest)
        by_hand = f"  by hand: {', '.join(row['manual'])}" if row["manual"] else ""
        click.echo(f"{manifest.id:<16} overlap {manifest.overlap:<8}  {manifest.name}")
        click.echo(f"{'':<16} API: {', '.join(row['api']) or 'nothing'}{by_hand}")
    return Exit.GOOD


def _row(manifest: Manifest) -> dict[str, Any]:
    kinds: dict[str, list[str]] = {"api": [], "manual": []}
    for name in manifest.operations:
        kinds[manifest.can(name)].append(name)
    return {"id": manifest.id, "name": manifest.name, "overlap": manifest.overlap, **kinds}


@command.command("show")
@click.argument("provider")
@json_option
def show(provider: str, as_json: bool) -> int:
    """One provider: what its key is, what can be done with it, what to know."""
    manifest = catalogue().get(provider)
    if as_json:
        emit(_facts(manifest))
        return Exit.GOOD
    lines = [f"{manifest.name} ({manifest.id}): {manifest.credential_name}, overlap {manifest.overlap}"]
    lines += [f"  key id     {manifest.key_id}"] if manifest.key_id else []
    for name, origin in manifest.origins.items():
        lines.append(f"  origin     {name}: {origin.url or origin.ask}")
    for name, attribute in manifest.attributes.items():
        lines.append(f"  needs      {name}: {attribute.ask}" + (" (required)" if attribute.required else ""))
    lines += [f"  outlives   {part.what}: {part.lasts}" for part in manifest.derived]
    lines += [f"  no proof   {manifest.no_proof}"] if manifest.no_proof else []
    lines += [f"  note       {note}" for note in manifest.notes]
    lines += [f"  facts from {manifest.source}, checked {manifest.checked_on}", ""]
    lines += [_line(operation) for operation in manifest.operations.values()]
    click.echo("\n".join(lines))
    return Exit.GOOD


def _line(operation: Operation) -> str:
    how = f"{operation.kind}, as {operation.identity}" if operation.automatic else "by hand"
    undo = f", undone by {operation.undo}" if operation.undo else ""
    unproven = " [unproven]" if operation.unproven else ""
    return f"  {operation.id:<26} {operation.title} ({how}{undo}){unproven}"


def _facts(manifest: Manifest) -> dict[str, Any]:
    operations = {
        one.id: {
            "title": one.title,
            "how": "api" if one.automatic else "manual",
            "kind": one.kind,
            "as": one.identity,
            "effect": {effect.verb: effect.target for effect in one.effects},
            "undo": one.undo,
            "settle": one.settle,
            "args": {name: rule.ask for name, rule in one.args.items()},
            "link": one.manual.link if one.manual else "",
            "unproven": one.unproven,
        }
        for one in manifest.operations.values()
    }
    return {
        **_row(manifest),
        "credential": manifest.credential_name,
        "key_id": manifest.key_id,
        "origins": {name: origin.url for name, origin in manifest.origins.items()},
        "attributes": {name: attribute.ask for name, attribute in manifest.attributes.items()},
        "notes": list(manifest.notes),
        "source": manifest.source,
        "checked_on": manifest.checked_on,
        "operations": operations,
    }


@command.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def check(files: tuple[Path, ...], as_json: bool) -> int:
    """Check manifests: every mistake with file:line:column and a hint."""
    from runbook_tui.foundation.strict_yaml import load_file
    from runbook_tui.providers import loader

    problems: list[Problem] = []
    for file in files:
        try:
            problems += loader.check(load_file(file))
        except InputProblems as error:
            problems += error.problems
    if as_json:
        names = ("file", "line", "column", "level", "message", "hint")
        emit([{name: getattr(problem, name) for name in names} for problem in problems])
    for problem in () if as_json else problems:
        click.echo(str(problem))
    if not problems and not as_json:
        click.echo(f"{len(files)} good")
    return Exit.USAGE if problems else Exit.GOOD


@command.command("call")
@click.argument("provider")
@click.argument("operation")
@click.option("--credential", "credential", metavar="NAME", help="The credential that the operation is about.")
@click.option("--admin", "admin", metavar="NAME", help="The credential that signs administrative calls.")
@click.option("--new", "new", metavar="NAME", help="The new credential that is to be stored somewhere.")
@click.option("--arg", "args", multiple=True, metavar="K=V", help="An argument of the operation. Repeatable.")
@click.option("--dry-run", is_flag=True, help="Show the request, secrets masked, and send nothing.")
@click.option("--confirm", metavar="TARGET", help="For a change: the key id (or name) of the credential, once more.")
@click.option("--store", metavar="NAME", help="For an operation that makes a key: where in the vault the new one goes.")
@click.option("--vault", "kind", type=click.Choice(VAULTS), help="Default: the OS keyring, or init's choice.")
@click.option("--wait", is_flag=True, help="Give the keyring's unlock dialog up to 60 seconds.")
@json_option
def call(
    *,
    provider: str,
    operation: str,
    credential: str | None,
    admin: str | None,
    new: str | None,
    args: tuple[str, ...],
    dry_run: bool,
    confirm: str | None,
    store: str | None,
    kind: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """One call to a provider. A change wants its target typed; use a playbook to have it recorded.

    Exit code: 0 done (or alive), 1 rejected (or dead), 3 not sent, unknown or undetermined.
    """
    from runbook_tui.foundation.clock import RealClock
    from runbook_tui.net.client import Network
    from runbook_tui.providers.engine import Engine

    given = _pairs(args)
    named = {role: name for role, name in (("credential", credential), ("admin", admin), ("new", new)) if name}
    if "credential" not in named and "admin" not in named:
        raise click.UsageError("name the credential that the operation is about: --credential NAME")

    known = catalogue()
    if operation not in (offered := known.get(provider).operations):
        raise RunbookError(f"{provider} has no operation {operation!r}", f"known: {', '.join(offered)}")

    def read(vault: Vault) -> dict[str, Credential]:
        return {role: vault.get(name) for role, name in named.items()}

    subjects = using_vault(kind, wait, read)
    engine = Engine(known, Network(), RealClock(), pace_file=places().state / "pace.json")
    manifest = engine.manifest(subjects)
    if manifest.id != provider:
        raise RunbookError(f"that credential belongs to {manifest.id}, not to {provider}", "name another credential")
    wanted = engine.operation(operation, subjects)
    if wanted.manual is not None:
        return _show_manual(engine, operation, subjects, given, as_json)
    if dry_run:
        return _show_preview(engine.preview(operation, subjects, given), as_json)
    if wanted.verdict and operation != "inspect":
        return _show_verdict(engine, operation, subjects, given, as_json)
    _check_change(wanted, subjects, confirm, store)
    if store:
        using_vault(kind, wait, lambda vault: _check_store(vault, store))
    outcome = engine.call(operation, subjects, given)
    if outcome.new is not None and store:
        _keep(outcome, store, kind, wait)
    return _show_outcome(outcome, store, as_json)


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not key or not equals:
            raise click.UsageError(f"--arg is written name=value, not {value!r}")
        found[key] = text
    return found


def _check_change(
    operation: Operation, subjects: Mapping[str, Credential], confirm: str | None, store: str | None
) -> None:
    if not operation.changes:
        return
    about = subjects.get("credential") or subjects["admin"]
    target = about.binding.key_id or about.name
    if confirm != target:
        message = f"{operation.title}: this changes something at the provider"
        raise RunbookError(message, f"look at it with --dry-run, then add --confirm {target}")
    if operation.new is not None and not store:
        raise RunbookError("this makes a new key, which has to be kept somewhere", "add --store NAME")


def _check_store(vault: Vault, name: str) -> None:
    """Refuse before a key is made that could not be kept."""
    if name in vault.names():
        raise RunbookError(f"there is a credential {name!r} already", "choose another name for --store")
    vault.check()


def _keep(outcome: CallOutcome, name: str, kind: str | None, wait: bool) -> None:
    from dataclasses import replace

    assert outcome.new is not None
    fresh = replace(outcome.new, name=name)
    using_vault(kind, wait, lambda vault: vault.put(fresh))


def _show_manual(
    engine: Engine, operation: str, subjects: Mapping[str, Credential], args: Mapping[str, str], as_json: bool
) -> int:
    task = engine.manual(operation, subjects, args)
    assert task is not None
    if as_json:
        emit({"result": "manual", "title": task.title, "link": task.link, "steps": list(task.steps)})
    else:
        steps = [f"  {number}. {step}" for number, step in enumerate(task.steps, 1)]
        click.echo("\n".join([f"{task.title}: by hand, there is no API for it", f"  {task.link}", *steps]))
    return Exit.INCOMPLETE


def _show_preview(preview: Preview, as_json: bool) -> int:
    if as_json:
        facts = {"method": preview.method, "url": preview.url, "headers": dict(preview.headers), "body": preview.body}
        emit({**facts, "does": preview.sentence, "destructive": preview.destructive, "reversible": preview.reversible})
        return Exit.GOOD
    click.echo(f"{preview.method} {preview.url}")
    for name, value in preview.headers:
        click.echo(f"{name}: {value}")
    if preview.body:
        click.echo(f"\n{preview.body}")
    click.echo(f"\n{preview.sentence}", err=True)
    click.echo("nothing was sent", err=True)
    return Exit.GOOD


def _show_verdict(
    engine: Engine, operation: str, subjects: Mapping[str, Credential], args: Mapping[str, str], as_json: bool
) -> int:
    verdict = engine.verify(subjects, args, operation=operation)
    if as_json:
        emit({"state": verdict.state, "proof": verdict.proof, "reason": verdict.reason, "evidence": verdict.evidence})
    else:
        click.echo(f"{verdict.state} (proof: {verdict.proof}): {verdict.reason}")
    return {"alive": Exit.GOOD, "dead": Exit.BAD}.get(verdict.state, Exit.INCOMPLETE)


def _show_outcome(outcome: CallOutcome, store: str | None, as_json: bool) -> int:
    if as_json:
        names = ("result", "status", "reason", "outputs", "evidence", "already")
        emit({name: getattr(outcome, name) for name in names} | ({"stored": store} if outcome.new else {}))
        return _RESULTS.get(outcome.result, Exit.INCOMPLETE)
    import json

    already = ", there was nothing left to do" if outcome.already else ""
    click.echo(f"{outcome.result}{already}" + (f": {outcome.reason}" if outcome.reason else ""))
    for item in outcome.outputs.get("items", [outcome.outputs] if outcome.outputs else []):
        click.echo(json.dumps(item, ensure_ascii=False))
    if outcome.new is not None:
        click.echo(f"the new key is in the vault as {store}")
    return _RESULTS.get(outcome.result, Exit.INCOMPLETE)
