"""A drill that is killed half-way goes on: same world, same keys, nothing done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_PART = """
import json, os, signal, sys
from runbook_tui.cli.conductor import raise_conductor
from runbook_tui.cli.setup import Setup
from runbook_tui.conductor.client import LocalClient
from runbook_tui.drill.operator import play
from runbook_tui.foundation.clock import FakeClock, parse_instant
from runbook_tui.foundation.places import Places
from runbook_tui.incident.result import result
from runbook_tui.playbook.loader import read_playbook
from runbook_tui.playbook.shelf import find_playbook

scenario, kind, step, incident = sys.argv[1:5]
if kind:
    setup = Setup(incident=incident, mode="drill", vault="session", drill={"scenario": scenario, "seed": 1})
    source, clock = read_playbook(find_playbook("api-key-leaked", [])).source, FakeClock()
else:
    setup, source = Setup.load(Places.default().incident(incident)), ""
    clock = FakeClock(parse_instant("2026-01-01T01:00:00Z"))
conductor, world = raise_conductor(setup, source, {}, clock)
client = LocalClient(conductor, "model operator")

def strike(push):
    event = push.get("event")
    running = next((name for name, one in client.state.steps.items() if one.status == "running"), "")
    if event is not None and event.kind == kind and step in (running, event.data.get("step")):
        os.kill(os.getpid(), signal.SIGKILL)

client.listen(strike)
play(client, world)
said = result(client.book, client.state, client.events)
made = world.look().made
world.stop()
print(json.dumps({"state": said["state"], "consumers": said["consumers"], "made": made}))
"""


def _part(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PART, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "RUNBOOK_HOME": str(home / "runbook")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("scenario", "kind", "step"),
    [
        pytest.param("openai-key", "step_acted", "create", id="the new key is stored, its proof is not"),
        pytest.param("openai-key", "sending", "create", id="before the first byte of the create"),
        pytest.param("openai-key", "sending", "roll-out", id="while a consumer is written"),
        pytest.param("openai-key", "consumer_state", "prove-used", id="one consumer seen, the other not"),
        pytest.param("openai-key", "sending", "revoke", id="while the old key is revoked"),
        pytest.param("streampixel", "step_acted", "create", id="the old key is dead, nobody has the new one"),
        pytest.param("streampixel", "step_waiting", "prove-dead", id="waiting for the provider's slot"),
    ],
)
def test_a_drill_killed_half_way_resumes(tmp_path: Path, scenario: str, kind: str, step: str) -> None:
    """kill -9 of everything at that moment; the second part plays to `contained` and makes no second key."""
    incident = "inc-20260101-kill"
    first = _part(tmp_path, scenario, kind, step, incident)
    assert first.returncode == -signal.SIGKILL, first.stderr
    second = _part(tmp_path, scenario, "", "", incident)
    assert second.returncode == 0, second.stderr
    said = json.loads(second.stdout.splitlines()[-1])
    assert said == {"state": "contained", "consumers": {"live": 2, "total": 2}, "made": 1}
