"""Where a conductor's socket is, and who sits at its other end. Both ends trust only processes of their own user."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import struct
import tempfile
from pathlib import Path

from runbook_tui.conductor.protocol import SOCKET_NOTE
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.files import make_private_dir, write_atomic

# sun_path holds 104 bytes on macOS and 108 on Linux, the closing NUL included.
_LONGEST_PATH = 100
_CONNECT = 10.0  # seconds; a stopped process lets callers wait


def check_place(folder: Path) -> None:
    """RunbookError when the incident in `folder`, there or not, could have no socket. Looked at before it is opened."""
    path = socket_path(folder)
    if path.parent != folder:
        _make_private(path.parent)


def claim(folder: Path) -> tuple[socket.socket, Path]:
    """A listening socket for the incident in `folder`, and its path, which is noted there.

    What a dead conductor left is replaced: the journal's lock says that none is alive. RunbookError when something
    else is in the way.
    """
    check_place(folder)
    path = socket_path(folder)
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # bind() would leave the socket open to others for a moment under a loose umask.
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        hint = "check the folder's owner and mode, then `runbook resume`"
        raise RunbookError(f"cannot listen at {path}: {error.strerror}", hint, exit_code=Exit.INCOMPLETE) from None
    finally:
        os.umask(before)
    listener.listen(64)
    write_atomic(folder / SOCKET_NOTE, os.fsencode(path))
    return listener, path


def reach(folder: Path) -> socket.socket | None:
    """A connection to the conductor of the incident in `folder`; None when none is alive.

    RunbookError when what stands there is not a socket of this user, or another user's process answers at it: it would
    be told the operator's secrets.
    """
    try:
        path = Path(os.fsdecode((folder / SOCKET_NOTE).read_bytes()))
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _strange(folder / SOCKET_NOTE, f"it names no socket ({error})") from None
    if not stat.S_ISSOCK(found.st_mode):
        raise _strange(path, "it is no socket")
    if found.st_uid != os.getuid():
        raise _strange(path, "it belongs to another user")
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_CONNECT)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        hint = "look which process holds the incident (its number stands in journal.lock)"
        message = f"the conductor cannot be reached at {path}: {error.strerror or 'it does not answer'}"
        raise RunbookError(message, hint, exit_code=Exit.INCOMPLETE) from None
    if not same_user(connection):
        connection.close()
        raise _strange(path, "another user's process listens there")
    connection.settimeout(None)
    return connection


def same_user(connection: socket.socket) -> bool:
    """Whether the other end runs as this user; the folder's and the socket's mode say so too."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # macOS: the folder is 0700 and the socket 0600
    return _peer(connection)[1] == os.getuid()


def peer_process(connection: socket.socket) -> int:
    """The process id of the other end; 0 where the system does not tell."""
    return _peer(connection)[0] if hasattr(socket, "SO_PEERCRED") else 0


def _peer(connection: socket.socket) -> tuple[int, int]:
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", data)
    return pid, uid


def socket_path(folder: Path) -> Path:
    """Where the socket of the incident in `folder` goes: there, or below XDG_RUNTIME_DIR when its path is too long.

    RunbookError when it is too long there as well. Nothing is made.
    """
    path = folder / "conductor.sock"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        # The incident's name alone would be shared by two homes.
        name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
        path = Path(base) / f"runbook-{os.getuid()}" / f"{name}.sock"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        hint = "set RUNBOOK_HOME to a shorter path: a socket's path has at most 108 bytes, the closing one included"
        raise RunbookError(f"the path {path} is too long for a socket", hint, exit_code=Exit.INCOMPLETE)
    return path


def _make_private(folder: Path) -> None:
    """The folder is made when absent. Temporary folders are everybody's: it has to be ours alone, and no link."""
    try:
        make_private_dir(folder)
        found = folder.lstat()
    except OSError as error:
        hint = "set RUNBOOK_HOME or XDG_RUNTIME_DIR to a shorter path of your own"
        raise RunbookError(f"cannot use {folder}: {error.strerror}", hint, exit_code=Exit.INCOMPLETE) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        what = f"{folder} is not a folder of yours alone"
        raise RunbookError(what, "find out who made it, then remove it", exit_code=Exit.INCOMPLETE)


def _remove_stale(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.getuid():
            raise _strange(path, "it is in the way of the conductor's socket and not one of yours")
        path.unlink()


def _strange(path: Path, why: str) -> RunbookError:
    hint = f"find out who put it there, remove it, then `runbook resume {path.parent.name}`"
    if path.name.endswith(".sock") and path.parent.name.startswith("runbook-"):
        hint = "find out who put it there, remove it, then `runbook resume`"
    return RunbookError(f"{path} is not to be trusted: {why}", hint, exit_code=Exit.INCOMPLETE)
