"""The workspace: a folder without secrets that a team keeps in git, found from the current folder upwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.files import write_atomic
from runbook_tui.foundation.ids import check_name
from runbook_tui.foundation.inventory import (
    SECTIONS,
    Account,
    Consumer,
    Endpoint,
    Inventory,
    KnownCredential,
    Person,
    ProofOfUse,
    parse,
)
from runbook_tui.foundation.places import INVENTORY as FILE
from runbook_tui.foundation.places import workspace_folder
from runbook_tui.foundation.strict_yaml import load, load_file

__all__ = ["Account", "Consumer", "Endpoint", "KnownCredential", "Person", "ProofOfUse", "Workspace", "find"]


@dataclass(frozen=True)
class Workspace:
    """What `inventory.yaml` in `root` says, as it was when loaded."""

    root: Path
    inventory: Inventory = field(default_factory=Inventory)

    @classmethod
    def load(cls, root: Path) -> Workspace:
        """The workspace in `root`; RunbookError when its file cannot be read, InputProblems when it has mistakes."""
        return cls(root, parse(load_file(root / FILE)))

    @property
    def file(self) -> Path:
        return self.root / FILE

    @property
    def credentials(self) -> dict[str, KnownCredential]:
        return self.inventory.credentials

    @property
    def consumers(self) -> dict[str, Consumer]:
        return self.inventory.consumers

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        return self.inventory.endpoints

    @property
    def people(self) -> dict[str, Person]:
        return self.inventory.people

    @property
    def repositories(self) -> tuple[Path, ...]:
        """The repositories to scan; relative ones are meant from the workspace's folder."""
        return tuple(self.root / Path(path).expanduser() for path in self.inventory.repositories)

    def consumers_of(self, credential: str) -> list[Consumer]:
        """The places that use a credential, named on either side."""
        known = self.credentials.get(credential)
        named = set(known.consumers) if known else set()
        return [place for place in self.consumers.values() if place.id in named or place.credential == credential]

    def save_answers(self, section: str, name: str, fields: dict[str, Any]) -> bool:
        """Set `fields` (plain data) of one entry in the file; True when its comments and layout were kept.

        The file is read again first, and written only when the result is a valid inventory. RunbookError or
        InputProblems otherwise; the file then stays as it was.
        """
        from runbook_tui.foundation.yaml_edit import set_fields

        if section not in SECTIONS:
            raise RunbookError(f"the inventory has no section {section!r}", f"it has: {', '.join(SECTIONS)}")
        check_name(name, "entry")
        text, kept = set_fields(load_file(self.file), section, name, fields)
        parse(load(text, str(self.file)))
        try:
            write_atomic(self.file, text.encode(), self.file.stat().st_mode & 0o777)
        except OSError as error:
            message = f"cannot write {self.file}: {error.strerror}"
            raise RunbookError(
                message, "the answers stay in the incident; check the disk and the permissions"
            ) from None
        return kept


def find(start: Path) -> Workspace | None:
    """The workspace `start` stands in: the nearest folder upwards with an `inventory.yaml`, or None."""
    root = workspace_folder(start)
    return Workspace.load(root) if root else None
