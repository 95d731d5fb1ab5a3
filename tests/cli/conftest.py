"""A machine of its own for each test of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journeys.journey_kit import Machine
from servers.processes import plain_environment


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A home and a folder of its own, no keyring; conductors that a test started are ended."""
    (tmp_path / "here").mkdir()
    made = Machine(tmp_path / "home", tmp_path / "here", plain_environment())
    yield made
    made.clean_up()
