"""The hash chain: what one event's hash covers, and the walk that finds what does not fit.

An event's data enters the chain through a salted digest, not directly: data (with its salt) can later be purged on
record while every other field, and the fact that there was data, stays proven. A chain shows accidents and edits in
the middle; against somebody who can rewrite the whole file it proves something only to a reader who holds a head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

from runbook_tui.incident.events import Event
from runbook_tui.incident.purge import stand_ins

START = "0" * 64  # the `prev` of the first event
Head = tuple[int, str]  # (seq, hash); (0, START) for an empty journal


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces, ASCII only: equal values, equal bytes. ValueError or TypeError if not JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(salt: str, data: str) -> str:
    """The salted digest of an event's data (`data` in canonical form, `salt` in hex)."""
    return hashlib.sha256(bytes.fromhex(salt) + data.encode("ascii")).hexdigest()


class Row(NamedTuple):
    """One event as stored. `salt` and `data` are None when the data is missing."""

    seq: int
    ts: str
    mono_ns: int
    boot_id: str
    actor: str
    kind: str
    digest: str
    prev: str
    hash: str
    salt: str | None
    data: str | None

    def computed_hash(self) -> str:
        """SHA-256 over every field of the event, the time and the previous hash included.

        What is hashed is the canonical form of `{"v": 1, "seq": …, …}`, written out here because a whole record is
        hashed when it is opened. TypeError or ValueError for a field that is not of its type.
        """
        text = (
            f'{{"actor":{quoted(self.actor)},"boot_id":{quoted(self.boot_id)},"digest":{quoted(self.digest)},'
            f'"kind":{quoted(self.kind)},"mono_ns":{self.mono_ns:d},"prev":{quoted(self.prev)},"seq":{self.seq:d},'
            f'"ts":{quoted(self.ts)},"v":1}}'
        )
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def sealed(self) -> Row:
        """This row with its hash filled in."""
        return self._replace(hash=self.computed_hash())

    def event(self) -> Event:
        try:
            data = json.loads(self.data or "{}")
        except RecursionError:
            raise ValueError(f"the data of event {self.seq} is nested too deeply") from None
        if not isinstance(data, dict):
            raise ValueError(f"the data of event {self.seq} is no mapping")
        return Event(self.seq, self.ts, self.mono_ns, self.boot_id, self.actor, self.kind, data)


def problems(rows: Iterable[Row], heads: Iterable[tuple[str, Head]] = ()) -> list[str]:
    """Everything that does not fit, in the operator's words; empty when the chain holds.

    Data that is gone is no problem when a later `purged` event says so.

    `heads` are heads that were noted elsewhere, each with the name of where: the event one names must be there,
    unchanged.
    """
    found: list[str] = []
    wanted = list(heads)
    hashes = {seq: "" for _, (seq, _) in wanted} | {0: START}
    missing: list[int] = []
    purged: list[tuple[int, Any]] = []
    last, prev = 0, START
    for row in rows:
        if row.seq != last + 1:
            found.append(f"before event {row.seq}, {row.seq - last - 1} are missing")
        elif row.prev != prev:
            found.append(f"event {row.seq} does not follow event {last}: the previous hash differs")
        if row.computed_hash() != row.hash:
            found.append(f"event {row.seq} was changed: its hash does not fit its fields")
        if row.kind == "purged":
            purged.append((row.seq, json.loads(row.data) if row.data and _fits_row(row) else None))
        if row.data is None or row.salt is None:
            missing.append(row.seq)
        elif not _fits(row.salt, row.data, row.digest):
            found.append(f"the data of event {row.seq} was changed")
        last, prev = row.seq, row.hash
        if last in hashes:
            hashes[last] = prev
    stands = stand_ins(purged)
    found += [f"the data of event {seq} is missing" for seq in missing if seq not in stands]
    for seq in sorted(set(stands) - set(missing)):
        found.append(f"event {stands[seq][0]} says that the data of event {seq} was purged, and it is there")
    for where, (seq, expected) in wanted:
        if seq > last:
            found.append(f"the journal ends at event {last}, but {where} names event {seq}: the end was cut off")
        elif hashes.get(seq) != expected:
            found.append(f"event {seq} differs from the one {where} names")
    return found


def _fits_row(row: Row) -> bool:
    return row.salt is not None and row.data is not None and _fits(row.salt, row.data, row.digest)


def _fits(salt: str, data: str, expected: str) -> bool:
    try:
        return digest(salt, data) == expected
    except (ValueError, TypeError, AttributeError):  # no hex, no ASCII, or no text at all: not what was written
        return False
