"""Puts the parts together for the commands: places, vault, catalogue, workspace."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.places import Places

if TYPE_CHECKING:
    from runbook_tui.foundation.workspace import Workspace
    from runbook_tui.providers.catalogue import Catalogue
    from runbook_tui.secrets.patterns import Guard
    from runbook_tui.secrets.secret import Secret
    from runbook_tui.secrets.vault import Vault

T = TypeVar("T")

VAULTS = ("keyring", "session", "file")


def places() -> Places:
    """This user's folders."""
    return Places.default()


def open_vault(choice: str | None = None, *, wait: float | None = None) -> Vault:
    """The vault of that kind; without a choice the one set with `runbook init --vault`, else the OS keyring.

    Never falls back to another kind. Nothing is asked of the keyring before the first use; `wait` seconds (default 3)
    is how long each keyring call may take. The file vault asks for its passphrase at its first use.
    """
    here = places()
    chosen = choice or vault_choice(here) or "keyring"
    if chosen == "session":
        from runbook_tui.secrets.vault import SessionVault

        return SessionVault()
    if chosen == "file":
        from runbook_tui.secrets.file_vault import FileVault

        return FileVault(here, lambda new: ask_secret("passphrase of the file vault", twice=new))
    if chosen == "keyring":
        from runbook_tui.secrets.keyring_vault import KeyringVault

        return KeyringVault(here) if wait is None else KeyringVault(here, wait=wait)
    raise RunbookError(f"unknown vault {chosen!r}", f"use one of: {', '.join(VAULTS)}")


def guard() -> Guard:
    """Refuses texts with the shape of a secret, those of this workspace's providers too."""
    from runbook_tui.secrets.patterns import Guard

    return Guard(catalogue().shapes())


def using_vault(choice: str | None, wait: bool, action: Callable[[Vault], T]) -> T:
    """`action` on the vault of that kind; at a terminal, offers to wait when the keyring is busy with a dialog.

    `wait` gives the keyring 60 s from the start. `action` may run a second time.
    """
    from runbook_tui.secrets.vault import VaultError

    patience = 60.0
    try:
        return action(open_vault(choice, wait=patience if wait else None))
    except VaultError as error:
        if wait or error.reason not in ("prompt", "hanging") or not interactive():
            raise
        click.echo(error.message, err=True)
        if not click.confirm(f"wait up to {patience:.0f} s for it?", default=True, err=True):
            raise
    return action(open_vault(choice, wait=patience))


def interactive() -> bool:
    """Whether somebody can be asked a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def vault_choice(here: Places) -> str | None:
    """The kind of vault this user chose with `runbook init --vault`, if any."""
    try:
        return (here.config / "vault").read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise RunbookError(f"cannot read {here.config / 'vault'}", "remove it, or make it yours again") from None


def ask_secret(what: str, *, twice: bool = False, instead: str = "") -> Secret:
    """Ask for a secret at the terminal without echo; RunbookError when there is no terminal to ask at.

    `instead` is the other way to give it, for the hint: "send the value on standard input with --value-stdin".
    """
    from runbook_tui.secrets.secret import Secret

    first = Secret(_typed(f"{what} (not shown): ", what, instead))
    if twice and Secret(_typed("once more: ", what, instead)) != first:
        raise RunbookError("the two entries differ", "nothing was stored: try again", exit_code=Exit.USAGE)
    return first


def ask_secret_or_none(what: str) -> Secret | None:
    """As `ask_secret`; None when Enter alone is pressed."""
    from runbook_tui.secrets.secret import Secret

    typed = _typed(f"{what} (not shown): ", what, "")
    return Secret(typed) if typed else None


def _typed(prompt: str, what: str, instead: str) -> str:
    import getpass
    import warnings

    try:
        with warnings.catch_warnings():
            # getpass would go on with echo when it cannot switch it off.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(prompt).strip("\r\n")
    except (getpass.GetPassWarning, EOFError, OSError):
        hint = "run it in a terminal" + (f", or {instead}" if instead else "")
        raise RunbookError(f"there is no terminal to ask for the {what} without echo", hint) from None


def catalogue() -> Catalogue:
    """The shipped providers and those of the workspace."""
    from runbook_tui.providers.catalogue import Catalogue

    here = workspace()
    return Catalogue.load([here.root / "manifests"] if here else [])


def workspace() -> Workspace | None:
    """The workspace the current folder stands in, or None."""
    from runbook_tui.foundation.workspace import find

    return find(Path.cwd())
