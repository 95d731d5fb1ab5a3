"""A playbook that changes between its review and its run, or under a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeys.journey_kit import Hands, Machine, brisk
from runbook_tui.foundation.places import shipped


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "work").mkdir()
    made = Machine(tmp_path / "home", tmp_path / "work")
    yield made
    made.clean_up()


def test_a_playbook_swapped_under_a_run_changes_nothing(here: Machine) -> None:
    """Promise: a run is that of the bytes it was opened with, before and after a restart; their SHA-256 is its first
    event, and the next run of the changed file has another."""
    mine = here.cwd / "mine.yaml"
    reviewed = (shipped("playbooks") / "api-key-leaked.yaml").read_text()
    mine.write_text(reviewed)
    scenario = brisk(here, "openai-key")
    assert here.run("drill", str(mine), "--scenario", scenario, "--plain", stdin="leave\n").returncode == 3
    incident = here.only_incident()
    swapped = reviewed.replace("title: ", "title: Swapped ", 1)
    assert swapped != reviewed
    mine.write_text(swapped)
    before = Hands(here).client.book.title
    here.kill_conductor()
    assert here.run("resume", incident, "--plain", stdin="leave\n").returncode == 3
    after = Hands(here).client.book.title
    assert before == after
    assert "Swapped" not in after
    opened = here.events()[0]["data"]["playbook"]
    assert opened["sha256"] == hashlib.sha256(reviewed.encode()).hexdigest()
    assert here.run("drill", str(mine), "--scenario", scenario, "--plain", stdin="leave\n").returncode == 3
    (other,) = {path.name for path in here.incidents.iterdir()} - {incident}
    assert here.events(other)[0]["data"]["playbook"]["sha256"] == hashlib.sha256(swapped.encode()).hexdigest()
