"""The site of the canary tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from canary_site import Site
from canary_vendor import Vendor, run_vendor


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """A vendor that echoes every secret it is given."""
    with run_vendor() as server:
        yield server


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path, not below pytest's: a socket's path has at most 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="rb-c-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def site(short: Path, vendor: Vendor, gnome_keyring: dict[str, str]) -> Iterator[Site]:
    """A furnished site with its credentials in a real keyring."""
    here = Site(short, vendor, gnome_keyring)
    here.furnish()
    with here.watched():
        here.store_all()
        yield here
        here.clean_up()


@pytest.fixture
def plain_site(short: Path, vendor: Vendor) -> Iterator[Callable[[], Site]]:
    """A furnished site without a keyring."""
    made: list[Site] = []

    def make() -> Site:
        made.append(Site(short / f"s{len(made)}", vendor))
        made[-1].furnish()
        return made[-1]

    yield make
    for one in made:
        one.clean_up()
