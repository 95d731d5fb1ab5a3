"""From what the operator has to an incident that can be opened: a vault name, a pasted value, or only a key id."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from runbook_tui.cli import wiring
from runbook_tui.cli.finding import ScanFinding, read_finding, value_of
from runbook_tui.cli.launch import PATIENT
from runbook_tui.cli.setup import Setup
from runbook_tui.foundation.clock import RealClock, iso
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.ids import new_incident_id
from runbook_tui.foundation.places import Places
from runbook_tui.foundation.workspace import Workspace
from runbook_tui.playbook.model import Playbook
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, SessionVault, Vault


@dataclass
class Prepared:
    """Everything `start_conductor` takes."""

    setup: Setup
    secrets: list[Credential] = field(default_factory=list)
    passphrase: str = ""
    workspace: Workspace | None = None
    wait: bool = False  # give the keyring the time of an unlock dialog

    def vault(self) -> Vault:
        """The vault that was chosen; a file vault's passphrase is not asked for again."""
        if self.setup.vault == "file":
            from runbook_tui.secrets.file_vault import FileVault

            return FileVault(Places.default(), lambda new: Secret(self.passphrase))
        return wiring.open_vault(self.setup.vault, wait=PATIENT if self.wait else None)

    def offer_to_save(self, client: Any) -> None:
        """Offer to write what was answered back to the inventory: next time it is not asked."""
        if self.workspace is None or not sys.stdin.isatty():
            return
        for subject in client.state.subjects.values():
            known = self.workspace.credentials.get(subject.name)
            if subject.kind != "credential" or known is not None:
                continue
            if click.confirm(
                f"Save {subject.name} ({subject.provider}) to {self.workspace.file}?", default=True, err=True
            ):
                fields = {
                    "provider": subject.provider,
                    "key_id": subject.key_id,
                    "attributes": dict(subject.attributes),
                }
                self.workspace.save_answers("credentials", subject.name, {k: v for k, v in fields.items() if v})


def prepare(
    book: Playbook,
    inputs: dict[str, str],
    *,
    provider: str,
    key_id: str,
    admin: str,
    vault_kind: str | None,
    finding: Path | None,
    ask: bool,
    dry_run: bool,
    wait: bool = False,
) -> Prepared:
    """The set-up of a live incident. At most one question is asked: which credential leaked."""
    places = Places.default()
    workspace = wiring.workspace()
    kind = vault_kind or wiring.vault_choice(places) or "keyring"
    setup = Setup(
        incident=new_incident_id(RealClock().now()),
        mode="live",
        vault=kind,
        inputs=dict(inputs),
        admin=admin,
        inventory=workspace.file.read_text(encoding="utf-8") if workspace else "",
        folders=[str(workspace.root)] if workspace else [],
    )
    prepared = Prepared(setup, workspace=workspace, wait=wait)
    slot = next((one.name for one in book.inputs if one.type == "credential" and one.required), "")
    found = _take_finding(book, setup, slot, finding, ask=ask) if finding is not None else None
    inputs = setup.inputs
    if key_id and (not slot or slot in inputs):
        why = f"--input {slot} names the credential" if slot else "the playbook takes no credential"
        raise RunbookError(f"--key-id has nothing to do here: {why}", "leave one of them out")
    if kind == "file":
        prepared.passphrase = wiring.ask_secret("passphrase of the file vault").expose()
    if slot and slot not in inputs:
        if found is not None and found.rule and not key_id:
            secret = value_of(found, ask=ask)
            leaked = _bound(workspace, secret, provider or found.provider, ask=ask)
        else:
            leaked = _leaked(workspace, slot, provider=provider, key_id=key_id, ask=ask)
        setup.inputs[slot] = leaked.name
        _keep(prepared, leaked, dry_run=dry_run)
    return prepared


def _take_finding(book: Playbook, setup: Setup, slot: str, path: Path, *, ask: bool) -> ScanFinding:
    """What a scan found: whose value it is, which repositories hold it, since when, and whether it was pushed."""
    found = read_finding(path, setup.inputs.get(slot, ""), ask=ask)
    fields = {one.type: one.name for one in book.inputs}
    if found.rule:  # a fingerprint only chooses: the credential gets a name of its own
        setup.inputs.pop(slot, None)
    elif "credential" in fields:
        setup.inputs.setdefault(fields["credential"], found.credential)
    if "path" in fields:
        setup.inputs.setdefault(fields["path"], ",".join(found.holding))
    if found.earliest:
        setup.facts["exposed_since"] = found.earliest
    if found.pushed:
        setup.facts["exposure"] = "public"  # as far as anybody knows: the operator says otherwise
    return found


def _leaked(workspace: Workspace | None, slot: str, *, provider: str, key_id: str, ask: bool) -> Credential:
    """The leaked credential, from a key id or from its value at a no-echo prompt."""
    if provider:
        wiring.catalogue().get(provider)  # a provider nobody knows is told before a secret is asked for
    if key_id:
        if not provider:
            raise RunbookError("a key id needs its provider", "--provider NAME; `runbook provider list` shows them")
        binding = Binding(provider, _origins(provider, ask=ask), key_id, {}, iso(RealClock().now()))
        return Credential(_name(workspace, f"{provider}-leaked"), None, binding)
    if not ask:
        raise RunbookError(f"no value for the input {slot!r}", f"--input {slot}=NAME, or --provider P --key-id K")
    instead = f"say --input {slot}=NAME, or --provider P --key-id K"
    return _bound(workspace, wiring.ask_secret("leaked value", instead=instead), provider, ask=ask)


def _bound(workspace: Workspace | None, secret: Secret, provider: str, *, ask: bool) -> Credential:
    """A value with what its provider wants to know; what is missing is asked for."""
    if not provider and not ask:
        raise RunbookError("nothing says whose credential it is", "--provider NAME; `runbook provider list` shows them")
    found = provider or _recognise(secret)
    manifest = wiring.catalogue().get(found)
    missing = [name for name, one in manifest.attributes.items() if one.required]
    if missing and not ask:
        hint = f"store it with `runbook credential add NAME --provider {found}`, and say --input"
        raise RunbookError(f"{found} needs to know: {', '.join(missing)}", hint)
    attributes = {
        name: click.prompt(f"{one.ask}", default=one.default or None, err=True)
        for name, one in manifest.attributes.items()
        if one.required
    }
    binding = Binding(found, _origins(found, ask=ask), "", attributes, iso(RealClock().now()))
    return Credential(_name(workspace, f"{found}-leaked"), secret, binding)


def _origins(provider: str, *, ask: bool) -> dict[str, str]:
    """Where a self-hosted provider is: no secret may go anywhere before that is known."""
    wanted = {name: one for name, one in wiring.catalogue().get(provider).origins.items() if not one.url}
    if wanted and not ask:
        hint = f"store it with `runbook credential add NAME --provider {provider} --origin {next(iter(wanted))}=URL`"
        raise RunbookError(f"{provider} has no address of its own", hint)
    return {name: click.prompt(f"{one.ask} Such as {one.example}", err=True) for name, one in wanted.items()}


def _recognise(secret: Secret) -> str:
    """The provider by the value's prefix, confirmed by the operator in the same breath."""
    known = wiring.catalogue()
    found = known.recognise(secret)
    options = ", ".join(known.ids())
    suggested = found[0][0] if found else None
    answer: str = click.prompt(f"Whose credential is it ({options})", default=suggested, err=True)
    return known.get(answer).id


def _name(workspace: Workspace | None, wanted: str) -> str:
    taken = set(workspace.credentials) if workspace else set()
    name, count = wanted, 2
    while name in taken:
        name, count = f"{wanted}-{count}", count + 1
    return name


def _keep(prepared: Prepared, leaked: Credential, *, dry_run: bool) -> None:
    """A key id alone goes into the incident's inventory; a value goes into the vault."""
    if leaked.secret is None:
        from runbook_tui.foundation.strict_yaml import load
        from runbook_tui.foundation.yaml_edit import set_fields

        base = load(prepared.setup.inventory or "inventory: 1\n", "inventory.yaml")
        known = {"provider": leaked.binding.provider, "key_id": leaked.binding.key_id}
        fields = {**known, **({"origins": leaked.binding.origins} if leaked.binding.origins else {})}
        prepared.setup.inventory, _ = set_fields(base, "credentials", leaked.name, fields)
        return
    vault = prepared.vault()
    if dry_run or isinstance(vault, SessionVault):
        prepared.secrets.append(leaked)
        prepared.setup.origins[leaked.name] = dict(leaked.binding.origins)
    else:
        vault.put(leaked)


def ask_again(places: Places, incident: str, setup: Setup) -> list[Credential]:
    """After a crash a session vault is empty: ask for each secret again and compare its fingerprint."""
    from runbook_tui.cli.record import open_record
    from runbook_tui.secrets.fingerprint import fingerprint, state_key

    state = open_record(places, incident).state
    key = state_key(places)
    found: list[Credential] = []
    for subject in state.subjects.values():
        wanted = [(subject.name, subject.fingerprint, subject.key_id)] if subject.has_secret else []
        if subject.new_name:
            wanted.append((subject.new_name, subject.new_fingerprint, subject.new_key_id))
        for name, printed, key_id in wanted:
            secret = wiring.ask_secret(f"{name} ({printed or 'no fingerprint'}) again")
            if printed and fingerprint(secret, key) != printed:
                raise RunbookError(f"that is not {name}: its fingerprint is another", "nothing was started; try again")
            # As it was bound before: after a restart no secret goes to another address.
            binding = Binding(subject.provider, setup.origins.get(subject.name, {}), key_id, dict(subject.attributes))
            found.append(Credential(name, secret, binding))
    return found + _admins_again(setup)


def _admins_again(setup: Setup) -> list[Credential]:
    """Who signs administrative calls, asked for by value. What is left out stays to be done by hand."""
    found: dict[str, Credential] = {}
    for name, known in setup.signers.items():
        what = f"{name}, which signs administrative calls (Enter alone: do those by hand)"
        secret = wiring.ask_secret_or_none(what)
        if secret is not None:
            found[name] = Credential(name, secret, Binding.from_dict(known))
    if setup.signers:
        setup.admins = {slot: name for slot, name in setup.admins.items() if name in found}
    return list(found.values())


def leave_vault(setup: Setup, kind: str) -> None:
    """Take another vault for an incident. Where each secret may go is taken along from the old vault's index."""
    old = wiring.open_vault(setup.vault)
    bound = {name: old.describe(name) for name in old.names()}
    setup.origins.update({name: dict(one.origins) for name, one in bound.items()})
    setup.signers = {name: bound[name].as_dict() for name in sorted({*setup.admins.values()} & {*bound})}
    setup.vault = kind
