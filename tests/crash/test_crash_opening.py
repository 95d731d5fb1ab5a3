"""kill -9 while an incident is being opened: resume finishes the opening, or says that there is nothing to resume."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.crash_kit import Desk, check_record, run_to_end, watch_loss
from crash.crash_vendor import KEYS, run_vendor
from runbook_tui.cli.setup import Setup
from runbook_tui.foundation.clock import RealClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.journal.store import Journal


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with run_vendor(9, calm=True) as vendor:
        made = Desk(tmp_path, vendor, monkeypatch)
        yield made
        made.machine.clean_up()


def _cut_off(desk: Desk, incident: str, after: int) -> int:
    """The incident as a kill leaves it after so many events of its opening; how many the opening has."""
    whole = f"{incident}-whole"
    desk.open(whole).close()
    events = [event for event in desk.journal(whole) if event.kind != "driver"]
    setup = Setup.load(desk.machine.folder(whole))
    setup.incident, setup.admins, setup.inventory = incident, {}, desk.vendor.inventory(incident)
    folder = desk.machine.incidents / incident
    setup.save(folder)
    journal = Journal.create(folder / "journal.db", RealClock(), lambda value: value)
    for event in events[:after]:
        data = dict(event.data)
        if "incident" in data:
            data["incident"] = incident
        if "key_id" in data:
            data["key_id"] = data["key_id"].replace(whole, incident)
        journal.append(event.kind, data, event.actor)
    journal.close()
    return len(events)


@pytest.mark.parametrize("after", [1, 3, KEYS + 1])
def test_an_opening_that_was_cut_off_is_finished(desk: Desk, after: int) -> None:
    """Every key that was named is revoked and proven dead before it counts as contained."""
    _cut_off(desk, "inc-cut", after)
    client = watch_loss(desk.resume("inc-cut"))
    assert len(client.state.subjects) == KEYS
    run_to_end(client)
    assert client.state.closed == "contained"
    assert [desk.vendor.done["revoke", f"inc-cut-k{n}"] for n in range(1, KEYS + 1)] == [1] * KEYS
    check_record(desk.journal("inc-cut"), desk.vendor)


def test_an_opening_of_which_nothing_was_recorded(desk: Desk) -> None:
    """There is nothing to go on with, and that is what is said."""
    _cut_off(desk, "inc-none", 0)
    with pytest.raises(RunbookError, match="was never opened"):
        desk.resume("inc-none")
