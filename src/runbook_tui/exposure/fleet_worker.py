"""A worker's side of a fleet scan: one task is one repository, searched by a child process as on one machine.

A task is bytes in and bytes out, so nothing of it stands in a task's name or repr. Values arrive sealed for this
process (`fleet_seal`), live while the task runs, and go to the child over a pipe.
"""

from __future__ import annotations

import gc
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runbook_tui import __version__
from runbook_tui.exposure.child import run_child
from runbook_tui.exposure.fleet_seal import Receiver
from runbook_tui.exposure.model import ScanCancelled
from runbook_tui.foundation.errors import Exit, RunbookError

_EVERY = 0.5  # seconds between two words of progress of one repository
_receiver: list[Receiver] = []  # this process's, once it has had a task


def dask_setup(worker: object) -> None:
    """What a worker process of the local cluster does first: be hard to read, and leave Ctrl-C to its parent."""
    from runbook_tui.foundation.harden import harden

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    harden()


def search(job: bytes) -> bytes:
    """Search one repository.

    `job`: {"number", "url", "path", "cache", "topic", "sealed"}. Answers {"need": public key, "version"} when this
    worker cannot open the values yet, else {"result": document of `scan --json`} or {"error": {"message", "hint",
    "exit_code"}}. Raises nothing but what ends the worker.
    """
    request = json.loads(job)
    here = _Here(request["number"], request["topic"])
    try:
        if not _receiver:
            _receiver.append(Receiver())
        values = _receiver[0].open(request["sealed"])
        if values is None:
            return here.said({"need": _receiver[0].public.hex(), "version": __version__})
        try:
            path, shown = Path(request["path"]), ""
            if request["url"]:
                from runbook_tui.exposure.fleet_mirror import mirror

                here.tell({"phase": "fetching", "objects": 0, "bytes": 0})
                path, shown = mirror(request["url"], _cache(request["cache"]), here.cancelled), request["url"]
            result = run_child(values, [path], here.tell, here.cancelled)
        finally:
            del values
            gc.collect()  # a traceback or a cycle may still hold them
        return here.said({"result": _named(result, str(path), shown)})
    except ScanCancelled:
        return here.said({"error": {"message": "cancelled", "hint": "", "exit_code": int(Exit.INTERRUPTED)}})
    except RunbookError as error:
        return here.said({"error": {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}})
    except OSError as error:
        why = f"the worker's machine failed: {error.strerror or type(error).__name__}"
        return here.said({"error": {"message": why, "hint": "", "exit_code": int(Exit.INCOMPLETE)}})


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

    def __init__(self, number: int, topic: str) -> None:
        from distributed import get_worker

        self._number, self._topic, self._last = number, topic, 0.0
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
        return self._cancelled()

    def said(self, answer: dict[str, Any]) -> bytes:
        """The answer, with the address of who gives it."""
        who: str = self._worker.address if self._worker is not None else ""
        return json.dumps({**answer, "worker": who}).encode()

    def tell(self, facts: dict[str, Any]) -> None:
        """Send counts only: names of repositories would stay in the scheduler's log of events."""
        now = time.monotonic()
        if self._worker is None or now - self._last < _EVERY:
            return
        self._last = now
        counts: dict[str, Any] = {name: facts[name] for name in ("phase", "objects", "total", "bytes") if name in facts}
        self._worker.log_event(self._topic, counts | {"number": self._number})
