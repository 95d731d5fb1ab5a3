"""A drill reaches its own simulator and nobody else: below the client, in the whole process, and without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from drill_stage import Stage

from runbook_tui.net.client import NetFault, Request
from runbook_tui.secrets.vault import Credential

Make = Callable[..., Stage]

_PLAY = """
import json, socket, sys
from pathlib import Path
from runbook_tui.drill.scenario import load_scenario
from runbook_tui.drill.world import build
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.net.lockdown import lock_down
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine

clock, catalogue, said = FakeClock(), Catalogue.load(), {}
world = build(load_scenario("openai-key"), Path(sys.argv[1]) / "drill", 1, clock, catalogue)
lock_down(*world.address)
by_name = {one.name: one for one in world.credentials}
subjects = {"credential": by_name["upload-key"], "admin": by_name["openai-admin"]}
engine = Engine(catalogue, world.network(clock), clock)
said["alive"] = engine.verify(subjects).state
said["made"] = engine.call("create", subjects).result
for where in ("192.0.2.1", "127.0.0.1"):
    try:
        socket.create_connection((where, 9), 2)
    except PermissionError:
        said[where] = "refused here"
    except OSError as error:
        said[where] = type(error).__name__
try:
    socket.getaddrinfo("example.com", 443)
except PermissionError:
    said["name"] = "refused here"
world.stop()
print(json.dumps(said))
"""
_EXPECTED = {
    "alive": "alive",
    "made": "done",
    "192.0.2.1": "refused here",
    "127.0.0.1": "refused here",
    "name": "refused here",
}


def _run(folder: Path, *before: str) -> dict[str, str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    answer = subprocess.run(
        [*before, sys.executable, "-c", _PLAY, str(folder)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    said: dict[str, str] = json.loads(answer.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize("url", ["https://api.openai.com/v1/models", "http://127.0.0.1:9/x", "http://localhost:9/x"])
def test_the_drills_client_refuses_every_other_address(stage: Make, url: str) -> None:
    """Whatever a binding says, the connection is refused below the client and nothing is sent."""
    here = stage("openai-key")
    with pytest.raises(NetFault) as fault:
        here.world.network(here.clock).send(Request("GET", url), [url])
    assert (fault.value.kind, fault.value.sent) == ("blocked", False)


def test_a_credential_bound_to_the_real_provider_does_not_leave(stage: Make) -> None:
    """Even the shipped manifest's own address is refused to a drill's engine."""
    here = stage("openai-key")
    leaked = here.subjects["credential"]
    binding = type(leaked.binding)("openai", {}, leaked.binding.key_id, leaked.binding.attributes)
    verdict = here.engine.verify({"credential": Credential("x", leaked.secret, binding)})
    assert verdict.state == "undetermined"
    assert "drill" in verdict.reason


def test_the_whole_process_is_locked_down(tmp_path: Path) -> None:
    """With the lock-down on, sockets and name look-ups of any library are refused; the simulator still answers."""
    assert _run(tmp_path) == _EXPECTED


@pytest.fixture
def without_network() -> list[str]:
    """What to put before a command so that it finds loopback and nothing else."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("needs root, unshare and ip for a namespace without a network")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no network namespaces")
    return ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def test_the_drill_needs_no_network(tmp_path: Path, without_network: list[str]) -> None:
    """In a network namespace with nothing but loopback the drill's parts run as ever."""
    assert _run(tmp_path, *without_network) == _EXPECTED


def test_a_whole_drill_needs_no_network(tmp_path: Path, without_network: list[str]) -> None:
    """`runbook drill --auto` from start to report, in that namespace."""
    answer = subprocess.run(
        [*without_network, sys.executable, "-m", "runbook_tui", "drill", "api-key-leaked", "--auto", "--json"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RUNBOOK_HOME": str(tmp_path / "runbook")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["state"] == "contained"
