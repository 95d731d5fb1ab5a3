"""What a scan step found, and what it could not see, stands in the incident's report."""

from __future__ import annotations

import html
import subprocess
from pathlib import Path

from conductor_kit import OLD, Stand


def git(folder: Path, *args: str) -> str:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *args]
    return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout.strip()


def test_hits_and_gaps_reach_the_report(tmp_path: Path) -> None:
    """Promise: a scan is never reported as clean where something was not seen: a remote's pull requests, a submodule,
    a large file kept elsewhere, a missing alternate, a broken object. A message is named by its commit."""
    repo = tmp_path / "repository"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    (repo / "app.env").write_text(f"KEY={OLD}\n")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4' * 64}\nsize 12\n"
    (repo / "big.bin").write_text(pointer)
    git(repo, "add", ".")
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{'3' * 40},libs/sub")
    git(repo, "commit", "-q", "-m", f"use {OLD}")
    commit = git(repo, "rev-parse", "HEAD")
    git(repo, "remote", "add", "origin", "https://example.com/r.git")
    (repo / "other").write_text("x" * 5000)
    other = git(repo, "hash-object", "-w", "other")
    path = repo / ".git/objects" / other[:2] / other[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-6])
    (repo / ".git/objects/info/alternates").write_text(f"{tmp_path}/gone\n")
    stand = Stand(tmp_path)
    client = stand.open(repositories=str(repo)).client()
    assert stand.run(client, "search") == "done"
    report = html.unescape(client.request("report")["markdown"]).replace("\\", "")
    copies = report.partition("### Copies in git history")[2].partition("## 7.")[0]
    assert "app.env" in copies
    assert f"the commit {commit}" in copies
    for gap in ("remote origin", "submodule sub", "1 large files", f"{tmp_path}/gone", f"object {other}"):
        assert gap in copies, gap
        assert gap in report.partition("## 13.")[2], gap  # as an action: search by other means
    assert "could not be seen: no copy found there is no proof" in report.partition("## 15.")[2]
    assert OLD not in report
