"""The refs and reflogs of one git directory where they are kept as a stack of reftables."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from runbook_tui.exposure.model import Gaps
from runbook_tui.exposure.reading import TooLarge, read_small
from runbook_tui.exposure.reftable import Allowance, Ref, TableDamaged, log_name, object_size, read_table

_MAX_TABLE = 256 << 20  # bytes of one file
_MAX_TABLES = 4096  # git merges them long before
_MAX_LIST = 1 << 20
_TRIES = 3  # a git at work may merge tables while they are read


@dataclass
class Stack:
    """What the tables of one folder say together."""

    refs: dict[bytes, Ref] = field(default_factory=dict)  # deleted ones too, as such
    logs: dict[bytes, set[bytes]] = field(default_factory=dict)  # ref -> all old and new values
    _seen: set[bytes] = field(default_factory=set)

    def below(self, refs: dict[bytes, Ref], logs: dict[bytes, tuple[bytes, ...]]) -> None:
        """Put an older table under those that were added before: what they say counts."""
        for name, ref in refs.items():
            self.refs.setdefault(name, ref)
        for key, values in logs.items():
            if values and key not in self._seen:
                self.logs.setdefault(log_name(key), set()).update(value for value in values if value.strip(b"\0"))
        self._seen.update(logs)


def read_stack(folder: Path, size: int, gaps: Gaps, what: str) -> Stack:
    """The stack of a `reftable` folder; what cannot be read becomes a gap about `what`.

    `size`: bytes of an object's name in this repository.
    """
    for _ in range(_TRIES):
        listed = _list(folder)
        stack, said = _read_stack(folder, listed, size)
        if not said or listed == _list(folder):
            break
    for which, why in said:
        gaps.add(f"{what} in {which}", why)
    return stack


def _list(folder: Path) -> bytes | None:
    try:
        return read_small(folder / "tables.list", _MAX_LIST)
    except (OSError, TooLarge):
        return None


def _read_stack(folder: Path, listed: bytes | None, size: int) -> tuple[Stack, list[tuple[str, str]]]:
    """The stack, and what of it could not be read."""
    stack = Stack()
    names = [] if listed is None else [name.decode("utf-8", "surrogateescape") for name in listed.split(b"\n") if name]
    if listed is None or len(names) > _MAX_TABLES or len(set(names)) < len(names):
        return stack, [(str(folder), "its list of tables cannot be read")]
    said = []
    allowance = Allowance()
    for name in reversed(names):  # the newest is listed last
        refs: dict[bytes, Ref] = {}
        logs: dict[bytes, tuple[bytes, ...]] = {}
        try:
            for record in read_table(_content(folder, name, size), allowance):
                if isinstance(record, Ref):
                    refs[record.name] = record
                else:
                    logs[record.key] = record.values
        except TableDamaged as error:
            said.append((f"table {name} of {folder}", str(error)))
        else:
            stack.below(refs, logs)
    return stack, said


def _content(folder: Path, name: str, size: int) -> bytes:
    if "/" in name or "\0" in name:
        raise TableDamaged("a name that git does not give")
    try:
        data = read_small(folder / name, _MAX_TABLE)
    except OSError as error:
        raise TableDamaged((error.strerror or "cannot be read").lower()) from None
    except TooLarge:
        raise TableDamaged(f"larger than {_MAX_TABLE >> 20} MiB") from None
    if data is None:
        raise TableDamaged("it is missing")
    if object_size(data) != size:
        raise TableDamaged("its objects are of another format than the repository's")
    return data
