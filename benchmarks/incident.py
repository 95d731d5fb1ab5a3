"""The incident screen over a recorded incident of 50 events; nothing else of the program runs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "screens"))

from recorded import RecordedClient, Recording, halfway

from runbook_tui.foundation.clock import RealClock
from runbook_tui.tui.start import run_incident


def fifty() -> Recording:
    told = halfway("live")
    while len(told.events) < 50:
        told.say("note", 1, text=f"note {len(told.events)}: support told", at="")
    return told


if __name__ == "__main__":
    client = RecordedClient(fifty())
    client.clock = RealClock()
    raise SystemExit(run_incident(client))
