"""No journal, no action, in whole runs: every single commit fails once, as SQLite tests itself, and the run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from crash.crash_vendor import run_vendor
from crash.disk_kit import Stand, failing
from runbook_tui.journal.store import JournalError


@pytest.mark.parametrize("length", [1, 5], ids=["once", "for a while"])
@pytest.mark.parametrize("how", ["lost", "kept"])
def test_every_commit_of_a_run_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, length: int) -> None:
    """Promise: wherever the journal fails, no request leaves without its durable `sending`, no call is made twice,
    nothing that was shown is missing, and the run goes on to its end once the disk is back.

    `kept` is the commit that is said to have failed and is there all the same, as after a failed sync.
    """
    with run_vendor(1, calm=True) as vendor:
        for number in range(1, 200):
            with monkeypatch.context() as patch:
                faulty = failing(patch, lambda _: "")
                stand = Stand(tmp_path / str(number), vendor, f"inc-{number}")
                client = stand.open()
                first = faulty.commits + number
                faulty.fault = lambda commit, first=first: how if first <= commit < first + length else ""
                stand.play(client)
                stand.close(client)
                check(stand)
                if faulty.commits < first:
                    assert number > 25
                    return
    pytest.fail("the run has no end")


def check(stand: Stand) -> None:
    """What holds after every run, whatever failed in it."""
    assert stand.wrong == []
    events = stand.on_disk()
    assert stand.shown == events[: len(stand.shown)]
    assert len(events) - len(stand.shown) <= 1, "more than the one that was refused, and is there, was never told"
    assert stand.conductor.state.closed == "contained"
    assert stand.conductor.state.unknown_operations() == []
    assert max(stand.vendor.by_call.values()) == 1, "an attempt was executed twice"
    done = stand.vendor.done
    assert [done["revoke", f"{stand.incident}-k{number}"] for number in (1, 2)] == [1, 1]
    assert done["create", f"{stand.incident}-k2"] == 1, "a key that nobody holds was left behind"
    ended = [event.data["op"] for event in events if event.kind == "outcome"]
    assert len(ended) == len(set(ended)), "an attempt has two outcomes"


def test_an_opening_that_cannot_be_recorded_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: whichever event of the opening fails, it is told and nothing was sent."""
    for number in range(2, 20):
        with run_vendor(1, calm=True) as vendor, monkeypatch.context() as patch:
            faulty = failing(patch, lambda commit, at=number: "lost" if commit >= at else "")
            stand = Stand(tmp_path / str(number), vendor)
            try:
                stand.open()
            except JournalError:
                assert vendor.done == {}
            if faulty.commits < number:
                assert number > 4
                return
    pytest.fail("the opening has no end")
