"""The list of a vault's credentials with their bindings and without their secrets: one JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runbook_tui.foundation import strict_json
from runbook_tui.foundation.files import make_private_dir, write_atomic
from runbook_tui.secrets.vault import Binding, VaultError, no_such


@dataclass(frozen=True)
class Entry:
    """What is known of one credential without touching the keyring."""

    binding: Binding
    has_secret: bool = True


class Index:
    """Reads and changes the file; a change is one locked read-modify-replace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, Entry]:
        """All entries; empty when the file is not there. VaultError when it cannot be read or understood."""
        try:
            data = strict_json.loads(self.path.read_bytes())
            return {
                name: Entry(Binding.from_dict(item["binding"]), bool(item["secret"]))
                for name, item in data["items"].items()
            }
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise VaultError(f"cannot read {self.path}: {error.strerror}", "it must belong to you") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise VaultError(
                f"{self.path} is damaged",
                "move it away and add the credentials again: their secrets are still in the keyring",
            ) from None

    def entry(self, name: str) -> Entry:
        """One entry; RunbookError when there is none of that name."""
        entries = self.load()
        if name not in entries:
            raise no_such(name, sorted(entries))
        return entries[name]

    def set(self, name: str, entry: Entry) -> None:
        """Add or replace one entry."""
        with self._locked():
            self._write({**self.load(), name: entry})

    def drop(self, name: str) -> None:
        """Remove one entry, if it is there."""
        with self._locked():
            entries = self.load()
            if entries.pop(name, None) is not None:
                self._write(entries)

    def _write(self, entries: dict[str, Entry]) -> None:
        items = {n: {"secret": e.has_secret, "binding": e.binding.as_dict()} for n, e in sorted(entries.items())}
        write_atomic(self.path, json.dumps({"version": 1, "items": items}, indent=1).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            make_private_dir(self.path.parent)
            with locked_file(self.path.with_suffix(".lock")):
                yield
        except OSError as error:
            raise VaultError(
                f"cannot write {self.path}: {error.strerror}", "check the disk and the permissions"
            ) from None


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` (made when absent); other processes wait. Windows has no such lock here."""
    with path.open("a") as handle:
        try:
            import fcntl
        except ImportError:
            yield
            return
        path.chmod(0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
