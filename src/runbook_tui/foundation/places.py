"""Where the program keeps its files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.files import make_private_dir
from runbook_tui.foundation.ids import check_name

INVENTORY = "inventory.yaml"  # what makes a folder a workspace


@dataclass(frozen=True)
class Places:
    """The folders of one user; `RUNBOOK_HOME` puts all of them under one folder."""

    state: Path
    config: Path

    @classmethod
    def default(cls) -> Places:
        home = os.environ.get("RUNBOOK_HOME")
        if home:
            root = Path(home).expanduser().absolute()
            return cls(root / "state", root / "config")
        import platformdirs

        return cls(platformdirs.user_state_path("runbook"), platformdirs.user_config_path("runbook"))

    @cached_property
    def incidents(self) -> Path:
        """One folder per incident: journal, socket, attachments, report. RunbookError when it cannot be made."""
        folder = self.state / "incidents"
        try:
            return make_private_dir(folder)
        except OSError as error:
            hint = "set RUNBOOK_HOME to a folder you may write to"
            raise RunbookError(f"cannot make {folder}: {error.strerror}", hint) from None

    def incident(self, incident: str) -> Path:
        """The folder of one incident, there or not; RunbookError when that is no name (`../x`)."""
        return self.incidents / check_name(incident, "incident")


def shipped(*parts: str) -> Path:
    """A file or folder that is packaged with the program (`playbooks`, `providers/catalog`).

    In a checkout the playbooks stand at the top of the repository; in a wheel, inside the package.
    """
    package = Path(__file__).resolve().parent.parent
    inside = package.joinpath(*parts)
    if inside.exists() or parts[0] != "playbooks":
        return inside
    return package.parent.parent.joinpath(*parts)


def workspace_folder(start: Path) -> Path | None:
    """The nearest folder upwards with an inventory, or None."""
    here = start.absolute()
    return next((folder for folder in (here, *here.parents) if (folder / INVENTORY).is_file()), None)


def user_name() -> str:
    """The operator's name on this machine."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
