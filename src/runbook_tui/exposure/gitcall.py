"""git as a reader of somebody else's object store, without ever running under that repository's configuration.

An own, empty bare repository borrows the scanned object directories through `GIT_ALTERNATE_OBJECT_DIRECTORIES`. So no
hook, filter, text converter, promisor or include of the scanned repository is ever seen by git, and nothing is written
there. The environment is built from nothing; only object names are sent to git.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from runbook_tui.exposure.model import ScanCancelled
from runbook_tui.foundation.errors import Exit, RunbookError

STALL = 300.0  # seconds without one byte from git before it is taken for hung
_TICK = 0.2  # seconds between two looks at the caller's wish to stop
_MEMORY = 8 << 30  # address space of one git process: above its mapped windows, far below a delta bomb's wish
_BUFFER = 1 << 20
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "protocol.allow=never",
    "core.multiPackIndex=false",  # read the packs' own indexes: one file less to trust
    "core.commitGraph=false",
    "core.bigFileThreshold=32m",  # larger plain objects are streamed, not held
    "core.packedGitWindowSize=64m",
    "core.packedGitLimit=2g",
)


class GitDied(Exception):
    """git ended before it had answered everything."""


class SafeGit:
    """The empty repository of one scan; a context manager, because it is a folder that goes away."""

    def __init__(
        self, stores: Sequence[Path], object_format: str, cancelled: Callable[[], bool], *, own_group: bool = True
    ) -> None:
        """`stores` are object directories; `object_format` is sha1 or sha256.

        `own_group` False leaves git in this process's group, for a child whose whole group its parent kills.
        """
        self.stores = stores
        self.object_format = object_format
        self._cancelled = cancelled
        self._own_group = own_group
        self._folder = ""
        self._initialised = False

    def __enter__(self) -> SafeGit:
        git = shutil.which("git")
        if git is None:
            raise RunbookError("git is not installed", "install git (on Debian: apt install git)")
        self._git = str(Path(git).absolute())
        self._folder = tempfile.mkdtemp(prefix="runbook-scan-")
        return self

    def _initialise(self) -> None:
        """Make the folder a repository: only when git is needed at all."""
        made = subprocess.run(
            [self._git, "init", "-q", "--bare", "--template=", f"--object-format={self.object_format}", self._folder],
            env=self._environment(),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        if made.returncode:
            message = f"this git cannot read repositories of format {self.object_format}"
            raise RunbookError(message, "install git 2.29 or newer", exit_code=Exit.INCOMPLETE)
        self._initialised = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextlib.contextmanager
    def run(self, arguments: Sequence[str], feed: bytes = b"") -> Iterator[GitOutput]:
        """Run one git command with `feed` (object names) on its standard input; killed when the block ends."""
        if not self._initialised:
            self._initialise()
        with tempfile.TemporaryFile(dir=self._folder) as names, tempfile.TemporaryFile(dir=self._folder) as errors:
            names.write(feed)
            names.seek(0)
            process = subprocess.Popen(
                [self._git, "--no-pager", f"--git-dir={self._folder}", *_settings(), *arguments],
                env=self._environment(),
                cwd=self._folder,
                stdin=names,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=self._own_group,
            )
            try:
                _limit_memory(process.pid)
                yield GitOutput(process, errors, self._cancelled)
            finally:
                self._end(process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if self._own_group:
            # The group outlives its leader when a child of git does, so it is killed whether git still runs or not.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        if process.stdout is not None:
            process.stdout.close()
        process.wait()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(_quoted(store) for store in self.stores),
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_PAGER": "cat",
        }


class GitOutput:
    """The output of a running git: lines and exact counts of bytes, watched for hanging and for the wish to stop."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes], cancelled: Callable[[], bool]) -> None:
        assert process.stdout is not None
        self._process = process
        self._stream = io.BufferedReader(_Watched(process.stdout.fileno(), cancelled), _BUFFER)
        self._errors = errors

    def line(self) -> bytes:
        """The next line without its end; empty at the end of the output. GitDied when it is cut or absurdly long."""
        line = self._stream.readline(4096)
        if line and not line.endswith(b"\n"):
            raise GitDied
        return line[:-1]

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes; GitDied when git ended before."""
        data = self._stream.read(count)
        if len(data) < count:
            raise GitDied
        return data

    def ended_well(self) -> bool:
        """At the end of the output: whether git ended without an error."""
        try:
            return self._process.wait(timeout=STALL) == 0
        except subprocess.TimeoutExpired:
            return False

    def complaints(self) -> list[str]:
        """The first lines git wrote to its standard error: foreign text."""
        self._errors.seek(0)
        return self._errors.read(8192).decode("utf-8", "replace").splitlines()


class _Watched(io.RawIOBase):
    """A pipe that is read with one eye on the clock and on the caller."""

    def __init__(self, handle: int, cancelled: Callable[[], bool]) -> None:
        self._handle = handle
        self._cancelled = cancelled
        self._selector = selectors.DefaultSelector()
        self._selector.register(handle, selectors.EVENT_READ)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        deadline = time.monotonic() + STALL
        while not self._selector.select(_TICK):
            if self._cancelled():
                raise ScanCancelled
            if time.monotonic() > deadline:
                raise GitDied
        if self._cancelled():
            raise ScanCancelled
        return os.readv(self._handle, [buffer])

    def close(self) -> None:
        self._selector.close()
        super().close()


def _settings() -> list[str]:
    return [part for setting in _SETTINGS for part in ("-c", setting)]


def _quoted(store: Path) -> str:
    """A path as git reads it in a list of alternates: in double quotes it may hold a colon."""
    text = str(store).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _limit_memory(pid: int) -> None:
    prlimit = getattr(resource, "prlimit", None)  # Linux only; elsewhere the stall limit has to do
    if prlimit is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
            prlimit(pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            prlimit(pid, resource.RLIMIT_CORE, (0, 0))
