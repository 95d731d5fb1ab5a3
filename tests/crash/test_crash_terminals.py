"""Two terminals on one incident, through two sockets: one drives; whatever both press, nothing happens twice."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crash.crash_kit import Desk, check_record, confirmation, idle, kill, next_step, run_to_end, watch_loss
from crash.crash_vendor import KEYS, run_vendor
from journeys.journey_kit import RUNBOOK, Terminal, until
from runbook_tui.conductor.client import SocketClient
from runbook_tui.foundation.errors import RunbookError

ROUNDS = 60


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with run_vendor(3, calm=True) as vendor:
        made = Desk(tmp_path, vendor, monkeypatch)
        yield made
        made.machine.clean_up()


def _press(client: SocketClient, step: str, together: threading.Barrier, *, grab: bool) -> str:
    """What one person gets who presses run in the same moment as another; "" when the step began."""
    answers = confirmation(client, step)
    together.wait(30)
    try:
        if grab:
            client.request("take_over")
        client.request("run", step=step, answers=answers)
    except RunbookError as error:
        return error.message
    return ""


def test_both_press_run_in_the_same_moment(desk: Desk) -> None:
    """Many rounds; in some of them both take over first. Each step begins once, each key is revoked once."""
    chance = random.Random(7)
    said: Counter[str] = Counter()
    rounds = 0
    for number in range(ROUNDS // (KEYS + 1)):
        incident = f"inc-two-{number}"
        first = watch_loss(desk.open(incident))
        second = desk.resume(incident, name="lee", role="watch")
        with ThreadPoolExecutor(2) as people:
            while step := next_step(first):
                rounds += 1
                together = threading.Barrier(2)
                grab = chance.choice(((False, False), (True, True), (True, False), (False, True)))
                begun = [
                    people.submit(_press, client, step, together, grab=hand)
                    for client, hand in zip((first, second), grab, strict=True)
                ]
                results = [one.result() for one in begun]
                assert results.count("") <= 1
                _both_see(first, second, step, results.count(""))
                said.update(message.split(" ")[0] for message in results if message)
        driver = first if first.driving else second
        driver.request("close")
        assert first.driving != second.driving
        for client in (first, second):
            until(lambda one=client: one.state.closed == "contained", "it is not closed")
        assert second.events == first.events
        events = desk.journal(incident)
        started = Counter(event.data["step"] for event in events if event.kind == "step_started")
        assert set(started.values()) == {1}
        assert [desk.vendor.done["revoke", f"{incident}-k{n}"] for n in range(1, KEYS + 1)] == [1] * KEYS
        check_record(events, desk.vendor)
        first.close()
        second.close()
    print(f"{rounds} rounds, refused: {dict(said)}")
    assert said


def _both_see(first: SocketClient, second: SocketClient, step: str, attempts: int) -> None:
    """Wait until the step has ended on both screens. Nobody began it: each lost the wheel before it could press."""
    for client in (first, second):
        until(lambda one=client: one.state.step(step).attempts == attempts, "it is not seen")
        idle(client)


def test_one_drives_the_other_takes_notes_and_takes_over(desk: Desk) -> None:
    """The watcher sees the call, notes, is refused the wheel's keys, takes over on record; the first then watches."""
    incident = "inc-notes"
    first = watch_loss(desk.open(incident))
    second = desk.resume(incident, name="lee", role="drive")
    assert (first.driving, second.driving) == (True, False)
    first.request("run", step="capture", answers={})
    idle(first)
    with pytest.raises(RunbookError, match="kim drives this incident"):
        second.request("run", step="revoke-1", answers={"confirm": f"{incident}-k1"})
    second.request("note", text="the media team is informed")
    desk.vendor.hold.clear()
    first.request("run", step="revoke-1", answers=confirmation(first, "revoke-1"))
    second.request("note", text="looked at the dashboard meanwhile")
    second.request("take_over")  # in the middle of the call
    until(lambda: not first.driving, "the first still drives")
    with pytest.raises(RunbookError, match="lee drives this incident"):
        first.request("stop")
    with pytest.raises(RunbookError, match="revoke-1"):
        second.request("run", step="revoke-1", answers={"confirm": f"{incident}-k1"})
    desk.vendor.hold.set()
    run_to_end(_idle(second))
    events = desk.journal(incident)
    drivers = [(event.data["name"], event.data["took_over"]) for event in events if event.kind == "driver"]
    assert drivers == [("kim", False), ("lee", True)]
    notes = [(event.actor, event.data["text"]) for event in events if event.kind == "note"]
    assert notes == [("lee", "the media team is informed"), ("lee", "looked at the dashboard meanwhile")]
    assert desk.vendor.done["revoke", f"{incident}-k1"] == 1


def _idle(client: SocketClient) -> SocketClient:
    idle(watch_loss(client))
    return client


def test_the_wheel_is_free_when_the_driver_is_gone(desk: Desk) -> None:
    """A driver that died holds nothing; who comes next drives, who was watching still has to say so."""
    first = desk.open("inc-free")
    watcher = desk.resume("inc-free", name="lee", role="watch")
    first.close()
    third = until(lambda: _driving(desk, "inc-free"), "the wheel stays taken")
    assert not watcher.driving
    watcher.request("take_over")
    until(lambda: watcher.driving and not third.driving, "it was not taken over")


def _driving(desk: Desk, incident: str) -> SocketClient | None:
    client = desk.resume(incident, name="max")
    if client.driving:
        return client
    client.close()
    return None


def test_two_resume_at_once_after_a_crash(desk: Desk) -> None:
    """One of them starts the conductor, both are on it: one drives, the other watches."""
    incident = "inc-race"
    desk.open(incident).close()
    for number in range(6):
        kill(desk.pid(incident))
        with ThreadPoolExecutor(2) as people:
            found = [people.submit(desk.resume, incident, name=name) for name in ("kim", "lee")]
            clients = [one.result() for one in found]
        assert clients[0].process == clients[1].process
        assert [one.driving for one in clients].count(True) == 1
        assert sum(event.kind == "resumed" for event in desk.journal(incident)) == number + 1
        for client in clients:
            client.close()


def test_a_stopped_front_end_holds_up_nobody(desk: Desk) -> None:
    """Ctrl-Z on the driving terminal, for as long as it takes: another takes over and goes on."""
    incident = "inc-stopped"
    first = watch_loss(desk.open(incident))
    shown = Terminal([*RUNBOOK, "resume", "--plain"], env=desk.machine.env, cwd=desk.folder)
    try:
        shown.wait_for("drive")
        shown.send("d", "r", "i", "v", "e", "Enter")
        until(lambda: not first.driving, "the terminal does not drive")
        shown.wait_for("run, skip")
        shown.send("C-z")
        first.request("take_over")
        run_to_end(first)
        assert first.state.closed == "contained"
    finally:
        shown.close()
