"""A live incident line by line: a search by rule is stopped and run again, and what it found is taken over."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from journey_kit import RUNBOOK, Machine, PlainOperator

from runbook_tui.exposure.rulefile import spell_out
from servers.terminal import Terminal

TOKEN, OWN = spell_out("ghp_<mix:36>"), spell_out("acme_<mix:32>")
PHRASE = "not-a-secret-passphrase-0001"
PLAYBOOK = """runbook: 1
id: sweep
title: Repository exposed
target: 5m
inputs:
  repositories: {type: path, many: true, ask: Where?}
steps:
  - {id: search, phase: search, title: Search, scan: {repositories: $repositories, rules: true}}
  - {id: report, phase: close, title: Write the report, report: markdown}
"""
RULE = """rules:
  - id: acme-key
    title: an Acme key
    pattern: 'acme_[A-Za-z0-9]{32}'
    source: https://example.com/keys
    examples: ['acme_<mix:32>']
    counterexamples: ['acme_<mix:8>']
"""


def workspace(here: Machine) -> Path:
    """A playbook, a rule, and a repository with two credentials and a damaged object. Git waits at a gate."""
    (here.cwd / "sweep.yaml").write_text(PLAYBOOK)
    (here.cwd / "inventory.yaml").write_text("inventory: 1\n")
    (here.cwd / "rules").mkdir()
    (here.cwd / "rules" / "own.yaml").write_text(RULE)
    repository = here.cwd / "shop"
    git = ["git", "-c", "user.name=Kim", "-c", "user.email=kim@example.test", "-C", str(repository)]
    subprocess.run(["git", "init", "-q", "-b", "main", str(repository)], check=True)
    (repository / "settings.py").write_text(f'GITHUB = "{TOKEN}"\nACME = "{OWN}"\n')
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "settings"], check=True)
    lost = subprocess.run(
        [*git, "hash-object", "-w", "--stdin"], input=os.urandom(5000), capture_output=True, check=True
    )
    name = lost.stdout.decode().strip()
    path = repository / ".git/objects" / name[:2] / name[2:]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-6])  # whoever reads it to its end asks git
    gate, folder = here.cwd / "gate", here.cwd / "bin"
    folder.mkdir()
    real = shutil.which("git")
    (folder / "git").write_text(f'#!/bin/sh\nwhile ! [ -e {gate} ]; do sleep 0.05; done\nexec {real} "$@"\n')
    (folder / "git").chmod(0o700)
    here.env["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return gate


@pytest.mark.parametrize("vault", ["session", "file"])
def test_a_search_is_stopped_run_again_and_a_finding_taken(
    machine: Callable[..., Machine], terminal: Callable[..., Terminal], vault: str
) -> None:
    """`stop` ends the search at a real terminal; run again it lists what it found; `take` puts one into the vault and
    onto the closed loop; after a crash it is still the incident's; no value is in the record, the report, or on screen.
    """
    here = machine()
    gate = workspace(here)
    command = [*RUNBOOK, "run", "./sweep.yaml", "--plain", "--vault", vault, "--input", "repositories=shop"]
    operator = PlainOperator(terminal(command, env=here.env, cwd=here.cwd))
    while "leave?" not in operator.waits_with():
        operator.answer(PHRASE, secret=True)
    assert "take" not in operator.waits_with()
    operator.answer("")
    operator.terminal.wait_for("to stop the scan; it can be run again")
    operator.answer("nonsense")
    operator.answer("stop")
    assert "leave?" in operator.waits_with()
    assert "search: failed: stopped by the operator after" in operator.text()
    gate.touch()
    operator.answer("run")
    assert " take," in operator.waits_with()
    shown = operator.text()
    assert "2 credentials found by rule" in shown
    assert "FOUND BY RULE, NOT TAKEN: 2 credentials" in shown
    assert "Rotate first, history second" in shown
    wanted = re.search(rf"found by rule: (fp:[0-9a-f]+), a GitHub .*ghp_…{TOKEN[-4:]}", shown)
    assert wanted is not None
    assert "an Acme key" in shown
    operator.answer("take")
    assert wanted[1] in operator.waits_with()
    operator.answer(wanted[1])
    assert "leave?" in operator.waits_with()
    assert "found:github-found is github-found at GitHub" in operator.text()
    assert "0 of 1 dead" in operator.text()
    seen = operator.text()
    operator.terminal.close()
    here.kill_conductor()

    again = PlainOperator(terminal([*RUNBOOK, "resume", "--plain"], env=here.env, cwd=here.cwd))
    again.waits_with()
    again.answer(TOKEN if vault == "session" else PHRASE, secret=True)
    assert "leave?" in again.waits_with()
    again.answer("close")
    again.waits_with()
    again.answer("")
    assert "still open: old:found:github-found (not proven)" in again.terminal.wait_for("it abandoned")
    for said in ("attest", "old:found:github-found", "revoked it in the dashboard"):
        assert again.waits_with()
        again.answer(said)
    assert "leave?" in again.waits_with()
    assert "1 of 1 dead" in again.text()
    report = here.run("report", here.only_incident()).stdout
    assert "github-found" in report
    assert "not taken" in report
    kept = [path.read_bytes() for path in here.home.rglob("*") if path.is_file()]
    for value in (TOKEN, OWN):
        assert value not in seen + again.text() + report
        assert not any(value.encode() in content for content in kept)
