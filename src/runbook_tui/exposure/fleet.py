"""Searching hundreds or thousands of repositories: a list, workers, one merged answer.

The engine (`fleet_engine`) is a process of its own that knows dask; this side holds the list, what is done, and the
answer. Values go to the engine over a pipe and from there sealed to each worker.
"""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui.exposure.child import messages
from runbook_tui.exposure.fleet_list import Source
from runbook_tui.exposure.fleet_merge import failed, merge
from runbook_tui.exposure.fleet_seal import Sought
from runbook_tui.exposure.fleet_state import FleetState
from runbook_tui.exposure.model import ScanCancelled
from runbook_tui.foundation.errors import Exit, RunbookError

if TYPE_CHECKING:
    from runbook_tui.exposure.task import ByRules
    from runbook_tui.secrets.secret import Secret

Progress = Callable[[dict[str, Any]], None]
_PATIENCE = 12.0  # seconds the engine gets to end its workers
_ADDRESS = re.compile(r"(?P<scheme>tcp|tls)://(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\]):\d{1,5}")
# What Python, git and ssh need; DASK_* and the rest of the environment stay behind.
_KEPT = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "SSH_AUTH_SOCK"),
    *("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the work is done: `workers` processes here, or a scheduler's workers. `tls`: ca.pem, cert.pem, key.pem."""

    workers: int = 0  # 0: one a core
    scheduler: str = ""
    tls: str = ""
    plain_tcp: bool = False  # a scheduler on another machine may be spoken to without TLS

    def check(self) -> None:
        """RunbookError when this cannot work, or would trust a network that nobody said is to be trusted."""
        for module, what in (("distributed", "Dask"), ("cryptography", "cryptography")):
            if importlib.util.find_spec(module) is None:
                raise RunbookError(
                    f"a fleet needs {what}, which is not installed",
                    "pip install 'runbook-tui[cluster]'; without it, `runbook scan REPO...` searches one after another",
                )
        if self.workers < 0 or self.workers > 512:
            raise RunbookError("--workers is between 1 and 512", "leave it out for one a core")
        if self.plain_tcp and (self.tls or not self.scheduler):
            raise RunbookError("--plain-tcp goes with --scheduler tcp://…", "anything else is under TLS: leave it out")
        if not self.scheduler:
            if self.tls:
                raise RunbookError("--tls goes with --scheduler", "the local cluster makes its own certificates")
            return
        address = _ADDRESS.fullmatch(self.scheduler)
        if address is None:
            raise RunbookError("--scheduler is no address", "write tcp://HOST:PORT or tls://HOST:PORT")
        if (address["scheme"] == "tls") != bool(self.tls):
            raise RunbookError("tls:// and --tls go together", "--tls FOLDER holds ca.pem, cert.pem and key.pem")
        needed = ("ca.pem", "cert.pem", "key.pem") if self.tls else ()
        missing = [name for name in needed if not Path(self.tls, name).is_file()]
        if missing:
            raise RunbookError(f"{self.tls} has no {missing[0]}", "--tls FOLDER holds ca.pem, cert.pem and key.pem")
        if not (self.tls or self.plain_tcp or _loopback(address["host"].strip("[]"))):
            # Values travel sealed, but to a key that comes over this network; and Dask runs what its other end sends.
            raise RunbookError(
                "tcp:// to another machine proves nobody's identity: the values travel sealed, but who sits between "
                "can pose as a worker and learn them, read what is found, and run programs here as you",
                "use tls:// with --tls FOLDER; on a network that you trust add --plain-tcp",
            )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def sweep(
    values: Sequence[tuple[str, Secret]],
    sources: Sequence[Source],
    state: FleetState,
    cluster: Cluster,
    cache: str = "",
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    by_rules: ByRules | None = None,
) -> dict[str, Any]:
    """Search every source for every value, and return one document as `scan --json` prints it.

    With `by_rules` also for what rules find; a found value is traced in its own repository, never leaves the machine
    that searches it, and is one finding however many repositories have it.

    What stands in `state` is not searched again; each result is added to it at once, a failure never. A repository
    that cannot be searched stands in the document with its reason under `not_scanned`. `progress` is told {"phase":
    "sweep", "done", "failed", "left", "objects", "bytes", "seconds_left"}. `cache`: the folder of mirrors; "" is the
    default on the machine that fetches. RunbookError when the cluster cannot be had or is lost; ScanCancelled.
    """
    reasons: dict[str, str] = {}
    left = [source for source in sources if source.text not in state.done]
    tally = _Tally(len(sources), len(left), progress or (lambda facts: None))
    if left:
        with _engine(Sought(list(values), by_rules), left, cluster, cache) as process:
            for message in messages(process, cancelled or (lambda: False)):
                if "one" in message:
                    _keep(message["one"], left, state, reasons, tally)
                elif "progress" in message:
                    tally.heard(message["progress"])
                elif "error" in message:
                    error = message["error"]
                    raise RunbookError(error["message"], error["hint"], exit_code=Exit(error["exit_code"]))
                elif "end" in message:
                    break
            else:
                raise RunbookError(
                    "the sweep ended before its end", "run it again: it goes on", exit_code=Exit.INCOMPLETE
                )
    if not reasons:
        state.finished()
    documents = [state.done.get(one.text) or failed(one.text, reasons[one.text]) for one in sources]
    return merge(documents, list(dict.fromkeys(name for name, _ in values)), by_rules=by_rules is not None)


def _keep(
    one: dict[str, Any], left: Sequence[Source], state: FleetState, reasons: dict[str, str], tally: _Tally
) -> None:
    source = left[one["number"]]
    if "result" in one:
        state.add(source.text, one["result"])
        tally.done(one["number"], one["result"])
        return
    if one["error"]["exit_code"] == Exit.INTERRUPTED:
        raise ScanCancelled
    reasons[source.text] = one["error"]["message"]
    tally.failed(one["number"])


class _Tally:
    """Counts for the line of progress."""

    def __init__(self, total: int, left: int, tell: Progress) -> None:
        self._total, self._left, self._tell = total, left, tell
        self._bad = 0
        self._begun = time.monotonic()
        self._todo = left
        self._objects = self._bytes = 0
        self._under_way: dict[int, dict[str, Any]] = {}

    def heard(self, facts: dict[str, Any]) -> None:
        self._under_way[facts["number"]] = facts
        self._say()

    def done(self, number: int, result: dict[str, Any]) -> None:
        self._objects += sum(one["objects"] for one in result["repositories"])
        self._bytes += sum(one["bytes"] for one in result["repositories"])
        self._one_less(number)

    def failed(self, number: int) -> None:
        self._bad += 1
        self._one_less(number)

    def _one_less(self, number: int) -> None:
        self._under_way.pop(number, None)
        self._left -= 1
        self._say()

    def _say(self) -> None:
        now = self._todo - self._left
        seconds = (time.monotonic() - self._begun) / now * self._left if now else None
        self._tell(
            {
                "phase": "sweep",
                "done": self._total - self._left - self._bad,
                "failed": self._bad,
                "left": self._left,
                "objects": self._objects + sum(one.get("objects", 0) for one in self._under_way.values()),
                "bytes": self._bytes + sum(one.get("bytes", 0) for one in self._under_way.values()),
                "seconds_left": seconds,
            }
        )


@contextlib.contextmanager
def _engine(sought: Sought, left: Sequence[Source], cluster: Cluster, cache: str) -> Iterator[subprocess.Popen[bytes]]:
    """The engine at work; when the block ends it ends, with all it started and its folder."""
    folder = tempfile.mkdtemp(prefix="runbook-fleet-")
    request = {
        "values": [{"credential": name, "value": secret.expose()} for name, secret in sought.values],
        "rules": sought.by_rules.data() if sought.by_rules is not None else None,
        "sources": [{"number": at, "url": one.url, "path": one.path} for at, one in enumerate(left)],
        "cache": cache,
        "workers": cluster.workers or os.cpu_count() or 1,
        "scheduler": cluster.scheduler,
        "tls": str(Path(cluster.tls).absolute()) if cluster.tls else "",
        "folder": folder,
    }
    process: subprocess.Popen[bytes] | None = None
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "runbook_tui.exposure.fleet_engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=_environment(folder),
            start_new_session=True,  # Ctrl-C is for this process, which tells the engine
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.close()
        yield process
    finally:
        if process is not None:
            _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: str) -> dict[str, str]:
    """distributed reads settings from the environment and the home; git's and Python's temporary files go away."""
    nowhere = os.path.join(folder, "none")  # noqa: PTH118
    own = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if site.ENABLE_USER_SITE:
        own["PYTHONUSERBASE"] = site.getuserbase()
    dask = {"DASK_ROOT_CONFIG": nowhere, "DASK_CONFIG": nowhere}
    return {**own, **dask, "HOME": folder, "TMPDIR": folder, "PYTHONSAFEPATH": "1"}


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
    # Its workers share its group; searches run in groups of their own and end when their worker is gone.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    process.wait()
