"""The values an incident's state is made of; `state.py` folds them from events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class Side:
    """The old or the new one of a credential, as last seen. `proof` is refused, listed, attested or none."""

    state: str = "undetermined"  # dead | alive | undetermined
    proof: str = "none"
    reason: str = ""
    at: str = ""  # when it was seen last, RFC 3339
    since: str = ""  # when this state was seen first
    by: str = ""  # who attested
    since_seq: int = 0  # the event that showed this state first


@dataclass(frozen=True, slots=True, repr=False)
class Subject:
    """A credential or an account that the incident is about. `slot` is its name in the playbook."""

    slot: str
    kind: str  # credential | account
    name: str
    provider: str = ""
    provider_name: str = ""
    key_id: str = ""
    fingerprint: str = ""
    mask: str = ""
    overlap: str = "none"
    can: Mapping[str, str] = field(default_factory=dict)  # operation -> api | manual
    has_secret: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    old: Side = field(default_factory=Side)
    new: Side = field(default_factory=Side)
    new_name: str = ""  # vault name of the new secret; "" while there is none
    new_key_id: str = ""
    new_mask: str = ""
    new_fingerprint: str = ""
    new_at: str = ""  # when it was stored
    new_op: str = ""  # the attempt that made the new one; "" when it was pasted
    new_asked: str = ""  # when we last called the provider with the new one: a use that was ours
    new_seq: int = 0  # the event that told of it

    def label(self) -> str:
        """How the operator recognises it: the public key id, else the mask, else the name."""
        return self.key_id or self.mask or self.name

    def scope(self) -> dict[str, Any]:
        """What a playbook's conditions and references see."""
        return {
            **self.attributes,  # first: what a provider told never stands in for what we know
            "slot": self.slot,
            "name": self.name,
            "provider": self.provider,
            "key_id": self.key_id,
            "overlap": self.overlap,
            "can": dict(self.can),
            "has_secret": self.has_secret,
            "old": {"state": self.old.state, "proof": self.old.proof},
            "new": {"state": self.new.state, "name": self.new_name, "key_id": self.new_key_id},
        }


@dataclass(frozen=True, slots=True, repr=False)
class Finding:
    """A credential that a scan found by rule. `slot` is the subject it became when the operator took it over."""

    fingerprint: str
    rule: str
    title: str
    provider: str = ""
    mask: str = ""
    places: int = 0
    traced: bool = True
    slot: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Consumer:
    """A place that uses a credential. Only `used` counts as live."""

    id: str
    kind: str
    title: str
    credential: str  # slot
    where: str
    proof_kind: str  # vendor-last-used | health | attested
    stage: str = "pending"  # pending | stored | loaded | used | failed
    proof: str = "none"
    reason: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class StepState:
    """Where a step stands. `items` holds the entries of a for_each that are finished."""

    status: str = "pending"  # pending running waiting done failed refuted undetermined unknown skipped
    reason: str = ""
    attempts: int = 0
    started: str = ""
    ended: str = ""
    until: str = ""  # of a waiting step
    manual: tuple[str, ...] = ()
    recorded: Mapping[str, Any] = field(default_factory=dict)
    items: frozenset[str] = frozenset()
    acted: bool = False  # the action is done: running the step again only proves it


@dataclass(frozen=True, slots=True, repr=False)
class Operation:
    """One attempt of one changing call. `unknown` stays until it is cleared by proof or by the operator."""

    op: str
    step: str
    item: str
    operation: str
    what: str
    status: str  # intent | sending | done | rejected | not_sent | unknown
    at: str
    sent_at: str = ""
    cleared: str = ""  # done | not_done
    reason: str = ""
    subject: str = ""  # slot
    seq: int = 0  # of its intent
    ended: tuple[str, float] = ("", 0.0)  # when its outcome was recorded: boot, steady seconds


@dataclass(frozen=True, slots=True, repr=False)
class IncidentState:
    """Everything known after `seq` events."""

    seq: int = 0
    incident: str = ""
    mode: str = "live"  # live | drill | dry-run
    title: str = ""
    target: float = 0.0
    commander: str = ""
    driver: str = ""
    opened_at: str = ""
    last_at: str = ""
    boot: tuple[str, float] = ("", 0.0)  # the boot of the last event, and the steady seconds of its first one
    closed: str = ""
    closed_at: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    order: str = ""
    rule: str = ""
    tripwire: str = ""
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    consumers: Mapping[str, Consumer] = field(default_factory=dict)
    findings: Mapping[str, Finding] = field(default_factory=dict)  # by fingerprint
    findings_left: int = 0  # what the last scan found beyond those that are kept
    steps: Mapping[str, StepState] = field(default_factory=dict)
    operations: Mapping[str, Operation] = field(default_factory=dict)
    waivers: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # line -> (name, reason)
    contained_at: str = ""  # since when every old one is closed; "" again when one is seen alive
    own_calls: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)  # slot -> [(from, until)]
    notes: int = 0
    report: str = ""

    def step(self, step_id: str) -> StepState:
        return self.steps.get(step_id, StepState())

    def unknown_operations(self) -> list[Operation]:
        """Attempts whose outcome nobody knows yet."""
        return [op for op in self.operations.values() if op.status == "unknown" and not op.cleared]
