"""A conductor in memory, with a real journal on disk; no network can be reached."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook_tui.conductor.client import LocalClient
from runbook_tui.conductor.core import Conductor
from runbook_tui.conductor.kit import Kit
from runbook_tui.conductor.opening import Opening, open_incident
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.inventory import Consumer, Inventory, ProofOfUse
from runbook_tui.foundation.places import shipped
from runbook_tui.journal.store import Journal, JournalError
from runbook_tui.net.client import Network
from runbook_tui.playbook.loader import read_playbook
from runbook_tui.playbook.model import Playbook
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, SessionVault
from runbook_tui.webhooks.registry import Schemes

BOOK = read_playbook(shipped("playbooks") / "api-key-leaked.yaml")
CATALOGUE, SCHEMES = Catalogue.load(), Schemes.load()
OLD, NEW = "old-not-a-secret-0001", "new-not-a-secret-0002"


class Disk(Journal):
    """A journal whose disk can fail: `fails` says for which kind of event."""

    fails: Callable[[str], bool] = staticmethod(lambda kind: False)

    def append(self, kind: str, data: dict[str, Any], actor: str) -> Any:
        if self.fails(kind):
            raise JournalError("not recorded: the disk is full", "free some space")
        return super().append(kind, data, actor)


@dataclass
class Stand:
    """A conductor and what is around it."""

    folder: Path
    provider: str = ""
    book: Playbook = BOOK
    clock: FakeClock = field(default_factory=lambda: FakeClock(tick=0.001))

    def __post_init__(self) -> None:
        self.vault = SessionVault()
        self.vault.put(Credential("hook", Secret(OLD), Binding(self.provider)))
        network = Network(only=("127.0.0.1", 9))
        env = Consumer("web", "env-file", "web", "", str(self.folder / "web.env"), "TOKEN", used=ProofOfUse())
        inventory = Inventory(consumers={"web": env})
        engine = Engine(CATALOGUE, network, self.clock)
        self.kit = Kit(
            self.folder, self.vault, CATALOGUE, engine, network, self.clock, SCHEMES, b"k" * 32, inventory=inventory
        )
        path = self.folder / "journal.db"
        make = Disk.open if path.exists() else Disk.create
        self.journal = make(path, self.clock, self.kit.redactor.data)
        assert isinstance(self.journal, Disk)
        self.conductor = Conductor(self.book, self.journal, self.kit, "ann")

    def open(self, **inputs: str) -> Stand:
        open_incident(self.conductor, Opening("inc-1", "drill", {"leaked": "hook", **inputs}))
        return self

    def client(self, name: str = "one", role: str = "drive") -> LocalClient:
        return LocalClient(self.conductor, name, role)

    def run(self, client: LocalClient, step: str, **answers: Any) -> str:
        """Run a step with model answers, to its end; its status."""
        said: dict[str, Any] = {}
        for prompt in client.request("prompts", step=step)["prompts"]:
            if prompt["required"]:
                told = prompt["expect"] or prompt["default"] or (prompt["options"] or ["looked at it"])[0]
                said[prompt["name"]] = NEW if prompt["kind"] == "secret" else told
        client.request("run", step=step, answers={**said, **answers})
        self.conductor.join(20)
        return self.conductor.state.step(step).status

    def kinds(self) -> list[str]:
        return [event.kind for event in self.conductor.events]


def refusal(client: LocalClient, method: str, **params: Any) -> str:
    """The message of a refused request; "" when it is accepted."""
    try:
        client.request(method, **params)
    except RunbookError as error:
        return error.message
    return ""


def on_disk(folder: Path) -> bytes:
    """Everything that was written, to look for secrets in."""
    with sqlite3.connect(folder / "journal.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file() and os.access(path, os.R_OK))
