"""The process that gives a fleet's repositories to workers: `python -P -m runbook_tui.exposure.fleet_engine`.

Request, one line on standard input: {"values": [{"credential", "value"}], "rules": what `ByRules.data` gives or null,
"sources": [{"number", "url", "path"}], "cache", "workers", "scheduler", "tls", "folder"}. Answers, JSON lines:
{"ready": {"workers"}}, {"progress": {"number", "phase", "objects", "bytes"}}, {"one": {"number", "result" | "error"}},
{"end": {}}, or {"error": {…}} for the whole.

A process of its own, because distributed runs whatever its settings name: the parent gives this one an environment
without DASK_*, and a home and a folder for temporary files that are empty and go away.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import secrets
import shutil
import signal
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from runbook_tui import __version__
from runbook_tui.exposure.fleet_cluster import RETRIES, cluster_client
from runbook_tui.exposure.fleet_seal import Sender
from runbook_tui.exposure.fleet_worker import search
from runbook_tui.exposure.task import ByRules
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.harden import harden
from runbook_tui.foundation.text import one_line
from runbook_tui.secrets.secret import Secret

_MEETINGS = 20  # workers a repository may meet that have to be told the key first
_TOGETHER = 8  # repositories in one task, at most
_TICK = 0.2
_ENDING = 5.0  # seconds running searches get to end their children


@dataclass(eq=False)
class _Job:
    """One or more repositories: starting a search costs more than a small one takes."""

    sources: list[dict[str, Any]]
    attempts: int = 0
    meetings: int = 0
    avoided: set[str] = field(default_factory=set)  # workers that failed at it
    wanted: str = ""  # the worker that has just been told the key


class _Stopped(Exception):
    """The parent wants no more, or is gone."""


class _Voice:
    """Standard output, written to from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def say(self, kind: str, facts: dict[str, Any]) -> None:
        with self._lock:
            sys.stdout.buffer.write(json.dumps({kind: facts}).encode() + b"\n")
            sys.stdout.buffer.flush()


class _Engine:
    def __init__(self, client: Any, request: dict[str, Any], voice: _Voice, stopped: threading.Event) -> None:
        self._client, self._voice, self._stopped = client, voice, stopped
        self._parent = os.getppid()
        values = [(one["credential"], Secret(one["value"])) for one in request["values"]]
        self._sender = Sender(values, ByRules.read(request["rules"]) if request["rules"] else None)
        self._cache = request["cache"]
        self._run = secrets.token_hex(6)
        self._sources = deque(request["sources"])
        self._queue: deque[_Job] = deque()  # those that are tried again
        self._flying: dict[Any, _Job] = {}
        self._landed: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._count = 0

    def work(self) -> None:
        """Search everything; _Stopped when the parent wants no more."""
        topic = f"runbook-{self._run}"
        self._client.subscribe_topic(topic, lambda event: self._voice.say("progress", event[1]))
        try:
            while self._sources or self._queue or self._flying:
                self._fill(topic)
                self._check()
                with contextlib.suppress(queue.Empty):
                    self._land(self._landed.get(timeout=_TICK))
        finally:
            self._cancel()

    def _check(self) -> None:
        if self._stopped.is_set() or os.getppid() != self._parent:
            raise _Stopped
        if self._client.status != "running":
            hint = "run the same command again: it goes on"
            raise RunbookError("the scheduler is gone", hint, exit_code=Exit.INCOMPLETE)

    def _fill(self, topic: str) -> None:
        """Keep a few more tasks out than there are threads: a list of thousands never stands in the scheduler."""
        threads = max(1, sum(self._client.nthreads().values()))
        while (self._sources or self._queue) and len(self._flying) < threads + 2:
            self._submit(self._queue.popleft() if self._queue else self._next(threads), topic)

    def _next(self, threads: int) -> _Job:
        """The next repositories: many at once while many are left, one by one near the end. A URL stands alone."""
        size = min(_TOGETHER, max(1, len(self._sources) // (4 * threads)))
        job = _Job([self._sources.popleft()])
        while not job.sources[0]["url"] and len(job.sources) < size and not self._sources[0]["url"]:
            job.sources.append(self._sources.popleft())
        return job

    def _submit(self, job: _Job, topic: str) -> None:
        self._count += 1
        facts = {"sources": job.sources, "cache": self._cache, "topic": topic, "sealed": self._sender.sealed()}
        where = [job.wanted] if job.wanted else self._others(job)
        job.wanted = ""
        future = self._client.submit(
            search,
            json.dumps(facts).encode(),
            key=f"runbook-{self._run}-{self._count}",  # numbers only: a dashboard shows names
            pure=False,
            workers=where or None,
            allow_other_workers=bool(where),
        )
        self._flying[future] = job
        future.add_done_callback(self._landed.put)

    def _others(self, job: _Job) -> list[str]:
        if not job.avoided:
            return []
        return [one for one in self._client.nthreads() if one not in job.avoided]

    def _land(self, future: Any) -> None:
        job = self._flying.pop(future, None)
        if job is None:
            return
        who = ""
        try:
            if future.status == "finished":
                who, answer = _answer(future.result())
            else:
                error = {"message": _why(future), "hint": "see the worker's memory", "exit_code": int(Exit.INCOMPLETE)}
                answer = {"answers": [{"error": error}] * len(job.sources)}
        finally:
            future.release()
        if "need" in answer:
            self._meet(job, who, answer)
            return
        for source, one in zip(job.sources, answer["answers"], strict=True):
            if "error" in one and job.attempts < RETRIES and one["error"]["exit_code"] != Exit.USAGE:
                self._queue.append(_Job([source], job.attempts + 1, avoided={*job.avoided, who}))
            else:
                self._voice.say("one", {"number": source["number"], **one})

    def _meet(self, job: _Job, who: str, answer: dict[str, Any]) -> None:
        """A worker that was not there before tells its key."""
        if answer["version"] != __version__:
            said = f"a worker runs release {one_line(str(answer['version']), 40)}, this is {__version__}"
            raise RunbookError(said, "install the same release on every worker", exit_code=Exit.INCOMPLETE)
        job.meetings += 1
        if job.meetings > _MEETINGS:
            said = "the workers go away again and again"
            raise RunbookError(said, "see their memory", exit_code=Exit.INCOMPLETE)
        self._sender.admit(str(answer["need"]))
        job.wanted = who
        self._queue.appendleft(job)

    def _cancel(self) -> None:
        """Tell the workers, and give them time to end their children."""
        if self._flying and self._client.status == "running":
            with contextlib.suppress(Exception):  # it ends either way; the children notice that too
                self._client.cancel(list(self._flying), force=True)
                waited = threading.Event()
                for _ in range(int(_ENDING / 0.1)):
                    busy = self._client.run(lambda dask_worker: len(dask_worker.active_threads))
                    if not any(busy.values()):
                        return
                    waited.wait(0.1)


def _answer(content: bytes) -> tuple[str, dict[str, Any]]:
    answer: dict[str, Any] = json.loads(content)
    return str(answer.pop("worker", "")), answer


def _why(future: Any) -> str:
    """Why a task has no answer: by kind, as an exception's text may hold anything."""
    error = future.exception() if future.status == "error" else None
    kind = type(error).__name__ if error is not None else str(future.status)
    if kind == "KilledWorker":
        return "every worker that searched it was killed"
    return f"its worker failed: {one_line(kind, 60)}"


def main() -> int:
    """Serve one request. SIGTERM, or the parent's end, stops it."""
    harden()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
    voice = _Voice()
    request = json.loads(sys.stdin.buffer.readline())
    try:
        with cluster_client(request) as client:
            voice.say("ready", {"workers": len(client.nthreads())})
            _Engine(client, request, voice, stopped).work()
        voice.say("end", {})
    except (_Stopped, BrokenPipeError):
        return Exit.INTERRUPTED
    except RunbookError as error:
        voice.say("error", {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)})
        return error.exit_code
    except (OSError, TimeoutError) as error:
        where = "the scheduler" if request["scheduler"] else "a cluster on this machine"
        message = f"{where} cannot be reached ({type(error).__name__})"
        certificates = ", that the files of --tls are of its authority," if request["tls"] else ""
        hint = f"see its address{certificates} and that it has workers"
        voice.say("error", {"message": message, "hint": hint, "exit_code": int(Exit.INCOMPLETE)})
        return Exit.INCOMPLETE
    finally:
        shutil.rmtree(request["folder"], ignore_errors=True)  # the parent may be gone
    return Exit.GOOD


if __name__ == "__main__":
    sys.exit(main())
