"""Somebody's scheduler over TLS: it and its workers are used with certificates of one authority, and refused else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

from certificates import Authority
from git_builder import VALUE, Repo

from runbook_tui.exposure.fleet import Cluster, sweep
from runbook_tui.exposure.fleet_list import Source
from runbook_tui.exposure.fleet_state import FleetState
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.secrets.secret import Secret


@pytest.fixture(scope="module")
def authorities() -> tuple[Authority, Authority]:
    return Authority("right"), Authority("wrong")


@pytest.fixture(scope="module")
def scheduler(authorities: tuple[Authority, Authority], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler that speaks TLS alone, with one worker: its address."""
    from distributed import LocalCluster
    from distributed.security import Security

    folder = authorities[0].folder(tmp_path_factory.mktemp("tls") / "server")
    names = {
        f"tls_{role}_{kind}": str(folder / f"{kind}.pem")
        for role in ("scheduler", "worker", "client")
        for kind in ("cert", "key")
    }
    security = Security(require_encryption=True, tls_ca_file=str(folder / "ca.pem"), **names)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tls://", host="127.0.0.1", security=security,
        dashboard_address=None, silence_logs=50,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0", "dashboard": False},
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


def search(tmp_path: Path, scheduler: str, tls: Path | str) -> int:
    """How often the value is found in a repository by that scheduler's worker."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": f"{VALUE}\n"})
    cluster = Cluster(scheduler=scheduler, tls=str(tls))
    cluster.check()
    with FleetState(tmp_path / "state", "x") as state:
        source = Source(str(repo.path), path=str(repo.path))
        found = sweep([("leaked", Secret(VALUE))], [source], state, cluster)
    return len(found["repositories"][0]["hits"])


def test_certificates_of_its_authority(
    tmp_path: Path, scheduler: str, authorities: tuple[Authority, Authority]
) -> None:
    """Promise: with certificates of the scheduler's authority its workers search."""
    assert scheduler.startswith("tls://")
    assert search(tmp_path, scheduler, authorities[0].folder(tmp_path / "own")) == 1


@pytest.mark.parametrize("wrong", ["authority", "trust", "certificate", "files"])
def test_certificates_of_another_authority(
    tmp_path: Path, scheduler: str, authorities: tuple[Authority, Authority], wrong: str
) -> None:
    """Promise: a scheduler of another authority gets nothing, nor does one that refuses this side; no traceback."""
    right, other = authorities
    folder = tmp_path / "own"
    if wrong == "authority":
        other.folder(folder)
    elif wrong == "trust":
        right.folder(folder, trusts=other)
    elif wrong == "certificate":
        other.folder(folder, trusts=right)
    else:
        right.folder(folder)
        (folder / "key.pem").write_text("no key\n")
    with pytest.raises(RunbookError, match="the scheduler cannot be reached") as refused:
        search(tmp_path, scheduler, folder)
    assert "files of --tls" in refused.value.hint
    assert refused.value.exit_code == Exit.INCOMPLETE
