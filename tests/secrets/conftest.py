"""A process that sees one keyring and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook_tui.foundation.places import Places
from runbook_tui.secrets.keyring_vault import KeyringVault


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[dict[str, str]], KeyringVault]:
    """Makes this process see one keyring's environment and nothing else, and gives a vault on it."""

    def see(env: dict[str, str]) -> KeyringVault:
        for name in list(os.environ):
            monkeypatch.delenv(name)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return KeyringVault(Places(tmp_path / "state", tmp_path / "config"))

    return see
