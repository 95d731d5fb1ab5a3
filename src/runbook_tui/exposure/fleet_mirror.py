"""A mirror of a repository that only has a URL: made and brought up to date by git, under our settings alone.

Every ref the server offers is fetched, pull requests and notes included. What the server drops later stays in the
mirror's store and is still searched. The mirror has no hooks; git gets an environment built from nothing, no helper
for passwords, one protocol, and a process group of its own that is killed with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runbook_tui.exposure.fleet_list import scheme
from runbook_tui.exposure.model import ScanCancelled
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.files import make_private_dir
from runbook_tui.foundation.text import one_line

WHOLE = 6 * 3600.0  # seconds one clone or fetch may take
STALL = 300.0  # seconds without a word of progress before it is taken for hung
_TICK = 0.1
_KEPT_WORDS = 8192  # bytes of git's last words
_SSH = (
    "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=30 -oServerAliveInterval=15"
    " -oServerAliveCountMax=4 -oClearAllForwardings=yes -oPermitLocalCommand=no"
)
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "transfer.bundleURI=false",
    "http.lowSpeedLimit=100",
    "http.lowSpeedTime=120",
    "protocol.allow=never",
)
# A proxy and certificates are how this machine reaches the network; the agent is how ssh proves who asks.
_HANDED_ON = (
    *("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK", "TMPDIR"),
)


def mirror(url: str, cache: Path, cancelled: Callable[[], bool]) -> Path:
    """The up-to-date mirror of `url`, an address that `fleet_list.parse` let through, in the folder `cache`.

    RunbookError (exit code INCOMPLETE) with git's last words when it cannot be had; ScanCancelled soon after
    `cancelled` says True. Two processes never work on one mirror at the same time.
    """
    git = shutil.which("git")
    if git is None:
        raise RunbookError("git is not installed", "install git (on Debian: apt install git)")
    _own(cache)
    name = hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    target = cache / f"{name}.git"
    with _alone(cache / f"{name}.lock", cancelled):
        settings = [part for one in (*_SETTINGS, f"protocol.{scheme(url)}.allow=always") for part in ("-c", one)]
        command = [str(Path(git).absolute()), "--no-pager", *settings]
        if target.is_dir():
            # Address and refs are named anew: what an older mirror's settings say does not matter.
            options = ["--prune", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]
            fetch = [f"--git-dir={target}", "fetch", "--progress", *options, "--", url, "+refs/*:refs/*"]
            _run([*command, *fetch], url, cancelled)
            return target
        fresh = cache / f"{name}.new"
        shutil.rmtree(fresh, ignore_errors=True)  # of a clone that was killed
        try:
            _run([*command, "clone", "--progress", "--mirror", "--template=", "--", url, str(fresh)], url, cancelled)
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return target


def _own(cache: Path) -> None:
    """Make the folder of mirrors, or see that nobody else can write to it: git trusts what stands there."""
    try:
        make_private_dir(cache)
        facts = cache.stat()
    except OSError as error:
        raise RunbookError(f"cannot make {cache}: {error.strerror}", "name another folder with --cache") from None
    if facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        hint = "name a folder of your own with --cache"
        raise RunbookError(f"others may write to {cache}", hint, exit_code=Exit.INCOMPLETE)


@contextlib.contextmanager
def _alone(path: Path, cancelled: Callable[[], bool]) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancelled():
                    raise ScanCancelled from None
                time.sleep(_TICK)
        yield
    finally:
        os.close(handle)


def _environment(url: str) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in _HANDED_ON if name in os.environ},
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_ALLOW_PROTOCOL": scheme(url),
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_SSH_COMMAND": _SSH,
        "GIT_SSH_VARIANT": "ssh",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
    }


def _run(command: Sequence[str], url: str, cancelled: Callable[[], bool]) -> None:
    """Run git, watched. It writes its progress to a pipe: when this process dies, so does git, at its next word."""
    process = subprocess.Popen(
        command,
        env=_environment(url),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        words = _listen(process, cancelled)
        code = process.wait(timeout=STALL)
    except subprocess.TimeoutExpired:
        raise _fault("git did not end") from None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stderr is not None:
            process.stderr.close()
        process.wait()
    if code:
        lines = [line for line in words.decode("utf-8", "replace").replace("\r", "\n").splitlines() if line.strip()]
        told = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))] or lines
        raise _fault(one_line(told[0], 300) if told else f"git ended with {code}")


def _listen(process: subprocess.Popen[bytes], cancelled: Callable[[], bool]) -> bytes:
    assert process.stderr is not None
    words = b""
    begun = heard = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while True:
            if cancelled():
                raise ScanCancelled
            now = time.monotonic()
            if now - heard > STALL or now - begun > WHOLE:
                raise _fault(f"git was silent for {STALL:.0f} s" if now - heard > STALL else "it took too long")
            if not selector.select(_TICK):
                continue
            fresh = os.read(process.stderr.fileno(), 1 << 16)
            if not fresh:
                return words
            words, heard = (words + fresh)[-_KEPT_WORDS:], now


def _fault(why: str) -> RunbookError:
    return RunbookError(
        f"it could not be fetched: {why}",
        "see that this machine may read it: https without a password, or ssh with an agent",
        exit_code=Exit.INCOMPLETE,
    )
