"""A search on the screen: what shows while it runs, the key that stops it, taking what it found."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_conductor_found import GITHUB, printed, repository, sweeping

from runbook_tui.tui.app import IncidentApp
from screens.driving import SIZES, drive, settle
from screens.grid import grid

assert repository  # the fixture


def gated(folder: Path, where: Path) -> tuple[Path, str]:
    """A PATH whose git waits for a file, and a damaged object that git is asked for: the search waits with it."""
    real, gate, bin_ = shutil.which("git"), folder / "gate", folder / "bin"
    made = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], input=os.urandom(5000), cwd=where, capture_output=True, check=True
    )
    name = made.stdout.decode().strip()
    path = where / ".git/objects" / name[:2] / name[2:]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-6])
    bin_.mkdir()
    (bin_ / "git").write_text(f'#!/bin/sh\nwhile ! [ -e {gate} ]; do sleep 0.05; done\nexec {real} "$@"\n')
    (bin_ / "git").chmod(0o700)
    return gate, f"{bin_}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("size", SIZES)
def test_on_the_screen(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    """Promise: objects, bytes and places show while the search runs, `x` is labelled as what it does, the stopped step
    is offered again; then what was found is listed, and `f` takes one into the incident."""
    gate, path = gated(tmp_path, repository)
    monkeypatch.setenv("PATH", path)
    stand, client = sweeping(tmp_path, repository)

    async def operate(pilot: Any) -> None:
        await pilot.press("enter")
        await settle(pilot, lambda: "looking for credentials" in grid(pilot.app), 30)
        shown = grid(pilot.app)
        assert "x  stop the scan" in shown
        assert "x stop the scan" in shown.splitlines()[-1]
        await settle(pilot, lambda: re.search(r"\d of \d+ objects, \d", grid(pilot.app)), 30)
        await pilot.press("x")
        await settle(pilot, lambda: "stopped by the operator after" in grid(pilot.app), 30)
        assert "Enter  do it" in grid(pilot.app)
        assert "stop the scan" not in grid(pilot.app)
        gate.touch()
        await pilot.press("enter")
        await settle(pilot, lambda: "FOUND BY RULE, NOT TAKEN: 2 credentials" in grid(pilot.app), 60)
        await pilot.press("t")
        await settle(pilot, lambda: "TIMELINE (UTC)" in grid(pilot.app))
        await pilot.press("g")
        await settle(pilot, lambda: "found by rule: fp:" in grid(pilot.app))
        await pilot.press("G")
        await settle(pilot, lambda: "Caches:" in grid(pilot.app))
        await pilot.press("escape", "f")
        await settle(pilot, lambda: "Take a found credential" in grid(pilot.app))
        assert f"{printed(stand, GITHUB)} ghp_" in grid(pilot.app)
        await pilot.press("down", "enter")
        await settle(pilot, lambda: "github-found dead" in grid(pilot.app) or "NOT TAKEN: 1" in grid(pilot.app), 60)
        await pilot.press("tab")
        await settle(pilot, lambda: "STEPS AND CLOSED LOOP" in grid(pilot.app))
        await pilot.press("G")
        await settle(pilot, lambda: "found:github-found" in grid(pilot.app))
        assert "not taken" in grid(pilot.app)
        assert GITHUB not in grid(pilot.app)

    drive(IncidentApp(client), size, operate)
    assert stand.vault.get("github-found").secret is not None
