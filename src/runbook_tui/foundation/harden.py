"""Makes a process that holds secrets hard to read: no core dump, no debugger, no key log, no values in a crash.

What is imported here is paid by every command: `ctypes` is loaded only where a secret may be held.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

_PR_SET_DUMPABLE = 4  # linux/prctl.h
# Read by libraries at import or at first use: each would write secrets, keystrokes or reprs to a file or a stream, or
# load code of somebody's choice.
_REMOVED = ("SSLKEYLOGFILE", "PYTHON_KEYRING_BACKEND", "PYTHONASYNCIODEBUG")
taken_away: list[str] = []  # the names that `scrub` found in this process's environment, for `runbook doctor`


def scrub(environment: MutableMapping[str, str] = os.environ) -> None:
    """Take the variables away that make a library write down what it handles, from this process and its children.

    SSLKEYLOGFILE lets anybody decrypt what was sent; TEXTUAL_LOG holds every keystroke, TEXTUAL_SCREENSHOT* pictures.
    """
    for name in [name for name in environment if name in _REMOVED or name.startswith("TEXTUAL")]:
        del environment[name]
        taken_away.append(name)


def harden() -> None:
    """Before any secret is read: scrub, no core dump, no values in what a crash prints.

    On Linux the process also becomes unreadable under /proc, and untraceable, for its own user. Children inherit the
    limit on core dumps alone (prctl(2): dumpable is set again by execve): each hardens itself.
    """
    scrub()
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _mute()
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, OSError):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def place(error: BaseException | None, trace: TracebackType | None = None) -> str:
    """`ValueError at a.py:3 < b.py:9`: an error's type and last places, not its text, which may hold anything."""
    import traceback

    if error is None:
        return "an error"
    frames = traceback.extract_tb(trace or error.__traceback__)[-3:]
    where = " < ".join(f"{os.path.basename(one.filename)}:{one.lineno}" for one in reversed(frames))  # noqa: PTH119
    return f"{type(error).__name__} at {where}" if where else type(error).__name__


def _mute() -> None:
    """What nobody caught is told by type and place: Python prints the message, and the source line, which is worse."""
    import threading

    def say(error: BaseException | None, trace: TracebackType | None) -> None:
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"error: a fault in the program: {place(error, trace)}\n")

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        say(error, trace)

    def in_thread(args: Any) -> None:
        if args.exc_type is not SystemExit:
            say(args.exc_value, args.exc_traceback)

    def unraisable(args: Any) -> None:
        say(args.exc_value, args.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable
