"""A long record reaches a terminal in pieces: whole, in order, whatever is recorded meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conductor_kit import Stand

from runbook_tui.conductor import logbook
from runbook_tui.conductor.client import LocalClient


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    monkeypatch.setattr(logbook, "PORTION", 3)
    return Stand(tmp_path).open()


def test_a_terminal_that_comes_late_knows_everything(stand: Stand) -> None:
    """Promise: a terminal sees every event once and in order, however long the record."""
    first = stand.client("one")
    for number in range(20):
        first.request("note", text=f"seen {number}")
        late = stand.client("late", "watch")
        assert late.events == stand.conductor.events
        assert late.state == stand.conductor.state
        late.close()


def test_what_is_recorded_between_two_pieces_comes_once(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: an event that is recorded while a terminal reads the past is neither lost nor doubled."""
    first = stand.client("one")
    for number in range(8):
        first.request("note", text=f"seen {number}")
    ask = LocalClient.request

    def busy(client: LocalClient, method: str, **params: Any) -> dict[str, Any]:
        """Something is recorded after every other piece, and before the ones between."""
        early = ask(client, method, **params) if params["since"] % 2 else None
        stand.conductor.record("note", {"text": f"while {params['since']}", "at": ""})
        return early or ask(client, method, **params)

    monkeypatch.setattr(LocalClient, "request", busy)
    late = stand.client("late", "watch")
    monkeypatch.undo()
    meanwhile = [event for event in late.events if str(event.data.get("text", "")).startswith("while")]
    assert len(meanwhile) > 1
    assert late.events == first.events == stand.conductor.events
    assert late.state == first.state == stand.conductor.state
