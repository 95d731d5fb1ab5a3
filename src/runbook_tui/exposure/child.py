"""The scan as a process of its own: one request line in, JSON lines out.

Request: `{"values": [{"credential", "value"}], "repositories": [path, …]}`, and with `"rules"` and `"key"` also what
those rules find. Answers: any number of `{"progress": {…}}` and `{"found": {…}}` (a place, told as soon as it is
known), then one `{"result": {…}}` (the document of `scan --json`) or `{"error": {"message", "hint", "exit_code"}}`.
Values and the key travel on standard input only. With `"apart": true` each repository is a scan of its own, answered by
`{"one": {"result" | "error"}}`, and the last line is `{"result": {}}`. With `"wanted"` (a fingerprint) and `"places"`
nothing is searched: the result is `{"value": base64 | null}`, read again at one of those places.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from runbook_tui.exposure.again import Place
from runbook_tui.exposure.model import ScanCancelled
from runbook_tui.exposure.task import ByRules, Task
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.harden import harden
from runbook_tui.secrets.secret import Secret

_TICK = 0.1  # seconds between two looks at `cancelled`
_PATIENCE = 2.0  # seconds a cancelled child gets to remove its temporary folder
_MAX_ANSWER = 256 << 20  # bytes of one line
# What a Python program needs to start and find its modules; nothing else of the environment is handed on.
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "PYTHONPATH",
    "PYTHONUSERBASE",
    "PYTHONDONTWRITEBYTECODE",
)


def run_child(
    values: Sequence[tuple[str, Secret]],
    repositories: Sequence[Path],
    progress: Callable[[dict[str, Any]], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    by_rules: ByRules | None = None,
) -> dict[str, Any]:
    """Scan in a child process, also by rules when there are some, and return the document of `scan --json`.

    `progress` hears what `scan` tells; of a place that was found only `{"found": {…}}`. `cancelled` is asked ten times
    a second; the child and its git are then killed and ScanCancelled is raised. Errors of the scan are raised as
    RunbookError, a child that dies as one with exit code 3.
    """
    return _result(Task(values, repositories, by_rules=by_rules), progress, cancelled)


def run_child_value(
    wanted: str, places: Sequence[Place], by_rules: ByRules, cancelled: Callable[[], bool] | None = None
) -> Secret | None:
    """The value with that fingerprint, read again in a child at one of the places; None when it is there no more.

    Errors as in `run_child`.
    """
    found = _result(Task(by_rules=by_rules, wanted=wanted, places=places), None, cancelled)["value"]
    return None if found is None else Secret(base64.b64decode(found))


def _result(
    task: Task, progress: Callable[[dict[str, Any]], None] | None, cancelled: Callable[[], bool] | None
) -> dict[str, Any]:
    with contextlib.closing(_exchange(task, progress, cancelled)) as answers:
        for message in answers:
            if "result" in message:
                result: dict[str, Any] = message["result"]
                return result
    raise AssertionError("an exchange ends with a result or an error")


def run_child_apart(
    values: Sequence[tuple[str, Secret]],
    repositories: Sequence[Path],
    progress: Callable[[int, dict[str, Any]], None],
    cancelled: Callable[[], bool],
    by_rules: ByRules | None = None,
) -> list[dict[str, Any] | RunbookError]:
    """Scan repositories one after another in one child; each has a document or an error of its own, in their order.

    `progress` hears which of them a report is about. Errors as in `run_child` where they are of the whole.
    """
    found: list[dict[str, Any] | RunbookError] = []
    task = Task(values, repositories, apart=True, by_rules=by_rules)
    with contextlib.closing(_exchange(task, lambda facts: progress(len(found), facts), cancelled)) as answers:
        for message in answers:
            if "one" in message:
                one = message["one"]
                found.append(_error(one["error"]) if "error" in one else one["result"])
            if "result" in message:
                break
    return found


def _exchange(
    task: Task,
    progress: Callable[[dict[str, Any]], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Generator[Mapping[str, Any], None, None]:
    """Start a child, ask, and yield its answers; it ends when the generator is closed, whatever it does then."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "runbook_tui.exposure"],  # -P: no module from the current folder
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
        start_new_session=True,
    )
    try:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(task.line())
            process.stdin.close()
        for message in messages(process, cancelled or (lambda: False)):
            if "progress" in message and progress is not None:
                progress(message["progress"])
            elif "found" in message and progress is not None:
                progress({"found": message["found"]})
            elif "error" in message:
                raise _error(message["error"])
            else:
                yield message
        code = process.wait(timeout=_PATIENCE)
        raise RunbookError(
            "the scan ended without a result", f"its process ended with {code}", exit_code=Exit.INCOMPLETE
        )
    finally:
        _end(process)


def messages(process: subprocess.Popen[bytes], cancelled: Callable[[], bool]) -> Iterator[Mapping[str, Any]]:
    """The JSON lines a child writes, until it closes its output; ScanCancelled soon after `cancelled` says True."""
    assert process.stdout is not None
    handle = process.stdout.fileno()
    pending = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        while True:
            if cancelled():
                raise ScanCancelled
            if not selector.select(_TICK):
                continue
            fresh = os.read(handle, 1 << 16)
            if not fresh:
                return
            searched = len(pending)
            pending += fresh
            while (end := pending.find(b"\n", searched)) >= 0:
                line = bytes(pending[:end])
                del pending[: end + 1]
                searched = 0
                yield json.loads(line)
            if len(pending) > _MAX_ANSWER:
                raise RunbookError("the scan's answer is absurdly long", "scan fewer repositories at once")


def _error(facts: Mapping[str, Any]) -> RunbookError:
    if facts["exit_code"] == Exit.INTERRUPTED:
        return ScanCancelled()
    return RunbookError(facts["message"], facts["hint"], exit_code=Exit(facts["exit_code"]))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the child to stop, then kill what is left of its group: git runs in it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    process.wait()


def serve(source: IO[bytes], sink: IO[bytes]) -> Exit:
    """The child's side: read one request, do it, answer. SIGTERM stops it."""
    harden()
    stopped: list[int] = []
    parent = os.getppid()
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))

    def say(kind: str, facts: Any) -> None:
        sink.write(json.dumps({kind: facts}).encode() + b"\n")
        sink.flush()

    def heard(facts: dict[str, Any]) -> None:
        if "found" not in facts:
            say("progress", facts)
        elif not task.apart:  # nobody looks at single places of a fleet while it is searched
            say("found", facts["found"])

    def search(repositories: Sequence[Path]) -> dict[str, Any]:
        # An orphan has nobody to answer.
        return task.scan(repositories, heard, lambda: bool(stopped) or os.getppid() != parent).document()

    try:
        task = Task.read(source.readline())
        for one in task.repositories if task.apart else ():
            try:
                say("one", {"result": search([one])})
            except ScanCancelled:
                raise
            except RunbookError as error:
                say("one", {"error": _facts(error)})
        if task.wanted:
            say("result", task.value())
        else:
            say("result", {} if task.apart else search(task.repositories))
    except RunbookError as error:
        say("error", _facts(error))
        return error.exit_code
    return Exit.GOOD


def _facts(error: RunbookError) -> dict[str, Any]:
    return {"message": error.message, "hint": error.hint, "exit_code": int(error.exit_code)}
