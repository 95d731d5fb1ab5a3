"""Signals, closed terminals and key presses while a call is on its way: it ends, its outcome is on record, and the
terminal is as it was."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crash.crash_kit import Desk, confirmation, idle, watch_loss
from crash.crash_pty import Pty, cpu_seconds
from crash.crash_vendor import Vendor, run_vendor
from journeys.journey_kit import RUNBOOK, alive, until
from runbook_tui.conductor.client import SocketClient
from runbook_tui.foundation.errors import RunbookError
from servers.terminal import Terminal

INCIDENT = "inc-1"


class Flight:
    """An incident whose first revocation is on its way: the vendor has it and does not answer yet."""

    def __init__(self, desk: Desk, vendor: Vendor) -> None:
        self.desk, self.vendor = desk, vendor
        self.client: SocketClient = watch_loss(desk.open(INCIDENT))
        self.client.request("run", step="capture", answers={})
        idle(self.client)
        self.pid = desk.pid(INCIDENT)

    def take_off(self) -> None:
        self.vendor.hold.clear()
        on_its_way: list[str] = []
        self.vendor.moments.append(lambda moment, key: on_its_way.append(moment))
        self.client.request("run", step="revoke-1", answers=confirmation(self.client, "revoke-1"))
        until(lambda: on_its_way, "the vendor is not asked")

    def land(self) -> None:
        """The vendor answers; the conductor of before records it."""
        assert alive(self.pid)
        self.vendor.hold.set()
        idle(self.client)
        assert self.client.state.step("revoke-1").status == "done"
        self.check_recorded()
        assert self.desk.pid(INCIDENT) == self.pid

    def check_recorded(self) -> None:
        events = self.desk.journal(INCIDENT)
        assert [event.data["result"] for event in events if event.kind == "outcome"] == ["done"]
        assert self.vendor.done["revoke", f"{INCIDENT}-k1"] == 1
        assert "resumed" not in [event.kind for event in events]

    def front_end(self, kind: str, *, controlling: bool = True) -> Pty:
        plain = ["--plain"] if kind == "plain" else []
        return Pty([*RUNBOOK, "resume", *plain], self.desk.machine.env, self.desk.folder, controlling=controlling)


@pytest.fixture
def flight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flight]:
    with run_vendor(1, calm=True) as vendor:
        desk = Desk(tmp_path, vendor, monkeypatch)
        yield Flight(desk, vendor)
        vendor.hold.set()
        desk.machine.clean_up()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP", "Ctrl-C"])
@pytest.mark.parametrize("kind", ["screen", "plain"])
def test_a_front_end_that_is_ended_gives_the_terminal_back(flight: Flight, kind: str, how: str) -> None:
    """While a call is on its way; the conductor goes on and records it."""
    front = flight.front_end(kind)
    try:
        front.wait_for("Revoke key 1")
        until(lambda: kind == "plain" or front.mode("1049"), "no full screen")
        time.sleep(0.3)
        flight.take_off()
        if how == "Ctrl-C":
            front.type("\x03")
            if kind == "screen":  # asks first, and says what the incident does without it
                front.wait_for("Leave?")
                front.type("\r")
        else:
            os.kill(front.process.pid, getattr(signal, how))
        left = 3 if kind == "screen" else 130
        assert front.process.wait(20) == (left if how == "Ctrl-C" else 128 + getattr(signal, how))
        front.check_restored()
        assert "Traceback" not in front.text()
        flight.land()
    finally:
        front.close()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP", "Ctrl-C"])
def test_a_prompt_without_echo_that_is_ended_gives_the_echo_back(flight: Flight, how: str) -> None:
    """The passphrase is asked; a signal ends the program, and the shell after it shows what is typed."""
    flight.client.close()
    os.kill(flight.pid, signal.SIGTERM)
    until(lambda: not alive(flight.pid), "the conductor does not end")
    front = flight.front_end("plain")
    try:
        front.wait_for("not shown")
        until(lambda: front.settings() != front.before, "the echo is on")
        if how == "Ctrl-C":
            front.type("\x03")
        else:
            os.kill(front.process.pid, getattr(signal, how))
        assert front.process.wait(20) == (130 if how == "Ctrl-C" else 128 + getattr(signal, how))
        front.check_restored()
        assert "Traceback" not in front.text()
    finally:
        front.close()


@pytest.mark.parametrize("kind", ["screen", "plain"])
def test_a_dead_terminal_burns_nothing(flight: Flight, kind: str) -> None:
    """No signal comes and the terminal is gone: the front end ends soon and uses no time; the call goes on."""
    front = flight.front_end(kind, controlling=False)
    try:
        front.wait_for("Revoke key 1")
        time.sleep(1.5)
        flight.take_off()
        used = cpu_seconds(front.process.pid)
        front.hang_up()
        limit = time.monotonic() + 8
        while front.process.poll() is None and time.monotonic() < limit:
            used_now = cpu_seconds(front.process.pid)
            time.sleep(0.1)
            assert used_now - used < 1.5, "it burns time on a dead terminal"
        assert front.process.poll() is not None, "it lives on without a terminal"
        flight.land()
    finally:
        front.close()


@pytest.mark.parametrize("kind", ["screen", "plain"])
def test_ctrl_z_and_back(flight: Flight, kind: str) -> None:
    """In a real shell: stopped, the terminal is the shell's; back, the front end goes on. The call does not wait."""
    shell = Terminal(["bash", "--norc", "-i"], env={**flight.desk.machine.env, "PS1": "$ "}, cwd=flight.desk.folder)
    try:
        shell.wait_for("$")
        _say(shell, "stty -g >before")
        _say(shell, " ".join([*RUNBOOK, "resume", *(["--plain"] if kind == "plain" else [])]))
        shell.wait_for("Revoke key 1")
        time.sleep(0.5)
        flight.take_off()
        shell.send("C-z")
        shell.wait_for("Stopped")
        _say(shell, "stty -g >stopped; echo done with $((6*7))")
        shell.wait_for("done with 42")
        flight.land()
        _say(shell, "fg")
        shell.wait_for("Revoke key 2")
        shell.send("C-c")
        if kind == "screen":
            shell.wait_for("Leave?")
            shell.send("Enter")
        shell.wait_for("Come back with")
        _say(shell, "stty -g >after; echo back at $((6*8))")
        shell.wait_for("back at 48")
        before, stopped, after = ((flight.desk.folder / name).read_text() for name in ("before", "stopped", "after"))
        assert before == stopped == after
    finally:
        shell.close()


def _say(shell: Terminal, line: str) -> None:
    shell.type(line)
    shell.send("Enter")


@pytest.mark.parametrize("kind", ["screen", "plain"])
@pytest.mark.parametrize("how", ["closed pane", "kill -9"])
def test_the_screen_is_gone_and_the_call_ends(
    flight: Flight, terminal: Callable[..., Terminal], kind: str, how: str
) -> None:
    """The outcome of the call that was on its way is recorded by the conductor of before."""
    plain = ["--plain"] if kind == "plain" else []
    shown = terminal([*RUNBOOK, "resume", *plain], env=flight.desk.machine.env, cwd=flight.desk.folder)
    shown.wait_for("Revoke key 1")
    flight.take_off()
    pid = shown.pid
    if how == "kill -9":
        os.kill(pid, signal.SIGKILL)
    else:
        shown.close()
    until(lambda: not alive(pid), "the screen still lives")
    flight.land()


def test_the_conductor_is_told_to_end(flight: Flight) -> None:
    """SIGTERM with a call on its way: nothing new is begun, the outcome is recorded, then it ends."""
    flight.take_off()
    os.kill(flight.pid, signal.SIGTERM)
    time.sleep(1)
    assert alive(flight.pid), "it left the call alone"
    flight.vendor.hold.set()
    while alive(flight.pid):  # somebody presses the next one all the time
        try:
            flight.client.request("run", step="revoke-2", answers={"confirm": f"{INCIDENT}-k2"})
        except RunbookError:
            time.sleep(0.01)
    flight.check_recorded()
    assert flight.desk.state(INCIDENT).unknown_operations() == []
    assert flight.vendor.done["revoke", f"{INCIDENT}-k2"] == 0


def test_the_conductor_is_told_to_end_while_it_waits_for_a_proof(flight: Flight) -> None:
    """The call is done and its proof is not there yet: it does not wait for that, and the next one only proves."""
    flight.vendor.stubborn = True
    flight.client.request("run", step="revoke-1", answers=confirmation(flight.client, "revoke-1"))
    until(lambda: flight.client.state.step("revoke-1").acted, "it does not act")
    os.kill(flight.pid, signal.SIGTERM)
    until(lambda: not alive(flight.pid), "it waits for the proof", 5)
    flight.check_recorded()
    flight.vendor.stubborn = False
    again = flight.desk.resume(INCIDENT)
    again.request("run", step="revoke-1", answers={})
    idle(again)
    assert again.state.step("revoke-1").status == "done"
    assert flight.vendor.done["revoke", f"{INCIDENT}-k1"] == 1


def test_the_conductor_is_hung_up_on(flight: Flight) -> None:
    """SIGHUP, as at a logout: nothing happens to it or to the call."""
    flight.take_off()
    os.kill(flight.pid, signal.SIGHUP)
    time.sleep(0.5)
    flight.land()
