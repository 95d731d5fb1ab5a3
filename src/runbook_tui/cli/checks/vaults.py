"""Where secrets are kept: the vault that was chosen, the OS keyring, and what other programs would use."""

from __future__ import annotations

import os
from pathlib import Path

from runbook_tui.cli.checks.finding import Finding, bad, good, warn
from runbook_tui.cli.wiring import VAULTS, vault_choice
from runbook_tui.foundation.harden import taken_away
from runbook_tui.foundation.places import Places


def vault(here: Places) -> Finding:
    """Which vault is used without --vault, and whether what it knows can be read. No secret is touched."""
    choice = vault_choice(here) or "keyring"
    if choice not in VAULTS:
        return bad(f"{here.config / 'vault'} names none: {choice[:40]!r}", f"write one of: {', '.join(VAULTS)}")
    if choice == "session":
        return warn("session: secrets are gone when the conductor ends", "runbook init FOLDER --vault keyring")
    if choice == "file":
        from runbook_tui.secrets.file_vault import FileVault
        from runbook_tui.secrets.secret import Secret

        file = FileVault(here, lambda new: Secret(""))
        there = file.present()
        return good(f"file, encrypted, {len(file.names())} credentials" if there else "file, not made yet")
    from runbook_tui.secrets.keyring_vault import KeyringVault

    return good(f"the OS keyring, {len(KeyringVault(here).names())} credentials")


def keyring(here: Places) -> Finding:
    """Whether a test value survives the way into the OS keyring and back, and which program keeps it."""
    from runbook_tui.secrets.keyring_vault import KeyringVault
    from runbook_tui.secrets.vault import VaultError

    if vault_choice(here) == "file":
        return good("not used: the vault of this user is the encrypted file")
    tried = KeyringVault(here)
    try:
        keeper = tried.keeper()
    except VaultError as error:
        kept = error.reason in ("absent", "stale", "locked", "prompt", "empty", "unstartable")
        return (warn if kept else bad)(error.message, error.hint)
    by = f" of {keeper}" if keeper else ""
    return good(f"{tried.kind}{by}: a test value was stored, read back and removed")


def other_backends(here: Places) -> Finding:
    """What makes other programs of the same library keep their secrets elsewhere. This program asks none of it."""
    found = [name for name in ("PYTHON_KEYRING_BACKEND",) if name in taken_away or os.environ.get(name)]
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "python_keyring", "keyringrc.cfg")
    if config.is_file():
        found.append(str(config))
    found += _extra_backends()
    if found:
        return good(f"ignored by this program: {', '.join(found)}; other Python programs may keep secrets there")
    return good("none: nothing chooses another place for other programs")


def _extra_backends() -> list[str]:
    """Installed distributions that offer keyring backends, by name; none of their code is loaded."""
    from importlib.metadata import entry_points

    names = {point.dist.name for point in entry_points(group="keyring.backends") if point.dist is not None}
    return sorted(f"{name} (its backends are chained by priority)" for name in names - {"keyring"})
