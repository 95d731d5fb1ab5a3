"""Makes a process that holds secrets hard to read: no core dump, no debugger, no key log, no keyring override."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

_PR_SET_DUMPABLE = 4
# Read by libraries at import: each would write secrets or keystrokes to a file, or load code of somebody's choice.
_REMOVED = ("SSLKEYLOGFILE", "PYTHON_KEYRING_BACKEND", "PYTHONASYNCIODEBUG")


def harden() -> None:
    """Before any secret is read. On Linux the process also becomes unreadable under /proc for its own user."""
    for name in [*os.environ]:
        if name in _REMOVED or name.startswith("TEXTUAL"):
            del os.environ[name]
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
