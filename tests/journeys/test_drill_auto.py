"""The model operator's drills: no terminal, no network, one JSON document, a report that says DRILL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journey_kit import RUNBOOK, Machine

SCENARIOS = ["openai-key", "streampixel"]
Make = Callable[..., Machine]

_ELSEWHERE = """
import json, os, socket, sys
from runbook_tui.cli.conductor import raise_conductor
from runbook_tui.cli.setup import Setup
from runbook_tui.cli import wiring
from runbook_tui.foundation.clock import FakeClock, RealClock
from runbook_tui.net.client import NetFault, Request
from runbook_tui.playbook.loader import read_playbook
from runbook_tui.playbook.shelf import find_playbook

setup = Setup("inc-elsewhere", "drill", "session", drill={"scenario": "openai-key", "seed": 1})
source = read_playbook(find_playbook("api-key-leaked", []), wiring.catalogue()).source
conductor, world = raise_conductor(setup, source, {}, FakeClock(RealClock().now()))
said = {}
try:
    conductor.kit.network.send(Request("GET", sys.argv[1]), [sys.argv[1]])
except NetFault as fault:
    said["client"] = [fault.kind, fault.sent]
port = int(sys.argv[1].rsplit(":", 1)[1].strip("/"))
try:
    socket.create_connection(("127.0.0.1", port), 5)
except OSError as error:
    said["below"] = type(error).__name__
world.stop()
print(json.dumps(said))
"""


def _play(machine: Machine, scenario: str, *before: str, seed: str = "7") -> dict[str, Any]:
    command = [*before, *RUNBOOK, "drill", "api-key-leaked", "--scenario", scenario, "--seed", seed, "--auto", "--json"]
    # Without a controlling terminal: nothing can be asked even by way of /dev/tty.
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        env=machine.env,
        cwd=machine.cwd,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_model_operator_contains_the_leak_and_leaves_a_report(machine: Make, scenario: str) -> None:
    """Both scenarios end contained, every line proven by a refusal, with one JSON document and a report named DRILL."""
    here = machine()
    document = _play(here, scenario)
    assert set(document) >= {"incident", "mode", "state", "credentials", "consumers", "metrics", "score", "report"}
    assert (document["mode"], document["state"]) == ("drill", "contained")
    (credential,) = document["credentials"]
    assert (credential["old"], credential["proof"], credential["new"]) == ("dead", "refused", "live")
    assert document["consumers"] == {"live": 2, "total": 2}
    report = Path(document["report"]).read_text()
    assert "DRILL" in report.splitlines()[2]

    # The simulated provider agrees, and nothing secret is outside the simulated world and its repository.
    old, new = (next(key for key in here.simulator_keys() if key["role"] == role) for role in ("leaked", "created"))
    assert (old["state"], new["state"]) == ("dead", "alive")
    world = here.folder() / "drill"
    for path in here.home.rglob("*"):
        if path.is_file() and world not in path.parents:
            for key in (old, new):
                assert key["secret"].encode() not in path.read_bytes(), path
    done = [event["data"]["step"] for event in here.events() if event["kind"] == "step_done"]
    assert {"declare", "capture", "decide", "create", "roll-out", "prove-used"} < set(done)
    assert {"prove-dead", "audit", "search", "webhook", "clean-up", "report"} < set(done)
    assert here.run("incident", "verify", document["incident"]).returncode == 0


def test_the_search_finds_the_copies_that_were_hidden(machine: Make) -> None:
    """The history holds the key raw, as base64 in a Kubernetes Secret, and in a commit that was pushed away."""
    here = machine()
    document = _play(here, "openai-key")
    (scan,) = [event["data"]["result"] for event in here.events() if event["kind"] == "scan"]
    hits = [hit for repository in scan["repositories"] for hit in repository["hits"]]
    assert {"raw", "base64"} <= {hit["form"] for hit in hits}
    assert any("secret.yaml" in path for hit in hits if hit["form"] == "base64" for path in hit["paths"])
    assert any(hit["reachable"] != "ref" for hit in hits), "the force-pushed-away commit is found too"
    assert "base64" in Path(document["report"]).read_text()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_same_seed_makes_the_same_drill(machine: Make, scenario: str) -> None:
    """Same keys, same steps in the same order; another seed, other keys."""
    seen = []
    for seed in ("7", "7", "8"):
        here = machine()
        _play(here, scenario, seed=seed)
        steps = [event["data"]["step"] for event in here.events() if event["kind"] == "step_started"]
        masks = [e["data"]["mask"] for e in here.events() if e["kind"] in ("subject", "new_credential")]
        seen.append((steps, masks, [key["secret"] for key in here.simulator_keys()]))
    assert seen[0] == seen[1]
    assert seen[0][0] == seen[2][0]
    assert not set(seen[0][2]) & set(seen[2][2])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_drill_needs_no_network_at_all(machine: Make, scenario: str) -> None:
    """In a network namespace with loopback alone, so no packet could leave."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("needs root, unshare and ip for a namespace without a network")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no network namespaces")
    alone = ("unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    assert _play(machine(), scenario, *alone)["state"] == "contained"


def test_a_drills_conductor_reaches_nobody_else(machine: Make) -> None:
    """A server that does listen is refused by the drill's client, and below it by the process; it hears nothing."""
    import socket
    import sys

    here = machine()
    with socket.socket() as bystander:
        bystander.bind(("127.0.0.1", 0))
        bystander.listen()
        bystander.setblocking(False)
        url = f"http://127.0.0.1:{bystander.getsockname()[1]}/"
        done = subprocess.run(
            [sys.executable, "-c", _ELSEWHERE, url], env=here.env, cwd=here.cwd, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == {"client": ["blocked", False], "below": "LockedDown"}
        with pytest.raises(BlockingIOError):
            bystander.accept()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("drill", "no-such-playbook", "--auto"), "no-such-playbook"),
        (("drill", "api-key-leaked", "--scenario", "openai-kee", "--auto"), "did you mean openai-key"),
        (("drill", "member-offboarded", "--auto"), "there is no drill for 'member-offboarded' yet"),
    ],
)
def test_a_drill_that_does_not_exist_says_what_does(machine: Make, arguments: tuple[str, ...], said: str) -> None:
    """One clear line with what to do, exit code 2, and no half-made incident."""
    here = machine()
    done = here.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not here.incidents.is_dir() or not list(here.incidents.iterdir())
