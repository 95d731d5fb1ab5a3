"""A real git repository with the leaked key in its history, three times over.

- in plain text in a settings file, added and later removed;
- as base64 in a Kubernetes Secret that is still there;
- in a script on a branch whose commit was pushed and then replaced by a forced push.
"""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from runbook_tui.foundation.clock import iso
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret

_AUTHOR = "Robin Drill"
_MAIL = "robin@drill.invalid"
_SETTINGS, _MANIFEST, _SCRIPT = "config/production.env", "deploy/secret.yaml", "scripts/debug-upload.sh"


def make(folder: Path, secret: Secret, variable: str, start: datetime, exposed: float) -> None:
    """Create the repository in `folder` and the one it was pushed to beside it (`folder`.git).

    The first commit with the key is `exposed` seconds before `start`. RunbookError when git is missing or fails.
    """
    key = secret.expose()
    encoded = base64.b64encode(secret.expose_bytes()).decode("ascii")
    manifest = (
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: upload-credentials\n"
        f"type: Opaque\ndata:\n  {variable}: {encoded}\n"
    )
    remote = folder.with_name(folder.name + ".git")
    folder.mkdir(parents=True)
    git = _Git(folder, start, exposed)
    git.run("init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git.run("init", "--quiet", "--initial-branch=main")
    git.run("remote", "add", "origin", str(remote))
    git.commit(1.6, "Start the service", {"README.md": "# Service\n\nSmall files in, small files out.\n"})
    git.commit(1.0, "Add production settings", {_SETTINGS: f"LOG_LEVEL=info\n{variable}={key}\nTIMEOUT=30\n"})
    git.commit(0.85, "Deploy with Kubernetes", {_MANIFEST: manifest})
    git.run("push", "--quiet", "origin", "main")
    git.run("checkout", "--quiet", "-b", "debug-upload")
    script = '#!/bin/sh\n# find out why uploads stall\ncurl -H "Authorization: Bearer {}" https://upload.invalid/\n'
    git.commit(0.7, "Debug stalled uploads", {_SCRIPT: script.format(key)})
    git.run("push", "--quiet", "origin", "debug-upload")
    git.commit(0.6, "Debug stalled uploads", {_SCRIPT: script.format(f"${variable}")}, "--amend")
    git.run("push", "--quiet", "--force", "origin", "debug-upload")
    git.run("checkout", "--quiet", "main")
    git.commit(0.5, "Read the key from the environment", {_SETTINGS: "LOG_LEVEL=info\nTIMEOUT=30\n"})
    git.run("push", "--quiet", "origin", "main")


class _Git:
    """Runs git with nobody's configuration, as a fixed author."""

    def __init__(self, folder: Path, start: datetime, exposed: float) -> None:
        self._folder = folder
        self._start = start
        self._exposed = exposed
        self._now = start

    def commit(self, share: float, message: str, files: Mapping[str, str], *options: str) -> None:
        """Write `files` and commit them, `share` of the exposure before the start."""
        for name, content in files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        self._now = self._start - timedelta(seconds=self._exposed * share)
        self.run("add", "--all")
        self.run("commit", "--quiet", "--message", message, *options)

    def run(self, *arguments: str) -> None:
        when = iso(self._now)[:19] + "+00:00"
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "LC_ALL": "C",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": _AUTHOR,
            "GIT_AUTHOR_EMAIL": _MAIL,
            "GIT_AUTHOR_DATE": when,
            "GIT_COMMITTER_NAME": _AUTHOR,
            "GIT_COMMITTER_EMAIL": _MAIL,
            "GIT_COMMITTER_DATE": when,
        }
        command = ["git", "-c", "gc.auto=0", "-c", "core.hooksPath=/dev/null", "-c", "commit.gpgsign=false", *arguments]
        try:
            answer = subprocess.run(
                command,
                check=False,
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
            )
        except FileNotFoundError:
            raise RunbookError("git is not installed", "the drill builds a real repository: install git") from None
        except subprocess.TimeoutExpired:
            raise RunbookError(f"git {arguments[0]} did not end in time", "is the disk full or very slow?") from None
        if answer.returncode:
            words = answer.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise RunbookError(f"git {arguments[0]} failed: {words[0]}", "the drill needs git 2.28 or later")
