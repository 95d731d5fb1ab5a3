"""`runbook credential`: the vault. Values come from a no-echo prompt or standard input and are never printed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.cli.wiring import VAULTS, ask_secret, catalogue, interactive, places, using_vault, workspace
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.ids import check_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from runbook_tui.providers.catalogue import Catalogue
    from runbook_tui.secrets.secret import Secret
    from runbook_tui.secrets.vault import Binding, Credential, Vault

T = TypeVar("T")

_LONGEST = 64 * 1024  # bytes of a value on standard input


@click.group("credential")
def command() -> None:
    """Keep credentials in the vault, each bound to its provider and hosts."""


def _vault_options(function: Any) -> Any:
    kind = click.option(
        "--vault",
        "kind",
        type=click.Choice(VAULTS),
        help="Where to keep it. Default: the OS keyring, or init's choice.",
    )
    patient = click.option("--wait", is_flag=True, help="Give the keyring's unlock dialog up to 60 seconds.")
    return kind(patient(function))


def _use(kind: str | None, wait: bool, action: Callable[[Vault], T]) -> T:
    """Run `action` on a vault that outlives this command."""
    if kind == "session":
        raise RunbookError(
            "a session vault ends with the command that opened it",
            "use it with `runbook run … --vault session`; to keep a credential: --vault keyring or --vault file",
        )
    return using_vault(kind, wait, action)


@command.command("add")
@click.argument("name")
@click.option("--provider", metavar="P", help="One of `runbook provider list`; `none` for a secret without a provider.")
@click.option("--key-id", default="", metavar="K", help="The provider's public id of the key.")
@click.option("--origin", "origins", multiple=True, metavar="NAME=URL", help="A host it may be sent to. Repeatable.")
@click.option("--attribute", "attributes", multiple=True, metavar="K=V", help="A fact the provider needs. Repeatable.")
@click.option("--value-stdin", is_flag=True, help="Read the value from standard input.")
@click.option("--no-value", is_flag=True, help="Only the key id is known.")
@click.option("--replace", is_flag=True, help="Store over an existing one.")
@_vault_options
def add(
    *,
    name: str,
    provider: str | None,
    key_id: str,
    origins: tuple[str, ...],
    attributes: tuple[str, ...],
    value_stdin: bool,
    no_value: bool,
    replace: bool,
    kind: str | None,
    wait: bool,
) -> int:
    """Store a credential. Its value is asked for without echo; it is never an argument."""
    from runbook_tui.secrets.vault import Credential

    check_name(name, "credential")
    if no_value and (value_stdin or not key_id):
        raise click.UsageError("--no-value goes with --key-id and without --value-stdin")
    known = catalogue()
    where, facts = _pairs("--origin", origins), _pairs("--attribute", attributes)
    if provider not in (None, "none"):
        _check_binding(known, str(provider), where, facts)

    def taken(vault: Vault) -> bool:
        return name in vault.names()

    if not replace and _use(kind, wait, taken):
        raise RunbookError(f"the vault has a credential {name!r} already", "take another name, or add --replace")
    secret = None if no_value else _from_stdin() if value_stdin else _typed(name)
    if provider is None:
        provider = _recognised(known, secret)
        _check_binding(known, provider, where, facts)
    binding = _binding("" if provider == "none" else provider, where, key_id, facts)

    def store(vault: Vault) -> str:
        vault.put(Credential(name, secret, binding))
        return vault.kind

    stored_in = _use(kind, wait, store)
    click.echo(f"stored {name} in the vault: {stored_in}")
    _warn_unredactable(secret)
    return Exit.GOOD


@command.command("list")
@_vault_options
@json_option
def list_(*, kind: str | None, wait: bool, as_json: bool) -> int:
    """List names and bindings; no secret is touched."""

    def read(vault: Vault) -> tuple[str, dict[str, Binding]]:
        return vault.kind, {name: vault.describe(name) for name in vault.names()}

    stored_in, found = _use(kind, wait, read)
    if as_json:
        items = [{"name": name, **binding.as_dict()} for name, binding in found.items()]
        emit({"vault": stored_in, "credentials": items})
        return Exit.GOOD
    if not found:
        click.echo(f"the vault is empty ({stored_in}): runbook credential add NAME --provider P")
    width = max(map(len, found), default=0)
    for name, binding in found.items():
        click.echo(f"{name:<{width}}  {binding.provider or '-':<14}  {binding.key_id or '-'}  {binding.created[:10]}")
    return Exit.GOOD


@command.command("show")
@click.argument("name")
@click.option("--copy", is_flag=True, help="Put the value on the clipboard of this desktop for 30 seconds.")
@_vault_options
@json_option
def show(*, name: str, copy: bool, kind: str | None, wait: bool, as_json: bool) -> int:
    """Show a credential's binding, mask and fingerprint; never its value."""
    from runbook_tui.secrets.fingerprint import fingerprint, mask, state_key

    def read(vault: Vault) -> tuple[str, Credential]:
        return vault.kind, vault.get(name)

    stored_in, credential = _use(kind, wait, read)
    provider, secret = credential.binding.provider, credential.secret
    known = catalogue()
    prefixes = known.get(provider).prefixes if provider in known.ids() else ()
    document = {
        "name": name,
        "vault": stored_in,
        **credential.binding.as_dict(),
        "mask": mask(secret, prefixes) if secret else None,
        "fingerprint": fingerprint(secret, state_key(places())) if secret else None,
    }
    if as_json:
        emit(document)
    else:
        _print_facts(document)
    if copy:
        _copy(secret)
    return Exit.GOOD


@command.command("remove")
@click.argument("name")
@click.option("--yes-name", metavar="NAME", help="The name again, instead of typing it when asked.")
@_vault_options
def remove(*, name: str, yes_name: str | None, kind: str | None, wait: bool) -> int:
    """Forget a credential. The key itself stays valid at its provider."""

    def binding(vault: Vault) -> Binding:
        return vault.describe(name)

    provider = _use(kind, wait, binding).provider
    if yes_name is None:
        if not interactive():
            raise RunbookError("removing wants a confirmation", f"add --yes-name {name}")
        click.echo(f"{name} ({provider or 'no provider'}) will be gone from the vault; the key stays valid.")
        yes_name = click.prompt("type its name to remove it", default="", show_default=False)
    if yes_name != name:
        raise RunbookError("the name does not match: nothing was removed", f"type {name!r}")

    def forget(vault: Vault) -> None:
        vault.remove(name)

    _use(kind, wait, forget)
    click.echo(f"removed {name}")
    return Exit.GOOD


@command.command("check")
@click.argument("name")
@_vault_options
@json_option
def check(*, name: str, kind: str | None, wait: bool, as_json: bool) -> int:
    """Ask the provider whether a credential is alive. This is a use of the key, and the provider records it.

    Exit code: 0 alive, 1 dead, 3 undetermined.
    """
    from runbook_tui.foundation.clock import RealClock
    from runbook_tui.net.client import Network
    from runbook_tui.providers.engine import Engine

    here = workspace()
    inventory = here.credentials.get(name) if here else None
    admin = inventory.admin if inventory else ""

    def read(vault: Vault) -> dict[str, Credential]:
        found = {"credential": vault.get(name)}
        if admin and admin in vault.names():
            found["admin"] = vault.get(admin)
        return found

    subjects = _use(kind, wait, read)
    if not subjects["credential"].binding.provider:
        raise RunbookError(f"{name} has no provider to ask", "store it again with --provider to have it checked")
    engine = Engine(catalogue(), Network(), RealClock(), pace_file=places().state / "pace.json")
    verdict = engine.verify(subjects)
    if as_json:
        facts = {"state": verdict.state, "proof": verdict.proof, "reason": verdict.reason, "evidence": verdict.evidence}
        emit({"name": name, **facts})
    else:
        reason = f": {verdict.reason}" if verdict.reason else ""
        proof = f" (proof: {verdict.proof})" if verdict.proof != "none" else ""
        click.echo(f"{name} is {verdict.state}{proof}{reason}")
    return {"alive": Exit.GOOD, "dead": Exit.BAD}.get(verdict.state, Exit.INCOMPLETE)


def _typed(name: str) -> Secret:
    instead = "send the value on standard input with --value-stdin"
    return ask_secret(f"value of {name}", twice=True, instead=instead)


def _pairs(option: str, values: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not (key and equals and text):
            raise click.UsageError(f"{option} is written name=value, not {value!r}")
        if key in found:
            raise click.UsageError(f"{option} {key} stands there twice")
        found[key] = text
    return found


def _check_binding(known: Catalogue, provider: str, origins: dict[str, str], attributes: dict[str, str]) -> None:
    """RunbookError when the provider has no such origin or attribute, or needs an address that is not given."""
    if provider == "none":
        return
    manifest = known.get(provider)
    for what, given, offered in (("origin", origins, manifest.origins), ("attribute", attributes, manifest.attributes)):
        for key in given:
            if key not in offered:
                names = ", ".join(offered) or "none"
                raise RunbookError(f"{manifest.name} has no {what} {key!r}", f"it has: {names}")
    for name, rule in manifest.origins.items():
        if not rule.url and name not in origins:
            example = rule.example or "https://…"
            raise RunbookError(f"{manifest.name} needs the address {name!r}", f"add --origin {name}={example}")
    for name, attribute in manifest.attributes.items():
        if attribute.required and not attribute.default and name not in attributes:
            click.echo(f"note: calls to {manifest.name} also need {name}: {attribute.ask} (--attribute)", err=True)


def _binding(provider: str, origins: dict[str, str], key_id: str, attributes: dict[str, str]) -> Binding:
    from runbook_tui.foundation.clock import RealClock, iso
    from runbook_tui.secrets.vault import Binding

    for url in origins.values():
        if not url.startswith(("https://", "http://")):
            raise RunbookError(f"{url!r} is not an address", "write it like https://api.example.com")
    return Binding(provider, origins, key_id, attributes, iso(RealClock().now()))


def _recognised(known: Catalogue, secret: Secret | None) -> str:
    """The provider whose values look like this one, confirmed by the operator."""
    found = [provider for provider, _ in known.recognise(secret)] if secret else []
    hint = "say which with --provider (`runbook provider list`), or --provider none"
    if not found:
        raise RunbookError("no provider was named and the value's form tells none", hint)
    if interactive() and click.confirm(f"it looks like a {known.get(found[0]).name} credential: is it one?"):
        return found[0]
    raise RunbookError(f"no provider was named; the value looks like {', '.join(dict.fromkeys(found))}", hint)


def _from_stdin() -> Secret:
    from runbook_tui.secrets.secret import Secret

    raw = sys.stdin.buffer.read(_LONGEST + 1)
    if len(raw) > _LONGEST:
        raise RunbookError("the value on standard input is larger than 64 KiB", "store the key, not the whole file")
    secret = Secret(raw.removesuffix(b"\n").removesuffix(b"\r"))
    secret.expose()  # a vault keeps text: refuse other bytes here, in plain words
    return secret


def _warn_unredactable(secret: Secret | None) -> None:
    from runbook_tui.secrets.forms import why_refused

    reason = why_refused(secret.expose_bytes()) if secret else ""
    if reason:
        click.echo(f"warning: the value is {reason}, so it cannot be kept out of records by its look", err=True)


def _print_facts(document: dict[str, Any]) -> None:
    from runbook_tui.foundation.text import one_line

    for key, value in document.items():
        shown = ", ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else value
        click.echo(f"{key.replace('_', ' '):<12} {one_line(shown) if shown else '-'}")


def _copy(secret: Secret | None) -> None:
    import time

    from runbook_tui.secrets import clipboard

    if secret is None:
        raise RunbookError("only the key id is stored: there is no value to copy")
    clear = clipboard.copy(secret)
    click.echo(f"on the clipboard for {clipboard.KEEP:.0f} s (Ctrl+C takes it away now)", err=True)
    try:
        time.sleep(clipboard.KEEP)
    finally:
        done = clear()
        click.echo("clipboard emptied" if done else "the clipboard holds something else by now: left alone", err=True)
