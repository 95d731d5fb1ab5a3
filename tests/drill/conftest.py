"""Worlds that are built for a test and end with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drill_stage import Stage

from runbook_tui.drill.scenario import load_scenario
from runbook_tui.drill.world import World, build
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.fixture
def stage(tmp_path: Path, catalogue: Catalogue) -> Iterator[Callable[..., Stage]]:
    """Builds worlds that are ended with the test."""
    worlds: list[World] = []

    def make(scenario: str, seed: int = 1, folder: str = "drill") -> Stage:
        clock = FakeClock()
        world = build(load_scenario(scenario), tmp_path / folder, seed, clock, catalogue)
        worlds.append(world)
        return Stage(world, clock, Engine(catalogue, world.network(clock), clock), catalogue)

    yield make
    for world in worlds:
        world.stop()
