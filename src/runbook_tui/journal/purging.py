"""The one path that takes data out of a journal: together with the event that says so, then out of the files' bytes.

The data goes in the transaction that records the purge, so a crash leaves both or neither. What SQLite keeps of old
bytes afterwards (its log, unused parts of pages) is rewritten; a marker beside the journal says that this is still to
be done, and whoever opens the journal for writing next does it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runbook_tui.foundation.files import sync_dir
from runbook_tui.incident.purge import stand_ins
from runbook_tui.journal import storage


def forget(connection: sqlite3.Connection, seqs: Sequence[int]) -> None:
    """Inside the open transaction: remove data and salt of these events. sqlite3.Error when one has none."""
    connection.execute("DROP TRIGGER payloads_no_delete")
    for seq in seqs:
        if connection.execute("DELETE FROM payloads WHERE seq=?", (seq,)).rowcount != 1:
            raise sqlite3.IntegrityError(f"event {seq} has no data")
    connection.execute(storage.TRIGGERS["payloads_no_delete"])


def mark(path: Path) -> None:
    """Note durably that bytes of purged data may be left; OSError when it cannot be noted."""
    os.close(os.open(_marker(path), os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    sync_dir(path.parent)


def unfinished(path: Path) -> bool:
    """Whether bytes of purged data may be left in the files."""
    return _marker(path).exists()


def scrub(connection: sqlite3.Connection, path: Path) -> bool:
    """Write the files anew without the bytes of purged data; False when a reader or a full disk keeps that from now."""
    try:
        connection.execute("PRAGMA temp_store=MEMORY")  # what is left must not lie in a temporary file either
        connection.execute("VACUUM")
        storage.write_through(connection)
        _marker(path).unlink()
        sync_dir(path.parent)
    except (sqlite3.Error, OSError):
        return False
    return True


def stands(connection: sqlite3.Connection) -> dict[int, dict[str, Any]]:
    """seq -> what stands for the data of a purged event."""
    rows = connection.execute(
        "SELECT e.seq, p.data FROM events e LEFT JOIN payloads p ON p.seq = e.seq WHERE e.kind = 'purged'"
    )
    return {seq: data for seq, (_, data) in stand_ins((seq, read(data)) for seq, data in rows).items()}


def read(data: str | None) -> Any:
    """The data of a `purged` event; None when it is gone or damaged, which the chain tells."""
    with contextlib.suppress(ValueError):
        return json.loads(data) if data is not None else None
    return None


def _marker(path: Path) -> Path:
    return path.with_suffix(".purging")
