"""kill -9 at any moment, of the conductor or of the screen: nothing is done twice, nothing that was shown is lost.

`RUNBOOK_KILLS=2000` runs longer, `RUNBOOK_KILL_SEED=N` runs the same kills again (the moments are as good as the
machine's timing).
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from crash.crash_kit import Desk, check_record, confirmation, gone, idle, kill, lost, next_step, watch_loss
from crash.crash_vendor import KEYS, SETTLE, run_vendor
from journeys.journey_kit import RUNBOOK, alive, until
from runbook_tui.conductor.client import SocketClient
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.events import Event

KILLS = int(os.environ.get("RUNBOOK_KILLS", "200"))
SEED = int(os.environ.get("RUNBOOK_KILL_SEED", "0")) or random.randrange(1, 1 << 31)
CHUNKS = 8
_TOGETHER = 3  # incidents at the same time in one chunk: most of a trial is waiting
_MOMENTS = ("intent", "sending", "outcome", "step_acted", "verification", "cleared", "new_credential", "step_done")


class Trap:
    """kill -9 of `pid` a random moment after a random thing has happened."""

    def __init__(self, chance: random.Random, pid: int) -> None:
        self.pid = pid
        self.sprung = threading.Event()
        self._armed = True
        self._lock = threading.Lock()
        self.kind = chance.choice(("time", "event", "vendor"))
        self.moment = chance.choice(_MOMENTS if self.kind == "event" else ("received", "executed"))
        self._delay = chance.uniform(0, 1.2) if self.kind == "time" else chance.choice((0, chance.uniform(0, 0.03)))
        if self.kind == "time":
            self.happened("time")

    def happened(self, what: str) -> None:
        if what == (self.moment if self.kind != "time" else "time"):
            threading.Timer(self._delay, self._spring).start()

    def _spring(self) -> None:
        with self._lock:
            if self._armed:
                self._armed = False
                kill(self.pid)
                self.sprung.set()

    def disarm(self) -> None:
        with self._lock:
            self._armed = False


class Trial:
    """One incident, killed up to `kills` times on its way to its end."""

    def __init__(self, desk: Desk, incident: str, seed: int, kills: int) -> None:
        self.desk, self.incident, self.left = desk, incident, kills
        self.chance = random.Random(seed)
        self.shown: dict[int, Event] = {}
        self.tally: Counter[str] = Counter()

    def run(self) -> Counter[str]:
        client = self._begin(self.desk.open(self.incident))
        for _ in range(40 + 4 * self.left):
            with contextlib.suppress(RunbookError):
                self._live(client)
            closed = client.state.closed
            if closed:
                break
            until(lambda one=client: lost(one), f"{self.incident}: refused, and the conductor lives")
            client = self._come_back(client)
        assert client.state.closed == "contained", self.incident
        with contextlib.suppress(RunbookError):
            client.request("shutdown")
        self._keep(client)
        self._check()
        return self.tally

    def _begin(self, client: SocketClient) -> SocketClient:
        """Take note of everything that is pushed from here on."""
        watch_loss(client)
        if not client.driving:
            client.request("take_over")
        return client

    def _keep(self, client: SocketClient) -> None:
        self.shown |= {event.seq: event for event in client.events}
        client.close()

    def _come_back(self, client: SocketClient) -> SocketClient:
        """After a kill: the record holds, at most one outcome is unknown, and it is flagged."""
        self._keep(client)
        gone(self.pid)
        before = self.desk.state(self.incident)
        cut = [op.op for op in before.operations.values() if op.status == "sending"]
        open_before = {op.op for op in before.unknown_operations()}
        assert len(cut) <= 1
        for tries_left in range(20, -1, -1):
            try:
                if self.left and self.chance.random() < 0.15:
                    self._kill_the_start()
                client = self._begin(self.desk.resume(self.incident))
                break
            except RunbookError as error:
                # The start that was killed is the other one: this one may only have met it.
                if not tries_left or "conductor" not in error.message:
                    raise
        unknown = {op.op for op in client.state.unknown_operations()}
        ended = {event.data["op"] for event in client.events if event.kind == "outcome"}
        assert set(cut) <= ended
        assert len(unknown) <= 1, unknown
        assert unknown <= open_before | set(cut)
        self.tally["unknown after a conductor kill"] += len(unknown - open_before)
        return client

    def _kill_the_start(self) -> None:
        """Somebody resumes, and that conductor is killed while it takes the incident up."""
        helper = ThreadPoolExecutor(1)
        start = helper.submit(self.desk.resume, self.incident)
        lock = self.desk.machine.folder(self.incident) / "journal.lock"
        pid = until(lambda: _holder(lock) or start.done(), "it does not start")
        time.sleep(self.chance.uniform(0, 0.06))
        if pid is not True:
            kill(pid)
            gone(pid)
            self._count("while it started")
        try:
            self._keep(start.result())
        except RunbookError:
            self.tally["starts that were refused"] += 1
        helper.shutdown()

    def _live(self, client: SocketClient) -> None:
        """Go on until the end or until the conductor is lost (RunbookError)."""
        self.pid = self.desk.pid(self.incident)
        while not lost(client):
            self._settle_by_word(client)
            step = next_step(client)
            if not step:
                client.request("close")
                return
            if self.left and self.chance.random() < 0.2:
                self._with_a_screen(client, step)
            else:
                self._step(client, step)

    def _step(self, client: SocketClient, step: str) -> None:
        answers = confirmation(client, step)
        trap = Trap(self.chance, self.pid) if self.left and self.chance.random() < 0.85 else None
        key = f"{self.incident}-k{step.removeprefix('revoke-')}" if step != "create" else f"{self.incident}-k4"

        def pushed(push: dict[str, Any]) -> None:
            if trap and "event" in push:
                trap.happened(push["event"].kind)

        def moment(what: str, about: str) -> None:
            if trap and about == key:
                trap.happened(what)

        client.listen(pushed)
        self.desk.vendor.moments.append(moment)
        try:
            client.request("run", step=step, answers=answers)
            idle(client)
        finally:
            self.desk.vendor.moments.remove(moment)
            if trap:
                trap.disarm()
                if trap.sprung.is_set():
                    self._count(f"at {trap.kind}")

    def _with_a_screen(self, client: SocketClient, step: str) -> None:
        """A real front end drives this step and is killed; the conductor does not notice more than that it is gone."""
        answers = confirmation(client, step)
        client.request("take_over")
        screen = subprocess.Popen(
            [*RUNBOOK, "resume", self.incident, "--plain"],
            env=self.desk.machine.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert screen.stdin is not None
        lines = ["drive", "run", *answers.values()]
        screen.stdin.write("".join(f"{line}\n" for line in lines).encode())
        screen.stdin.flush()
        attempts = client.state.step(step).attempts
        if self.chance.random() < 0.8:
            until(lambda: client.state.step(step).attempts > attempts or lost(client), "the screen does nothing")
        time.sleep(self.chance.uniform(0, 0.5))
        screen.kill()
        screen.wait()
        screen.stdin.close()
        self._count("of the screen")
        idle(client)
        assert alive(self.pid), "the conductor died with the screen"
        assert not lost(client)
        client.request("take_over")

    def _settle_by_word(self, client: SocketClient) -> None:
        """A key that was made and whose secret is lost can only be looked for: what a person does, after a while."""
        for op in client.state.unknown_operations():
            if op.operation == "create" and client.state.step("create").status == "unknown":
                time.sleep(SETTLE)
                found = self.desk.vendor.look(f"{self.incident}-k4")
                client.request("clear", op=op.op, reason=f"looked: {len(found)} deleted", **{"as": "not_done"})

    def _count(self, what: str) -> None:
        self.left = max(0, self.left - 1)
        self.tally["kills"] += 1
        self.tally[f"kills {what}"] += 1

    def _check(self) -> None:
        events = self.desk.journal(self.incident)
        on_record = {event.seq: event for event in events}
        lost_events = [seq for seq, event in self.shown.items() if on_record.get(seq) != event]
        self.tally["lost"] += len(lost_events)
        self.tally["shown"] += len(self.shown)
        executed = [self.desk.vendor.done["revoke", f"{self.incident}-k{n}"] for n in range(1, KEYS + 1)]
        executed.append(self.desk.vendor.done["create", f"{self.incident}-k4"])
        self.tally["doubles"] += sum(max(0, count - 1) for count in executed)
        assert executed == [1] * (KEYS + 1), executed
        assert not lost_events
        for event in events:
            if event.kind == "outcome":
                self.tally[f"outcome {event.data['result']}"] += 1
            if event.kind == "cleared":
                self.tally[f"cleared by {event.data['by']} as {event.data['as']}"] += 1
        check_record(events, self.desk.vendor)


def _holder(lock: Path) -> int:
    """The process that holds this lock, by the kernel's list; 0 when nobody does."""
    inode = lock.stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if "FLOCK" in fields and fields[5].endswith(f":{inode}"):
            return int(fields[4])
    return 0


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_kill_minus_nine_at_any_moment(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 double executions, 0 events lost that a terminal was shown, every unknown settled by proof or by word.

    Six revocations and a creation per incident, against a vendor that does again what it is told again, takes up to
    half a second, and loses requests and answers.
    """
    print(f"seed {SEED}, chunk {chunk} of {CHUNKS}, {KILLS} kills in all")
    wanted = KILLS // CHUNKS + (chunk < KILLS % CHUNKS)
    chance = random.Random(f"{SEED}-{chunk}")
    tally: Counter[str] = Counter()
    with run_vendor(chance.randrange(1 << 31)) as vendor:
        desk = Desk(tmp_path, vendor, monkeypatch)
        try:
            for round_ in range(100 + wanted):
                missing = wanted - tally["kills"]
                if missing <= 0:
                    break
                share = [missing // _TOGETHER + (n < missing % _TOGETHER) for n in range(_TOGETHER)]
                trials = [
                    Trial(desk, f"inc-{chunk}-{round_}-{n}", chance.randrange(1 << 31), min(10, kills))
                    for n, kills in enumerate(share)
                    if kills
                ]
                with ThreadPoolExecutor(_TOGETHER) as pool:
                    for one in pool.map(Trial.run, trials):
                        tally += one
        finally:
            desk.machine.clean_up()
    tally["lost"] += 0
    tally["doubles"] += 0
    print(", ".join(f"{count} {what}" for what, count in sorted(tally.items())))
    assert tally["kills"] >= wanted
