"""Builds real repositories with git, for the tests of the scan."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from runbook_tui.exposure.scan import scan
from runbook_tui.secrets.secret import Secret

VALUE = "AKIAFAKE/secret+value=0123456789"  # obviously fake; has what base64url and URLs write differently
START = 1_700_000_000


def environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
        "LC_ALL": "C",
    }


class Repo:
    """A repository whose commits are one minute apart, starting at 2023-11-14T22:13:20Z."""

    def __init__(self, path: Path, *init: str) -> None:
        self.path = path
        self.clock = START
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main", *init)

    def git(self, *args: str, data: bytes | None = None, check: bool = True) -> str:
        env = environment(self.path) | {
            "GIT_AUTHOR_DATE": f"{self.clock} +0000",
            "GIT_COMMITTER_DATE": f"{self.clock} +0000",
        }
        done = subprocess.run(["git", *args], cwd=self.path, env=env, input=data, capture_output=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"git {args}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="surrogateescape").strip()

    def write(self, name: str, content: str | bytes) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: dict[str, str | bytes | None] | None = None, message: str = "work", *options: str) -> str:
        """Commit; a file given as None is removed. Returns the commit's name."""
        self.clock += 60
        for name, content in (files or {}).items():
            if content is None:
                self.git("rm", "-q", name)
            else:
                self.write(name, content)
                self.git("add", "-f", name)
        self.git("commit", "-q", "--allow-empty", "-m", message, *options)
        return self.git("rev-parse", "HEAD")

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", data=content)

    def forget_reflogs(self) -> None:
        self.git("reflog", "expire", "--expire=now", "--all")

    def time(self, steps: int) -> str:
        """The time of the commit that many commits after the start."""
        import datetime

        moment = datetime.datetime.fromtimestamp(START + 60 * steps, datetime.UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def document(*paths: Path, value: str | bytes = VALUE) -> dict[str, Any]:
    """Scan with the library and return the JSON document, as it would be printed."""
    result: dict[str, Any] = json.loads(json.dumps(scan([("leaked", Secret(value))], list(paths)).document()))
    return result


def hits(repo: Repo | Path, value: str | bytes = VALUE) -> list[dict[str, Any]]:
    """The hits in objects (not in files of the git directory) of one repository."""
    path = repo.path if isinstance(repo, Repo) else repo
    found: list[dict[str, Any]] = document(path, value=value)["repositories"][0]["hits"]
    return [hit for hit in found if hit["type"] != "file"]


def only_hit(repo: Repo | Path, value: str | bytes = VALUE) -> dict[str, Any]:
    found = hits(repo, value)
    assert len(found) == 1, found
    return found[0]


def gaps(path: Path, value: str | bytes = VALUE) -> str:
    """Everything that was not scanned, as one text."""
    return "\n".join(
        f"{gap['what']}: {gap['why']}" for gap in document(path, value=value)["repositories"][0]["not_scanned"]
    )


def commits(marks: list[dict[str, Any]]) -> list[str]:
    return [mark["commit"] for mark in marks]
