"""A scan step in an incident: what is told while it runs, what a stop does, and the advice that follows."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conductor_kit import OLD, Stand

from runbook_tui.conductor.scanning import ScanWatch
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.incident.cleanup import advice
from runbook_tui.incident.details import details
from runbook_tui.plain.telling import Telling


def git(folder: Path, *args: str) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *args]
    subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "app.env").write_text(f"KEY={OLD}\n")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "start")
    git(path, "tag", "v1")
    return path


def wait_for(what: Callable[[], Any]) -> None:
    for _ in range(1200):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def searching(stand: Stand, told: list[dict[str, Any]], repository: Path) -> Any:
    """A client whose incident is at the step that searches; `told` gets its progress."""
    client = stand.open(repositories=str(repository)).client()
    client.listen(lambda push: told.append(push["progress"]) if "progress" in push else None)
    return client


def test_progress_result_and_advice(tmp_path: Path, repository: Path) -> None:
    """Promise: counts are told while the step runs, its result is an event, and advice follows: rotate first."""
    told: list[dict[str, Any]] = []
    stand = Stand(tmp_path)
    client = searching(stand, told, repository)
    client.request("run", step="search", answers={})
    wait_for(lambda: stand.conductor.state.step("search").status == "done")
    texts = [one["text"] for one in told if "text" in one]
    assert any("objects" in text and "MB" in text and str(repository) in text for text in texts)
    [event] = [one for one in stand.conductor.events if one.kind == "scan"]
    assert len(event.data["result"]["repositories"][0]["hits"]) == 1
    shown = details(event)
    assert "app.env" in shown[0]
    first = next(at for at, line in enumerate(shown) if line.startswith("Rotate first, history second"))
    after = "\n".join(shown[first:])
    assert all(word in after for word in ("refs/heads/main", "refs/tags/v1", "Forks and clones", "Caches"))
    assert OLD not in str(told) + "\n".join(shown)


def test_a_stop_ends_the_child_and_is_recorded(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: x ends the search and all its processes at once; the record says that it was stopped and by then what
    was seen; the step can be run again."""
    real, pid, folder = shutil.which("git"), tmp_path / "pid", tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(
        f'#!/bin/sh\nif mkdir {tmp_path}/once 2>/dev/null; then echo $PPID $$ > {pid}.new; mv {pid}.new {pid}; '
        f'exec sleep 100; fi\nexec {real} "$@"\n'
    )  # fmt: skip
    (folder / "git").chmod(0o700)
    loose = list((repository / ".git/objects").glob("??/*"))
    loose[0].chmod(0o600)
    loose[0].write_bytes(b"damaged")  # whoever reads it asks git
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{path}")
    stand = Stand(tmp_path)
    client = searching(stand, [], repository)
    client.request("run", step="search", answers={})
    wait_for(pid.exists)
    client.request("stop")
    wait_for(lambda: stand.conductor.state.step("search").status == "failed")
    assert "stopped by the operator after" in stand.conductor.state.step("search").reason
    for one in map(int, pid.read_text().split()):
        if one != os.getpid():
            wait_for(lambda one=one: not running(one))
    assert "scan" not in stand.kinds()
    client.request("run", step="search", answers={})
    wait_for(lambda: stand.conductor.state.step("search").status == "done")


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text() if Path("/proc/self").exists() else True
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize("shape", ["found", "hit"])
def test_findings_are_told_as_they_come(shape: str) -> None:
    """Promise: a finding is told at once, however often; counts a few times a second; secrets in names are hidden."""
    told: list[Any] = []
    clock = FakeClock()
    watch = ScanWatch(told.append, lambda text: text.replace("s3cret", "«key»"), clock, 2)
    for objects in range(50):
        watch.hear(
            {"repository": "/r", "phase": "blobs", "objects": objects, "total": 50, "bytes": 10, "seconds_left": 3.4}
        )
    assert told == [{"text": "blobs (1 of 2): 0 of 50 objects, 0.0 MB, 3 s left; /r"}]
    hit = {"type": "blob", "object": "ab" * 20, "form": "raw", "paths": ["a\x1b/s3cret"]}
    for _ in range(2):
        watch.hear({"phase": "found", shape: hit})
    assert len(told) == 3
    assert all("«key»" in one["found"] and "\x1b" not in one["found"] for one in told[1:])
    watch.hear({"phase": "found", shape: {**hit, "paths": []}})
    assert told[-1]["found"] == "raw in blob ababababab"
    watch.hear({"repository": "/s", "phase": "done", "objects": 7, "bytes": 2_000_000})
    assert told[-1] == {"text": "done (2 of 2): 7 objects, 2.0 MB, 3 found; /s"}
    assert watch.stopped().startswith("stopped by the operator after 56 objects, 3 places found")
    lines = Telling()
    assert lines.line(told[1]).startswith("found: raw in")
    assert [lines.line(one) for one in ({"text": "x"}, {}, {"alarm": "x"})] == ["", "", ""]


def test_advice_follows_the_findings() -> None:
    """Promise: each kind of place has its measure, rotation stands first, and nothing found needs none."""

    def found(**hit: Any) -> str:
        repository = {"path": "/r", "hits": [{"type": "blob", "reachable": "ref", **hit}], "not_scanned": []}
        return "\n".join(advice({"repositories": [repository], "credentials": [{"pushed": None}]}))

    assert advice({"repositories": [{"hits": []}], "credentials": []}) == []
    many = found(refs=[f"refs/heads/b{at}" for at in range(9)])
    assert many.startswith("Rotate first, history second")
    assert "b0, refs/heads/b1, refs/heads/b2 and 6 more" in many
    for refs, word in (
        ("refs/tags/v1", "Tags"), ("refs/pull/7/head", "host's support"), ("refs/stash", "git stash drop"),
        ("refs/notes/commits", "Notes"), ("refs/original/refs/heads/x", "Other refs"), ("refs/custom/x", "Other refs"),
    ):  # fmt: skip
        assert word in found(refs=[refs])
    assert "gc --prune=now" in found(reachable="none")
    assert "rm --cached" in found(reachable="index")
    assert "Files of the git directory" in found(type="file", paths=["hooks/x"])
    assert "cannot be told" in found()
    assert "Forks and clones (origin)" in found(remotes=["origin"])
    assert "Caches" in found()
