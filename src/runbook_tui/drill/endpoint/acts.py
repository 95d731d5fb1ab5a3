"""What an endpoint did: one entry for each delivery it acted on, in memory and, if wanted, in a log file."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

_MOST_TEXT = 100_000  # characters of a delivery that are kept


@dataclass(frozen=True)
class Act:
    """`at` in seconds since 1970; `seen` is the body and the headers that hold no proof."""

    at: float
    event: str
    delivery_id: str
    seen: str


class Acts:
    """Thread-safe. An observer looks for a delivery's marker in `found` or in the log file."""

    def __init__(self, log: Path | None = None) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._acts: list[Act] = []
        self._ids: set[str] = set()

    def first_of(self, delivery_id: str) -> bool:
        """Whether this id has not been seen before; asks and remembers in one go."""
        with self._lock:
            new = delivery_id not in self._ids
            self._ids.add(delivery_id)
            return new

    def add(self, act: Act) -> None:
        entry = Act(act.at, act.event, act.delivery_id, act.seen[:_MOST_TEXT])
        with self._lock:
            self._acts.append(entry)
            if self._log is not None:
                with self._log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"acted": entry.at, "event": entry.event, "delivery": entry.seen}) + "\n")

    def found(self, marker: str) -> list[Act]:
        """The acts whose delivery held `marker`; all of them for ""."""
        with self._lock:
            return [act for act in self._acts if marker in act.seen]
