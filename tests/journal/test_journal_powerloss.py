"""Power loss in the model of power_model.py: what the real journal wrote is cut off at any moment and opened again."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from power_model import ApswConnection, Entry, LoggingVFS, image

from runbook_tui.foundation.clock import FakeClock, RealClock
from runbook_tui.journal import storage
from runbook_tui.journal.store import Journal, JournalError

IMAGES = int(os.environ.get("RUNBOOK_POWER_IMAGES", "160"))  # per test; two tests and a control
HEAD = "journal.head"


def same(value: Any) -> Any:
    return value


class Written:
    """A journal that was written through the logging VFS. `more` are settings on top of the product's."""

    def __init__(self, folder: Path, more: tuple[str, ...]) -> None:
        self.log: list[Entry] = []
        self.path = folder / "inc-1" / "journal.db"
        self._more = more
        self._vfs = LoggingVFS(f"log-{folder.name}", self.log)

    def connect(self, path: Path) -> Any:
        connection: Any = ApswConnection(path, f"log-{path.parent.parent.name}")
        storage.make_durable(connection, path)
        for pragma in self._more:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def write(self, count: int) -> Written:
        """Events of many sizes, the journal closed and opened again in the middle."""
        rng = random.Random(3)
        for opener in (Journal.create, Journal.open):
            journal = opener(self.path, FakeClock(tick=0.01), same)
            for _ in range(count // 2):
                event = journal.append("note", {"text": "x" * rng.choice((10, 300, 5000))}, "operator")
                self.log.append(Entry("ack", at=event.seq))
            journal.close()
        return self

    def acknowledged(self, cut: int) -> int:
        return max((entry.at for entry in self.log[:cut] if entry.what == "ack"), default=0)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Written]]:
    """The journals of this test; their connections and heads go through the log."""
    made: list[Written] = []
    write = storage.NotedHead.write

    def log_head(self: storage.NotedHead, head: tuple[int, str]) -> None:
        write(self, head)
        made[-1].log.append(Entry("write", HEAD, 0, f"{head[0]:012d} {head[1]}\n".encode()))

    monkeypatch.setattr(storage, "sync_dir", lambda folder: made[-1].log.append(Entry("folder")))
    monkeypatch.setattr(storage, "connect", lambda path: made[-1].connect(path))  # noqa: PLW0108 - made later
    monkeypatch.setattr(storage.NotedHead, "write", log_head)
    yield made
    monkeypatch.undo()


def survey(written: Written, folder: Path, rng: random.Random) -> tuple[int, list[str]]:
    """Open images of cuts at random moments with the stock SQLite; how many, and what was lost or unusable."""
    wrong = []
    for number in range(IMAGES):
        cut = rng.randrange(len(written.log) + 1)
        path = folder / f"image-{number}" / "journal.db"
        path.parent.mkdir()
        path.touch(mode=0o600)
        for name, content in image(written.log, cut, rng).items():
            (path.parent / name).write_bytes(content)
        said = after_cut(path, written.acknowledged(cut))
        if said:
            wrong.append(f"cut after {cut} of {len(written.log)}: {said}")
    return IMAGES, wrong


def after_cut(path: Path, acknowledged: int) -> str:
    """What is wrong with the journal after the cut; "" when nothing is."""
    try:
        journal = Journal.open(path, RealClock(), same)
    except JournalError as error:
        # Nobody was told of anything yet: a creation that was cut off may leave no journal.
        return "" if not acknowledged else f"cannot be opened: {error.message}"
    try:
        last = journal.head()[0]
        if last < acknowledged:
            return f"{acknowledged - last} of {acknowledged} acknowledged events are lost"
        if journal.append("note", {"text": "after"}, "operator").seq != last + 1:
            return "the next event has another number"
        if [event.seq for event in journal.events()] != list(range(1, last + 2)):
            return "the numbers have gaps"
        return "; ".join(journal.verify())
    finally:
        journal.close()


@pytest.mark.parametrize("more", [(), ("wal_autocheckpoint=12",)], ids=["as shipped", "with many checkpoints"])
def test_no_acknowledged_event_is_lost_in_a_power_cut(
    tmp_path: Path, noted: list[Written], monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """Promise: torn and reordered sectors lose no event that was acknowledged; the chain holds; the next one goes in.

    Assumption: what a disk reports as synced is on it.
    """
    noted.append(Written(tmp_path, more))
    written = noted[-1].write(60)
    assert written.acknowledged(len(written.log)) == 60
    monkeypatch.undo()
    count, wrong = survey(written, tmp_path, random.Random(11))
    assert (count, wrong) == (IMAGES, [])


def test_the_model_sees_a_loss(tmp_path: Path, noted: list[Written], monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: with `synchronous=NORMAL`, which SQLite documents as not durable, the same images lose events."""
    noted.append(Written(tmp_path, ("synchronous=NORMAL",)))
    written = noted[-1].write(60)
    monkeypatch.undo()
    _, wrong = survey(written, tmp_path, random.Random(11))
    assert len([line for line in wrong if "lost" in line or "cut off" in line]) > IMAGES // 8
