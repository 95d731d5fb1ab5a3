"""Incidents for the simulator: a playbook, and what is recorded when it is opened. Most are small: many can be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from runbook_tui.foundation.places import shipped
from runbook_tui.foundation.strict_yaml import load
from runbook_tui.playbook.loader import _build, read_playbook
from runbook_tui.playbook.model import Playbook, to_data

_REVOKE = "call: {operation: revoke, on: $leaked}\n    confirm: typed"
_DEAD = "verify: {credential: $leaked.old, is: dead, within: 60s%s}"
_CREATE = """  - id: create
    phase: replace
    title: Make a new key
    call: {operation: create, on: $leaked}
    store: $leaked.new
    verify: {credential: $leaked.new, is: alive, within: 30s}
"""
_ROLL_OUT = """  - id: roll-out
    phase: roll_out
    title: Give it to every consumer
    needs: [create]
    rollout: {credential: $leaked, to: $consumers}
"""
_PROVE_USED = """  - id: prove-used
    phase: prove
    title: See it used
    needs: [roll-out]
    verify: {consumers: $consumers, is: used, within: 60s}
"""


def _step(name: str, *body: str, phase: str = "contain") -> str:
    return "\n    ".join([f"  - id: {name}", f"phase: {phase}", f"title: {name}", *body]) + "\n"


_REVOKE_STEP = _step("revoke", _REVOKE, _DEAD % "")
_ORDERS = """orders:
  contain_first: [revoke-now, create, roll-out]
  replace_first: [create, roll-out, revoke]
"""
_DECIDE = """  - id: decide
    phase: decide
    title: Decide the order
    decide: order
"""
_BOOKS = {
    "revoke": _REVOKE_STEP,
    "create": _CREATE,
    # Nothing proves it: an unknown outcome is left to the operator.
    "blind": _step("revoke", _REVOKE),
    "pause": _step("pause", "wait: {for: 5m, reason: let it settle}") + _REVOKE_STEP,
    "switch": _step("disable", "call: {operation: disable, on: $leaked}", _DEAD % ", gate: false")
    + _step("revoke", _REVOKE, _DEAD % ", gate: false"),
    "batch": _step(
        "remove",
        "for_each: $member.accounts",
        "call: {operation: offboard, on: $each}",
        "confirm: typed",
        "verify: {account: $each, is: gone, within: 60s}",
    ),
    "rotate": _CREATE + _ROLL_OUT + _step("revoke", "needs: [create, roll-out]", _REVOKE, _DEAD % ""),
    "prove": _CREATE + _ROLL_OUT + _PROVE_USED,
    "orders": _DECIDE
    + _step("revoke-now", _REVOKE, _DEAD % "")
    + _CREATE
    + _ROLL_OUT
    + _step("revoke", "needs: [roll-out]", _REVOKE, _DEAD % ""),
}
_INPUTS = """inputs:
  leaked: {type: credential, ask: Which?}
  consumers: {type: consumer, many: true, required: false, ask: Where?}
"""
_PEOPLE = "inputs:\n  member: {type: person, ask: Who?}\n"
SLOTS = ("member/p/a", "member/p/b")


@dataclass(frozen=True)
class Plot:
    """What a seed plays: the playbook, its opening events, its share of the seeds, what terminals are told of it."""

    name: str
    book: Playbook
    opening: tuple[tuple[str, Mapping[str, Any]], ...]
    share: int
    data: dict[str, Any]
    waits_for_roll_out: bool = False  # the old one may only go when the new one was given out


# Whole shipped playbooks take ten times as long: one seed in 140.
_SHARES = {
    "revoke": 90,
    "create": 48,
    "blind": 24,
    "pause": 18,
    "switch": 24,
    "batch": 24,
    "rotate": 20,
    "prove": 16,
    "orders": 14,
    "api-key-leaked": 1,
    "member-offboarded": 1,
}


@cache
def plots() -> list[Plot]:
    """Every plot. The last two are shipped playbooks, whole."""
    found: list[Plot] = []
    for name, steps in _BOOKS.items():
        head = f"runbook: 1\nid: {name}\ntitle: {name}\ntarget: 5m\n"
        inputs = _PEOPLE if name == "batch" else _INPUTS
        orders = _ORDERS if name == "orders" else ""
        # Without the linter: it wants more steps than a small incident has.
        book = _build(load(f"{head}{inputs}{orders}steps:\n{steps}", name))
        found.append(_plot(name, book, people=name == "batch", consumers=name in ("rotate", "prove", "orders")))
    for name in ("api-key-leaked", "member-offboarded"):
        book = read_playbook(shipped("playbooks") / f"{name}.yaml")
        found.append(_plot(name, book, people=name.startswith("member"), consumers=True))
    return found


def _plot(name: str, book: Playbook, *, people: bool, consumers: bool) -> Plot:
    data: dict[str, Any] = {"incident": "inc", "mode": "live", "title": name, "target": book.target}
    events: list[tuple[str, Mapping[str, Any]]] = [("opened", data)]
    if people:
        able = {"membership": "api", "offboard": "api"}
        for slot in SLOTS:
            subject = {"slot": slot, "kind": "account", "name": "al", "key_id": slot[-1], "can": able, "provider": "p"}
            events.append(("subject", subject))
        accounts = [{"slot": slot, "provider": "p", "account": "al", "org": slot[-1]} for slot in SLOTS]
        value = {"id": "al", "accounts": accounts, "could_read": []}
        events.append(("input", {"name": "member", "value": value}))
    else:
        able = dict.fromkeys(("inspect", "create", "revoke", "verify", "audit"), "api")
        if name == "switch":
            able["disable"] = "api"
        subject = {"slot": "leaked", "kind": "credential", "name": "k", "key_id": "key-1", "overlap": "parallel"}
        events.append(("subject", {**subject, "has_secret": True, "provider": "p", "can": able}))
        if consumers:
            events.append(("input", {"name": "consumers", "value": ["c0"]}))
            one = {"id": "c0", "kind": "secret-manager", "title": "c0", "credential": "leaked", "where": "w"}
            events.append(("consumer", {**one, "proof": "vendor-last-used"}))
    gated = name in ("rotate", "orders", "api-key-leaked")
    return Plot(name, book, tuple(events), _SHARES[name], to_data(book), gated)
