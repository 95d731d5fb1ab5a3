"""A scan step that finds credentials by rule: what is told and kept of them, and how one is taken into the incident."""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conductor_kit import BOOK, OLD, Disk, Stand, on_disk, refusal
from test_conductor_scan import git, wait_for

from runbook_tui.conductor.opening import Opening, open_incident
from runbook_tui.exposure.rulefile import spell_out
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.actions import why_disallowed
from runbook_tui.incident.board import board
from runbook_tui.incident.details import details
from runbook_tui.incident.findings import in_short, kept, owner, untaken
from runbook_tui.incident.state import fold
from runbook_tui.playbook.loader import from_source
from runbook_tui.secrets.fingerprint import fingerprint
from runbook_tui.secrets.secret import Secret

GITHUB = spell_out("ghp_<mix:36>")
OWN = spell_out("acme_<mix:32>")
RULE = """rules:
  - id: acme-key
    title: an Acme key
    pattern: 'acme_[A-Za-z0-9]{32}'
    source: https://example.com/keys
    examples: ['acme_<mix:32>']
    counterexamples: ['acme_<mix:8>']
"""
PLAYBOOK = """
runbook: 1
id: sweep
title: Sweep
target: 5m
inputs:
  repositories: {type: path, many: true, ask: Where?}
steps:
  - {id: search, phase: search, title: Search, scan: {repositories: $repositories, rules: true}}
  - id: respond
    phase: recover
    title: Respond to each
    when: {path: found.0, exists: true}
    for_each: $found
    run: {playbook: api-key-leaked, with: {leaked: $each}}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A GitHub token and a key of the workspace's own format, both removed in the second commit."""
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "app.env").write_text(f"GITHUB={GITHUB}\nKEY={OLD}\n")
    (path / "acme.env").write_text(f"ACME={OWN}\n")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "start")
    git(path, "rm", "-q", "app.env", "acme.env")
    git(path, "commit", "-q", "-m", "clean")
    git(path, "tag", "v1")
    return path


def sweeping(tmp_path: Path, repository: Path) -> tuple[Stand, Any]:
    """An incident whose search finds by rule, with a rule of the workspace's own."""
    # Progress is told a few times a second: this clock runs fast.
    stand = Stand(tmp_path, book=from_source(PLAYBOOK, "sweep"), clock=FakeClock(tick=0.3))
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "own.yaml").write_text(RULE)
    stand.kit.rules = (tmp_path / "rules",)
    open_incident(stand.conductor, Opening("inc-1", "live", {"repositories": str(repository)}))
    return stand, stand.client()


def printed(stand: Stand, value: str) -> str:
    return fingerprint(Secret(value), stand.kit.key)


def test_found_by_rule_and_listed(tmp_path: Path, repository: Path) -> None:
    """Promise: a scan step with `rules: true` records each credential by fingerprint, never by value, those of the
    workspace's rules too; both front ends and the report list them, and the clean-up advice follows."""
    stand, client = sweeping(tmp_path, repository)
    told: list[dict[str, Any]] = []
    client.listen(lambda push: told.append(push.get("progress", {})))
    assert stand.run(client, "search") == "done"
    reason = stand.conductor.state.step("search").reason
    assert reason == "2 places found, 2 credentials found by rule"
    found = stand.conductor.state.findings
    assert set(found) == {printed(stand, GITHUB), printed(stand, OWN)}
    own, github = found[printed(stand, OWN)], found[printed(stand, GITHUB)]
    assert (own.rule, own.title, own.places, own.slot) == ("acme-key", "an Acme key", 1, "")
    assert (github.provider, github.mask) == ("github", f"ghp_…{GITHUB[-4:]}")
    [event] = [one for one in stand.conductor.events if one.kind == "scan"]
    shown = details(event)
    assert shown[0].startswith(f"found by rule: {printed(stand, OWN)}, an Acme key …")
    assert "1 place: acme.env, since 20" in shown[0]
    assert any(line.startswith("Rotate first, history second") for line in shown)
    assert any("Tags (refs/tags/v1)" in line for line in shown)
    alerts = board(stand.book, stand.conductor.state, stand.clock.now()).alerts
    assert alerts == ("FOUND BY RULE, NOT TAKEN: 2 credentials",)
    report = html.unescape(client.request("report")["markdown"]).replace("\\", "")
    copies = report.partition("### Copies in git history")[2].partition("## 7.")[0]
    assert f"| {printed(stand, GITHUB)} |" in copies
    assert "not taken" in copies
    assert "Rotate first, history second" in copies
    assert f"decide on the credential found by rule: {printed(stand, OWN)}" in report.partition("## 13.")[2]
    places = [one["found"] for one in told if "found" in one]
    assert any(line.startswith(f"{printed(stand, GITHUB)}: raw in blob") for line in places)
    everything = on_disk(tmp_path) + json.dumps([report, told, shown]).encode()
    assert GITHUB.encode() not in everything
    assert OWN.encode() not in everything
    assert stand.vault.names() == ["hook"]


def test_a_finding_is_taken_into_the_incident(tmp_path: Path, repository: Path) -> None:
    """Promise: taken over, a finding's value is in the vault and nowhere else; it is a line of the closed loop, which
    another playbook's run closes; nobody takes it twice; after a restart all of that still stands."""
    stand, client = sweeping(tmp_path, repository)
    stand.run(client, "search")
    wanted = printed(stand, GITHUB)
    assert refusal(client, "take", finding="fp:000000000000").startswith("there is no finding")
    assert refusal(stand.client("two", "watch"), "take", finding=wanted).startswith("one drives")
    taken = client.request("take", finding=wanted)
    assert taken == {"slot": "found:github-found", "name": "github-found", "stored_in": stand.vault.kind}
    assert stand.vault.get("github-found").secret == Secret(GITHUB)
    subject = stand.conductor.state.subjects["found:github-found"]
    assert (subject.provider, subject.fingerprint, subject.has_secret) == ("github", wanted, True)
    assert stand.conductor.state.findings[wanted].slot == "found:github-found"
    assert refusal(client, "take", finding=wanted) == f"{wanted} is one of the incident's credentials already"
    assert [one.rule for one in untaken(stand.conductor.state)] == ["acme-key"]
    assert "old:found:github-found" in refusal(client, "close")
    client.request("take", finding=printed(stand, OWN))
    assert stand.vault.get("credential-found").secret == Secret(OWN)
    assert "left to take" in why_disallowed(stand.book, stand.conductor.state, "take", stand.clock.now())
    prompts = [one["name"] for one in client.request("prompts", step="respond")["prompts"]]
    assert prompts == ["handled_github-found", "handled_credential-found"]
    assert stand.run(client, "respond") == "done"
    assert stand.conductor.state.subjects["found:github-found"].old.proof == "attested"
    report = html.unescape(client.request("report")["markdown"]).replace("\\", "")
    assert "github-found" in report.partition("### Copies in git history")[2]
    assert client.request("close")["state"] == "contained"
    assert fold(stand.conductor.events) == stand.conductor.state
    assert GITHUB.encode() not in on_disk(tmp_path)
    assert GITHUB not in report


def test_what_cannot_be_taken_is_refused(tmp_path: Path, repository: Path) -> None:
    """Promise: a finding that is gone from the repository, or whose record fails, leaves no value in the vault."""
    stand, client = sweeping(tmp_path, repository)
    stand.run(client, "search")
    assert isinstance(stand.journal, Disk)
    stand.journal.fails = lambda kind: kind == "subject"
    assert "the disk is full" in refusal(client, "take", finding=printed(stand, OWN))
    stand.journal.fails = lambda kind: False
    shutil.rmtree(repository)
    assert "no longer where the search found it" in refusal(client, "take", finding=printed(stand, GITHUB))
    assert stand.vault.names() == ["hook"]
    assert not stand.conductor.state.subjects


def test_mistakes_in_the_workspaces_rules_end_the_step(tmp_path: Path, repository: Path) -> None:
    """Promise: a rule that is wrong is named with its place, and the step can be run again."""
    stand, client = sweeping(tmp_path, repository)
    (tmp_path / "rules" / "own.yaml").write_text(RULE.replace("{32}'", "{32}('"))
    assert stand.run(client, "search") == "failed"
    assert "own.yaml:4:" in stand.conductor.state.step("search").reason
    (tmp_path / "rules" / "own.yaml").write_text(RULE)
    assert stand.run(client, "search") == "done"


def test_a_known_value_and_rules_together(tmp_path: Path, repository: Path) -> None:
    """Promise: with both, the known value keeps its name, and a finding that is one of the incident's is told so."""
    source = BOOK.source.replace(
        "scan: {credential: $leaked, repositories: $repositories}",
        "scan: {credential: $leaked, repositories: $repositories, rules: true}",
    )
    stand = Stand(tmp_path, book=from_source(source, "both")).open(repositories=str(repository))
    client = stand.client()
    assert stand.run(client, "search") == "done"
    [event] = [one for one in stand.conductor.events if one.kind == "scan"]
    hits = {hit["credential"] for hit in event.data["result"]["repositories"][0]["hits"]}
    assert hits == {"hook", printed(stand, GITHUB)}
    state = stand.conductor.state
    own = {**event.data["result"]["findings"][0], "credential": state.subjects["leaked"].fingerprint}
    stand.conductor.record("scan", {"step": "search", "result": {**event.data["result"], "findings": [own]}})
    state = stand.conductor.state
    assert owner(state, state.findings[own["credential"]]) == "leaked"
    assert [one.fingerprint for one in untaken(state)] == [printed(stand, GITHUB)]


def test_a_place_is_told_before_the_result(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: what is found shows while the search still runs: here git, asked for a damaged object, never answers
    before the place was told."""
    real, gate, folder = shutil.which("git"), tmp_path / "gate", tmp_path / "bin"
    content = os.urandom(5000)
    lost = subprocess.run(["git", "hash-object", "-w", "--stdin"], input=content, cwd=repository, capture_output=True)
    name = lost.stdout.decode().strip()
    path = repository / ".git/objects" / name[:2] / name[2:]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-6])  # whoever reads it to its end asks git
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\nwhile ! [ -e {gate} ]; do sleep 0.05; done\nexec {real} "$@"\n')
    (folder / "git").chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    stand = Stand(tmp_path)
    client = stand.open(repositories=str(repository)).client()
    told: list[str] = []
    client.listen(lambda push: told.append(push.get("progress", {}).get("found", "")))
    client.request("run", step="search", answers={})
    wait_for(lambda: any(told))
    assert next(filter(None, told)).startswith("raw in blob ")
    assert ", line 2" in next(filter(None, told))
    assert stand.conductor.state.step("search").status == "running"
    assert "scan" not in stand.kinds()
    gate.touch()
    wait_for(lambda: stand.conductor.state.step("search").status == "done")
    assert "scan" in stand.kinds()
    assert OLD not in str(told)


def _document(findings: int, places: int) -> dict[str, Any]:
    names = [f"fp:{number:012x}" for number in range(findings)]
    hits = [
        {"credential": name, "rule": "r", "form": "raw", "object": "ab" * 20, "type": "blob", "paths": [f"f{at}"],
         "line": 1, "first": [], "last": [], "remotes": [], "reachable": "ref",
         "refs": ["refs/heads/main", *(["refs/tags/late"] if at == places - 1 else [])]}
        for name in names for at in range(places)
    ]  # fmt: skip
    return {
        "repositories": [{"path": "/r", "hits": hits, "not_scanned": []}],
        "credentials": [{"credential": name, "earliest": None, "latest": None, "pushed": None} for name in names],
        "findings": [
            {"credential": name, "rule": "r", "title": "a key", "provider": None, "mask": "k…", "traced": True}
            for name in names
        ],
    }


def test_very_many_findings_are_cut_and_counted() -> None:
    """Promise: an event keeps 200 findings and says how many more there are; of very many places it keeps few, none
    that brings in another ref, and their number."""
    result = kept(_document(250, 40))
    assert (len(result["findings"]), result["findings_left"], len(result["credentials"])) == (200, 50, 200)
    hits = result["repositories"][0]["hits"]
    assert len(hits) == 200 * 26
    assert sum("refs/tags/late" in hit["refs"] for hit in hits) == 200
    assert {one["places"] for one in result["findings"]} == {40}
    assert in_short(result) == "8000 places found, 250 credentials found by rule"
    lines = details(_event(result))
    assert sum(line.startswith("found by rule: ") for line in lines) == 200
    assert "… and 50 more findings, of less specific rules: `runbook scan --rules` lists them all" in lines
    assert any("Tags (refs/tags/late)" in line for line in lines)
    plain = {"repositories": [], "credentials": []}
    assert kept(plain) is plain
    assert in_short({**plain, "findings": []}) == "0 places found, no credential found by rule"


def _event(result: dict[str, Any]) -> Any:
    from runbook_tui.incident.events import Event

    return Event(1, "2026-11-22T00:00:00.000000Z", 1, "boot", "ann", "scan", {"step": "search", "result": result})


def test_a_scan_that_searches_for_nothing_is_a_mistake() -> None:
    """Promise: the playbook's check says that a scan needs a credential or rules."""
    with pytest.raises(RunbookError, match="searches for nothing"):
        from_source(PLAYBOOK.replace(", rules: true", ""), "sweep")
