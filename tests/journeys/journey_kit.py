"""One operator's machine for a journey: a home of its own, real `runbook` processes, and a clean end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from servers.processes import plain_environment
from servers.terminal import Terminal

RUNBOOK = [sys.executable, "-m", "runbook_tui"]
_OPEN_TERMINAL = Callable[..., Terminal]


class Machine:
    """`home` holds everything that the program keeps; `cwd` is where the operator stands."""

    def __init__(self, home: Path, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        self.home, self.cwd = home, cwd
        self.env = {**(env if env is not None else plain_environment()), "RUNBOOK_HOME": str(home), "TERM": "dumb"}
        self.env.pop("RUNBOOK_PLAIN", None)

    @property
    def incidents(self) -> Path:
        return self.home / "state" / "incidents"

    def run(self, *args: str, stdin: str = "", timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*RUNBOOK, *args], input=stdin, env=self.env, cwd=self.cwd, capture_output=True, text=True, timeout=timeout
        )

    def only_incident(self) -> str:
        (one,) = [path.name for path in self.incidents.iterdir()]
        return one

    def folder(self, incident: str = "") -> Path:
        return self.incidents / (incident or self.only_incident())

    def events(self, incident: str = "") -> list[dict[str, Any]]:
        shown = self.run("incident", "show", incident or self.only_incident(), "--json")
        assert shown.returncode == 0, shown.stderr
        return list(json.loads(shown.stdout)["events"])

    def conductor(self, incident: str = "") -> int:
        """The process id of the conductor that listens for this incident; 0 when nobody does."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.connect((self.folder(incident) / "socket").read_text())
            pid, _, _ = struct.unpack("3i", asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            return int(pid)
        return 0

    def kill_conductor(self, incident: str = "") -> None:
        """kill -9, and wait until it is gone."""
        pid = self.conductor(incident)
        assert pid, "no conductor is running"
        os.kill(pid, 9)
        until(lambda: not alive(pid), "the conductor still lives after kill -9")

    def clean_up(self) -> None:
        """End every conductor that a test left behind."""
        if not self.incidents.is_dir():
            return
        for incident in [path.name for path in self.incidents.iterdir()]:
            pid = self.conductor(incident) or self._writer(incident)
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 15)

    def _writer(self, incident: str) -> int:
        """Who holds the journal, where the folder of the socket is gone already; 0 when it is no conductor."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.folder(incident) / "journal.lock").read_text())
            if b"conductor" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        return 0

    def simulator_keys(self, incident: str = "") -> list[dict[str, Any]]:
        """Every key the simulated provider knows, read from its own state."""
        return list(json.loads((self.folder(incident) / "drill" / "world.json").read_text())["keys"])


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it went, or went while it was looked at
        return False


def until(true: Callable[[], Any], wrong: str, seconds: float = 30) -> Any:
    """Poll until `true()` is; the value it gave."""
    limit = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < limit, wrong
        time.sleep(0.05)
    return found


def kinds(events: list[dict[str, Any]], step: str = "") -> list[str]:
    """The kinds of the events, in order; of one step's only when it is named."""
    return [event["kind"] for event in events if not step or event["data"].get("step") == step]


_PROMPT = "? "


class PlainOperator:
    """Somebody at the line-by-line front end in a real terminal: reads the question, types the answer."""

    def __init__(self, opened: Terminal) -> None:
        self.terminal = opened
        self._answered = 0

    def text(self) -> str:
        return self.terminal.history()

    def waits_with(self, timeout: float = 60) -> str:
        """The line the program waits at, once it asks something new."""
        limit = time.monotonic() + timeout
        while True:
            if self.terminal.exit_code() is not None:
                return ""
            lines = self.text().rstrip().splitlines()
            if len(lines) > self._answered and re.search(r"[?:]$", lines[-1]):
                time.sleep(0.05)
                if self.text().rstrip().splitlines() == lines:
                    return lines[-1]
            assert time.monotonic() < limit, f"no question after {timeout} s:\n{self.text()}"
            time.sleep(0.05)

    def answer(self, text: str, *, secret: bool = False) -> None:
        self._answered = len(self.text().rstrip().splitlines())
        if secret:
            self.terminal.paste(text)
        else:
            self.terminal.type(text)
        self.terminal.send("Enter")

    def play(self, says: Mapping[str, Callable[[], str] | str], stop_at: str = "", seconds: float = 200) -> None:
        """Do what the program says is next until it ends (or asks `stop_at`).

        `says` maps a piece of a question to its answer; what it does not know is answered with Enter, a typed
        confirmation with the text that is shown.
        """
        limit = time.monotonic() + seconds
        while line := self.waits_with():
            assert time.monotonic() < limit, f"the incident does not end:\n{self.text()}"
            if stop_at and stop_at in line:
                return
            if typed := re.search(r"Type  (.+?)  to do it", line):
                self.answer(typed[1])
            elif line.strip().endswith("leave?"):
                self._choose()
            else:
                known = next((answer for piece, answer in says.items() if piece in line), "")
                self.answer(known if isinstance(known, str) else known(), secret="not shown" in line)

    def _choose(self) -> None:
        head = next(line for line in reversed(self.text().splitlines()) if re.match(r"\d\d:\d\d:\d\d .+ left\. ", line))
        if "every step is finished" in head:
            self.answer("close")
        elif "waiting: " in head:
            time.sleep(1)
            self.answer("list")
        else:
            self.answer("")


class ScreenOperator:
    """Somebody at the full screen: reads what stands there and presses keys."""

    def __init__(self, opened: Terminal) -> None:
        self.terminal = opened
        self.seen: list[str] = []

    def settled(self) -> str:
        """The screen once it stays the same for a moment, but for its clocks."""
        before = ""
        while self.terminal.exit_code() is None:
            screen = self.terminal.screen()
            same = re.sub(r"\d?\d:\d\d(:\d\d)?|[■□]", "", screen)
            if same == before:
                return screen
            before = same
            time.sleep(0.3)
        return ""

    def play(self, says: Mapping[str, tuple[str, ...]], stop_at: str = "", seconds: float = 120) -> None:
        """Press Enter at every NEXT and answer every dialog, up to the end or to a screen that shows `stop_at`.

        `says` maps a piece of a dialog to the keys pressed in it: one character, or a name such as Enter.
        """
        limit = time.monotonic() + seconds
        while screen := self.settled():
            assert time.monotonic() < limit, f"the incident does not end:\n{screen}"
            self.seen.append(screen)
            if stop_at and stop_at in screen:
                return
            typed = re.search(r"Type +(\S+) +to do it", screen)
            if typed and "Esc" in screen:
                self.terminal.type(typed[1])
                self.terminal.wait_gone("Enter is off")
                self.terminal.send("Enter")
            elif "Esc" in screen:
                keys = next((keys for piece, keys in says.items() if piece in screen), ("d", "o", "n", "e", "Enter"))
                self.terminal.send(*keys)
            elif "every step is finished" in screen:
                self.terminal.send("X")
            elif "the incident is closed" in screen:
                self.terminal.send("q")
            elif "Enter  do it" in screen:
                self.terminal.send("Enter")


class Hands:
    """A client of a running conductor, for getting to a moment of a run without reading a screen."""

    def __init__(self, machine: Machine, incident: str = "", role: str = "drive", name: str = "test") -> None:
        from runbook_tui.conductor.address import reach
        from runbook_tui.conductor.client import SocketClient

        connection = reach(machine.folder(incident))
        assert connection is not None, "no conductor is running"
        self.client = SocketClient(connection, name, role)

    def start(self, step: str, **answers: str) -> None:
        self.client.request("run", step=step, answers=answers)

    def do(self, step: str, **answers: str) -> str:
        """Run a step to its end; how it ended."""
        self.start(step, **answers)
        until(lambda: self.client.state.step(step).status != "running", f"{step} does not end", 90)
        return self.client.state.step(step).status

    def to_decision(self, power: str = "ordinary") -> None:
        """The first three steps of api-key-leaked."""
        assert self.do("declare", exposure="public", used_by_others="no", power=power) == "done"
        assert self.do("capture", **self.seen("capture")) == "done"
        assert self.do("decide") == "done"

    def seen(self, step: str) -> dict[str, str]:
        """`seen` for a step that is done by hand."""
        asked = self.client.request("prompts", step=step)["prompts"]
        return {one["name"]: "looked, as asked" for one in asked if one["kind"] == "text" and one["required"]}


def brisk(machine: Machine, scenario: str) -> str:
    """A copy of a shipped scenario in which services reload within a second: less waiting, the same drill."""
    from runbook_tui.drill.scenario import load_scenario

    text = re.sub(r"reload: \d+s", "reload: 1s", Path(load_scenario(scenario).file).read_text())
    copy = machine.cwd / f"{scenario}.yaml"
    copy.write_text(text)
    return str(copy)


def open_drill(machine: Machine, scenario: str = "openai-key") -> str:
    """A drill that somebody opened and left: its conductor lives. The incident's id."""
    name = brisk(machine, scenario)
    left = machine.run("drill", "api-key-leaked", "--scenario", name, "--plain", stdin="leave\n")
    assert left.returncode == 3, left.stderr
    return machine.only_incident()


def child(pid: int, word: str) -> int:
    """The child process of `pid` whose command line holds `word`."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == pid and word.encode() in (entry / "cmdline").read_bytes():
                return int(entry.name)
    raise AssertionError(f"process {pid} has no child {word}")
