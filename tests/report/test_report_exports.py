"""The report for programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_story import BOOK, whole

from runbook_tui.incident.state import fold
from runbook_tui.report.exports import document, timeline_csv
from runbook_tui.report.safe import cell

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_json_holds_events_and_metrics() -> None:
    """Promise: the JSON export holds every event as recorded, the metrics, the lines and the head."""
    story = whole("x")
    found = document(BOOK, fold(story.events), story.events, tool="t", now=NOW, head=(49, "ab" * 32))
    again = json.loads(json.dumps(found))
    assert [event["seq"] for event in again["events"]] == [event.seq for event in story.events]
    assert again["events"][0]["data"]["title"] == "x"
    assert again["metrics"]["contain_from_ack"]["seconds"] == [125, 125]
    assert again["metrics"]["recover"]["seconds"] is None
    assert again["head"] == {"seq": 49, "hash": "ab" * 32}
    assert again["closed_loop"] == {"dead": [1, 1], "live": [1, 1]}


def test_public_exports_hold_no_names() -> None:
    """Promise: the public forms hold no data of events, no actors and no names."""
    story = whole("Canary")
    found = document(BOOK, fold(story.events), story.events, tool="t", now=NOW, public=True)
    assert "Canary" not in json.dumps(found)
    assert "alice" not in json.dumps(found)
    text = timeline_csv(story.events, public=True)
    assert "Canary" not in text
    assert "alice" not in text


FULL_WIDTH = ["\uff1d1", "\uff0b1", "\uff0d1", "\uff201"]


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "%x", "|x", " =1", *FULL_WIDTH])
def test_no_cell_is_a_formula(start: str) -> None:
    """Promise: a spreadsheet takes no cell of ours for a formula."""
    assert cell(start).startswith("'")


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_csv_holds_any_text(text: str) -> None:
    """Promise: any text gives one row per event, on one line, with the same number of cells and no formula."""
    story = whole(text)
    made = timeline_csv(story.events)
    rows = list(csv.reader(io.StringIO(made, newline="")))
    assert len(rows) == len(story.events) + 1 == made.count("\r\n")
    assert {len(row) for row in rows} == {7}
    assert not [entry for row in rows for entry in row if entry.startswith(("=", "+", "-", "@", "%", "|", "\t", "\r"))]
