"""The cluster of a fleet scan: processes of this machine, or somebody's scheduler; dask with settings of its package.

The local cluster listens on the loopback alone, under TLS with certificates that only its processes hold, so that no
other user of the machine can give it work. No dashboard and no other HTTP route.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runbook_tui.exposure.fleet_worker import SHARE

RETRIES = 2  # further attempts at a repository whose search failed, each at another worker where there is one
JOINING = 60.0  # seconds until a first worker has to be there


@contextlib.contextmanager
def cluster_client(request: dict[str, Any]) -> Iterator[Any]:
    """A client of the cluster that is asked for; a local one is made, and taken down again."""
    import dask

    _settle(dask.config)
    import distributed

    untyped: Any = distributed
    Client, LocalCluster = untyped.Client, untyped.LocalCluster
    Security = untyped.Security

    if request["scheduler"]:
        _knock(request["scheduler"])
        security = None
        if request["tls"]:
            folder = Path(request["tls"])
            ca, cert, key = (str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem"))
            security = Security(require_encryption=True, tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key)
        with Client(request["scheduler"], security=security, timeout=JOINING, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=JOINING)
            yield client
        return
    security = Security.temporary()
    nothing = "127.0.0.1:0"  # its HTTP server cannot be left out: no routes, loopback, any port
    with (
        LocalCluster(
            n_workers=request["workers"],
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            security=security,
            protocol="tls://",
            dashboard_address=None,
            worker_dashboard_address=None,
            scheduler_kwargs={"dashboard_address": nothing, "dashboard": False},
            preload=["runbook_tui.exposure.fleet_worker"],
            memory_limit=None,
            local_directory=request["folder"],
            env={SHARE: str(_share(request["workers"]))},
            silence_logs=50,
        ) as cluster,
        Client(cluster, security=security, timeout=JOINING, set_as_default=False) as client,
    ):
        yield client


def _knock(address: str) -> None:
    """OSError at once where nobody listens; distributed would try for a minute."""
    parts = urlsplit(address)
    socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10).close()


def _settle(config: Any) -> None:
    """Take distributed's settings from the package alone, and switch off what runs, listens or writes."""
    config.refresh(paths=[], env={})
    config.set(
        {
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            "distributed.scheduler.allowed-failures": RETRIES,
            "distributed.scheduler.events-cleanup-delay": "1s",
            "distributed.worker.memory.spill": False,
            "distributed.worker.memory.target": False,
            "distributed.worker.profile.enabled": False,
            "distributed.worker.multiprocessing-method": "spawn",
            "distributed.admin.system-monitor.disk": False,
            "distributed.admin.system-monitor.host-cpu": False,
        }
    )


def _share(workers: int) -> int:
    """Cores that each worker's searches may use: all together at most twice what there is, and two near the end."""
    cores = os.cpu_count() or 1
    return max(1, min(cores, -(-2 * cores // workers)))
