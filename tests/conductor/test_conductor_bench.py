"""Promise: a webhook step runs the whole bench, tells each case as it is done, and records no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from conductor_kit import CATALOGUE, SCHEMES

from runbook_tui.conductor.benching import try_endpoint
from runbook_tui.conductor.kit import Kit
from runbook_tui.drill.endpoint.setup import Setup
from runbook_tui.drill.receiver import ReferenceReceiver
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.inventory import Endpoint
from runbook_tui.incident.benched import bench_outcome
from runbook_tui.net.client import Network
from runbook_tui.providers.engine import Engine
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, SessionVault
from runbook_tui.webhooks.registry import Schemes

OLD, NEW = "not-a-secret-hook-0001", "not-a-secret-hook-0002"


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """A conductor's kit with both secrets in a session vault."""
    network, clock, vault = Network(), FakeClock(tick=0.001), SessionVault()
    for name, value in (("hook", NEW), ("hook-old", OLD)):
        vault.put(Credential(name, Secret(value), Binding("")))
    engine = Engine(CATALOGUE, network, clock)
    return Kit(tmp_path, vault, CATALOGUE, engine, network, clock, SCHEMES, b"k" * 32)


def at(receiver: ReferenceReceiver, **more: str) -> dict[str, Any]:
    """The endpoint as an incident's input holds it."""
    return asdict(Endpoint("hooks", receiver.url, receiver.setup.scheme.id, "hook", "hook-old", **more))


def serving(scheme: str, *faults: str, known: Schemes = SCHEMES) -> ReferenceReceiver:
    return ReferenceReceiver(Setup(known.get(scheme), NEW, OLD, faults=frozenset(faults)))


def test_a_good_endpoint_ends_the_step(kit: Kit) -> None:
    """The rotation is proven, effects by the observer; every case is told once, and no secret or proof is in it all."""
    told: list[dict[str, Any]] = []
    with serving("github") as receiver:
        where = at(receiver, observe_url=f"{receiver.observer_url}/acted?marker={{marker}}")
        reply = try_endpoint(kit, where, lambda push: told.append(dict(push)), lambda: False)
    assert bench_outcome(reply) == ("done", "the new secret is accepted, the old one and none are refused")
    assert (reply["rotation"], reply["observer"]) == ("pass", "trusted")
    lines = [push["case"] for push in told if "case" in push]
    sent = [one for one in reply["results"] if one["verdict"] != "not_applicable"]
    assert len(lines) == len(sent) > 15
    assert any(line.split()[:2] == ["pass", "N1"] for line in lines)
    everything = json.dumps([reply, told])
    assert not any(value in everything for value in (NEW, OLD, "sha256="))


def test_a_success_without_effect_is_not_told_as_a_refusal(kit: Kit) -> None:
    """An endpoint that acknowledges what it drops ends the step, which says so."""
    with serving("github", "acknowledges_bad") as receiver:
        where = at(receiver, observe_url=f"{receiver.observer_url}/acted?marker={{marker}}")
        result, reason = bench_outcome(try_endpoint(kit, where, lambda _: None, lambda: False))
    assert (result, "refused" in reason) == ("done", False)
    assert reason.startswith("the new secret is accepted; N1, N3 got a success too, and had no effect")


@pytest.mark.parametrize(
    ("faults", "outcome", "said"),
    [
        (("old_secret_valid",), "refuted", "Likely:"),
        (("unsigned_accepted",), "refuted", "refuse what carries none"),
    ],
)
def test_a_faulty_endpoint_refutes_the_step(kit: Kit, faults: tuple[str, ...], outcome: str, said: str) -> None:
    """What the endpoint takes and should not is the step's outcome, with the likely cause."""
    with serving("github", *faults) as receiver:
        result, reason = bench_outcome(try_endpoint(kit, at(receiver), lambda _: None, lambda: False))
    assert result == outcome
    assert said in reason


def test_a_stopped_bench_keeps_what_it_knows(kit: Kit) -> None:
    """After the operator's stop nothing more is sent, and what was not sent is open."""
    done: list[str] = []

    def note(push: Any) -> None:
        done.extend([push["case"]] if "case" in push else [])

    with serving("github") as receiver:
        reply = try_endpoint(kit, at(receiver), note, lambda: len(done) >= 5)
        arrived = len(receiver.arrivals)
    assert bench_outcome(reply) == ("undetermined", "stopped by the operator")
    assert reply["stopped"] == "stopped by the operator"
    assert arrived <= reply["requests"] <= arrived + 1 < 30  # the one that was held back counts
    assert [one["verdict"] for one in reply["results"] if one["id"] == "P2"] == ["inconclusive"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda where: {**where, "scheme": "stripey"}, "unknown webhook scheme"),
        (lambda where: {**where, "secret": "other"}, "other"),
        (lambda where: {**where, "old_secret": "hook"}, "the same"),
        (lambda where: {**where, "url": "ftp://x"}, "URL"),
    ],
)
def test_what_cannot_be_begun_is_said(kit: Kit, change: Callable[[dict[str, Any]], dict[str, Any]], said: str) -> None:
    """A wrong inventory costs the step and sends nothing."""
    with serving("github") as receiver:
        with pytest.raises(RunbookError, match=said):
            try_endpoint(kit, change(at(receiver)), lambda _: None, lambda: False)
        assert not receiver.arrivals
