"""What a step asks the world to do. The conductor performs these; a simulator can perform them too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class Record:
    """Append an event; the reply is the new state. Nothing else happens before it is durable."""

    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One provider call. The reply: {result, status, reason, outputs, evidence, already, new, learned, note}.

    With `op`, the performer records `sending` for it before the first request byte leaves.
    `store` names the slot whose new secret the call makes: it is stored and read back before the reply.
    """

    slot: str
    operation: str
    args: Mapping[str, Any] = field(default_factory=dict)
    op: str = ""
    store: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Keep:
    """Store a pasted secret as the new one of a slot. The reply: {name, key_id, fingerprint, mask, stored_in}."""

    slot: str
    answer: str


@dataclass(frozen=True, slots=True, repr=False)
class Probe:
    """Ask the provider whether a credential works, or an account is gone.

    The reply: {state, proof, reason, evidence, wait, settle, final}: `wait` is the seconds until the provider's rate
    limit allows it (then nothing was asked), `settle` the provider's worst delay before a change shows, `final` whether
    asking again cannot tell more.
    """

    slot: str
    side: str  # old | new


@dataclass(frozen=True, slots=True, repr=False)
class Deploy:
    """Give the new secret to one consumer. `op` as in Call. The reply: {result, stage, reason, evidence}."""

    consumer: str
    slot: str
    op: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Watch:
    """Look whether a consumer uses the new secret. The reply: {stage, proof, reason, evidence}."""

    consumer: str
    slot: str
    since: str  # RFC 3339: a use before the roll-out, or our own probe of the new one, proves nothing


@dataclass(frozen=True, slots=True, repr=False)
class Scan:
    """Search repositories for a slot's secret ("": for none), and by rules for any credential.

    The reply is the document of `scan --json`, its findings as `findings.kept` cuts them; or {error}.
    """

    slot: str
    repositories: tuple[str, ...]
    rules: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Deliver:
    """Run the bench of an endpoint. The reply: the document of `webhook bench --json`, its cases as `results`."""

    endpoint: Mapping[str, Any]


@dataclass(frozen=True, slots=True, repr=False)
class Export:
    """Write the report. The reply: {path, sha256}."""


@dataclass(frozen=True, slots=True, repr=False)
class Sleep:
    """Let time pass on the injected clock. The reply: False, or True when the operator stopped the step."""

    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class Now:
    """The reply: the time, RFC 3339."""


@dataclass(frozen=True, slots=True, repr=False)
class Steady:
    """The reply: (boot, seconds) of the clock that nobody can set; seconds of one boot can be compared."""


@dataclass(frozen=True, slots=True, repr=False)
class Look:
    """The reply: the current state."""


Effect = Record | Call | Keep | Probe | Deploy | Watch | Scan | Deliver | Export | Sleep | Now | Steady | Look
