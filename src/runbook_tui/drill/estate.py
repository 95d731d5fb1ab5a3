"""What exists in a drill's world, fake secrets included: kept in one private file, so that a killed drill goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.files import write_atomic


class Key(msgspec.Struct):
    """A key at a simulated provider. Times are RFC 3339, "" for never."""

    provider: str
    name: str
    secret: str
    id: str = ""
    role: str = "leaked"  # leaked | admin | created
    kind: str = ""
    state: str = "alive"  # alive | disabled | dead
    created: str = ""
    used: str = ""
    ended: str = ""  # when it was disabled or revoked
    owner: str = ""
    scopes: list[str] = []
    attributes: dict[str, str] = {}

    def fits(self, fact: str, value: str) -> bool:
        """Whether this key has that fact, named as in a manifest's reference."""
        if fact == "key_id":
            return bool(self.id) and self.id == value
        if fact == "secret":
            return self.secret == value
        return fact == "name" or self.attributes.get(fact) == value


class Entry(msgspec.Struct):
    """One entry of the simulated secret manager."""

    data: dict[str, str]
    version: int
    updated: str


class Consumer(msgspec.Struct):
    """A service that re-reads its source and uses what it finds there `reload` seconds after a change."""

    id: str
    kind: str  # env-file | secret-manager
    reload: float
    place: str  # the file, or mount/path of the entry
    field: str  # variable or field
    provider: str
    noticed: str = ""
    noticed_at: str = ""
    using: str = ""
    loaded_at: str = ""


class Receiver(msgspec.Struct):
    """The webhook endpoint, with its current secret and the one before."""

    id: str
    scheme: str
    secret: str
    old: str


class LogEntry(msgspec.Struct):
    """One line of a provider's log."""

    provider: str
    at: str
    actor: str
    call: str
    key: str = ""
    ip: str = ""


class Estate(msgspec.Struct):
    """The whole world. `now` is drill time and never goes back; `made` counts the secrets made since the start."""

    seed: int
    started: str
    now: str
    lag: float = 0.0
    port: int = 0
    made: int = 0
    keys: list[Key] = []
    entries: dict[str, Entry] = {}
    consumers: list[Consumer] = []
    receivers: list[Receiver] = []
    log: list[LogEntry] = []
    limits: dict[str, str] = {}  # limit -> when the last call under it was made

    def at(self, provider: str) -> Iterator[Key]:
        """The keys of one provider."""
        return (key for key in self.keys if key.provider == provider)

    def by_secret(self, provider: str, secret: str) -> Key | None:
        """The key with that secret."""
        return next((key for key in self.at(provider) if key.secret == secret), None)

    def accepts(self, key: Key) -> bool:
        """Whether the provider (still) takes the key: an ended one goes on working for `lag` seconds."""
        if key.state == "alive":
            return True
        return bool(key.ended) and self.time() < parse_instant(key.ended) + timedelta(seconds=self.lag)

    def time(self) -> datetime:
        return parse_instant(self.now)

    def advance(self, moment: datetime) -> None:
        """Take the greatest drill time seen."""
        if moment > self.time():
            self.now = iso(moment)


def load(path: Path) -> Estate:
    """The estate in the file; RunbookError when it is not readable as one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Estate)
    except FileNotFoundError:
        raise RunbookError(f"there is no drill in {path.parent}", "start a new one: `runbook drill PLAYBOOK`") from None
    except OSError as error:
        raise RunbookError(f"cannot read {path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RunbookError(f"{path} is damaged", "start a new drill: `runbook drill PLAYBOOK`") from None


def save(estate: Estate, path: Path) -> None:
    """Write the estate whole, readable by its owner only."""
    write_atomic(path, msgspec.json.encode(estate), 0o600)
