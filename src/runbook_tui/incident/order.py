"""Contain first or stay available? Rules O1 to O8: the first that matches wins, and says why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from runbook_tui.incident.state import IncidentState, Subject

# Power that makes a public key worth an outage.
_DANGEROUS = frozenset({"money", "administration", "personal data", "unknown"})


@dataclass(frozen=True, slots=True, repr=False)
class Advice:
    """A recommended order, the rule that fired, and the reason in one or two sentences."""

    rule: str  # O1 … O8
    order: str  # contain_first | replace_first | staged | receiver_first
    why: str


@dataclass(frozen=True, slots=True, repr=False)
class _Facts:
    used: bool
    looked: bool  # somebody looked for use and saw none
    public: bool
    dangerous: bool
    we_verify: bool
    reversible: bool
    overlap: str
    consumers_known: bool
    rollout_fits: bool


def advise(state: IncidentState) -> Advice:
    """The order that the stated facts and the providers' manifests call for. An unknown counts as the worse case."""
    facts = _read(state)
    if facts.used:
        return Advice(
            "O1", "contain_first", "somebody else has used it: every minute it lives costs more than an outage"
        )
    if facts.public and facts.dangerous:
        how = "disable it, which can be taken back" if facts.reversible else "revoke it now"
        return Advice("O2", "contain_first", f"public, and it moves money, administers or opens personal data: {how}")
    if facts.we_verify:
        why = (
            "we are the verifier: the receiver takes the new one first, then the sender changes, then the old one goes"
        )
        return Advice("O3", "receiver_first", why)
    if facts.reversible:
        why = "it can be switched off and on again: switch it off, watch what breaks, replace"
        return Advice("O4", "contain_first", why)
    if facts.overlap == "none":
        why = "the new one kills the old one at once: prepare every consumer, then change and load in one go"
        return Advice("O5", "staged", why)
    if facts.public and facts.looked and facts.consumers_known and facts.rollout_fits:
        why = "public, no sign of use, both keys can live for a while, consumers known: replace, prove, then revoke"
        return Advice("O6", "replace_first", f"{why} within the target")
    if facts.public or facts.dangerous:
        why = f"{_held_up(facts)}: restrict what it can do first, then replace; revoke at the deadline"
        return Advice("O7", "replace_first", why)
    return Advice("O8", "replace_first", "internal and of little power: a normal rotation with a date")


def _held_up(facts: _Facts) -> str:
    """What stands against O6."""
    if not facts.consumers_known:
        return "consumers unknown"
    if not facts.rollout_fits:
        return "a long roll-out"
    return "not known whether it was used" if facts.public else "internal, and of great power"


def usable(advice: Advice, orders: Collection[str]) -> str:
    """The advised order, or the nearest one that the playbook has."""
    fallbacks = {"receiver_first": ("staged", "replace_first"), "staged": ("contain_first", "replace_first")}
    wanted: list[str] = [advice.order, *fallbacks.get(advice.order, ()), "contain_first", *orders]
    return next((order for order in wanted if order in orders), advice.order)


def _read(state: IncidentState) -> _Facts:
    stated = state.facts
    # What a scan found beside it is not what this run rotates.
    credentials = [one for one in state.subjects.values() if one.kind == "credential" and ":" not in one.slot]
    return _Facts(
        # O1 wants evidence. Where nobody looked, "no sign of use" does not hold either.
        used=stated.get("used_by_others") == "yes",
        looked=stated.get("used_by_others", "unknown") == "no",
        public=stated.get("exposure", "unknown") != "internal",
        dangerous=stated.get("power", "unknown") in _DANGEROUS,
        we_verify=any(subject.attributes.get("verified_by") == "us" for subject in credentials),
        reversible=bool(credentials) and all(subject.can.get("disable") == "api" for subject in credentials),
        overlap=_worst_overlap(credentials),
        consumers_known=bool(state.consumers),
        # A playbook that does not ask counts on its own target; where it asks, only "yes" is one.
        rollout_fits=stated.get("rollout_fits", "yes") == "yes",
    )


def _worst_overlap(credentials: list[Subject]) -> str:
    overlaps: set[str] = {subject.overlap for subject in credentials}
    worst = [overlap for overlap in ("none", "grace", "parallel") if overlap in overlaps]
    return worst[0] if worst else "none"
