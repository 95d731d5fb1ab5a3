"""Start-up, key to paint, idle CPU and memory, measured in one run against a hello-world Textual app.

    .venv/bin/python benchmarks/startup.py [rounds]

CPU seconds are the trustworthy column: wall time shares the machine with whatever else runs. Rounds are interleaved and
the first one, which fills the caches, is dropped. Nothing is asserted; goals are printed beside the readings.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_BIN = Path(sys.executable).parent
_ESCAPES = re.compile(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x1b[()=>][0-9A-Z]?")
_IDLE = 10.0


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEXTUAL", "PYTHON"))}
    return kept | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}


class Pane:
    """A program on a pseudo-terminal of 120 x 40."""

    def __init__(self, *command: str) -> None:
        self.begun = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(command), _environment())
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.seen = b""

    def read(self, seconds: float) -> bytes:
        """What is written within that time; b"" when nothing is."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return b""
        try:
            return os.read(self.fd, 1 << 16)
        except OSError:
            return b""

    def until(self, text: str, limit: float = 30) -> None:
        end = time.monotonic() + limit
        while text.encode() not in _ESCAPES.sub(b"", self.seen):
            if time.monotonic() > end:
                raise SystemExit(f"{text!r} was not painted: {self.seen[-300:]!r}")
            self.seen += self.read(1)

    def drain(self, quiet: float) -> None:
        while self.read(quiet):
            pass

    def cpu(self) -> float:
        """CPU seconds of all threads so far."""
        tasks = Path(f"/proc/{self.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9

    def peak(self) -> float:
        """Peak resident memory in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def end(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        while True:
            self.read(0.05)
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                break
        os.close(self.fd)


def open_incident(home: str) -> str:
    """A real drill with its conductor process, left open with 50 events; the incident's id."""
    os.environ["RUNBOOK_HOME"] = home
    from runbook_tui.conductor.client import connect
    from runbook_tui.foundation.places import Places

    runbook = [str(_BIN / "runbook"), "drill", "api-key-leaked", "--plain"]
    subprocess.run(runbook, input=b"leave\n", env=_environment(), capture_output=True, check=False, timeout=60)
    incident = next(Places.default().incidents.iterdir()).name
    client = connect(Places.default(), incident, "benchmark")
    assert client is not None
    while len(client.events) < 50:
        client.request("note", text=f"note {len(client.events)}: support told", at="")
        time.sleep(0.01)
    client.close()
    return incident


def shut_down(incident: str) -> None:
    """End the conductor of the benchmark's incident."""
    from runbook_tui.conductor.client import connect
    from runbook_tui.foundation.places import Places

    client = connect(Places.default(), incident, "benchmark", "drive")
    if client is not None:
        client.request("take_over")
        client.request("shutdown")
        client.close()


def first_paint(text: str, *command: str) -> tuple[float, float]:
    """(CPU, wall) seconds from the start of a program until `text` stands on the screen."""
    pane = Pane(*command)
    pane.until(text)
    found = pane.cpu(), time.perf_counter() - pane.begun
    pane.end()
    return found


def command(*words: str) -> tuple[float, float]:
    """(CPU, wall) seconds of a whole command."""
    begun = time.perf_counter()
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    pid = os.posix_spawn(words[0], list(words), _environment(), file_actions=quiet)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - begun


def keys() -> tuple[list[float], list[float], float, float]:
    """(seconds per dead key, seconds per page opened, idle CPU share, peak MiB) of the incident screen."""
    pane = Pane(sys.executable, str(_HERE / "incident.py"))
    pane.until("NEXT")
    pane.drain(0.5)
    dead, pages = [], []
    for number in range(100):
        dead.append(_press(pane, b"xk"[number % 2 : number % 2 + 1]))
    for _ in range(20):
        pages.append(_press(pane, b"t"))
        _press(pane, b"j")
        _press(pane, b"q")
    before = pane.cpu()
    end = time.monotonic() + _IDLE
    while (left := end - time.monotonic()) > 0:
        pane.read(left)
    idle = (pane.cpu() - before) / _IDLE
    found = dead, pages, idle, pane.peak()
    pane.end()
    return found


def _press(pane: Pane, key: bytes) -> float:
    """Seconds from the key to the first byte that is painted for it."""
    begun = time.perf_counter()
    os.write(pane.fd, key)
    if not pane.read(2):
        raise SystemExit(f"nothing was painted for {key!r}")
    took = time.perf_counter() - begun
    pane.drain(0.03)
    return took


def _spread(values: list[float]) -> str:
    p95 = sorted(values)[int(len(values) * 0.95)]
    return f"median {statistics.median(values) * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    runbook = str(_BIN / "runbook")
    home = tempfile.mkdtemp(prefix="runbook-benchmark-")
    incident = open_incident(home)
    hello, recorded = (str(_HERE / name) for name in ("hello.py", "incident.py"))
    measured = {
        "hello-world Textual, first paint": lambda: first_paint("Hello, world", sys.executable, hello),
        "runbook resume, 50 events, first paint": lambda: first_paint("NEXT", runbook, "resume", incident),
        "the screen alone, 50 events": lambda: first_paint("NEXT", sys.executable, recorded),
        "python -c pass": lambda: command(sys.executable, "-c", "pass"),
        "runbook --version": lambda: command(runbook, "--version"),
        "runbook playbook list": lambda: command(runbook, "playbook", "list"),
    }
    readings: dict[str, list[tuple[float, float]]] = {name: [] for name in measured}
    for number in range(rounds + 1):
        for name, measure in measured.items():
            reading = measure()
            if number:
                readings[name].append(reading)
    print(f"{'milliseconds, ' + str(rounds) + ' rounds':<40}{'CPU min':>9}{'median':>9}{'wall min':>10}{'median':>9}")
    for name, found in readings.items():
        cpu, wall = zip(*found, strict=True)
        figures = (min(cpu), statistics.median(cpu), min(wall), statistics.median(wall))
        columns = zip(figures, (9, 9, 10, 9), strict=True)
        print(f"{name:<40}" + "".join(f"{value * 1000:>{width}.0f}" for value, width in columns))
    floor, ours = (readings[name] for name in list(measured)[:2])
    low = min(cpu for cpu, _ in ours) / min(cpu for cpu, _ in floor)
    middle = statistics.median(cpu for cpu, _ in ours) / statistics.median(cpu for cpu, _ in floor)
    print(f"\nfirst paint / floor, by CPU      {low:.2f} (minimum), {middle:.2f} (median)     goal <= 1.6")
    shut_down(incident)
    shutil.rmtree(home)
    dead, pages, idle, peak = keys()
    print(f"key to paint                     {_spread(dead)}     goal p95 <= 10 ms")
    print(f"page opened                      {_spread(pages)}")
    print(f"idle, the clock ticking          {idle * 100:.2f} % CPU     goal <= 1 %")
    print(f"peak memory                      {peak:.0f} MiB     goal <= 45 MiB")


if __name__ == "__main__":
    main()
