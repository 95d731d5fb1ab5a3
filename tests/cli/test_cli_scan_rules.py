"""`runbook scan --rules`: each credential once, by fingerprint, traced; an incident opens from it; nothing is shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runbook_tui.exposure.rulefile import spell_out

TOKEN = spell_out("ghp_<mix:36>")
OTHER = spell_out("xoxb-<digit:12>-<digit:13>-<mix:24>")
LINES = [spell_out(f"<b64:64>{'':{n}}").strip() for n in range(4)]
PEM = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(LINES) + "\n-----END PRIVATE KEY-----\n"
ENV = {"GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
WHO = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]


def git(folder: Path, *args: str) -> None:
    subprocess.run(["git", *WHO, *args], cwd=folder, env=ENV | {"HOME": str(folder)}, check=True, capture_output=True)


def runbook(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"RUNBOOK_HOME": str(home / "home")}
    command = [sys.executable, "-m", "runbook_tui", *args]
    return subprocess.run(command, input="", capture_output=True, text=True, env=env, cwd=home, check=False)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A GitHub token in two files, taken out of one again; a Slack token in a message; a private key; a placeholder."""
    path = tmp_path / "repo"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "app.env").write_text(f"GITHUB={TOKEN}\nEXAMPLE=ghp_{'x' * 36}\n")
    (path / "key.pem").write_text(PEM)
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "start")
    (path / "other.py").write_text(f"TOKEN = '{TOKEN}'\n")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", f"talk as {OTHER}")
    (path / "app.env").write_text("GITHUB=\n")
    git(path, "commit", "-q", "-a", "-m", "clean")
    return path


def nothing_secret(home: Path, *texts: str) -> None:
    secrets = [TOKEN, TOKEN[8:30], OTHER[20:], LINES[1], LINES[2][:40]]
    kept = [path.read_bytes() for path in (home / "home").rglob("*") if path.is_file()]
    assert [secret for secret in secrets if any(secret in text for text in texts)] == []
    assert [secret for secret in secrets if any(secret.encode() in content for content in kept)] == []


def test_each_credential_is_found_once_and_traced(repo: Path, tmp_path: Path) -> None:
    """Promise: one finding a value with rule, provider and mask; every place of it with commits and refs; no value."""
    done = runbook(tmp_path, "scan", str(repo), "--rules", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    document = json.loads(done.stdout)
    found = {one["rule"]: one for one in document["findings"]}
    assert set(found) == {"manifest-github-personal-access-token-classic", "slack-token", "private-key"}
    github = found["manifest-github-personal-access-token-classic"]
    assert (github["provider"], github["mask"], github["traced"]) == ("github", f"ghp_…{TOKEN[-4:]}", True)
    hits = [hit for hit in document["repositories"][0]["hits"] if hit["credential"] == github["credential"]]
    assert {path for hit in hits for path in hit["paths"]} == {"app.env", "other.py"}
    assert all(hit["rule"] == github["rule"] and hit["refs"] == ["refs/heads/main"] for hit in hits)
    kinds = {(hit["rule"], hit["type"]) for hit in document["repositories"][0]["hits"]}
    assert {("slack-token", "commit"), ("private-key", "blob")} <= kinds
    text = runbook(tmp_path, "scan", str(repo), "--rules")
    assert github["credential"] in text.stdout
    nothing_secret(tmp_path, done.stdout, text.stdout, text.stderr)


def test_nothing_found(tmp_path: Path) -> None:
    """Promise: without any finding the scan says so and ends with 0."""
    path = tmp_path / "repo"
    path.mkdir()
    git(path, "init", "-q")
    git(path, "commit", "-q", "--allow-empty", "-m", "start")
    done = runbook(tmp_path, "scan", str(path), "--rules")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no rule found anything" in done.stdout


def test_own_rules(repo: Path, tmp_path: Path) -> None:
    """Promise: a rule file given by hand counts, and its mistakes are told before anything is searched."""
    own = tmp_path / "own.yaml"
    own.write_text(
        "rules:\n  - id: clean\n    title: the word\n    pattern: 'GITHUB=()'\n    source: x\n"
        "    examples: [x]\n    counterexamples: [y]\n"
    )
    done = runbook(tmp_path, "scan", str(repo), "--rules", "--rules-file", str(own))
    assert done.returncode == 2
    assert "own.yaml:6:16: error: this text is not found by the rule" in done.stderr
    alone = runbook(tmp_path, "scan", str(repo), "--rules-file", str(own))
    assert (alone.returncode, "goes with --rules" in alone.stderr) == (2, True)


def test_an_incident_starts_from_a_finding(repo: Path, tmp_path: Path) -> None:
    """Promise: a finding is chosen by fingerprint, its value is read again from the repository, never from the file."""
    done = runbook(tmp_path, "scan", str(repo), "--rules", "--json")
    (tmp_path / "finding.json").write_text(done.stdout)
    chosen = next(one["credential"] for one in json.loads(done.stdout)["findings"] if one["provider"] == "github")
    run = ["run", "api-key-leaked", "--finding", "finding.json", "--vault", "session", "--dry-run", "--headless"]
    several = runbook(tmp_path, *run)
    assert several.returncode == 2
    assert "has 3 findings" in several.stderr
    planned = runbook(tmp_path, *run, "--input", f"leaked={chosen}")
    assert planned.returncode == 0, planned.stderr
    assert "github" in planned.stdout.lower()
    nothing_secret(tmp_path, several.stderr, planned.stdout, planned.stderr)
