"""The disk: room, file system, permissions, the sockets, and the incidents that lie there."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_tui.cli.checks.finding import Finding, bad, good, warn
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.mounts import mount_of, mounts
from runbook_tui.foundation.places import Places

if TYPE_CHECKING:
    from runbook_tui.incident.state import IncidentState

_MIB = 1024 * 1024
_COMFORT = 64 * _MIB
_FEW_FILES = 100  # free inodes: an incident makes about ten files
_OTHERS, _WRITES = 0o077, 0o022
_MOST_INCIDENTS = 200  # looked at, the newest first


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def disk(here: Places) -> Finding:
    """Room and write access where the journal goes."""
    from runbook_tui.journal.storage import LOW_SPACE_BYTES

    folder = _existing(here.state)
    free = shutil.disk_usage(folder).free
    detail = f"{free // _MIB} MiB free for {here.state}"
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return bad(f"{folder} cannot be written", "set RUNBOOK_HOME to a folder of yours")
    if free < LOW_SPACE_BYTES:
        return bad(detail, "free some space: without a journal nothing is changed")
    room = os.statvfs(folder)
    if room.f_files and room.f_favail < _FEW_FILES:
        return bad(f"room for only {room.f_favail} more files below {folder}", "remove some files: inodes are used up")
    return warn(detail, "free some space") if free < _COMFORT else good(detail)


def file_system(here: Places) -> Finding:
    """Whether the journal would be on another machine's disk, or on one that does not last."""
    folder = _existing(here.state).resolve()
    found = mount_of(folder, mounts())
    where = f"{found.kind or 'unknown'} at {found.point or folder}"
    if found.remote:
        return bad(where, "the journal refuses it: set RUNBOOK_HOME to a folder on a local disk")
    if found.without_modes:
        return bad(f"{where} keeps no permissions", "set RUNBOOK_HOME to a folder on a disk that does")
    if found.passing:
        return warn(f"{where}: what is written there is lost when {found.passing}",
                    "set RUNBOOK_HOME to a folder that lasts (in a container: a volume)")  # fmt: skip
    return (
        good(where) if found.kind else warn(f"the type of {folder} is not known", "keep RUNBOOK_HOME on a local disk")
    )


def permissions(here: Places) -> Finding:
    """Whether others may read, replace or own what is kept."""
    me = os.geteuid()
    behind = os.environ.get("SUDO_USER", "")
    if me == 0 and behind not in ("", "root"):
        return warn(f"this is root for {behind}: incidents would belong to root", f"run it as {behind}, without sudo")
    for folder in (here.state, here.config):
        if not folder.exists():
            continue
        for path in (folder, *folder.iterdir(), *folder.glob("incidents/*")):
            if path.lstat().st_uid != me:
                return bad(f"{path} belongs to another user ({path.lstat().st_uid})", f"chown -R {me} {folder}")
        mode = folder.stat().st_mode & 0o777
        if mode & (_OTHERS if folder == here.state else _WRITES):
            return bad(f"{folder} is open to others ({mode:o})", f"chmod 700 {folder}")
    for parent in _existing(here.state).resolve().parents:
        kept = parent.stat()
        if kept.st_mode & 0o002 and not kept.st_mode & 0o1000:
            return bad(
                f"{parent}, above it, may be changed by anybody ({kept.st_mode & 0o777:o})", f"chmod o-w {parent}"
            )
    return good(f"{here.state} " + ("is yours alone" if here.state.exists() else "will be made for you alone"))


def sockets(here: Places) -> Finding:
    """Whether a conductor can listen where terminals look for it."""
    from runbook_tui.conductor.server import socket_path
    from runbook_tui.foundation.clock import RealClock
    from runbook_tui.foundation.ids import new_incident_id

    try:
        path = socket_path(here.state / "incidents" / new_incident_id(RealClock().now()))
    except RunbookError as error:
        return bad(error.message, error.hint)
    length = len(os.fsencode(path))
    below = path.is_relative_to(here.state)
    if not below and not os.environ.get("XDG_RUNTIME_DIR"):
        return warn(f"the state folder's path is too long for a socket, so it goes to {path.parent}",
                    "set RUNBOOK_HOME to a shorter path, or XDG_RUNTIME_DIR")  # fmt: skip
    folder = _existing(here.state if below else path.parent)
    probe = folder / f".probe-{secrets.token_hex(4)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            listener.bind(str(probe))
        except OSError as error:
            return bad(f"no socket can be made in {folder}: {error.strerror or error}",
                       "set RUNBOOK_HOME to a folder on a local disk")  # fmt: skip
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()
    return good(f"{'in the incident' if below else 'below ' + str(path.parent)}, {length} of 108 bytes")


def incidents(here: Places) -> Finding:
    """Open incidents: unreadable ones, calls without an outcome, and whether a conductor lives."""
    folder = here.state / "incidents"
    if not folder.is_dir():
        return good("none yet")
    found = sorted(folder.glob("*/journal.db"), key=lambda path: path.stat().st_mtime, reverse=True)[:_MOST_INCIDENTS]
    unreadable, unknown, asleep, running = [], [], [], 0
    for path in found:
        name = path.parent.name
        state = _state(here, name)
        if state is None:
            unreadable.append(name)
        elif not state.closed:
            alive = _listens(path.parent)
            running += alive
            if state.unknown_operations() or (not alive and any(
                op.status == "sending" and not op.cleared for op in state.operations.values())):  # fmt: skip
                unknown.append(name)
            elif not alive and state.mode == "live":
                asleep.append(name)
    if unreadable:
        return bad(f"cannot be read: {', '.join(unreadable)}", "`runbook incident verify` says what is wrong with each")
    if unknown:
        return warn(
            f"calls without a known outcome in {', '.join(unknown)}", "`runbook resume` proves what became of them"
        )
    if asleep:
        return warn(f"open, and no conductor works on: {', '.join(asleep)}", "`runbook resume` takes it up")
    return good(f"{len(found)} kept, {running} with a conductor" if found else "none yet")


def _state(here: Places, incident: str) -> IncidentState | None:
    from runbook_tui.cli.record import open_record

    try:
        return open_record(here, incident).state
    except RunbookError:
        return None


def _listens(folder: Path) -> bool:
    """Whether a conductor answers at the incident's socket; a note left by one that died says nothing."""
    from runbook_tui.conductor.protocol import SOCKET_NOTE

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.settimeout(1)
        try:
            asked.connect((folder / SOCKET_NOTE).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return False
    return True
