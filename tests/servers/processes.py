"""Start a server on a free loopback port, wait until it answers, and end it with its whole process group."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import pytest


def needs(program: str, package: str) -> str:
    """The program's path; skips the test with what to install when it is absent."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian package {package})")
    return found


def plain_environment(**more: str) -> dict[str, str]:
    """This process's environment without proxies, coverage hooks and a user's own keyring and desktop settings."""
    unwanted = {"DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "RUNBOOK_HOME", "TMUX", "TMUX_PANE"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in unwanted
        and not name.lower().endswith("_proxy")
        and not name.startswith(("PYTHON_KEYRING", "COV_", "COVERAGE_PROCESS", "AWS_", "VAULT_", "BAO_"))
    }
    return kept | more


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> Callable[[], bool]:
    """A readiness test: any HTTP answer at all from `url`."""

    def ready() -> bool:
        try:
            httpx.get(url, timeout=2, trust_env=False)
        except httpx.HTTPError:
            return False
        return True

    return ready


def end(process: subprocess.Popen[bytes]) -> None:
    """End the process and its children: they are its process group, which nothing else belongs to."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            break
    # A child that outlived its parent is still in the group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float, log: Path) -> None:
    """Poll `ready`; RuntimeError with the end of the server's log when it exits or does not become ready."""
    limit = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > limit:
            state = "still silent" if process.poll() is None else f"exit code {process.returncode}"
            raise RuntimeError(f"{process.args!r}: {state}\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


@contextlib.contextmanager
def serve(
    command: Callable[[int], Sequence[str]],
    ready: Callable[[int], Callable[[], bool]],
    folder: Path,
    env: Mapping[str, str],
    *,
    seconds: float = 60,
) -> Iterator[int]:
    """Run `command(port)` until the block ends and give its port. A port taken meanwhile costs another try."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    for attempts_left in (2, 1, 0):
        port = free_port()
        with log.open("wb") as out:
            process = subprocess.Popen(
                command(port),
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(ready(port), process, seconds, log)
            yield port
            return
        except RuntimeError:
            if not attempts_left or "in use" not in log.read_text(errors="replace"):
                raise
        finally:
            end(process)
