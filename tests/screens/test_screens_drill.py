"""The real thing: a drill with its conductor, simulated provider and repository, played by keys in a real terminal."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest
from driving import SIZES

from journeys.journey_kit import Machine
from servers.processes import plain_environment
from servers.terminal import Terminal

_RUNBOOK = str(Path(sys.executable).with_name("runbook"))
_OPENED = "Esc go back"


class Operator:
    """Reads the screen and presses what it asks for."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.steps: list[str] = []

    def play(self, limit: float) -> str:
        """Do step after step until every one is finished; gives the last screen."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            screen = self.terminal.screen()
            if "every step is finished" in screen:
                return screen
            if _OPENED in screen:
                self._answer(screen)
            elif "Enter  do it" in screen:
                self.steps.append(_title(screen))
                self.terminal.send("Enter")
                self._wait_change(screen)
            time.sleep(0.1)
        raise AssertionError(f"not finished in time; did {self.steps}:\n{self.terminal.screen()}")

    def _answer(self, screen: str) -> None:
        if "Enter is off" in screen:
            target = re.search(r"Type +(\S+(?: \S+)?) +to do it", screen)
            assert target, screen
            self.terminal.wait_for("more")  # the quiet time is over
            self.terminal.type(target[1])
            self.terminal.wait_for("Enter done")
            self.terminal.send("Enter")
        elif "Where could it be read?" in screen:
            self.terminal.send("1", "Enter", "n", "Enter", "m", "Enter", "Enter", "Enter")
        elif "advises" in screen:
            self.terminal.send("Enter", "Enter")
        else:
            self.terminal.type("seen by hand")
            self.terminal.send("Enter")
        self.terminal.wait_gone(_OPENED)

    def _wait_change(self, before: str) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            screen = self.terminal.screen()
            if _OPENED in screen or _title(screen) != _title(before):
                return
            time.sleep(0.05)
        raise AssertionError(f"Enter did nothing:\n{before}")


def _title(screen: str) -> str:
    found = re.search(r"NEXT ══ (.+?) ══", screen)
    return found[1].strip() if found else ""


@pytest.mark.parametrize("size", SIZES)
def test_a_whole_drill_by_keys_alone(size: str, tmp_path: Path) -> None:
    """From `runbook drill` to a closed incident with a report, with the keyboard alone, at both sizes."""
    columns, rows = SIZES[size]
    command = [_RUNBOOK, "drill", "api-key-leaked"]
    terminal = Terminal(command, env=plain_environment(RUNBOOK_HOME=str(tmp_path)), columns=columns, rows=rows)
    try:
        assert "▐DRILL▌" in terminal.wait_for("NEXT")
        operator = Operator(terminal)
        screen = operator.play(150)
        assert "1 of 1 dead, 2 of 2 live" in screen
        assert "CONTAINED" in screen
        terminal.send("n")
        terminal.wait_for("What happened?")
        terminal.type("the drill is over")
        terminal.send("Enter", "Enter")
        terminal.wait_for("note: the drill is over")
        terminal.send("p")
        terminal.wait_for("REPORT PREVIEW")
        terminal.send("Escape")
        terminal.wait_gone("REPORT PREVIEW")
        terminal.send("X")
        terminal.wait_for("Every line is proven, attested or waived.")
        terminal.send("Enter")
        terminal.wait_for("CLOSED: contained")
        terminal.send("q")
        assert terminal.wait_exit() == 0
    finally:
        terminal.close()
    assert list(tmp_path.rglob("report*.md"))


def test_a_second_terminal_watches_the_same_drill(tmp_path: Path) -> None:
    """Another terminal on the incident sees what happens, takes a note, and takes over with D."""
    environment = plain_environment(RUNBOOK_HOME=str(tmp_path))
    first = Terminal([_RUNBOOK, "drill", "api-key-leaked"], env=environment, columns=120, rows=40)
    second = None
    try:
        incident = re.search(r"inc-[\w-]+", first.wait_for("NEXT"))
        assert incident
        second = Terminal([_RUNBOOK, "resume", incident[0]], env=environment, columns=80, rows=24)
        second.wait_for("watching:")
        second.send("n")
        second.wait_for("What happened?")
        second.type("seen from the second terminal")
        second.send("Enter", "Enter")
        first.wait_for("note: seen from the second terminal")
        second.send("D")
        second.wait_for("you drive")
        first.wait_for("watching:")
    finally:
        first.close()
        if second is not None:
            second.close()
        Machine(tmp_path, tmp_path).clean_up()
