"""What the engine hands back. Nothing in here is secret, except `CallOutcome.new.secret`, which is a Secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runbook_tui.secrets.vault import Binding, Credential


@dataclass(frozen=True)
class CallOutcome:
    """How a call ended.

    `result`: done; rejected (the provider said no, nothing changed); not_sent (the request never left); unknown (it may
    or may not have been executed). `outputs` of a list are `{"items": […], "count": n, "complete": bool}`; of an
    operation that looks for one item, its outputs and `found`, `listed`, `complete`.
    """

    result: str
    status: int | None = None
    reason: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)
    new: Credential | None = None  # a credential this call created; name and binding inherited, key id its own
    evidence: dict[str, Any] = field(default_factory=dict)
    already: bool = False  # there was nothing left to do
    learned: Binding | None = None  # the credential's binding with what the answer told: key id, attributes


@dataclass(frozen=True)
class Verdict:
    """What a probe says: dead, alive or undetermined, and how it was seen: refused, listed or none."""

    state: str
    proof: str = "none"
    reason: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Preview:
    """A call before it is made, every secret masked."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: str
    sentence: str  # what it does to what, in one line
    destructive: bool
    reversible: bool


@dataclass(frozen=True)
class ManualTask:
    """Something to do by hand: where, what, and whether the operator brings back a secret or a statement."""

    title: str
    link: str
    steps: tuple[str, ...]
    asks: str  # secret | attest
    note: str = ""
