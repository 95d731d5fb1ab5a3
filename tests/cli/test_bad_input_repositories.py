"""Promise: a repository that is none, or not whole, is told apart from one that was searched and holds nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_input_kit import CANARY, refused, whole

from journeys.journey_kit import Machine


def _git(folder: Path, *arguments: str) -> None:
    author = ["-c", "user.name=Kim", "-c", "user.email=kim@example.test", "-c", "uploadpack.allowFilter=true"]
    subprocess.run(["git", *author, "-C", str(folder), *arguments], check=True, capture_output=True)


def _full(path: Path) -> Path:
    """Three commits; the value stands in the second only."""
    path.mkdir()
    _git(path, "init", "-q", "-b", "main")
    _git(path, "config", "uploadpack.allowFilter", "true")
    for text in ("first\n", f"key = {CANARY}\n", "last\n"):
        (path / "settings").write_text(text)
        _git(path, "add", ".")
        _git(path, "commit", "-qm", "settings")
    return path


def _none(here: Path) -> None:
    (here / "repo").mkdir()


def _file(here: Path) -> None:
    (here / "repo").write_text("text\n")


def _dangling(here: Path) -> None:
    (here / "repo").mkdir()
    (here / "repo" / ".git").write_text("gitdir: /nowhere/at/all\n")


def _no_objects(here: Path) -> None:
    shutil.rmtree(_full(here / "repo") / ".git" / "objects")


def _bare(here: Path) -> None:
    _git(here, "clone", "-q", "--bare", str(_full(here / "full")), "repo")


def _shallow(here: Path) -> None:
    _git(here, "clone", "-q", "--depth", "1", f"file://{_full(here / 'full')}", "repo")


def _partial(here: Path) -> None:
    _git(here, "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{_full(here / 'full')}", "repo")


def _empty(here: Path) -> None:
    (here / "repo").mkdir()
    _git(here / "repo", "init", "-q")


def _corrupt(here: Path) -> None:
    repository = _full(here / "repo")
    value = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD~1:settings"], capture_output=True, text=True, check=True
    ).stdout.strip()
    damaged = repository / ".git" / "objects" / value[:2] / value[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(b"garbage")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_none, "is not a git repository"),
        (_file, "is a file"),
        (_dangling, "which is not there"),
        (_no_objects, "is damaged"),
        (lambda here: None, "there is no such folder"),
    ],
    ids=["no repository", "a file", "a lost worktree", "no objects", "absent"],
)
def test_what_is_no_repository_is_refused(machine: Machine, make: Callable[[Path], None], words: str) -> None:
    """One line and exit code 2, with --json too."""
    make(machine.cwd)
    refused(machine.run("scan", "repo", "--value-stdin", stdin=CANARY + "\n"), 2, words)
    refused(machine.run("scan", "repo", "--value-stdin", "--json", stdin=CANARY + "\n"), 2, words)


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (_bare, 1, "found in 1 places"),
        (_shallow, 3, "a shallow clone"),
        (_partial, 3, "a partial clone"),
        (_empty, 3, "it has no objects"),
        (_corrupt, 3, "not searched"),
    ],
    ids=["bare", "shallow", "partial", "empty", "corrupt"],
)
def test_what_could_not_be_seen_is_told(machine: Machine, make: Callable[[Path], None], code: int, words: str) -> None:
    """Not found in a part of a history is exit code 3, not 0; the value is in no output."""
    make(machine.cwd)
    done = machine.run("scan", "repo", "--value-stdin", stdin=CANARY + "\n")
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout
    assert "canary" not in done.stdout + done.stderr
    found = json.loads(machine.run("scan", "repo", "--value-stdin", "--json", stdin=CANARY + "\n").stdout)
    assert bool(found["repositories"][0]["not_scanned"]) is (code == 3 or make is _bare)


@pytest.mark.parametrize("value", ["", "\n\n", "short\n", "x" * (2 << 20)])
def test_a_value_that_cannot_be_searched_for(machine: Machine, value: str) -> None:
    """Nothing, too little, too much on standard input."""
    _empty(machine.cwd)
    refused(machine.run("scan", "repo", "--value-stdin", stdin=value), 2)


_BOOK = """\
runbook: 1
id: look
title: Look for it
target: 5m
inputs:
  leaked: {type: credential, ask: Which one?}
  repositories: {type: path, many: true, ask: Where?}
steps:
  - id: search
    phase: search
    title: Search
    scan: {credential: $leaked, repositories: $repositories}
    target: 1m
  - {id: report, phase: close, title: Write it, report: markdown, target: 9s}
"""


def test_a_search_step_in_a_run(machine: Machine, gnome_keyring: dict[str, str]) -> None:
    """A search that cannot see everything ends its step with a reason; what the operator named wrongly is refused."""
    machine.env.update({**gnome_keyring, "RUNBOOK_HOME": str(machine.home)})
    (machine.cwd / "look.yaml").write_text(_BOOK)
    added = machine.run("credential", "add", "seek", "--provider=none", "--value-stdin", stdin=CANARY + "\n")
    assert added.returncode == 0, added.stderr
    start = ("run", "look.yaml", "--headless", "--input", "leaked=seek", "--input")
    refused(machine.run(*start, "repositories=absent"), 2, "there is no folder 'absent'")
    assert not list(machine.incidents.iterdir())
    for number, make in enumerate((_none, _shallow, _partial, _corrupt, _empty)):
        folder = machine.cwd / str(number)
        folder.mkdir()
        make(folder)
        done = machine.run(*start, f"repositories={folder / 'repo'}", "--json")
        assert done.returncode in (0, 3), done.stderr
        assert "Traceback" not in done.stderr
        assert "canary" not in done.stdout + done.stderr
        result = json.loads(done.stdout)
        events = machine.events(result["incident"])
        (ended,) = [one for one in events if one["kind"] in ("scan", "step_failed") and one["data"].get("step")][:1]
        assert "canary" not in json.dumps(events)
        if make is _none:
            assert "is not a git repository" in ended["data"]["reason"]
        else:
            assert "not_scanned" in json.dumps(ended["data"])
    whole(machine)
