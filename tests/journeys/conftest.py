"""The operator's machine, cleaned up after each journey."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from acme_vendor import Acme, run_acme
from journey_kit import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """`machine()` is a fresh home; `machine(env)` one under another environment, such as a keyring's."""
    made: list[Machine] = []

    def make(env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Machine:
        here = tmp_path / f"desk-{len(made) + 1}"
        here.mkdir()
        made.append(Machine(tmp_path / f"home-{len(made) + 1}", cwd or here, env))
        return made[-1]

    yield make
    for one in made:
        one.clean_up()


@pytest.fixture
def acme() -> Iterator[Acme]:
    """A vendor of our own on loopback (acme_vendor.py)."""
    with run_acme() as server:
        yield server
