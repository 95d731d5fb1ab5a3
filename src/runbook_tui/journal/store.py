"""The journal of one incident: an append-only record in SQLite. One process writes it, any number read it.

Each event is one transaction that is on stable storage when `append` returns. When `append` raises, the event counts
as not recorded and the caller must not act.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from runbook_tui.foundation.clock import Clock, RealClock, iso
from runbook_tui.incident.events import KINDS, Event
from runbook_tui.journal import purging, storage
from runbook_tui.journal.chain import START, Head, Row, canonical, digest, problems
from runbook_tui.journal.checking import clock_step, examine, rows
from runbook_tui.journal.held import Held
from runbook_tui.journal.loading import load
from runbook_tui.journal.storage import JournalError

__all__ = ["Journal", "JournalError"]

# What already happened in the world: tried twice, and on a full disk at the cost of the ballast.
_AFTER_THE_FACT = frozenset({"outcome", "new_credential", "step_failed"})


class _Readable:
    """What a reader and the writer have in common."""

    path: Path
    _mutex: threading.RLock
    _writer: int | None  # file descriptor of the writer's lock; None for a reader
    _head: Head

    def _live(self) -> sqlite3.Connection:
        raise NotImplementedError

    def events(self, since: int = 0, limit: int | None = None) -> list[Event]:
        """The events after number `since`, in order; at most `limit`."""
        with self._mutex:
            try:
                return load(self._live(), since, limit)
            except storage.FAULTS as error:
                raise storage.failure(f"cannot read the journal {self.path}", error) from None

    def head(self) -> Head:
        """Number and hash of the last event; (0, 64 zeros) for an empty journal."""
        with self._mutex:
            if self._writer is not None:
                return self._head
            try:
                rows = self._live().execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1")
                return rows.fetchone() or (0, START)
            except storage.FAULTS as error:
                raise storage.failure(f"cannot read the journal {self.path}", error) from None

    def verify(self, head: Head | None = None) -> list[str]:
        """What is wrong with the record, in words; empty when it holds.

        Compared are the chain, the data, the guards of the database, and the end against the head noted beside the
        journal and against `head`, one that was kept elsewhere (a report, a chat message).
        """
        with self._mutex:
            heads = [("the head you gave", head)] if head else []
            if noted := storage.noted_head(self.path):
                heads.append(("the head noted beside it", noted))
            try:
                return examine(self._live(), heads)
            except storage.FAULTS as error:
                return [f"the database cannot be read: {error}"]


class Journal(_Readable):
    """See the module. Thread-safe; make one with `create`, `open` or `read`."""

    def __init__(
        self, path: Path, clock: Clock, redact: Callable[[Any], Any], connection: sqlite3.Connection, lock: int | None
    ) -> None:
        self.path = path
        self._clock = clock
        self._redact = redact
        self._connection: sqlite3.Connection | None = connection
        self._writer = lock
        self._mutex = threading.RLock()
        self._head: Head = (0, START)
        self._last: Row | None = None
        self._noted: storage.NotedHead | None = None
        self._held: Held | None = None
        self._tried: Row | None = None  # the row of the last attempt, whatever became of it
        self._doubtful = False  # the system may hold pages for written that are not

    @classmethod
    def create(cls, path: Path, clock: Clock, redact: Callable[[Any], Any]) -> Journal:
        """A new, empty journal at `path`, open for writing. JournalError when there is one already.

        `redact` is applied to every event's data (deep) and actor before they are recorded.
        """
        storage.create_files(path)
        return cls.open(path, clock, redact)

    @classmethod
    def open(cls, path: Path, clock: Clock, redact: Callable[[Any], Any], *, readonly: bool = False) -> Journal:
        """An existing journal. JournalError when it is not there, damaged, or (for writing) another process writes."""
        lock = None
        try:
            if not path.is_file():
                raise JournalError(f"there is no journal at {path}", "`runbook incident list` shows the incidents")
            if readonly:
                connection = storage.connect_readonly(path)
                storage.check_format(connection, path)
                return cls(path, clock, redact, connection, None)
            storage.refuse_network(path.parent)
            lock = storage.lock_writer(path)
            connection = storage.connect(path)
            journal = cls(path, clock, redact, connection, lock)
            try:
                journal._start_writing(connection)
            except BaseException:
                connection.close()
                raise
        except (JournalError, *storage.FAULTS) as error:
            if lock is not None:
                os.close(lock)
            if isinstance(error, JournalError):
                raise
            raise storage.failure(f"cannot open the journal {path}", error) from None
        return journal

    @classmethod
    def read(cls, path: Path) -> Journal:
        """An existing journal for reading only; another process may be writing it."""
        return cls.open(path, RealClock(), lambda value: value, readonly=True)

    def _start_writing(self, connection: sqlite3.Connection) -> None:
        storage.check_format(connection, self.path)
        with contextlib.suppress(sqlite3.Error):  # no room, or a reader: the first append will tell
            storage.write_through(connection)  # the process before this one may have ended in a failed sync
        self._take_up(connection)
        if purging.unfinished(self.path):
            purging.scrub(connection, self.path)
        with contextlib.suppress(OSError):  # no room for the ballast is no reason to refuse the journal
            storage.fill_ballast(self.path)
        self._noted = storage.NotedHead(self.path)
        self._noted.write(self._head)

    def _take_up(self, connection: sqlite3.Connection) -> None:
        """Check the whole chain and continue at its end; what this object acknowledged must be there."""
        recorded = [("the head noted beside it", noted)] if (noted := storage.noted_head(self.path)) else []
        if self._head[0]:
            recorded.append(("this process", self._head))
        last: Row | None = None

        def passing() -> Iterator[Row]:
            nonlocal last
            for row in rows(connection):
                last = row
                yield row

        found = problems(passing(), recorded)
        if found:
            raise JournalError(
                f"the journal {self.path} is damaged: {found[0]}",
                f"`runbook incident verify {self.path.parent.name}` lists everything; continue in a new incident",
            )
        self._last = last
        self._head = (last.seq, last.hash) if last else (0, START)
        assert self._writer is not None
        self._held = Held(self.path, self._writer)

    def append(self, kind: str, data: dict[str, Any], actor: str) -> Event:
        """Record one event durably and return it, as it will be read.

        ValueError for an unknown kind or data that is not JSON; JournalError when it could not be recorded.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown event kind {kind!r}")
        text = canonical(self._redact(data))
        who = str(self._redact(actor))
        with self._mutex:
            if self._writer is None:
                raise JournalError("this journal is open for reading only", "send the event to the writing process")
            if kind == "intent":
                storage.require_room(self.path)
            self._tried = None
            try:
                return self._attempt(kind, text, who)
            except storage.FAULTS as error:
                if kind not in _AFTER_THE_FACT:
                    raise storage.failure("not recorded", error) from None
                storage.make_room(self.path, error)
            try:
                return self._attempt(kind, text, who)
            except storage.FAULTS as error:
                raise storage.failure("not recorded", error) from None

    def purge(self, entries: Sequence[dict[str, Any]], reason: str, actor: str) -> tuple[Event, bool]:
        """Take the data of events out of the record, on record; `entries` are [{seq, data that stands for it}].

        Returns the event that says so, and whether no byte of the data is left in the journal's files: if not (somebody
        reads, the disk is full), the next process that opens the journal for writing sees to it. JournalError when
        nothing was purged.
        """
        text = canonical(self._redact({"events": list(entries), "reason": reason}))
        with self._mutex:
            if self._writer is None:
                raise JournalError("this journal is open for reading only", "send the purge to the writing process")
            self._tried = None
            try:
                purging.mark(self.path)
                event = self._attempt("purged", text, str(self._redact(actor)), [one["seq"] for one in entries])
                return event, purging.scrub(self._live(), self.path)
            except storage.FAULTS as error:
                raise storage.failure("not purged", error) from None

    def finish_purge(self) -> bool:
        """Whether no byte of purged data is left in the journal's files; a writer sees to what was left undone."""
        with self._mutex:
            if self._writer is not None and purging.unfinished(self.path):
                return purging.scrub(self._live(), self.path)
            return not purging.unfinished(self.path)

    def _attempt(self, kind: str, text: str, actor: str, gone: Sequence[int] = ()) -> Event:
        try:
            connection = self._live()
            there = self._tried is not None and self._tried.kind == kind and self._tried == self._last
            if self._doubtful or there:
                storage.write_through(connection)
                self._take_up(connection)
                self._doubtful = False
            if there and self._tried is not None:
                return self._tried.event()  # the first attempt failed, and is there all the same
            return self._record(connection, kind, text, actor, gone)
        except BaseException as error:
            # Whether it was recorded is not known: the next use reads the file anew.
            self._doubtful = self._doubtful or not storage.unwritten(error)
            self._drop_connection()
            raise

    def _record(self, connection: sqlite3.Connection, kind: str, text: str, actor: str, gone: Sequence[int]) -> Event:
        now, mono, boot = self._clock.now(), self._clock.mono_ns(), self._clock.boot_id()
        moment = (iso(now), mono, boot)
        if step := clock_step(self._last, now, mono, boot):
            self._insert(connection, moment, "journal", "clock_step", canonical({"seconds": step}))
        return self._insert(connection, moment, actor, kind, text, gone)

    def _insert(
        self,
        connection: sqlite3.Connection,
        moment: tuple[str, int, str],
        actor: str,
        kind: str,
        text: str,
        gone: Sequence[int] = (),
    ) -> Event:
        salt = secrets.token_hex(16)
        seq, prev = self._head[0] + 1, self._head[1]
        row = self._tried = Row(seq, *moment, actor, kind, digest(salt, text), prev, "", salt, text).sealed()
        assert self._held is not None
        self._held.check()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO events VALUES(?,?,?,?,?,?,?,?,?)", (seq, *moment, actor, kind, row.digest, prev, row.hash)
        )
        connection.execute("INSERT INTO payloads VALUES(?,?,?)", (seq, salt, text))
        if gone:
            purging.forget(connection, gone)
        connection.execute("COMMIT")
        self._held.check()
        self._last, self._head = row, (seq, row.hash)
        if self._noted is not None:
            self._noted.write(self._head)
        return row.event()

    def _live(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._noted is None:
                raise JournalError(f"the journal {self.path} was closed", "open it again")
            # After a failed commit or sync nothing the kernel says about the old pages can be believed: read anew.
            connection = storage.connect(self.path)
            try:
                storage.check_format(connection, self.path)
                self._take_up(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # it failed before; closing it can fail again
                self._connection.close()
            self._connection = None

    def close(self) -> None:
        """End reading or writing; the files are then complete without their log."""
        with self._mutex:
            self._drop_connection()
            if self._noted is not None:
                self._noted.close()
                self._noted = None
            if self._writer is not None:
                os.close(self._writer)
                self._writer = None
