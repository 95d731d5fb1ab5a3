"""A run without I/O: the real procedures and proofs, driven against a tiny vendor that keeps count.

Deterministic: what happens depends on the script alone. The journal survives a crash, nothing else of the program does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.foundation.places import shipped
from runbook_tui.incident import effects as do
from runbook_tui.incident.events import KINDS, Event
from runbook_tui.incident.plan import what_is_next, why_not
from runbook_tui.incident.procedure import Procedure, recover, run_step
from runbook_tui.incident.prompts import check_answers, prompts_for
from runbook_tui.incident.state import IncidentState, StepState, apply, fold
from runbook_tui.playbook.loader import read_playbook
from runbook_tui.playbook.model import Playbook

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
API = dict.fromkeys(("inspect", "create", "revoke", "verify", "audit"), "api")


class Crash(Exception):
    """The program ended here."""


@cache
def key_book() -> Playbook:
    return read_playbook(shipped("playbooks") / "api-key-leaked.yaml")


@cache
def member_book() -> Playbook:
    return read_playbook(shipped("playbooks") / "member-offboarded.yaml")


@dataclass
class Vendor:
    """What is true out there."""

    settle: float = 10.0  # declared worst delay
    delay: float = 0.0  # until a change shows; never above `settle`
    dead_at: dict[str, datetime] = field(default_factory=dict)  # slot of a key or an account -> when it shows
    made: list[str] = field(default_factory=list)  # names of new keys
    holds: dict[str, str] = field(default_factory=dict)  # consumer -> name of the key it was given
    used_at: dict[str, str] = field(default_factory=dict)  # consumer -> RFC 3339, last use of the new one
    executed: list[tuple[str, str]] = field(default_factory=list)  # (op, operation)


@dataclass
class World:
    """`calls`, `probes`: what the next ones answer, then all go well. `crashes`: at which of all points it ends."""

    book: Playbook = field(default_factory=key_book)
    vendor: Vendor = field(default_factory=Vendor)
    calls: list[str] = field(default_factory=list)  # ok rejected lost dropped not_sent
    probes: list[str] = field(default_factory=list)  # ask error limit
    crashes: set[int] = field(default_factory=set)
    probe_reply: dict[str, Any] = field(default_factory=dict)  # said instead, whatever is true
    audit: list[Any] = field(default_factory=list)
    stop_after: int = 10_000  # sleeps until the operator stops the step
    now: datetime = START
    events: list[Event] = field(default_factory=list)
    state: IncidentState = field(default_factory=IncidentState)
    performed: list[do.Effect] = field(default_factory=list)
    points: int = 0

    # -- the incident

    def open(self, *, can: Mapping[str, str] | None = None, consumers: int = 2, **subject: Any) -> World:
        opened = {"incident": "inc", "mode": "live", "title": "t", "target": 300.0}
        self.record("opened", opened)
        facts = {"slot": "leaked", "kind": "credential", "name": "k", "key_id": "key-1", "overlap": "parallel"}
        known = {**facts, "has_secret": True, "provider": "p", "can": dict(API if can is None else can), **subject}
        self.record("subject", known)
        names = [f"c{number}" for number in range(consumers)]
        self.record("input", {"name": "consumers", "value": names})
        for name in names:
            self.consumer(name)
        return self

    def consumer(self, name: str, kind: str = "env-file") -> None:
        data = {"id": name, "kind": kind, "title": name, "credential": "leaked", "where": "w", "proof": "health"}
        self.record("consumer", data)

    def open_member(self, accounts: int = 3, can: Mapping[str, str] | None = None) -> World:
        self.record("opened", {"incident": "inc", "mode": "live", "title": "t", "target": 900.0})
        able = {"membership": "api", "offboard": "api"} if can is None else dict(can)
        entries = []
        for number in range(accounts):
            entry = {"slot": f"member/p/o{number}", "provider": "p", "account": "al", "org": f"o{number}"}
            entries.append(entry)
            subject = {"slot": entry["slot"], "kind": "account", "name": "al", "key_id": "al", "can": able}
            self.record("subject", {**subject, "provider": "p", "attributes": {"account": "al"}})
        self.record("input", {"name": "member", "value": {"id": "al", "accounts": entries, "could_read": []}})
        return self

    def record(self, kind: str, data: Mapping[str, Any]) -> IncidentState:
        assert kind in KINDS, kind
        self.point()
        self.now += timedelta(milliseconds=1)
        mono = int((self.now - START).total_seconds() * 1e9)
        event = Event(len(self.events) + 1, iso(self.now), mono, "boot", "op", kind, dict(data))
        self.events.append(event)  # durable from here on
        self.state = apply(self.state, event)
        self.point()
        return self.state

    def point(self) -> None:
        self.points += 1
        if self.points in self.crashes:
            raise Crash

    # -- the program

    def restart(self) -> None:
        """A new conductor: everything it knows is in the journal."""
        self.state = fold(self.events)
        for effect in recover(self.state):
            self.record(effect.kind, effect.data)

    def start(self, name: str, answers: Mapping[str, Any] | None = None) -> Procedure:
        """The procedure of a step, after the checks that the conductor makes."""
        step = self.book.step(name)
        reasons = why_not(self.book, self.state, step, self.now)
        assert not reasons, reasons
        prompts = prompts_for(self.book, self.state, step)
        said = {
            one.name: one.expect or one.default or (one.options or ("seen it",))[0] for one in prompts if one.required
        }
        checked = check_answers(prompts, {**{key: text for key, text in said.items() if text}, **(answers or {})})
        return run_step(self.book, self.state, step, checked, "op")

    def run(self, name: str, answers: Mapping[str, Any] | None = None) -> StepState:
        """Do a step to its end."""
        procedure = self.start(name, answers)
        reply: Any = None
        try:
            while True:
                effect = procedure.send(reply)
                reply = self.perform(effect)
        except StopIteration:
            return self.state.step(name)

    def play(self, until: str = "") -> None:
        """Do what is next until a step, or as long as something is."""
        for _ in range(60):
            following = what_is_next(self.book, self.state, self.now)
            if following.step is None or following.step.id == until:
                return
            self.run(following.step.id)

    # -- the effects

    def perform(self, effect: do.Effect) -> Any:
        self.performed.append(effect)
        self.point()
        reply = getattr(self, f"_{type(effect).__name__.lower()}")(effect)
        self.point()
        return reply

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.kind == kind]

    def _record(self, effect: do.Record) -> IncidentState:
        return self.record(effect.kind, effect.data)

    def _sleep(self, effect: do.Sleep) -> bool:
        self.now += timedelta(seconds=effect.seconds)
        self.stop_after -= 1
        return self.stop_after < 0

    def _now(self, effect: do.Now) -> str:
        return iso(self.now)

    def _steady(self, effect: do.Steady) -> tuple[str, float]:
        return "boot", (self.now - START).total_seconds()

    def _look(self, effect: do.Look) -> IncidentState:
        return self.state

    def _send(self, op: str, operation: str, execute: Callable[[], None]) -> str:
        """The result of one changing call; `sending` is durable before it leaves."""
        fate = self.calls.pop(0) if self.calls else "ok"
        if fate == "not_sent":
            return "not_sent"
        self.record("sending", {"op": op})
        if fate in ("rejected", "dropped"):
            return "rejected" if fate == "rejected" else "unknown"
        self._never_twice(op)
        self.vendor.executed.append((op, operation))
        execute()
        self.point()
        return "unknown" if fate == "lost" else "done"

    def _never_twice(self, op: str) -> None:
        """An execution while an earlier one of the same thing is neither known to have failed nor cleared: a fault."""
        mine = self.state.operations[op]
        for other in self.state.operations.values():
            same = (other.step, other.item) == (mine.step, mine.item) and other.op != op
            if same and other.op in {done for done, _ in self.vendor.executed}:
                raise AssertionError(f"{other.op} was executed; {op} executes it again ({other.status})")

    def _call(self, effect: do.Call) -> dict[str, Any]:
        reply: dict[str, Any] = {"status": None, "reason": "", "outputs": {}, "evidence": {}, "new": None}
        if effect.operation == "audit":
            return {**reply, "result": "done", "outputs": {"items": self.audit}, "note": "Ninety days at most."}
        if effect.operation in ("inspect", "membership"):
            return {**reply, "result": "done", "outputs": {"id": "key-1"}, "evidence": {"milliseconds": 80}}
        name = f"k-new-{len(self.vendor.made) + 1}"

        def execute() -> None:
            if effect.store:
                self.vendor.made.append(name)
            else:
                self.vendor.dead_at.setdefault(effect.slot, self.now + timedelta(seconds=self.vendor.delay))

        result = self._send(effect.op, effect.operation, execute)
        if result == "done" and effect.store:
            reply["new"] = {"name": name, "key_id": name, "fingerprint": "", "mask": "", "stored_in": "session"}
        return {**reply, "result": result, "reason": "" if result == "done" else result}

    def _keep(self, effect: do.Keep) -> dict[str, Any]:
        name = f"k-pasted-{len(self.vendor.made) + 1}"
        self.vendor.made.append(name)
        return {"name": name, "key_id": "", "fingerprint": "", "mask": "", "stored_in": "session"}

    def _probe(self, effect: do.Probe) -> dict[str, Any]:
        fate = self.probes.pop(0) if self.probes else "ask"
        reply = {"proof": "none", "reason": fate, "evidence": {}, "wait": 0.0, "settle": self.vendor.settle}
        if fate == "limit":
            return {**reply, "state": "undetermined", "wait": 90.0}
        if fate == "error":
            return {**reply, "state": "undetermined", "reason": "the provider answered 503"}
        if self.probe_reply:
            return {**reply, **self.probe_reply}
        if effect.side == "new":
            alive = self.state.subjects[effect.slot].new_name in self.vendor.made
            return {**reply, "state": "alive" if alive else "dead"}
        dead_at = self.vendor.dead_at.get(effect.slot)
        dead = dead_at is not None and dead_at <= self.now
        return {**reply, "state": "dead" if dead else "alive", "proof": "refused" if dead else "none"}

    def _deploy(self, effect: do.Deploy) -> dict[str, Any]:
        def execute() -> None:
            self.vendor.holds[effect.consumer] = self.state.subjects[effect.slot].new_name
            self.vendor.used_at[effect.consumer] = iso(self.now + timedelta(seconds=3))

        result = self._send(effect.op, "rollout", execute)
        return {"result": result, "stage": "stored", "status": None, "reason": result, "evidence": {}}

    def _watch(self, effect: do.Watch) -> dict[str, Any]:
        used = self.vendor.used_at.get(effect.consumer, "")
        seen = bool(used) and parse_instant(used) <= self.now and used > effect.since
        stage, proof = ("used", "health") if seen else ("stored", "none")
        return {"stage": stage, "proof": proof, "reason": f"health says {stage}", "evidence": {}}

    def _export(self, effect: do.Export) -> dict[str, Any]:
        return {"path": "report.md", "sha256": "0"}
