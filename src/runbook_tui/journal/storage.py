"""The journal's files: the database with its settings, the ballast, the lock, the noted head.

Settings follow what was measured to lose no acknowledged event in power cuts: WAL with `synchronous=FULL`. WAL needs
shared memory and so does not work on a network file system: those are refused.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import sqlite3
from pathlib import Path

from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.files import make_private_dir, sync_dir
from runbook_tui.foundation.mounts import mount_of, mounts
from runbook_tui.journal.chain import START, Head

APPLICATION_ID = 0x52424A31  # "RBJ1"
FORMAT = 1
BALLAST_BYTES = 256 * 1024
LOW_SPACE_BYTES = 8 * 1024 * 1024  # below this no changing call may begin

_SCHEMA = """
CREATE TABLE events(
  seq INTEGER PRIMARY KEY CHECK (seq > 0), ts TEXT NOT NULL, mono_ns INTEGER NOT NULL, boot_id TEXT NOT NULL,
  actor TEXT NOT NULL, kind TEXT NOT NULL, digest TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE TABLE payloads(
  seq INTEGER PRIMARY KEY REFERENCES events(seq), salt TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;
CREATE TRIGGER payloads_no_update BEFORE UPDATE ON payloads BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;
CREATE TRIGGER payloads_no_delete BEFORE DELETE ON payloads BEGIN SELECT RAISE(ABORT, 'the journal only grows'); END;
"""
TRIGGERS = {name: sql for sql, name in re.findall(r"(CREATE TRIGGER (\w+) .*?END);", _SCHEMA, re.DOTALL)}

# What reading a damaged database can raise: SQLite's own errors, its messages when they are not UTF-8, odd types.
FAULTS = (sqlite3.Error, OSError, ValueError, TypeError)


class JournalError(RunbookError):
    """The event was not recorded (or the journal cannot be read): the caller must not act."""

    exit_code = Exit.INCOMPLETE


class JournalDamagedError(JournalError):
    """What lies there is not, or no longer, a record that can be read."""


class JournalHeldError(JournalError):
    """Another process writes this journal."""


def create_files(path: Path) -> None:
    """Make the journal's folder and an empty database there, readable by the owner only, durable on return."""
    created = False
    try:
        make_private_dir(path.parent)
        refuse_network(path.parent)
        # SQLite gives its side files the mode of the database, so the mode is settled before it opens anything.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        created = True
        with contextlib.closing(connect(path)) as connection:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id={APPLICATION_ID};"
                f" PRAGMA user_version={FORMAT}; COMMIT;"
            )
        fill_ballast(path)
        sync_dir(path.parent)
        sync_dir(path.parent.parent)
    except FileExistsError:
        raise JournalError(f"there is a journal already: {path}", "resume that incident, or start a new one") from None
    except (OSError, sqlite3.Error) as error:
        for suffix in ("-wal", "-shm", "") if created else ():  # another attempt must not find the log of this one
            with contextlib.suppress(OSError):  # the first failure is the one to tell
                path.with_name(path.name + suffix).unlink()
        raise failure(f"cannot create the journal {path}", error) from None


def connect(path: Path) -> sqlite3.Connection:
    """Open an existing database for writing, with the settings durability rests on."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None,
                                 check_same_thread=False, timeout=5)  # fmt: skip
    make_durable(connection, path)
    return connection


def make_durable(connection: sqlite3.Connection, path: Path) -> None:
    """Give a connection the settings that every acknowledgement rests on; closed when it does not take them."""
    try:
        _settle(connection)
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise JournalError(f"{path} cannot use write-ahead logging", "put the state folder on a local disk")
        for pragma in ("synchronous=FULL", "fullfsync=1", "checkpoint_fullfsync=1", "secure_delete=1"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise


def write_through(connection: sqlite3.Connection) -> None:
    """Write everything in the log to the database, synced, and begin the log anew; sqlite3.Error when it cannot be.

    After a failed sync the system takes pages for clean that never reached the disk. An event that is logged behind
    such a hole would be lost with it, so the pages are written once more.
    """
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("the log is being read and cannot be emptied now")


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Open a journal somebody else may be writing; nothing is changed."""
    uri = path.absolute().as_uri()
    for options in ("mode=ro", "mode=ro&immutable=1"):
        connection = sqlite3.connect(f"{uri}?{options}", uri=True, isolation_level=None, check_same_thread=False,
                                     timeout=5)  # fmt: skip
        try:
            _settle(connection)
            connection.execute("PRAGMA query_only=1")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return connection
        except sqlite3.OperationalError:
            connection.close()
            # A folder that cannot be written has no room for the shared memory of WAL. Without a log the database
            # alone is the whole truth and may be read as it stands; with one, that would hide the newest events.
            log = path.with_name(path.name + "-wal")
            if options != "mode=ro" or not path.exists() or (log.exists() and log.stat().st_size):
                raise
        except BaseException:
            connection.close()
            raise
    raise AssertionError("unreachable")


def _settle(connection: sqlite3.Connection) -> None:
    for pragma in ("trusted_schema=0", "cell_size_check=1", "foreign_keys=1", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    """JournalError unless the database is a journal this program writes."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        hint = "restore a copy; one that was cut off while it was made holds nothing, and its folder can be removed"
        raise JournalDamagedError(f"{path} is not a journal", hint)
    if version != FORMAT:
        raise JournalError(f"{path} has format {version}, this program reads {FORMAT}", "use the version that wrote it")


def _full(error: BaseException) -> bool:
    no_room = getattr(error, "errno", None) in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
    return no_room or _name(error).startswith("SQLITE_FULL")


def unwritten(error: BaseException) -> bool:
    """Whether a write was refused, for want of room or of quota: what was written before is as good as ever."""
    return _full(error) or _name(error) in ("SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE")


def _name(error: BaseException) -> str:
    return getattr(error, "sqlite_errorname", "") or ""


def failure(what: str, error: Exception) -> JournalError:
    """The error with the hint that fits its cause."""
    name = _name(error)
    text = str(error).lower()
    meanwhile = "act by hand meanwhile (`runbook playbook show` lists the steps), record it with `incident note --at`"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or isinstance(error, (ValueError, TypeError)):
        hint = "the file is damaged: `runbook incident verify` names what is wrong; restore a copy"
        return JournalDamagedError(f"{what}: {error}", hint)
    if _full(error):
        hint = "the disk is full: free some space, then `runbook resume`"
    elif name.startswith("SQLITE_READONLY") or "readonly" in text or getattr(error, "errno", None) in (13, 30):
        hint = "the folder is read-only or not yours: check the mount and its owner"
    else:
        hint = "check the disk, then `runbook resume`"
    return JournalError(f"{what}: {error}", f"{hint}; {meanwhile}")


# --- ballast, lock, noted head -----------------------------------------------------------------------------------


def fill_ballast(path: Path) -> None:
    """Keep 256 KiB beside the journal, to be freed when the disk is full and an outcome must still be recorded."""
    ballast = _beside(path, ".ballast")
    if ballast.exists() and ballast.stat().st_size == BALLAST_BYTES:
        return
    handle = os.open(ballast, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(BALLAST_BYTES))  # random: a compressing file system keeps its full size
    except OSError:
        ballast.unlink()  # half of it would take the room that a note could still have
        raise


def make_room(path: Path, error: BaseException) -> None:
    """Give the ballast back to the file system when room is what is missing."""
    with contextlib.suppress(OSError):  # none left, or a read-only disk: the next attempt tells
        if unwritten(error) or low_space(path):
            _beside(path, ".ballast").unlink()


def require_room(path: Path) -> None:
    """JournalError when so little room is left that no changing call may begin; else the ballast is there again."""
    try:
        if low_space(path):
            raise JournalError(
                "less than 8 MiB are free where the journal lives: no changing call may begin",
                "free some space, then try again",
            )
        fill_ballast(path)
    except OSError as error:
        raise failure("not recorded", error) from None


def low_space(path: Path) -> bool:
    """Whether so little room is left that no changing call should begin."""
    room = os.statvfs(path.parent)
    return room.f_bavail * room.f_frsize < LOW_SPACE_BYTES


def lock_writer(path: Path) -> int:
    """Take the one writer's lock; returns its file descriptor. JournalError when another process writes."""
    handle = os.open(_beside(path, ".lock"), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
        os.close(handle)
        process = f"process {holder}" if holder.isdigit() else "another process"
        raise JournalHeldError(
            f"{process} writes this incident ({path.parent.name})",
            f"`runbook resume {path.parent.name}` joins it; when it does not answer, end it, then resume",
        ) from None
    with contextlib.suppress(OSError):  # on a full disk nobody is named
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


_HEAD_BYTES = len(f"{0:012d} {START}\n")


class NotedHead:
    """The head beside the journal, rewritten in place after each event, so that a cut tail shows.

    It is not synced: it may lag behind after a power cut, never run ahead, since the event is durable first.
    """

    def __init__(self, path: Path) -> None:
        self._file = _beside(path, ".head")
        self._handle = os.open(self._file, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        os.ftruncate(self._handle, _HEAD_BYTES)  # a longer file would never be a head again

    def write(self, head: Head) -> None:
        # The event is recorded whatever happens here; a failed write only leaves an older head to compare with.
        with contextlib.suppress(OSError):
            line = f"{head[0]:012d} {head[1]}\n".encode("ascii")
            if os.pwrite(self._handle, line, 0) != len(line):
                os.ftruncate(self._handle, 0)  # a part of it would belie the record

    def close(self) -> None:
        os.close(self._handle)


def noted_head(path: Path) -> Head | None:
    """The head noted beside the journal, None when there is none or it cannot be read."""
    try:
        text = _beside(path, ".head").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    match = re.fullmatch(r"(\d{12}) ([0-9a-f]{64})\n", text)
    return (int(match[1]), match[2]) if match and match[2] != START else None


def _beside(path: Path, suffix: str) -> Path:
    return path.with_suffix(suffix)


# --- file systems --------------------------------------------------------------------------------------------------


def refuse_network(folder: Path) -> None:
    """JournalError when `folder` lies on a network or FUSE file system."""
    found = mount_of(folder.resolve(), mounts())
    if found.remote:
        raise JournalError(
            f"{folder} is on a {found.kind} file system, where the journal cannot be kept safely",
            "set RUNBOOK_HOME to a folder on a local disk",
        )
