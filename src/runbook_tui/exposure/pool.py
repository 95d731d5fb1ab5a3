"""One worker process a core for the parts of a job, forked so that they share what this process has read."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from runbook_tui.exposure.model import ScanCancelled
from runbook_tui.foundation.errors import Exit, RunbookError

Job = TypeVar("Job")
Answer = TypeVar("Answer")
_TICK = 0.1  # seconds between two looks at the caller's wish to stop
_MEMORY = 4 << 30  # bytes one worker may take; mapped files do not count
_AHEAD = 2  # jobs a worker has, so that it never waits


def cores() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def each(
    work: Callable[[Job], Answer], jobs: Sequence[Job], cancelled: Callable[[], bool], workers: int = 0
) -> Iterator[tuple[int, Answer]]:
    """(number, `work(job)`) of every job, in the order they are done, by `workers` processes (0: one a core).

    Only numbers of jobs and the answers travel between processes. ScanCancelled soon after `cancelled` says True;
    RunbookError when a worker is killed (or runs out of memory); an error that `work` raises is raised here.
    """
    if not jobs:
        return
    _give_back()
    gc.freeze()  # the collector would write to every shared page
    team: list[_Worker] = []
    try:
        for _ in range(min(workers or cores(), len(jobs))):
            team.append(_Worker(work, jobs, team))
        yield from _share_out(team, len(jobs), cancelled)
    finally:
        gc.unfreeze()
        for worker in team:
            worker.end()


def _give_back() -> None:
    """Return what was freed to the system: glibc keeps it, and as much again as a large store's tables need."""
    import ctypes

    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


class _Worker:
    """One forked process, and the pipe it is spoken to by."""

    def __init__(self, work: Callable[[Any], Any], jobs: Sequence[Any], team: Sequence[_Worker]) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        # Its copies of the other ends are closed, so that it ends when this process does.
        inherited = [self.pipe, *(worker.pipe for worker in team)]
        self.process = context.Process(target=_serve, args=(theirs, inherited, work, jobs), daemon=True)
        self.process.start()
        theirs.close()
        self.pending = 0

    def give(self, number: int) -> None:
        self.pending += 1
        with contextlib.suppress(BrokenPipeError):  # noticed when its answer is awaited
            self.pipe.send(number)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _share_out(team: list[_Worker], count: int, cancelled: Callable[[], bool]) -> Iterator[tuple[int, Any]]:
    numbers = iter(range(count))
    by_pipe: dict[Any, _Worker] = {worker.pipe: worker for worker in team}
    for _ in range(_AHEAD):
        for worker in team:
            number = next(numbers, None)
            if number is not None:
                worker.give(number)
    while any(worker.pending for worker in team):
        ready = wait(list(by_pipe), _TICK)
        if cancelled():
            raise ScanCancelled
        for pipe in ready:
            worker = by_pipe[pipe]
            number, answer = _answer(worker)
            worker.pending -= 1
            further = next(numbers, None)
            if further is not None:
                worker.give(further)
            yield number, answer


def _answer(worker: _Worker) -> tuple[int, Any]:
    try:
        number, answer, error = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join(1)
        raise RunbookError(
            f"a process of the scan was ended from outside ({_ending(worker.process.exitcode)})",
            "it may have run out of memory, or a file changed while it was read: nothing is known yet, scan again",
            exit_code=Exit.INCOMPLETE,
        ) from None
    if error is not None:
        raise error
    return number, answer


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def _serve(pipe: Connection, inherited: Sequence[Connection], work: Callable[[Any], Any], jobs: Sequence[Any]) -> None:
    for other in inherited:
        other.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    with contextlib.suppress(ValueError, OSError):  # where a lower limit is set already, that one holds
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            number = pipe.recv()
            try:
                answer: tuple[int, Any, Exception | None] = (number, work(jobs[number]), None)
            except MemoryError:
                message = "the scan ran out of memory"
                answer = (number, None, RunbookError(message, "scan on a larger machine", exit_code=Exit.INCOMPLETE))
            except Exception as error:  # noqa: BLE001 - raised again by the process that asked
                answer = (number, None, error)
            pipe.send(answer)
