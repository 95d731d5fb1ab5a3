"""A raw pseudo-terminal: types and pastes into a program, and keeps every byte the program sends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import resource
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_ANSI = re.compile(rb"\x1b(?:\[[0-9:;<=>?]*[ -/]*[@-~]|[()][0-9A-B]|[=>78cDEHM])")


class Pty:
    """`command` with a controlling terminal of 120 x 40, core dumps allowed as far as the machine does."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self.name = " ".join(command[-4:])
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            _, most = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (most, most))

        self.process = subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=cwd,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=own_terminal,  # noqa: PLW1509 - the only way to a controlling terminal
        )
        os.close(slave)
        self.received = bytearray()
        self._seen = 0
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._over.is_set():
            if select.select([self._master], [], [], 0.1)[0]:
                try:
                    self.received += os.read(self._master, 1 << 16)
                except OSError:
                    return  # the last program has closed the terminal

    def fresh(self) -> str:
        """The text that came since the last wait."""
        return _ANSI.sub(b"", bytes(self.received[self._seen :])).decode("utf-8", "replace")

    def wait_for(self, *texts: str, timeout: float = 30) -> str:
        """Wait until one of `texts` has come since the last wait, and the program is quiet; which one it was."""
        limit = time.monotonic() + timeout
        while not (found := next((text for text in texts if text in self.fresh()), "")):
            assert time.monotonic() < limit, f"none of {texts} in {timeout} s:\n{self.fresh()[-3000:]}"
            assert self.process.poll() is None or self._reader.is_alive(), f"it ended:\n{self.fresh()[-3000:]}"
            time.sleep(0.02)
        self.settle()
        return found

    def settle(self) -> None:
        """Wait until the program is quiet for a moment; what it said until then counts as seen."""
        quiet = -1
        while quiet != len(self.received):
            quiet = len(self.received)
            time.sleep(0.15)
        self._seen = len(self.received)

    def text(self) -> str:
        """All text so far, without the terminal's sequences."""
        return _ANSI.sub(b"", bytes(self.received)).decode("utf-8", "replace")

    def shown_line(self) -> str:
        """The last line with anything on it."""
        return next((line for line in reversed(self.text().splitlines()) if line.strip()), "")

    def pause(self, seconds: float) -> None:
        """Let the program do something."""
        time.sleep(seconds)

    def send(self, text: str) -> None:
        os.write(self._master, text.encode())

    def paste(self, text: str) -> None:
        """As a terminal pastes into a program that asked for bracketed paste."""
        self.send(f"\x1b[200~{text}\x1b[201~")

    def ends(self, timeout: float = 30) -> int:
        code = self.process.wait(timeout)
        self._reader.join(1)
        return code

    def close(self) -> None:
        """Hang up, as a window manager does."""
        self._over.set()
        self._reader.join(2)
        with contextlib.suppress(OSError):
            os.close(self._master)
        if self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
