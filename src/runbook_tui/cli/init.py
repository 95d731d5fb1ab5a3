"""`runbook init`: makes the workspace, and says which vault this machine can keep secrets in."""

from __future__ import annotations

from pathlib import Path

import click

from runbook_tui.cli.wiring import open_vault, places, vault_choice
from runbook_tui.foundation.errors import Exit, RunbookError

INVENTORY = """\
# What this team has: credentials, who uses them, who can read them. No secrets: those are in the vault.
# Names are what you say on a call: letters, digits, dot, dash, underscore.
inventory: 1

credentials:
  # stripe-live:
  #   provider: stripe              # one of `runbook provider list`
  #   owner: Payments
  #   key_id: mk_123                # the provider's public id of the key
  #   consumers: [shop-env]         # who must get the new value
  #   admin: stripe-admin           # the credential that may make and delete keys
  #   exposed: since 2026-11-01 in a public repository

consumers:
  # shop-env:
  #   kind: env-file                # env-file | secret-manager | manual
  #   title: The shop
  #   path: /srv/shop/.env
  #   variable: STRIPE_KEY
  #   used: {health: "https://shop.example/health"}   # or {vendor-last-used: true}, {attested: true}
  #   restart: systemctl restart shop
  # shop-vault:
  #   kind: secret-manager
  #   store: bao-admin              # the credential that opens the store
  #   mount: secret
  #   path: shop/stripe
  #   field: key

endpoints:
  # stripe-hooks:
  #   url: "https://shop.example/hooks"
  #   scheme: stripe
  #   secret: stripe-hook-secret
  #   old_secret: stripe-hook-secret-old                     # must be refused
  #   observe_url: "https://shop.example/acted?m={marker}"   # was it acted on? (or observe_log: FILE)

people:
  # ada:
  #   name: Ada
  #   email: ada@example.com
  #   accounts:
  #     - {provider: github, account: ada, org: example, admin: github-admin}
  #   could_read: [stripe-live]

repositories: []
"""

FOLDERS = {
    "playbooks": "Own playbooks (*.yaml); `runbook playbook check FILE` looks them over.",
    "manifests": "Own providers (*.yaml); one of a shipped provider's id takes its place.",
    "schemes": "Own webhook schemes (*.yaml).",
    "rules": "Own rules of what credentials look like (*.yaml), for `runbook scan --rules`.",
    "drills": "Results of drills.",
}


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--vault", "kind", type=click.Choice(["keyring", "file"]), help="The vault to use from now on.")
def command(*, folder: Path, kind: str | None) -> int:
    """Make a workspace in FOLDER: an inventory, and folders for own playbooks. It holds no secrets: keep it in git."""
    _make(folder)
    if kind:
        _remember(kind)
    _say_vault()
    click.echo("next: runbook credential add NAME --provider P, then describe it in inventory.yaml")
    return Exit.GOOD


def _make(folder: Path) -> None:
    from runbook_tui.foundation.files import write_new

    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_new(folder / "inventory.yaml", INVENTORY.encode(), 0o644)
        for name, purpose in FOLDERS.items():
            (folder / name).mkdir(exist_ok=True)
            note = folder / name / "README.md"
            if not note.exists():
                write_new(note, f"{purpose}\n".encode(), 0o644)
    except FileExistsError:
        raise RunbookError(f"{folder} is a workspace already", "nothing was changed: edit its inventory.yaml") from None
    except OSError as error:
        raise RunbookError(f"cannot write {folder}: {error.strerror}", "choose a folder you may write to") from None
    click.echo(f"made the workspace {folder.resolve()}")


def _remember(kind: str) -> None:
    from runbook_tui.foundation.files import make_private_dir, write_atomic

    path = places().config / "vault"
    try:
        make_private_dir(path.parent)
        write_atomic(path, f"{kind}\n".encode())
    except OSError as error:
        raise RunbookError(f"cannot write {path}: {error.strerror}", "check the permissions") from None


def _say_vault() -> None:
    from runbook_tui.secrets.vault import VaultError

    if vault_choice(places()) == "file":
        click.echo("vault: the encrypted file; its passphrase is asked for at the first secret")
        return
    vault = open_vault("keyring")
    try:
        vault.check()
    except VaultError as error:
        click.echo(f"vault: none usable yet: {error.message}")
        click.echo(f"  hint: {error.hint}; `runbook init FOLDER --vault file` keeps that choice")
        return
    click.echo(f"vault: {vault.kind} works: a test value was stored, read back and removed")
