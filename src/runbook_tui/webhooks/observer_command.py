"""An observer that is a command of the operator's: run without a shell, in a small environment, bounded."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.webhooks.observer import PLACEHOLDER, Sight, found_in

_SECONDS = 10.0
_BYTES = 1 << 20  # of what it prints
_KEPT = ("HOME", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")


@dataclass
class _Heard:
    out: bytearray
    complained: bool = False  # it wrote to standard error
    complete: bool = False  # both streams ended, within seconds and bytes


class CommandObserver:
    """Runs a command with the marker as its last argument, or in place of `{marker}`, and searches what it prints.

    It ends with 0, or with 1 and no complaint as grep does when nothing was found; anything else tells nothing. Its
    environment holds HOME, LOGNAME, PATH, TMPDIR, TZ, USER and LC_ALL=C.UTF-8 alone.
    """

    kind = "command"

    def __init__(self, command: str, *, seconds: float = _SECONDS) -> None:
        """`command` is split like a shell's line, and no shell runs it. RunbookError when it cannot be run."""
        try:
            words = shlex.split(command)
        except ValueError:
            raise RunbookError("the observer's command has an open quote", "close it") from None
        if not words:
            raise RunbookError("the observer's command is empty", "name a program and its arguments")
        program = None if PLACEHOLDER in words[0] else shutil.which(words[0])
        if program is None:
            raise RunbookError("the observer's program was not found", "give its path; shell syntax is not understood")
        rest = words[1:] if any(PLACEHOLDER in word for word in words) else [*words[1:], PLACEHOLDER]
        self._words = [os.path.abspath(program), *rest]  # noqa: PTH100 - a link keeps its name, as a shell does it
        self._seconds = seconds

    def look(self, marker: str) -> Sight:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"LC_ALL": "C.UTF-8"}
        try:
            process = subprocess.Popen(
                [word.replace(PLACEHOLDER, marker) for word in self._words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return Sight(None, why=f"the observer's command cannot be run: {error.strerror}")
        ends = time.monotonic() + self._seconds
        try:
            heard = _hear(process, ends)
            code = _ended(process, ends) if heard.complete else None
        finally:
            _end(process)
        sight = found_in(bytes(heard.out), marker)
        if code == 0 or (code == 1 and not heard.complained):
            return sight
        why = "did not end in time, or printed too much" if code is None else f"ended with {code}"
        # Seen is seen, whatever came after; a number may have been cut off.
        return Sight(sight.seen or None, None, f"the observer's command {why}")

    def close(self) -> None:
        """Nothing is kept open."""


def _hear(process: subprocess.Popen[bytes], ends: float) -> _Heard:
    """Read both streams until they end, or until time or bytes run out."""
    heard = _Heard(bytearray())
    with selectors.DefaultSelector() as waiting:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                waiting.register(stream, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select(max(0.0, ends - time.monotonic())):
                data = os.read(key.fd, 65536)
                if not data:
                    waiting.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    heard.out += data[: _BYTES - len(heard.out)]
                else:
                    heard.complained = True
            if time.monotonic() >= ends or len(heard.out) >= _BYTES:
                return heard
    heard.complete = True
    return heard


def _ended(process: subprocess.Popen[bytes], ends: float) -> int | None:
    try:
        return process.wait(max(0.1, ends - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command that did not end by itself, with its children."""
    if process.returncode is None:  # not waited for yet: the number of its group still means this group
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
