"""The journal: what an append costs, and how long a long record takes to read.

    .venv/bin/python benchmarks/journal.py [events ...]      default 100000 1000000

The events are those of `recorded.py`. Appends: 3 rounds of 2,000 through the real `Journal.append` (redactor with 20
secrets, canonical JSON, chain, one durable transaction, the head noted beside it), interleaved with the same texts in
two peers: a bare SQLite database with the same settings (WAL, FULL), one row and one commit each, and a file with a
line and an fdatasync each. All on the disk of the temporary folder ($TMPDIR).

Reading: each round is a process of its own, so that no round inherits the memory of another.
`load` is `Journal.read` and `events`: query, decode, build; `fold` makes the state of them; `verify` is the chain
walked by `Journal.open`, which a conductor adds; `peer` is `json.loads` of each line of a file with the same data,
nothing else. CPU seconds are the trustworthy column: wall time shares the machine with whatever else runs.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import recorded
import redactor

from runbook_tui.foundation.clock import RealClock
from runbook_tui.incident.state import fold
from runbook_tui.journal.chain import canonical
from runbook_tui.journal.store import Journal
from runbook_tui.secrets.redaction import Redactor
from runbook_tui.secrets.secret import Secret

_APPENDS, _ROUNDS = 2000, 3
_INSERT = "INSERT INTO events(data) VALUES(?)"
_READINGS = ("load", "fold", "load + fold", "verify", "peer")


def appends(home: Path) -> None:
    """Prints latency and rate of the journal and its peers."""
    redact = Redactor()
    for number, value in enumerate(redactor.made_up(20)):
        redact.add(Secret(value), f"key-{number}")
    told = list(itertools.islice(recorded.said(), 100, 100 + _APPENDS))
    lines = [canonical(data) for _, _, data in told]
    ours: list[float] = []
    bare: list[float] = []
    flat: list[float] = []
    cpu = 0.0
    for number in range(_ROUNDS):
        with closing(Journal.create(home / f"inc-{number}" / "journal.db", RealClock(), redact.data)) as journal:
            begun = time.process_time()
            ours += timed([lambda one=one: journal.append(one[1], one[2], one[0]) for one in told])
            cpu += time.process_time() - begun
        with closing(sqlite3.connect(home / f"bare-{number}.db", isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            database.execute("CREATE TABLE events(seq INTEGER PRIMARY KEY, data TEXT NOT NULL) STRICT")
            bare += timed([lambda line=line: database.execute(_INSERT, (line,)) for line in lines])
        with (home / f"flat-{number}").open("ab", buffering=0) as file:
            flat += timed([lambda line=line: synced(file.fileno(), line) for line in lines])
    size = statistics.mean(map(len, lines))
    print(f"append, {_ROUNDS} rounds of {_APPENDS}, data of {size:.0f} bytes; wall time")
    print(f"{'':<44}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'per s':>9}")
    for name, found in (("Journal.append", ours), ("SQLite, one row", bare), ("line and fdatasync", flat)):
        order = sorted(found)
        p50, p99, most = (order[int(len(order) * part)] * 1000 for part in (0.5, 0.99, 0.9999))
        print(f"{name:<44}{p50:>9.3f}{p99:>9.3f}{most:>9.2f}{len(found) / sum(found):>9.0f}")
    middle = statistics.median(ours)
    print(f"{'Journal.append / SQLite, by p50':<44}{middle / statistics.median(bare):>9.2f}")
    print(f"{'Journal.append / line, by p50':<44}{middle / statistics.median(flat):>9.2f}")
    print(f"{'CPU of one append':<44}{cpu / len(ours) * 1000:>9.3f} ms            goal: p99 below 2 ms\n")


def timed(calls: list[Callable[[], object]]) -> list[float]:
    """Wall seconds of each call."""
    found = []
    for call in calls:
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return found


def synced(handle: int, line: str) -> None:
    os.write(handle, line.encode() + b"\n")
    os.fdatasync(handle)


def reading(home: Path, count: int) -> None:
    """Prints how long a record of `count` events takes."""
    path = home / f"long-{count}" / "journal.db"
    recorded.write(path, count)
    with closing(Journal.read(path)) as journal, (home / "lines").open("w", encoding="ascii") as lines:
        lines.writelines(canonical(event.data) + "\n" for event in journal.events())
    rounds = 5 if count <= 100_000 else 3
    command = [sys.executable, __file__, "--round", str(path)]
    found = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(rounds)]
    print(f"{count:,} events, {path.stat().st_size >> 20} MiB, {rounds} processes; seconds")
    print(f"{'':<44}{'CPU min':>9}{'median':>9}{'wall min':>10}{'median':>9}")
    for name in _READINGS:
        cpu, wall = zip(*(one[name] for one in found), strict=True)
        low, middle = min(cpu), statistics.median(cpu)
        print(f"{name:<44}{low:>9.2f}{middle:>9.2f}{min(wall):>10.2f}{statistics.median(wall):>9.2f}")
    both, peer = (min(one[name][0] for one in found) for name in ("load + fold", "peer"))
    goal = f"goal: load + fold below {5 * count / 1_000_000:g} s"
    print(f"{'load + fold / peer, by CPU':<44}{both / peer:>9.2f}{'':>12}{goal}")
    print(f"{'peak memory after load and fold':<44}{min(one['peak'] for one in found):>9.0f} MiB\n")


def one_round(path: Path) -> None:
    """In a process of its own: prints the readings as JSON."""
    found: dict[str, object] = {}

    def take(name: str, work: Callable[[], object]) -> object:
        cpu, wall = time.process_time(), time.perf_counter()
        result = work()
        found[name] = (time.process_time() - cpu, time.perf_counter() - wall)
        return result

    def load() -> list[object]:
        with closing(Journal.read(path)) as journal:
            return journal.events()  # type: ignore[return-value]

    def both() -> object:
        events = take("load", load)
        state = take("fold", lambda: fold(events))  # type: ignore[arg-type]
        return events, state

    kept = take("load + fold", both)
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    del kept
    take("verify", lambda: Journal.open(path, RealClock(), lambda value: value).close())

    def peer() -> object:
        with (path.parent.parent / "lines").open(encoding="ascii") as lines:
            return [json.loads(line) for line in lines]

    take("peer", peer)
    print(json.dumps(found))


def main() -> None:
    if sys.argv[1:2] == ["--round"]:
        one_round(Path(sys.argv[2]))
        return
    counts = [int(word) for word in sys.argv[1:]] or [100_000, 1_000_000]
    with tempfile.TemporaryDirectory(prefix="runbook-benchmark-") as folder:
        home = Path(folder)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}\n")
        appends(home)
        for count in counts:
            reading(home, count)


if __name__ == "__main__":
    main()
