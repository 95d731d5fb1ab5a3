"""A real terminal (tmux) of a given size around one command: what the operator types and sees."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from servers.processes import needs

_SETTINGS = """
set -g default-terminal screen-256color
set -g status off
set -g escape-time 0
"""
# tmux itself loses the exit status of a program that ends while its last output is read, and writes a line over the
# last screen. So a shell notes process id and status, and keeps the screen; the traps leave Ctrl-C to the command.
_NOTE_STATUS = """
trap : INT QUIT
notes=$1; shift
sh -c 'echo $$ >"$0/pid"; exec "$@"' "$notes" "$@"
echo $? >"$notes/status"
exec tail -f /dev/null
"""


class Terminal:
    """`command` (an argument list, no shell) in a terminal of `columns` x `rows`. End it with `close()`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        columns: int = 120,
        rows: int = 40,
        cwd: Path | None = None,
    ) -> None:
        self._tmux = needs("tmux", "tmux")
        # Not below pytest's folder: a socket's path has at most 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="rb-tmux-"))
        (self._folder / "settings").write_text(_SETTINGS)
        self._env = dict(env) | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        start_in = () if cwd is None else ("-c", str(cwd))
        noted = ("sh", "-c", _NOTE_STATUS, "sh", str(self._folder), *command)
        size = ("-x", str(columns), "-y", str(rows))
        self._run("-f", str(self._folder / "settings"), "new-session", "-d", *size, *start_in, "--", *noted)

    def send(self, *keys: str) -> None:
        """Press keys by tmux's names: "Enter", "Escape", "Tab", "Down", "F1", "C-c", "M-x", or one character."""
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type text that is no secret, literally."""
        self._run("send-keys", "-l", "--", text)

    def paste(self, text: str) -> None:
        """Paste text, bracketed when the program asked for that. The way for secrets: it stays out of every argv."""
        self._run("load-buffer", "-b", "paste", "-", stdin=text)
        self._run("paste-buffer", "-d", "-p", "-b", "paste")

    def screen(self) -> str:
        """The visible rows, without trailing blanks, foreground and background colours left out."""
        return self._run("capture-pane", "-p")

    def history(self) -> str:
        """Everything printed so far, as far as tmux keeps it (2,000 rows): for programs that scroll."""
        return self._run("capture-pane", "-p", "-J", "-S", "-")

    def wait_for(self, text: str, timeout: float = 30) -> str:
        """The screen as soon as it shows `text`; AssertionError with the last screen after `timeout` seconds."""
        return self._wait(text, timeout, shown=True)

    def wait_gone(self, text: str, timeout: float = 30) -> str:
        """The screen as soon as it no longer shows `text`."""
        return self._wait(text, timeout, shown=False)

    def wait_exit(self, timeout: float = 30) -> int:
        """The command's exit code; AssertionError with the last screen when it still runs after `timeout` seconds."""
        limit = time.monotonic() + timeout
        while (code := self.exit_code()) is None:
            assert time.monotonic() < limit, f"still running after {timeout} s:\n{self.screen()}"
            time.sleep(0.05)
        return code

    def exit_code(self) -> int | None:
        """None while the command runs; 128 + the signal's number when a signal ended it, as a shell reports it."""
        status = self._note("status")
        return int(status) if status else None

    @property
    def pid(self) -> int:
        """The command's process id."""
        limit = time.monotonic() + 10
        while not (pid := self._note("pid")):
            assert time.monotonic() < limit, f"the command did not start:\n{self.screen()}"
            time.sleep(0.02)
        return int(pid)

    @property
    def size(self) -> tuple[int, int]:
        columns, rows = self._ask("#{pane_width},#{pane_height}").split(",")
        return int(columns), int(rows)

    def resize(self, columns: int, rows: int) -> None:
        self._run("resize-window", "-x", str(columns), "-y", str(rows))

    def close(self) -> None:
        """Close the terminal as a window manager would: a command that still runs gets SIGHUP."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self._run("kill-server")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self, text: str, timeout: float, *, shown: bool) -> str:
        limit = time.monotonic() + timeout
        while (text in (screen := self.screen())) is not shown:
            wish = "not shown" if shown else "still shown"
            assert time.monotonic() < limit, f"{text!r} {wish} after {timeout} s (exit {self.exit_code()}):\n{screen}"
            time.sleep(0.05)
        return screen

    def _note(self, name: str) -> str:
        """What the shell around the command has written so far; "" before it has."""
        try:
            return (self._folder / name).read_text().strip()
        except FileNotFoundError:
            return ""

    def _ask(self, question: str) -> str:
        return self._run("display-message", "-p", question).strip()

    def _run(self, *arguments: str, stdin: str = "") -> str:
        answer = subprocess.run(
            [self._tmux, "-S", str(self._folder / "socket"), *arguments],
            input=stdin,
            env=self._env,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            check=True,
        )
        return answer.stdout
