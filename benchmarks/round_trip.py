"""The conductor's socket and its start: request to reply, event to the other terminal, process to ready.

    .venv/bin/python benchmarks/round_trip.py [requests]

A real drill with its conductor process, over the real Unix socket, and two terminals (`SocketClient`) in this process.

`reply` is a request that reads (the next step's prompts). `note, reply` is a request that records: redaction, one
durable event, its reply. `note, second terminal` is the time from the same request until the other terminal has folded
the event. The peer is an echo of the same number of bytes over a bare socket pair between two processes. Wall time;
requests are interleaved; the first 20 of each are dropped.

`start` is the process from spawn to "ready" for this incident, resumed (drill world, vault, catalogue, journal checked,
folded); `python -c pass` is its floor. `attach` is a second terminal's whole arrival: connect, every event, fold. For
long records the conductor is `Conductor` and `Server` in a process of its own over a journal of `recorded.py`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import recorded
import startup

if TYPE_CHECKING:
    from runbook_tui.conductor.client import SocketClient

_WARM, _STARTS = 20, 5
_BYTES = 400  # about a pushed event


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {count} requests of each kind; wall time\n")
    with tempfile.TemporaryDirectory(prefix="runbook-benchmark-") as home:
        incident = startup.open_incident(home)
        talk(incident, count)
        startup.shut_down(incident)
        starts(incident)
        startup.shut_down(incident)
        for length in (1_000, 10_000, 100_000):
            arrive(Path(home) / f"long-{length}", length)


def talk(incident: str, count: int) -> None:
    """Prints the round trips."""
    from runbook_tui.conductor.client import connect
    from runbook_tui.foundation.places import Places

    first, second = (connect(Places.default(), incident, name) for name in ("first", "second"))
    assert first is not None
    assert second is not None
    came = threading.Event()
    second.listen(lambda push: came.set() if "event" in push else None)
    found: dict[str, list[float]] = {"reply": [], "note, reply": [], "note, second terminal": []}
    peer: list[float] = []
    with echo() as bounce:
        for number in range(count + _WARM):
            found["reply"].append(timed(lambda: first.request("prompts", step="declare")))
            came.clear()
            begun = time.perf_counter()
            first.request("note", text=f"note {number}: support told", at="")
            found["note, reply"].append(time.perf_counter() - begun)
            if not came.wait(10):
                raise SystemExit("the event was not pushed")
            found["note, second terminal"].append(time.perf_counter() - begun)
            peer.append(timed(bounce))
    first.close()
    second.close()
    print(f"{'':<34}{'p50 ms':>9}{'p99 ms':>9}{'min ms':>9}{'/ peer':>9}")
    middle = statistics.median(peer[_WARM:])
    for name, readings in (found | {"peer: echo over a socket pair": peer}).items():
        order = sorted(readings[_WARM:])
        figures = (order[int(len(order) * part)] for part in (0.5, 0.99, 0))
        print(
            f"{name:<34}"
            + "".join(f"{one * 1000:>9.3f}" for one in figures)
            + f"{order[len(order) // 2] / middle:>9.1f}"
        )


@contextlib.contextmanager
def echo() -> Iterator[Callable[[], object]]:
    """A call that sends bytes to another process and waits for them."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        while told := theirs.recv(1 << 16):
            theirs.sendall(told)
        os._exit(0)
    theirs.close()

    def bounce() -> None:
        ours.sendall(b"x" * _BYTES)
        left = _BYTES
        while left:
            left -= len(ours.recv(left))

    yield bounce
    ours.close()
    os.waitpid(child, 0)


def starts(incident: str) -> None:
    """Prints what it takes to start the conductor of a drill that is resumed."""
    from runbook_tui.cli.launch import start_conductor
    from runbook_tui.cli.setup import Setup
    from runbook_tui.foundation.places import Places

    setup = Setup.load(Places.default().incident(incident))
    whole: list[float] = []
    floor: list[float] = []
    for _ in range(_STARTS):
        floor.append(startup.command(sys.executable, "-c", "pass")[1])
        clients: list[SocketClient] = []
        whole.append(timed(lambda clients=clients: clients.append(start_conductor(setup))))
        clients[0].request("take_over")
        clients[0].request("shutdown")
        clients[0].close()
        time.sleep(1)  # it ends at its next tick and gives the lock back
    start_conductor(setup).close()
    print(f"\n{'milliseconds, ' + str(_STARTS) + ' starts':<34}{'min':>9}{'median':>9}")
    for name, found in (("start of the drill's conductor", whole), ("python -c pass", floor)):
        print(f"{name:<34}{min(found) * 1000:>9.0f}{statistics.median(found) * 1000:>9.0f}")


def arrive(folder: Path, length: int) -> None:
    """Prints how long a terminal takes to arrive at a long record, and a conductor to take it up."""
    from runbook_tui.conductor.address import reach
    from runbook_tui.conductor.client import SocketClient

    recorded.write(folder / "journal.db", length)
    begun = time.perf_counter()
    child = subprocess.Popen([sys.executable, __file__, "--serve", str(folder)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        ready = time.perf_counter() - begun
        came = []
        for _ in range(3):
            connection = reach(folder)
            assert connection is not None
            begun = time.perf_counter()
            client = SocketClient(connection, "second", "watch")
            came.append(time.perf_counter() - begun)
            assert len(client.events) == length
            client.close()
    finally:
        child.terminate()
        child.wait(20)
    print(f"{length:>9,} events: start {ready:6.2f} s, attach {min(came):6.2f} s")


def serve(folder: Path) -> None:
    """A conductor over the journal in `folder`, until it is terminated."""
    from runbook_tui.conductor.core import Conductor
    from runbook_tui.conductor.kit import Kit
    from runbook_tui.conductor.server import Server
    from runbook_tui.foundation.clock import RealClock
    from runbook_tui.journal.store import Journal
    from runbook_tui.net.client import Network
    from runbook_tui.playbook.loader import from_source
    from runbook_tui.providers.catalogue import Catalogue
    from runbook_tui.providers.engine import Engine
    from runbook_tui.secrets.vault import SessionVault
    from runbook_tui.webhooks.registry import Schemes

    clock, catalogue, network = RealClock(), Catalogue.load(), Network(only=("127.0.0.1", 9))
    engine = Engine(catalogue, network, clock)
    kit = Kit(folder, SessionVault(), catalogue, engine, network, clock, Schemes.load(), b"k" * 32)
    journal = Journal.open(folder / "journal.db", clock, kit.redactor.data)
    source = journal.events(limit=1)[0].data["playbook"]["source"]
    server = Server(Conductor(from_source(source, "playbook"), journal, kit, "ann"), folder, rebuildable=True)
    print("ready", flush=True)
    server.serve()


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
