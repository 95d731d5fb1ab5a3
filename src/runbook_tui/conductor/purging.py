"""What a purge takes out of a record, for a running conductor and for a journal that nobody runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.events import Event
from runbook_tui.incident.purge import Entry, check, holding, named
from runbook_tui.secrets.redaction import Redactor
from runbook_tui.secrets.secret import Secret

_LARGEST = 256 << 20  # bytes of a file that is searched
_OURS = frozenset({".ballast", ".lock", ".head"})  # random bytes, a process id, a hash


def entries(events: Sequence[Event], seqs: Collection[int], secret: Secret | None) -> list[Entry]:
    """[{seq, data that stands for its data}]: every event that holds `secret` in any form, else those of `seqs`.

    RunbookError when there is nothing to purge, or when the record would no longer tell what was done.
    """
    if secret is None:
        found = named(events, seqs)
    else:
        redactor = _knowing(secret)
        writers = [event.seq for event in events if redactor.text(event.actor) != event.actor]
        if writers:
            raise RunbookError(
                f"it is in the name of who wrote event {writers[0]}, and names are part of the chain",
                "write the report, close the incident and remove its folder",
            )
        found = holding(events, redactor.data)
    if not found:
        raise RunbookError("no event holds it: nothing was purged", "its forms are searched in every event's data")
    check(events, found)
    return found


def files_with(folder: Path, others: Collection[Path], secret: Secret) -> tuple[list[Path], list[Path]]:
    """The files in the incident's folder, and of `others`, that hold the secret; and those that could not be searched.

    Compressed and encrypted files tell nothing.
    """
    redactor = _knowing(secret)
    holding_it: list[Path] = []
    unread: list[Path] = []
    inside = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in _OURS]
    for path in [*inside, *(one for one in others if one.is_file() and one not in inside)]:
        try:
            if path.stat().st_size > _LARGEST:
                unread.append(path)
                continue
            text = path.read_bytes().decode("utf-8", "replace")
        except OSError:
            unread.append(path)
            continue
        if redactor.text(text) != text:
            holding_it.append(path)
    return holding_it, unread


def _knowing(secret: Secret) -> Redactor:
    redactor = Redactor()
    redactor.add(secret, "purged")
    return redactor
