"""Promise: whatever a provider answers, a run says it in one line, claims nothing it did not see, and leaks nothing."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from bad_input_kit import CANARY, refused, whole

from journeys.journey_kit import Machine
from net.fault_server import FaultServer

_MANIFEST = """\
provider: 1
id: toy
name: Toy
docs: https://toy.example/docs
source: made up for a test
checked_on: 2026-11-21
origins:
  api: {url: "https://toy.example"}
overlap: parallel
credential:
  name: key
  key_id: the key's id
  kinds: [{id: key}]
  attributes:
    ca_file: {ask: Whose certificates are trusted?, required: false}
auth:
  key: {style: bearer}
identities: {credential: key}
operations:
  verify:
    title: Ask who it is
    kind: read
    as: credential
    request: {method: GET, path: /me}
    verdict:
      - {status: [200], is: alive}
      - {status: [401], is: dead, proof: refused}
  inspect:
    title: Record what it is
    kind: read
    as: credential
    request: {method: GET, path: /me}
    outputs: {name: name}
  revoke:
    title: Delete the key
    kind: once
    as: credential
    request: {method: DELETE, path: /keys/$(credential.key_id)}
    effect: {revoke: credential}
    expect: {status: [204]}
"""
_BOOK = """\
runbook: 1
id: end-it
title: End it
target: 5m
inputs:
  leaked: {type: credential, ask: Which one?}
steps:
  - {id: capture, phase: capture, title: Look, call: {operation: inspect, on: $leaked}, target: 9s}
  - id: revoke
    phase: contain
    title: End it
    needs: [capture]
    call: {operation: revoke, on: $leaked}
    confirm: typed
    verify: {credential: $leaked.old, is: dead, within: 1s}
    target: 9s
"""
_ANSWERS = "capture: {skip: known from the dashboard}\nrevoke: {confirm: k_1}\n"
# What the server does -> a word of what the operator is told.
_FAULTS = {
    "redirect": "redirect",
    "bomb": "",
    "trickle": "",
    "trickle_head": "",
    "html": "",
    "rate": "429",
    "error": "503",
    "garbage": "",
    "truncated": "",
    "huge": "",
    "huge_head": "",
    "close": "",
    "reset_after": "",
}


@pytest.fixture
def site(machine: Machine, gnome_keyring: dict[str, str]) -> Machine:
    """A workspace with an own provider, and a keyring."""
    machine.env.update({**gnome_keyring, "RUNBOOK_HOME": str(machine.home)})
    assert machine.run("init", ".").returncode == 0
    (machine.cwd / "manifests" / "toy.yaml").write_text(_MANIFEST)
    (machine.cwd / "end-it.yaml").write_text(_BOOK)
    (machine.cwd / "answers.yaml").write_text(_ANSWERS)
    assert machine.run("provider", "check", "manifests/toy.yaml").stdout == "1 good\n"
    return machine


def _store(site: Machine, url: str, *more: str, name: str = "leaked") -> None:
    done = site.run(
        "credential", "add", name, "--provider=toy", "--key-id=k_1", f"--origin=api={url}", "--value-stdin",
        "--replace", *more, stdin=CANARY + "\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _run(site: Machine) -> list[dict[str, Any]]:
    """Play the run; the record's events. Nothing was leaked, nothing is claimed, the record is whole."""
    done = site.run("run", "end-it.yaml", "--headless", "--answers=answers.yaml", "--input=leaked=leaked", "--json")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "fault in the program" not in done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert "error: " in done.stderr
    result = json.loads(done.stdout)
    assert result["credentials"][0]["old"] == "undetermined"
    assert result["state"] == "open"
    events = site.events(result["incident"])
    assert "canary" not in json.dumps(events)
    assert "canary" not in site.run("report", result["incident"]).stdout
    whole(site)
    return events


def test_a_provider_that_answers_wrongly(site: Machine) -> None:
    """Redirects, bombs, trickles, text that is no JSON, 429, 503, cuts: a check of the key is undetermined, exit 3."""
    with contextlib.ExitStack() as running, ThreadPoolExecutor(len(_FAULTS)) as pool:
        for fault in _FAULTS:
            server = running.enter_context(FaultServer())
            server.fault = fault
            _store(site, server.url, name=fault)
        checks = {fault: pool.submit(site.run, "credential", "check", fault, "--json") for fault in _FAULTS}
        for fault, check in checks.items():
            done = check.result()
            verdict = json.loads(done.stdout)
            assert (done.returncode, verdict["state"], verdict["proof"]) == (3, "undetermined", "none"), fault
            assert _FAULTS[fault] in verdict["reason"]
            assert verdict["reason"]
            assert "canary" not in done.stdout + done.stderr
            assert "Traceback" not in done.stderr


def test_an_answer_lost_in_a_run(site: Machine) -> None:
    """The connection ends after a change was sent: unknown, never sent again, and nothing is claimed."""
    with FaultServer() as server:
        server.fault = "close"
        _store(site, server.url)
        events = _run(site)
        assert [one["data"]["result"] for one in events if one["kind"] == "outcome"] == ["unknown"]
        assert len([one for one in server.seen if one.startswith(b"DELETE /keys/k_1")]) == 1


def _wrap(certificate: trustme.LeafCert) -> Callable[[socket.socket], socket.socket]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return lambda connection: context.wrap_socket(connection, server_side=True)


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    made = trustme.CA()
    path = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, str(path)


@pytest.mark.parametrize("wrong", ["expired", "another host", "unknown authority"])
def test_a_certificate_that_is_wrong(site: Machine, authority: tuple[trustme.CA, str], wrong: str) -> None:
    """Expired, of another host, or of nobody we know: nothing is sent, not even a header."""
    ca, ca_file = authority
    past = datetime.now(UTC) - timedelta(days=1)
    certificate = {
        "expired": lambda: ca.issue_cert("127.0.0.1", not_before=past - timedelta(days=9), not_after=past),
        "another host": lambda: ca.issue_cert("api.example.com"),
    }.get(wrong, lambda: ca.issue_cert("127.0.0.1"))()
    with FaultServer(_wrap(certificate)) as server:
        trust = [] if wrong == "unknown authority" else [f"--attribute=ca_file={ca_file}"]
        _store(site, f"https://127.0.0.1:{server.port}", *trust)
        checked = site.run("credential", "check", "leaked")
        assert checked.returncode == 3
        assert "undetermined" in checked.stdout
        assert not [one for one in server.seen if b"canary" in one]
        outcomes = [one["data"] for one in _run(site) if one["kind"] == "outcome"]
        assert {one["result"] for one in outcomes} <= {"not_sent"}
        assert not [one for one in server.seen if b"canary" in one]


def test_a_provider_that_is_not_there(site: Machine) -> None:
    """Nobody listens: not sent, undetermined, and the manual path is printed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    _store(site, f"http://127.0.0.1:{port}")
    assert site.run("credential", "check", "leaked").returncode == 3
    called = site.run("provider", "call", "toy", "revoke", "--credential=leaked", "--confirm=k_1", "--json")
    assert (called.returncode, json.loads(called.stdout)["result"]) == (3, "not_sent")
    failed = [one["data"] for one in _run(site) if one["kind"] == "step_failed"]
    assert any("toy.example/docs" in line for line in failed[-1]["manual"])


@pytest.mark.parametrize("state", ["missing", "locked", "hanging"])
def test_a_keyring_that_cannot_be_used(machine: Machine, state: str, request: pytest.FixtureRequest) -> None:
    """Each command that needs a secret ends with 3 and names the other vaults; those that need none still work."""
    if state != "missing":
        machine.env.update({**request.getfixturevalue(f"{state}_keyring"), "RUNBOOK_HOME": str(machine.home)})
    value = CANARY + "\n"
    hint = "--vault file"
    refused(machine.run("credential", "add", "x", "--provider=none", "--value-stdin", stdin=value), 3, hint)
    refused(machine.run("credential", "check", "x"), 3, hint)
    refused(machine.run("scan", str(machine.cwd), "--credential", "x"), 3, hint)
    refused(machine.run("provider", "call", "stripe", "verify", "--credential", "x"), 3, hint)
    for command in ("incident list", "playbook list", "provider list", "drill api-key-leaked --auto"):
        done = machine.run(*command.split())
        assert done.returncode == 0, done.stderr
    doctor = machine.run("doctor")
    assert doctor.returncode == (1 if state == "hanging" else 0)
    assert "keyring" in doctor.stdout
    whole(machine)
