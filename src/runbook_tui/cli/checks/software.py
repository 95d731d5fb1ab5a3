"""What this program is made of and what it is given: Python and its libraries, git, the environment."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from runbook_tui.cli.checks.finding import Finding, bad, good, warn
from runbook_tui.cli.checks.linux import git_is_mended, git_version
from runbook_tui.foundation.harden import taken_away
from runbook_tui.foundation.places import Places

_SQLITE = (3, 37, 0)  # STRICT tables (sqlite.org/stricttables.html)
_OPENSSL = (3, 0, 0)
_GIT = (2, 39)
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
# Each puts code of somebody's choice into this program before its first line.
_LOADERS = ("LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE")


def runtime(here: Places) -> Finding:
    """Python, and the SQLite and OpenSSL it was built with."""
    import sqlite3
    import ssl

    detail = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {ssl.OPENSSL_VERSION}"
    if sqlite3.sqlite_version_info < _SQLITE:
        return bad(detail, "the journal needs SQLite 3.37 or newer: use another Python")
    if ssl.OPENSSL_VERSION.startswith("OpenSSL") and ssl.OPENSSL_VERSION_INFO[:3] < _OPENSSL:
        return warn(detail, "this OpenSSL gets no fixes any more: use another Python")
    return good(detail)


def git(here: Places) -> Finding:
    """The git that reads a repository's history, and who could put another in its place."""
    program = shutil.which("git")
    if program is None:
        return warn("not found: repositories cannot be searched", "install git 2.39 or newer")
    open_ones = _open_before(Path(program).parent)
    if open_ones:
        return bad(f"anybody could put another git in its place: {', '.join(open_ones)} in PATH", "take it out of PATH")
    try:
        told = subprocess.run([program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=5, check=False).stdout  # fmt: skip
    except subprocess.TimeoutExpired:
        return warn(f"{program} does not answer", "try `git --version`")
    version = git_version(told)
    shown = f"{'.'.join(map(str, version))} at {program}"
    if not version:
        return warn(f"{program} does not tell its version", "install git 2.39 or newer")
    if version < _GIT:
        return bad(shown, "older than 2.39: repositories are not searched safely")
    return (
        good(shown)
        if git_is_mended(version)
        else warn(shown, "without the fixes of May 2024: 2.45.1 or newer is better")
    )


def _open_before(last: Path) -> list[str]:
    """The folders of PATH up to `last` in which anybody may put a program, or that depend on where one stands."""
    found = []
    for part in os.environ.get("PATH", os.defpath).split(os.pathsep):
        folder = Path(part or ".")
        if not folder.is_absolute():
            found.append(part or "an empty entry")
        elif folder.is_dir() and folder.stat().st_mode & 0o002:
            found.append(part)
        if folder == last:
            break
    return found


def environment(here: Places) -> Finding:
    """Variables that change what libraries do: which are ignored, which cannot be."""
    loaders = [name for name in _LOADERS if os.environ.get(name)]
    if loaders:
        return warn(f"{', '.join(loaders)} {'puts' if len(loaders) == 1 else 'put'} other code into this program",
                    f"unset {' '.join(loaders)}")  # fmt: skip
    ignored = sorted({*taken_away, *(name for name in (*_PROXIES, *map(str.lower, _PROXIES)) if os.environ.get(name))})
    proxies = [name for name in ignored if name.upper() in _PROXIES]
    if proxies:
        return warn(
            f"ignored: {', '.join(ignored)}", "no proxy is used: providers have to be reached directly from here"
        )
    if not sys.flags.safe_path and "" in sys.path:
        return warn("Python imports from the current folder", "start it with the `runbook` command")
    return good(f"ignored: {', '.join(ignored)}" if ignored else "nothing that changes how it works")
