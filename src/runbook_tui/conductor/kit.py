"""What a conductor is given from outside: vault, providers, network, clock. It makes none of them itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from runbook_tui.foundation.clock import Clock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.inventory import Inventory
from runbook_tui.net.client import Network
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine
from runbook_tui.secrets.fingerprint import exportable, fingerprint, mask
from runbook_tui.secrets.patterns import Guard
from runbook_tui.secrets.redaction import Redactor
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, Vault
from runbook_tui.webhooks.registry import Schemes


@dataclass
class Kit:
    """`admins` names the credential that signs administrative calls: slot or provider id -> vault name."""

    folder: Path  # of the incident
    vault: Vault
    catalogue: Catalogue
    engine: Engine
    network: Network
    clock: Clock
    schemes: Schemes
    key: bytes  # of the fingerprints
    redactor: Redactor = field(default_factory=Redactor)
    inventory: Inventory = field(default_factory=Inventory)
    admins: dict[str, str] = field(default_factory=dict)
    rules: tuple[Path, ...] = ()  # folders with the workspace's own rules for scans
    cache: Path | None = None  # a folder for compiled rules
    dashboard: str = ""  # in a drill: where the provider's simulated dashboard is opened

    def __post_init__(self) -> None:
        self.guard = Guard(self.catalogue.shapes())  # of what people write, before it is recorded

    def credential(self, name: str) -> Credential:
        """From the vault; its secret is known to the redactor before anybody can use it."""
        credential = self.vault.get(name)
        if credential.secret is not None:
            self.register(credential.secret, name)
        return credential

    def describe(self, name: str) -> Binding:
        """Where a credential belongs: from the vault, else from the inventory (then only its key id is known)."""
        if name in self.vault.names():
            return self.vault.describe(name)
        known = self.inventory.credentials.get(name)
        if known is None:
            return self.vault.describe(name)
        return Binding(known.provider, dict(known.origins), known.key_id, dict(known.attributes))

    def register(self, secret: Secret, label: str) -> None:
        """Keep a secret out of everything that is recorded from here on."""
        try:
            self.redactor.add(secret, label)
        except RunbookError:
            # Too short or too plain to be told from ordinary text: masked by its type, never written by us.
            return

    def shown(self, secret: Secret | None, provider: str = "") -> dict[str, str]:
        """The fingerprint and the mask of a secret, as they may be recorded."""
        if secret is None:
            return {"fingerprint": "", "mask": ""}
        prefixes = self.catalogue.get(provider).prefixes if provider in self.catalogue.ids() else ()
        printed = fingerprint(secret, self.key) if exportable(secret) else ""
        return {"fingerprint": printed, "mask": mask(secret, prefixes)}

    def admin(self, slot: str, provider: str) -> Credential | None:
        """Who signs administrative calls about this subject."""
        name = self.admins.get(slot) or self.admins.get(provider)
        return self.credential(name) if name else None
