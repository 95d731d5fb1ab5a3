"""One incident with six destructive calls, run by the real conductor process, for tests that kill it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crash.crash_vendor import ADMIN, KEYS, PLAYBOOK, Vendor
from journeys.journey_kit import Machine, alive, until
from runbook_tui.cli.launch import start_conductor
from runbook_tui.cli.setup import Setup
from runbook_tui.conductor.client import SocketClient, connect
from runbook_tui.foundation.places import Places
from runbook_tui.incident.events import Event
from runbook_tui.incident.plan import what_is_next
from runbook_tui.incident.state import IncidentState, fold
from runbook_tui.journal.store import Journal
from runbook_tui.secrets import file_vault
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential

PASSPHRASE = "fake passphrase of these tests"
# The file says itself how its key is derived; the least that the program accepts makes a thousand starts cheap.
_CHEAP_KDF = {"name": "argon2id", "memory_kib": 19 * 1024, "iterations": 1, "lanes": 1}


class Desk:
    """A machine whose file vault holds the admin's key, and the vendor it is for."""

    def __init__(self, folder: Path, vendor: Vendor, monkeypatch: Any) -> None:
        self.vendor = vendor
        self.machine = Machine(folder / "home", folder)
        monkeypatch.setenv("RUNBOOK_HOME", str(self.machine.home))
        monkeypatch.setattr(file_vault, "_KDF", _CHEAP_KDF)
        vendor.workspace(folder)
        self.folder = folder
        vault = file_vault.FileVault(Places.default(), lambda new: Secret(PASSPHRASE))
        vault.put(Credential("admin", Secret(ADMIN), Binding("brink", {"api": vendor.url})))

    def open(self, incident: str, *, role: str = "drive") -> SocketClient:
        """Open an incident with six keys of its own."""
        inputs = {f"k{n}": f"key-{n}" for n in range(1, KEYS + 1)}
        inventory = self.vendor.inventory(incident)
        folders = [str(self.folder)]
        setup = Setup(incident, "live", "file", inputs, inventory=inventory, folders=folders, commander="kim")
        return start_conductor(setup, PLAYBOOK, [], passphrase=PASSPHRASE, role=role, name="kim")

    def resume(self, incident: str, *, name: str = "kim", role: str = "drive") -> SocketClient:
        """As `runbook resume` does: to the conductor that lives, or to a new one."""
        client = connect(Places.default(), incident, name, role)
        if client is None:
            setup = Setup.load(self.machine.folder(incident))
            client = start_conductor(setup, "", [], passphrase=PASSPHRASE, role=role, name=name)
        return client

    def pid(self, incident: str) -> int:
        """The conductor's process id; 0 when none listens."""
        return self.machine.conductor(incident)

    def journal(self, incident: str) -> list[Event]:
        """Everything on record, after the record itself was checked."""
        journal = Journal.read(self.machine.folder(incident) / "journal.db")
        try:
            assert journal.verify() == []
            return journal.events()
        finally:
            journal.close()

    def state(self, incident: str) -> IncidentState:
        return fold(self.journal(incident))


def kill(pid: int) -> None:
    """kill -9."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 9)


def gone(pid: int) -> None:
    """Wait until a process is gone."""
    until(lambda: not alive(pid), f"process {pid} still lives")


def idle(client: SocketClient, seconds: float = 90) -> None:
    """Wait until no step runs or the conductor is lost."""
    limit = time.monotonic() + seconds
    while any(one.status == "running" for one in client.state.steps.values()) and not lost(client):
        assert time.monotonic() < limit, "a step runs for ever"
        time.sleep(0.01)


def watch_loss(client: SocketClient) -> SocketClient:
    """From here on `lost(client)` says whether the conductor is gone."""
    client.gone = False  # type: ignore[attr-defined]

    def told(push: dict[str, Any]) -> None:
        if "lost" in push:
            client.gone = True  # type: ignore[attr-defined]

    client.listen(told)
    return client


def lost(client: SocketClient) -> bool:
    return bool(getattr(client, "gone", False))


def confirmation(client: SocketClient, step: str) -> dict[str, str]:
    """The answers a step needs."""
    return {one["name"]: one["expect"] for one in client.request("prompts", step=step)["prompts"]}


def next_step(client: SocketClient) -> str:
    """The step that is offered now; "" when every one is finished."""
    found = what_is_next(client.book, client.state, client.clock.now())
    return found.step.id if found.step else ""


def run_to_end(client: SocketClient, before: Callable[[str], None] = lambda step: None) -> None:
    """Do every step that is left and close."""
    while step := next_step(client):
        before(step)
        client.request("run", step=step, answers=confirmation(client, step))
        idle(client)
    client.request("close")


def check_record(events: list[Event], vendor: Vendor) -> None:
    """What holds of every record: one `sending` and one outcome per call, no unknown that is not settled, and truly."""
    sent = [event.data["op"] for event in events if event.kind == "sending"]
    meant = [event.data["op"] for event in events if event.kind == "intent"]
    ended = {event.data["op"]: event.data["result"] for event in events if event.kind == "outcome"}
    assert len(sent) == len(set(sent))
    assert len(meant) == len(set(meant))
    assert set(sent) <= set(meant)
    assert set(ended) == set(meant)
    cleared = {event.data["op"]: event for event in events if event.kind == "cleared"}
    assert set(cleared) == {op for op, result in ended.items() if result == "unknown"}
    for op in meant:
        really = vendor.by_call[op]
        said = cleared[op].data["as"] if op in cleared else ended[op]
        assert really <= 1, f"{op} was executed {really} times"
        assert op in sent or not really, f"{op} was executed and never recorded as sent"
        if op not in cleared or cleared[op].data["by"] == "proof":
            assert really == (said == "done"), f"{op} counts as {said} and was executed {really} times"
