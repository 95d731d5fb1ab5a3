"""The servers as fixtures, most of them started once per test process; `reset` or fresh names keep tests apart."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.aws import MotoServer, run_moto
from servers.bao import OpenBao, run_openbao
from servers.npm_servers import GitHub, run_emulate, run_prism, specification
from servers.secret_service import run_secret_service
from servers.terminal import Terminal


@pytest.fixture(scope="session")
def moto_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    with run_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def moto_server(moto_session: MotoServer) -> MotoServer:
    """An empty AWS account that authenticates every action (servers/aws.py)."""
    moto_session.reset()
    return moto_session


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """A real OpenBao: `url` and `root_token`; use a path of your own below `secret/`."""
    with run_openbao(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture(scope="session")
def gnome_keyring() -> Iterator[dict[str, str]]:
    """The environment of a private, unlocked OS keyring: run `runbook` commands under it."""
    with run_secret_service("unlocked") as env:
        yield env


@pytest.fixture
def locked_keyring() -> Iterator[dict[str, str]]:
    """As `gnome_keyring`, but locked, and nobody there to unlock it."""
    with run_secret_service("locked") as env:
        yield env


@pytest.fixture
def hanging_keyring() -> Iterator[dict[str, str]]:
    """As `gnome_keyring`, but the service answers nothing."""
    with run_secret_service("hanging") as env:
        yield env


@pytest.fixture(scope="session")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """`prism("github")` serves the vendor's extract and gives its URL; skips where npm or the extract is absent."""
    with contextlib.ExitStack() as running:
        urls: dict[str, str] = {}

        def start(name: str) -> str:
            if name not in urls:
                urls[name] = running.enter_context(run_prism(specification(name), tmp_path_factory.mktemp("prism")))
            return urls[name]

        yield start


@pytest.fixture
def emulate(tmp_path: Path) -> Iterator[GitHub]:
    """A fresh stateful GitHub with the organisation `acme` (servers/npm_servers.py); skips where npm is absent."""
    with run_emulate(tmp_path / "emulate") as server:
        yield server


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """`terminal(command, env=..., columns=80, rows=24)` runs a command in a real terminal; closed after the test."""
    with contextlib.ExitStack() as running:

        def start(command: list[str], **options: object) -> Terminal:
            opened = Terminal(command, **options)  # type: ignore[arg-type]
            running.callback(opened.close)
            return opened

        yield start
