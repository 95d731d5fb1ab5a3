"""A conductor with a real journal whose commits fail when a test says so, against a vendor that counts what it does."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crash.crash_vendor import ADMIN, Vendor
from runbook_tui.conductor.client import LocalClient
from runbook_tui.conductor.core import Conductor
from runbook_tui.conductor.kit import Kit
from runbook_tui.conductor.opening import Opening, open_incident
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.inventory import parse
from runbook_tui.foundation.strict_yaml import load
from runbook_tui.incident.events import Event
from runbook_tui.incident.plan import what_is_next
from runbook_tui.journal import storage
from runbook_tui.journal.store import Journal
from runbook_tui.net.client import Network
from runbook_tui.playbook.loader import from_source
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, SessionVault
from runbook_tui.webhooks.registry import Schemes

PLAYBOOK = """\
runbook: 1
id: two-keys
title: Two keys leaked
version: 1
target: 10m
inputs:
  k1: {type: credential, ask: Which is the first?}
  k2: {type: credential, ask: Which is the second?}
steps:
  - id: capture
    phase: capture
    title: Record what the first is
    call: {operation: inspect, on: $k1}
    record: [id]
  - id: revoke
    phase: contain
    title: Revoke the first
    needs: [capture]
    call: {operation: revoke, on: $k1}
    confirm: typed
    verify: {credential: $k1.old, is: dead, within: 20s}
  - id: create
    phase: replace
    title: Make another for the second
    call: {operation: create, on: $k2}
    store: $k2.new
    verify: {credential: $k2.new, is: alive, within: 20s}
  - id: revoke-second
    phase: contain
    title: Revoke the second
    needs: [capture]
    call: {operation: revoke, on: $k2}
    confirm: typed
    verify: {credential: $k2.old, is: dead, within: 20s}
"""
_SCHEMES = Schemes.load()


class Faulty:
    """What the journal uses of a connection; `fault(number)` says what becomes of each COMMIT, counted from 1.

    "" is well; "lost": refused and not there; "kept": said to have failed, and there all the same (a failed sync).
    """

    def __init__(self, product: Callable[[Path], sqlite3.Connection], fault: Callable[[int], str]) -> None:
        self.commits, self.fault, self._product = 0, fault, product

    def connect(self, path: Path) -> Any:
        return _Connection(self._product(path), self)


class _Connection:
    def __init__(self, connection: sqlite3.Connection, faulty: Faulty) -> None:
        self._connection, self._faulty = connection, faulty
        self.executescript, self.close = connection.executescript, connection.close

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        if statement != "COMMIT":
            return self._connection.execute(statement, values)
        self._faulty.commits += 1
        what = self._faulty.fault(self._faulty.commits)
        if what != "lost":
            cursor = self._connection.execute(statement)
        if what:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
            raise error
        return cursor


class Stand:
    """One incident at this vendor. `shown` is every event a terminal was told of; `wrong` what must never happen."""

    def __init__(self, folder: Path, vendor: Vendor, incident: str = "inc-1") -> None:
        vendor.workspace(folder)
        self.folder, self.vendor, self.incident = folder, vendor, incident
        self.path = folder / "journal.db"
        catalogue, clock = Catalogue.load([folder / "manifests"]), FakeClock(tick=0.001)
        vault = SessionVault()
        vault.put(Credential("admin", Secret(ADMIN), Binding("brink", {"api": vendor.url})))
        host, _, port = vendor.url.removeprefix("http://").partition(":")
        network = Network(only=(host, int(port)))
        inventory = parse(load(vendor.inventory(incident), "inventory"))
        engine = Engine(catalogue, network, clock)
        kit = Kit(folder, vault, catalogue, engine, network, clock, _SCHEMES, b"k" * 32, inventory=inventory)
        self.journal = Journal.create(self.path, clock, kit.redactor.data)
        self.conductor = Conductor(from_source(PLAYBOOK, "two-keys"), self.journal, kit, "kim")
        self.shown: list[Event] = []
        self.alarms: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        vendor.moments.append(self._at_the_vendor)

    def open(self) -> LocalClient:
        opening = Opening(self.incident, "drill", {"k1": "key-1", "k2": "key-2"})
        open_incident(self.conductor, opening)
        client = LocalClient(self.conductor, "kim", "drive")
        self.shown = list(client.events)
        client.listen(self._told)
        return client

    def _told(self, push: dict[str, Any]) -> None:
        if "event" in push:
            self.shown.append(push["event"])
        if "alarm" in push.get("progress", {}):
            self.alarms.append(push["progress"])

    def _at_the_vendor(self, moment: str, key: str) -> None:
        """A changing request has arrived: what allows it has to be on the disk, for everybody to read."""
        if moment == "received" and key.startswith(f"{self.incident}-"):
            kinds = [(event.kind, event.data.get("op")) for event in self.on_disk()]
            if kinds[-1][0] != "sending" or ("intent", kinds[-1][1]) not in kinds:
                self.wrong.append(f"a request for {key} left after {kinds[-3:]}")

    def on_disk(self) -> list[Event]:
        with contextlib.closing(Journal.read(self.path)) as reader:
            return reader.events()

    def act(self, client: LocalClient) -> bool:
        """What an operator does next; False when nothing is left. RunbookError when it is refused."""
        state = self.conductor.state
        for op in state.unknown_operations():
            if op.operation == "create" and state.step(op.step).status != "running":
                self.vendor.look(f"{self.incident}-{state.subjects[op.subject].name.replace('key-', 'k')}")
                client.request("clear", op=op.op, reason="looked in the dashboard", **{"as": "not_done"})
                return True
        following = what_is_next(client.book, state, client.clock.now()).step
        if following is None and any(one.status == "running" for one in state.steps.values()):
            self.conductor.tick()  # as the server does twice a second: settle the step that was cut off
            return True
        if following is None:
            return False
        asked = client.request("prompts", step=following.id)["prompts"]
        client.request("run", step=following.id, answers={one["name"]: one["expect"] for one in asked})
        self.conductor.join(20)
        return True

    def play(self, client: LocalClient) -> int:
        """Go on to the end, whatever is refused on the way; how often something was."""
        refused = 0
        for _ in range(40):
            try:
                if not self.act(client):
                    return refused
            except RunbookError:
                refused += 1
        raise AssertionError(f"it does not end: {[(event.kind, event.data) for event in self.shown[-4:]]}")

    def close(self, client: LocalClient) -> None:
        """Close the incident, as often as it takes to have it recorded."""
        for _ in range(8):
            with contextlib.suppress(RunbookError):
                client.request("close")
            if self.conductor.state.closed:
                break
        self.journal.close()


def failing(monkeypatch: Any, fault: Callable[[int], str]) -> Faulty:
    """From here on commits of journals that are opened fail as `fault` says."""
    made = Faulty(storage.connect, fault)
    monkeypatch.setattr(storage, "connect", made.connect)
    return made
