"""What a conductor needs to be started, and started again after a crash. Holds no secret."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui.foundation import strict_json
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.files import make_private_dir, write_atomic

if TYPE_CHECKING:
    from runbook_tui.conductor.kit import Kit
    from runbook_tui.foundation.clock import Clock
    from runbook_tui.foundation.inventory import Inventory
    from runbook_tui.foundation.places import Places
    from runbook_tui.net.client import Network
    from runbook_tui.secrets.vault import Vault

FILE = "setup.json"


@dataclass
class Setup:
    """Kept as `setup.json` in the incident's folder."""

    incident: str
    mode: str
    vault: str  # keyring | session | file
    inputs: dict[str, str] = field(default_factory=dict)
    admin: str = ""
    commander: str = ""
    inventory: str = ""  # the text of the inventory as it was when the incident was opened
    folders: list[str] = field(default_factory=list)  # the workspace's own manifests and schemes
    admins: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)  # of a scan finding
    origins: dict[str, dict[str, str]] = field(default_factory=dict)  # where a session vault's secrets may go, by name
    signers: dict[str, dict[str, Any]] = field(default_factory=dict)  # bindings of admins a session vault is to hold
    drill: dict[str, Any] = field(default_factory=dict)  # scenario, seed

    def save(self, folder: Path) -> None:
        make_private_dir(folder)
        write_atomic(folder / FILE, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def load(cls, folder: Path) -> Setup:
        try:
            return cls(**_checked(strict_json.loads((folder / FILE).read_bytes())))
        except (OSError, ValueError, TypeError):
            raise RunbookError(f"there is no incident {folder.name!r}", "`runbook incident list` shows them") from None


_KINDS: dict[str, type] = {
    "folders": list,
    **dict.fromkeys(("inputs", "admins", "facts", "origins", "signers", "drill"), dict),
}


def _checked(given: Any) -> dict[str, Any]:
    """The file's fields; TypeError when one is not what `save` writes."""
    if not isinstance(given, dict):
        raise TypeError
    for name, value in given.items():
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        inner = {"origins": dict, "signers": dict, "drill": object}.get(name, str)
        if not isinstance(value, _KINDS.get(name, str)) or not all(isinstance(part, inner) for part in parts):
            raise TypeError(name)
    return given


def make_kit(setup: Setup, places: Places, vault: Vault, network: Network, clock: Clock, inventory: Inventory) -> Kit:
    """Everything the conductor is given from outside."""
    from runbook_tui.conductor.kit import Kit
    from runbook_tui.providers.catalogue import Catalogue
    from runbook_tui.providers.engine import Engine
    from runbook_tui.secrets.fingerprint import state_key
    from runbook_tui.webhooks.registry import Schemes

    folder = places.incident(setup.incident)
    root = [Path(one) for one in setup.folders]
    catalogue = Catalogue.load([one / "manifests" for one in root])
    pace = places.state / "pace.json" if setup.mode == "live" else folder / "pace.json"
    return Kit(
        folder=folder,
        vault=vault,
        catalogue=catalogue,
        engine=Engine(catalogue, network, clock, pace_file=pace),
        network=network,
        clock=clock,
        schemes=Schemes.load([one / "schemes" for one in root]),
        key=state_key(places),
        inventory=inventory,
        admins=dict(setup.admins),
        rules=tuple(one / "rules" for one in root),
        cache=places.state / "cache",
    )


def read_inventory(setup: Setup) -> Inventory:
    """The inventory an incident was opened with; paths in it are meant from the workspace."""
    from dataclasses import replace

    from runbook_tui.foundation.inventory import Inventory, parse
    from runbook_tui.foundation.strict_yaml import load

    if not setup.inventory:
        return Inventory()
    found = parse(load(setup.inventory, "inventory.yaml"))
    if not setup.folders:
        return found
    root = Path(setup.folders[0])
    consumers = {
        name: replace(one, path=str(root / Path(one.path).expanduser())) if one.kind == "env-file" else one
        for name, one in found.consumers.items()
    }
    repositories = tuple(str(root / Path(path).expanduser()) for path in found.repositories)
    return replace(found, consumers=consumers, repositories=repositories)
