"""One case of a webhook bench as data, and what the operator has told that the plan depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runbook_tui.webhooks.scheme import Case, Scheme

LIMIT = 60  # requests of a whole bench, those on the way to the endpoint included
LOOKS = 2  # of them are `transport`'s
VALID_FOR_SPEED = 5
AT_ONCE = 5
CONTROLS = ("P1", "P2")
FOREIGN = "foreign"  # as a case's scope: somebody else's, whatever that is in this scheme
NO_SCOPE = "the own project or account was not told"
ID_UNSIGNED = "does not sign the id: who has one delivery can send it as a new one"
OPEN_SKIPS = (NO_SCOPE,)  # reasons that leave a question open although the case does not apply
# What the answer to a case is held to (`verdicts.judge`).
EXPECTATIONS = {
    "accept": "the vendor's success",
    "bytes": "the vendor's success, whatever the JSON looks like",
    "variant": "the vendor's success",
    "probe": "the handshake's answer",
    "refuse": "a refusal",
    "abuse": "a refusal that gives nothing away",
    "survive": "a refusal, neither a crash nor silence",
    "inert": "no effect",
    "once": "one effect",
}


@dataclass(frozen=True)
class Knowledge:
    """What the operator has told. `signs`: the new secret, or a test key that stands in for a vendor's."""

    signs: bool = True
    old: bool = False
    other: bool = False  # the secret of another endpoint (test and live, say)
    scope: str = ""  # the own project, account or app
    facts: frozenset[str] = frozenset()
    variant: str = ""  # the envelope to use
    acting: bool = False  # handshakes that may change the endpoint are wanted too
    misses: tuple[tuple[str, str], ...] = ()  # (id, title) of `tokens.near_misses`


@dataclass(frozen=True)
class Planned:
    """One case. `case` says how its delivery is made, as far as a scheme goes; `how` and `part` say the rest.

    `how`: plain | pretty | tampered | query | malformed | empty | large | handshake | near-miss | their-clock.
    `part` is what `how` is about: a pointer, a handshake's name, a near-miss's id.
    """

    id: str
    title: str
    expect: str  # one of EXPECTATIONS
    case: Case = field(default_factory=lambda: Case("", ""))
    how: str = "plain"
    part: str = ""
    ago: float = 0.0  # seconds by which the delivery's time lies back; negative: ahead
    proof_ago: float | None = None  # seconds by which the proof's time lies back, when it is another
    requests: int = 1
    at_once: bool = False  # the requests go out together
    gentle: str = ""  # why an acceptance is a warning and no failure
    skip: str = ""  # why it does not apply
    open: str = ""  # why it stays open although it applies: something that only the operator can give

    @property
    def sends(self) -> bool:
        return not self.skip and not self.open

    @property
    def secret(self) -> str:
        """Whose secret it is made with, in words for the plan."""
        return " and ".join(self.case.secrets) if self.case.signed else "none"


def requests(cases: Sequence[Planned]) -> int:
    return sum(one.requests for one in cases if one.sends)


def expected(scheme: Scheme, planned: Planned) -> str:
    """What a good endpoint does, in a few words."""
    if planned.expect in ("accept", "bytes", "variant"):
        return str(scheme.answers.ok)
    if planned.expect in ("refuse", "abuse") and scheme.kind == "url-token":
        return "404 or 410"
    return {"refuse": "refused (4xx)", "abuse": "refused (4xx)", "survive": "refused (4xx)"}.get(
        planned.expect, EXPECTATIONS[planned.expect]
    )


def left(planned: Planned, *, skip: str = "", open_: str = "") -> Planned:
    return replace(planned, skip=skip, open=open_)


def as_data(scheme: Scheme, one: Planned) -> dict[str, Any]:
    """One line of the plan, as plain data."""
    return {
        "id": one.id,
        "title": one.title,
        "requests": one.requests if one.sends else 0,
        "secret": one.secret,
        "expected": expected(scheme, one),
        "left_out": one.skip or one.open,
    }
