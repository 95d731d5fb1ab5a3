"""A real git repository with the leaked key in its history, three times over.

- in plain text in a settings file, added and later removed;
- as base64 in a Kubernetes Secret that is still there;
- in a script on a branch whose commit was pushed and then replaced by a forced push.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from runbook_tui.foundation.clock import iso
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret

_AUTHOR = "Robin Drill"
_MAIL = "robin@drill.invalid"
# Whatever the operator's own git is set to must neither run here nor change what is made.
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
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
    script = '#!/bin/sh\n# find out why uploads stall\ncurl -H "Authorization: Bearer {}" https://upload.invalid/\n'
    git = _import_git()
    try:
        work = _Work(git, folder, start, exposed)
        work.commit(1.6, "Start the service", {"README.md": "# Service\n\nSmall files in, small files out.\n"})
        work.commit(1.0, "Add production settings", {_SETTINGS: f"LOG_LEVEL=info\n{variable}={key}\nTIMEOUT=30\n"})
        work.commit(0.85, "Deploy with Kubernetes", {_MANIFEST: manifest})
        work.push("main")
        work.branch("debug-upload")
        before = work.commit(0.7, "Debug stalled uploads", {_SCRIPT: script.format(key)})
        work.push("debug-upload")
        amended = {_SCRIPT: script.format(f"${variable}")}
        work.commit(0.6, "Debug stalled uploads", amended, instead_of=before)
        work.push("debug-upload", force=True)
        work.checkout("main")
        work.commit(0.5, "Read the key from the environment", {_SETTINGS: "LOG_LEVEL=info\nTIMEOUT=30\n"})
        work.push("main")
    except git.GitError as error:
        raise RunbookError(f"git failed: {type(error).__name__}", "the drill needs git 2.28 or later") from None


class _Work:
    """The repository that is worked in, with a bare one beside it to push to. Runs with nobody's configuration."""

    def __init__(self, git: Any, folder: Path, start: datetime, exposed: float) -> None:
        self._folder, self._start, self._exposed = folder, start, exposed
        folder.mkdir(parents=True)
        quiet = {"env": _ENVIRONMENT, "initial_branch": "main"}
        remote = git.Repo.init(folder.with_name(folder.name + ".git"), bare=True, **quiet)
        self._repo = git.Repo.init(folder, **quiet)
        self._repo.git.update_environment(**_ENVIRONMENT)
        self._repo.create_remote("origin", remote.git_dir)
        self._author = git.Actor(_AUTHOR, _MAIL)

    def commit(self, share: float, message: str, files: Mapping[str, str], instead_of: Any = None) -> Any:
        """Write `files` and commit them, `share` of the exposure before the start; or amend `instead_of`."""
        for name, content in files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        when = iso(self._start - timedelta(seconds=self._exposed * share))[:19] + " +0000"
        self._repo.index.add([*files])
        return self._repo.index.commit(
            message,
            parent_commits=instead_of.parents if instead_of else None,
            author=self._author,
            committer=self._author,
            author_date=when,
            commit_date=when,
            skip_hooks=True,
        )

    def branch(self, name: str) -> None:
        """Start a branch here and go on on it."""
        self._repo.create_head(name).checkout()

    def checkout(self, name: str) -> None:
        self._repo.heads[name].checkout()

    def push(self, branch: str, *, force: bool = False) -> None:
        self._repo.remote("origin").push(f"{'+' if force else ''}{branch}:{branch}").raise_if_error()


def _import_git() -> Any:
    """GitPython looks for the git program when it is imported."""
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        os.environ.pop(name, None)  # set in a git hook, they would lead into somebody's real repository
    try:
        import git
    except ImportError:
        raise RunbookError("git is not installed", "the drill builds a real repository: install git") from None
    if git.GIT_OK is False:
        raise RunbookError("git is not installed", "the drill builds a real repository: install git")
    return git
