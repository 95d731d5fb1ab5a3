"""A machine for bad input: real `runbook` processes, and what every refusal has in common."""

from __future__ import annotations

import re
import subprocess

from journeys.journey_kit import Machine

CANARY = "tk_canary_Zq8Xw2Lm9Kp4Rt7Vb1Nc6Hd3"
Done = subprocess.CompletedProcess[str]


def refused(done: Done, code: int = 2, *words: str) -> None:
    """One clear message with a hint on standard error, nothing on standard output, no traceback, no secret."""
    told = done.stderr
    assert done.returncode == code, told
    assert done.stdout == ""
    assert "Traceback" not in told
    assert "fault in the program" not in told
    assert "canary" not in told
    for word in words:
        assert word in told
    if told.startswith("Usage: runbook"):  # click's own words: how it is used, where the help is, what is wrong
        assert re.search(r"^Try 'runbook .*--help' for help\.\n\nError: .+$", told, re.MULTILINE), told
        return
    message, hint = told.rstrip("\n").rsplit("\n  hint: ", 1)
    assert hint
    assert "\n" not in message.splitlines()[-1]
    assert re.match(r"(error: |[^\n]+:\d+:\d+: error: )", message.splitlines()[-1]), told


def whole(machine: Machine) -> None:
    """Every incident of this machine is on record, whole; a call without an outcome (3) is no damage."""
    for journal in machine.incidents.glob("*/journal.db"):
        checked = machine.run("incident", "verify", journal.parent.name)
        assert checked.returncode in (0, 3), checked.stdout + checked.stderr
        assert "the record is whole" in checked.stdout
