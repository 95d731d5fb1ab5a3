"""A worker's side of a fleet scan: one task is a few repositories, searched by a child process as on one machine.

A task is bytes in and bytes out, so nothing of it stands in a task's name or repr. Values arrive sealed for this
process (`fleet_seal`), live while the task runs, and go to the child over a pipe.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runbook_tui import __version__
from runbook_tui.exposure.child import run_child_apart
from runbook_tui.exposure.fleet_seal import Receiver
from runbook_tui.foundation.errors import Exit, RunbookError

_EVERY = 0.5  # seconds between two words of progress of one repository
SHARE = "RUNBOOK_FLEET_CORES"  # how many cores a worker of the local cluster may use
_receiver: list[Receiver] = []  # this process's, once it has had a task


def dask_setup(worker: object) -> None:
    """What a worker process of the local cluster does first: be hard to read, and leave Ctrl-C to its parent."""
    from runbook_tui.foundation.harden import harden

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    harden()
    _take_share(int(getattr(worker, "name", 0)))


def _take_share(number: int) -> None:
    """A search forks one process a core: with as many workers as cores that would be far too many, so each worker
    gets some of the cores, its neighbours others."""
    share = int(os.environ.get(SHARE, "0"))
    if share and hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {mine[(number + at) % len(mine)] for at in range(share)})


def search(job: bytes) -> bytes:
    """Search one or more repositories, each as a scan of its own.

    `job`: {"sources": [{"number", "url", "path"}], "cache", "topic", "sealed"}. Answers {"need": public key, "version"}
    when this worker cannot open the values yet, else {"answers": [{"result": document of `scan --json`} or {"error":
    {"message", "hint", "exit_code"}}]}, in their order. Raises nothing but what ends the worker.
    """
    request = json.loads(job)
    here = _Here(request["sources"], request["topic"])
    try:
        if not _receiver:
            _receiver.append(Receiver())
        sought = _receiver[0].open(request["sealed"])
        if sought is None:
            return here.said({"need": _receiver[0].public.hex(), "version": __version__})
        try:
            paths = [_path(source, request["cache"], here) for source in request["sources"]]
            found = run_child_apart(sought.values, paths, here.tell, here.cancelled, sought.by_rules)
        finally:
            del sought
            gc.collect()  # a traceback or a cycle may still hold them
        shown = zip(found, request["sources"], paths, strict=True)
        return here.said({"answers": [_answer(one, source["url"], str(path)) for one, source, path in shown]})
    except RunbookError as error:
        fault = error
    except OSError as error:
        why = f"the worker's machine failed: {error.strerror or type(error).__name__}"
        fault = RunbookError(why, exit_code=Exit.INCOMPLETE)
    return here.said({"answers": [_answer(fault, "", "")] * len(request["sources"])})


def _path(source: dict[str, str], cache: str, here: _Here) -> Path:
    if not source["url"]:
        return Path(source["path"])
    from runbook_tui.exposure.fleet_mirror import mirror

    here.tell(0, {"phase": "fetching", "objects": 0, "bytes": 0})
    return mirror(source["url"], _cache(cache), here.cancelled)


def _answer(found: dict[str, Any] | RunbookError, url: str, path: str) -> dict[str, Any]:
    if isinstance(found, RunbookError):
        facts = {"message": found.message, "hint": found.hint, "exit_code": int(found.exit_code)}
        return {"error": facts}
    return {"result": _named(found, path, url)}


def _cache(said: str) -> Path:
    if said:
        return Path(said)
    from runbook_tui.foundation.places import Places

    return Places.default().state / "mirrors"


def _named(result: dict[str, Any], path: str, shown: str) -> dict[str, Any]:
    """The result with the mirror called by its address; its submodules stay under that."""
    if shown:
        for one in result["repositories"]:
            if one["path"].startswith(path):
                one["path"] = shown + one["path"].removeprefix(path)
    return result


class _Here:
    """The worker this runs on, as a task sees it: where progress goes, and whether anybody still waits."""

    def __init__(self, sources: Sequence[dict[str, Any]], topic: str) -> None:
        from distributed import get_worker

        self._numbers, self._topic, self._last = [one["number"] for one in sources], topic, 0.0
        self._cancelled: Callable[[], bool] = lambda: False
        try:
            self._worker: Any = get_worker()
        except ValueError:  # not on a worker: a test, or a task run by hand
            self._worker = None
            return
        key = self._worker.get_current_task()
        tasks, worker = self._worker.state.tasks, self._worker

        def gone() -> bool:
            state = tasks.get(key)
            return state is None or state.state != "executing" or worker.status.name not in ("running", "paused")

        self._cancelled = gone

    def cancelled(self) -> bool:
        """Whether nobody waits any more."""
        return self._cancelled()

    def said(self, answer: dict[str, Any]) -> bytes:
        """The answer, with the address of who gives it."""
        who: str = self._worker.address if self._worker is not None else ""
        return json.dumps({**answer, "worker": who}).encode()

    def tell(self, which: int, facts: dict[str, Any]) -> None:
        """Send counts only: names of repositories would stay in the scheduler's log of events."""
        now = time.monotonic()
        if self._worker is None or now - self._last < _EVERY:
            return
        self._last = now
        counts: dict[str, Any] = {name: facts[name] for name in ("phase", "objects", "total", "bytes") if name in facts}
        self._worker.log_event(self._topic, counts | {"number": self._numbers[which]})
