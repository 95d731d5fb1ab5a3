"""The vendor of the simulator: what is true out there, and an engine whose calls and probes go as the world decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from simulator_disk import SimClock

from runbook_tui.conductor.kit import Kit
from runbook_tui.foundation.clock import iso
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.inventory import Consumer, Inventory, ProofOfUse
from runbook_tui.providers.results import CallOutcome, Verdict
from runbook_tui.secrets.patterns import Guard, Hit
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, SessionVault

BINDING = Binding("p", {}, "key-1")
_SAID = Secret("made-up-and-no-secret")


@dataclass
class Effect:
    """One execution of a changing call; in the future while it is on its way."""

    op: str
    operation: str
    subject: str  # slot or the consumer's path
    at: float  # when the vendor does it
    shows: float  # when the vendor shows it
    made: str = ""  # key id of a new key
    what: str = ""  # key id of what a consumer is given: another one is another thing to do
    undone: bool = False


@dataclass
class Vendor:
    """`settle` is the declared worst delay between the sending and the showing of a change."""

    clock: SimClock
    settle: float = 10.0
    done: list[Effect] = field(default_factory=list)
    holds: dict[str, str] = field(default_factory=dict)  # consumer -> key id of what it was given

    def executed(self, op: str) -> Effect | None:
        """The execution of that attempt, also one that is still on its way."""
        return next((one for one in self.done if one.op == op and not one.undone), None)

    def accepts_old(self, slot: str) -> bool:
        return not any(one.subject == slot and one.shows <= self.clock.true for one in self._ending)

    def accepts_new(self, key_id: str) -> bool:
        return any(one.made == key_id and one.shows <= self.clock.true and not one.undone for one in self.done)

    @property
    def _ending(self) -> list[Effect]:
        return [one for one in self.done if one.operation in ("revoke", "disable", "offboard")]


class Engine:
    """The interface of `providers.engine.Engine`, as far as a conductor uses it."""

    def __init__(self, vendor: Vendor, world: Any) -> None:
        self._vendor, self._world = vendor, world

    def call(
        self,
        operation: str,
        subjects: Mapping[str, Credential],
        args: Mapping[str, Any] | None = None,
        *,
        operation_id: str = "",
        sending: Callable[[], None],
    ) -> CallOutcome:
        world, clock = self._world, self._vendor.clock
        world.meanwhile()
        world.point(f"before {operation}")
        clock.true += 0.05
        if operation in ("inspect", "membership", "audit"):
            return self._read(operation, subjects)
        fate = world.call_fate()
        if fate == "not_sent":
            return CallOutcome("not_sent", reason="no connection")
        sending()
        world.point(f"sent {operation}")
        world.sent(operation_id)
        if fate in ("lost", "late", "dropped"):
            clock.true += world.share() * 30.0  # on its way out: a full buffer, a process that was stopped
        if fate == "rejected":
            return CallOutcome("rejected", 403, "the provider said no")
        if fate == "dropped":
            clock.true += 30.0
            return CallOutcome("unknown", reason="timed out")
        effect = self._execute(operation, subjects, operation_id, late=fate == "late")
        world.point(f"executed {operation}")
        world.meanwhile()
        if fate == "broken":
            raise RunbookError("the answer cannot be taken in")
        if fate in ("lost", "late", "5xx"):
            clock.true += 0.0 if fate == "5xx" else 30.0
            return CallOutcome("unknown", 503 if fate == "5xx" else None, "503" if fate == "5xx" else "timed out")
        new = Credential("k", _SAID, Binding("p", {}, effect.made)) if effect.made else None
        return CallOutcome("done", 200, new=new)

    def _read(self, operation: str, subjects: Mapping[str, Credential]) -> CallOutcome:
        outputs: dict[str, Any] = {"id": "key-1"}
        if operation == "audit":
            outputs = {"items": [], "count": 0}
        key_id = subjects["credential"].binding.key_id
        if key_id in self._vendor.holds.values() and self._world.consumer_calls():
            outputs["last_used_at"] = iso(self._vendor.clock.at(self._vendor.clock.true))
        return CallOutcome("done", 200, outputs=outputs)

    def _execute(self, operation: str, subjects: Mapping[str, Credential], op: str, *, late: bool) -> Effect:
        vendor, world = self._vendor, self._world
        about = subjects.get("credential")
        if about is None:
            subject, made, what = "leaked", "", subjects["new"].binding.key_id
        else:
            what = ""
            subject = f"member/p/{about.binding.key_id}" if about.name == "al" else "leaked"
            made = f"key-{op}" if operation == "create" else ""
        at = vendor.clock.true + (world.share() * vendor.settle * 0.5 if late else 0.0)
        shows = at + world.share() * (vendor.clock.true + vendor.settle - at)
        effect = Effect(op, operation, subject, at, shows, made, what)
        world.executing(effect)
        vendor.done.append(effect)
        if operation == "rollout":
            vendor.holds["c0"] = what
        return effect

    def wait_for(self, operation: str, subjects: Mapping[str, Credential]) -> float:
        return 90.0 if self._world.limited() else 0.0

    def verify(self, subjects: Mapping[str, Credential], *, operation: str = "verify") -> Verdict:
        world, vendor = self._world, self._vendor
        world.meanwhile()
        world.point("before a look")
        vendor.clock.true += 0.05
        fate = world.probe_fate()
        if fate == "5xx":
            return Verdict("undetermined", reason="the provider answered 503", evidence={"status": 503})
        about = subjects["credential"]
        if about.binding.key_id == "key-1":
            accepted = vendor.accepts_old("leaked")
        elif about.name == "al":
            accepted = vendor.accepts_old(f"member/p/{about.binding.key_id}")
        else:
            accepted = vendor.accepts_new(about.binding.key_id)
        verdict = Verdict("alive", reason="200") if accepted else Verdict("dead", "refused", "401")
        if fate == "foreign" and verdict.state == "alive":
            verdict = Verdict("dead", reason="somebody answered 404")  # without a proof it counts for nothing
        world.point("after a look")
        return verdict

    def preview(self, operation: str, subjects: Mapping[str, Credential], args: Mapping[str, Any]) -> Any:
        names = ("method", "url", "headers", "body", "sentence", "reversible")
        return SimpleNamespace(**dict.fromkeys(names, ""))


class SimVault(SessionVault):
    """Outlives the program, as a keyring does; it can refuse to keep something."""

    durable = True

    def __init__(self, world: Any) -> None:
        super().__init__()
        self._world = world
        for name, key_id in (("k", "key-1"), ("admin", "key-0")):
            self._items[name] = Credential(name, _SAID, Binding("p", {}, key_id))

    def put(self, credential: Credential) -> None:
        self._world.point("before the vault")
        if self._world.vault_refuses():
            raise RunbookError("the keyring is locked")
        super().put(credential)
        self._world.point("after the vault")


class _NoGuard(Guard):
    """What the simulator's people write looks like no secret."""

    def hits(self, text: str) -> list[Hit]:
        return []

    def refuse(self, value: Any, where: str) -> None:
        """Nothing is refused."""


class SimKit(Kit):
    """Without redactor, guard and fingerprints, which have tests of their own."""

    def __post_init__(self) -> None:
        self.guard = _NoGuard()

    def register(self, secret: Secret, label: str) -> None:
        """Nothing is shown."""

    def shown(self, secret: Secret | None, provider: str = "") -> dict[str, str]:
        return {"fingerprint": "", "mask": ""}


class _Catalogue:
    def __init__(self, settle: float) -> None:
        offered = SimpleNamespace(settle=settle, verdict=("a table",), note="", title="")
        names = ("inspect", "create", "revoke", "verify", "audit", "disable", "offboard", "membership")
        operations = dict.fromkeys(names, offered)
        self._one = SimpleNamespace(
            name="p", operations=operations, can=lambda name: "api", docs="", no_proof="", prefixes=()
        )

    def get(self, provider: str) -> Any:
        return self._one

    def ids(self) -> list[str]:
        return ["p"]


_USED = ProofOfUse(kind="vendor-last-used")
_INVENTORY = Inventory(consumers={"c0": Consumer("c0", "secret-manager", "c0", "k", "c0", store="admin", used=_USED)})


def make_kit(vendor: Vendor, world: Any) -> SimKit:
    """What a conductor is given: everything in it acts on `vendor`."""
    catalogue: Any = _Catalogue(vendor.settle)
    engine: Any = Engine(vendor, world)
    nothing: Any = None
    folder = Path("/nonexistent")
    vault, key = SimVault(world), b"k" * 32
    admins = {"p": "admin"}
    return SimKit(folder, vault, catalogue, engine, nothing, vendor.clock, nothing, key, nothing, _INVENTORY, admins)
