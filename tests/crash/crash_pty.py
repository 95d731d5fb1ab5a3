"""A front end on a pseudo-terminal whose settings and last modes can be read after it is gone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from journeys.journey_kit import until

# What a full screen switches on, and how each is seen when the terminal is as it was: mode -> on or off.
AT_REST = {
    "1049": False,  # alternate screen
    "1000": False,  # mouse, four ways
    "1003": False,
    "1006": False,
    "1015": False,
    "1004": False,  # focus
    "2004": False,  # bracketed paste
    "25": True,  # cursor
}


class Pty:
    """`command` with a terminal of its own; `controlling=False` leaves it without SIGHUP when the terminal goes."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        *,
        controlling: bool = True,
        term: str = "xterm",
    ) -> None:
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.heard = b""
        self.process = subprocess.Popen(
            command,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**env, "TERM": "xterm"},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_control if controlling else None,  # noqa: PLW1509 - one call, and it takes no lock
        )
        self._over = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while not self._over.is_set():
                if select.select([self._master], [], [], 0.05)[0]:
                    self.heard += os.read(self._master, 65536)

    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?<>=]*[A-Za-z]", "", self.heard.decode("utf-8", "replace"))

    def wait_for(self, text: str, seconds: float = 30) -> None:
        until(lambda: text in self.text(), f"{text!r} is not shown", seconds)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def mode(self, number: str) -> bool:
        """Whether a private mode is on, by what was written last."""
        found = re.findall(rb"\x1b\[\?(?:\d+;)*" + number.encode() + rb"(?:;\d+)*([hl])", self.heard)
        return found[-1] == b"h" if found else AT_REST[number]

    def settings(self) -> list[Any]:
        """The line's settings now: echo, line by line, signals."""
        return termios.tcgetattr(self.slave)

    def check_restored(self) -> None:
        """The terminal is as the program found it."""
        assert self.settings() == self.before
        until(lambda: all(self.mode(one) == rest for one, rest in AT_REST.items()), "a mode is left on", 5)

    def hang_up(self) -> None:
        """The terminal goes away under the program."""
        self._over.set()
        self._listener.join()  # a read would hold the terminal
        for handle in (self.slave, self._master):
            os.close(handle)
        self.slave = self._master = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._over.set()
        self._listener.join()
        for handle in (self.slave, self._master):
            with contextlib.suppress(OSError):
                os.close(handle)


def _control() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
