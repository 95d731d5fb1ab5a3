"""Promise: a keyring that hangs in the middle of an incident costs a step, never a call, and there is a way on.

The daemon is a real gnome-keyring, stopped by a signal: it owns its name and answers nothing until it goes on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from acme_vendor import Acme, secret
from journey_kit import RUNBOOK, Hands, Machine, PlainOperator, kinds

from servers.secret_service import run_secret_service
from servers.terminal import Terminal

pytestmark = pytest.mark.network
Make = Callable[..., Machine]
OpenTerminal = Callable[..., Terminal]

_OWNER = """
from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection
bus = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
ask = new_method_call(bus, "GetConnectionUnixProcessID", "s", ("org.freedesktop.secrets",))
print(open_dbus_connection("SESSION").send_and_get_reply(ask).body[0])
"""


@pytest.fixture
def own_keyring() -> Iterator[dict[str, str]]:
    """A keyring of this test's own: it is stopped."""
    with run_secret_service("unlocked") as env:
        yield env


@contextmanager
def _stopped(env: dict[str, str]) -> Iterator[None]:
    """The daemon hangs in here and goes on afterwards."""
    pid = int(
        subprocess.run([sys.executable, "-c", _OWNER], env=env, capture_output=True, check=True, timeout=60).stdout
    )
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _live_run(machine: Machine, acme: Acme) -> Hands:
    """A live run at containment, its secrets in the keyring."""
    acme.workspace(machine.cwd, "inventory: 1\ncredentials:\n  shop: {provider: acme, admin: shop-admin}\n")
    for name, value, key_id in (("shop", secret("Leaked"), "ak_leaked"), ("shop-admin", secret("Admin"), "ak_admin")):
        options = ("--provider=acme", f"--key-id={key_id}", f"--origin=api={acme.url}", "--value-stdin")
        assert machine.run("credential", "add", name, *options, stdin=value + "\n").returncode == 0
    left = machine.run("run", "api-key-leaked", "--input", "leaked=shop", "--plain", stdin="leave\n")
    assert left.returncode == 3, left.stderr
    hands = Hands(machine)
    hands.client.request("tripwire", reason="seen in a log")
    assert hands.do("capture", **hands.seen("capture")) == "done"
    return hands


def test_the_keyring_hangs_and_comes_back(machine: Make, acme: Acme, own_keyring: dict[str, str]) -> None:
    """The step says so and how to go on, provably nothing was sent, the way by hand stands there; then it works."""
    here = machine(own_keyring)
    hands = _live_run(here, acme)
    heard = list(acme.heard)
    with _stopped(own_keyring):
        assert hands.do("revoke-now", confirm="ak_leaked") == "failed"
    failed = hands.client.state.step("revoke-now")
    assert "the OS keyring does not answer" in failed.reason
    assert "run the step again when it is back" in failed.reason
    assert any("Delete the key: ak_leaked" in line for line in failed.manual)
    assert acme.heard == heard
    outcomes = [event["data"]["result"] for event in here.events() if event["kind"] == "outcome"]
    assert outcomes == ["not_sent"]
    assert hands.do("revoke-now", confirm="ak_leaked") == "done"
    outcomes = [event["data"]["result"] for event in here.events() if event["kind"] == "outcome"]
    assert outcomes == ["not_sent", "done"]
    assert here.run("incident", "verify", here.only_incident()).returncode == 0


def test_without_the_keyring_the_secrets_are_typed_in(
    machine: Make, terminal: OpenTerminal, acme: Acme, own_keyring: dict[str, str]
) -> None:
    """A resume that cannot read the keyring names the way on, and that way leads to the end of the step.

    Each value is compared with what the incident knows of it, and goes to no other host than before.
    """
    here = machine(own_keyring)
    hands = _live_run(here, acme)
    hands.client.close()
    with _stopped(own_keyring):
        here.kill_conductor()
        refused = here.run("resume", "--plain", stdin="leave\n")
        assert refused.returncode == 3
        assert "the OS keyring does not answer" in refused.stderr
        assert "--vault session" in refused.stderr
        command = [*RUNBOOK, "resume", "--plain", "--vault", "session"]
        operator = PlainOperator(terminal(command, env=here.env, cwd=here.cwd))
        assert "shop (fp:" in operator.waits_with()
        operator.answer(secret("Leaked"), secret=True)
        assert "signs administrative calls" in operator.waits_with()
        operator.answer(secret("Admin"), secret=True)
        operator.play({}, stop_at="Type  ")
        operator.answer("ak_leaked")
        assert "leave?" in operator.waits_with(), operator.text()
        operator.answer("leave")
        operator.terminal.wait_exit()
    assert "outcome" in kinds(here.events())
    (done,) = [event["data"]["result"] for event in here.events() if event["kind"] == "outcome"]
    assert done == "done"
    setup = (here.folder() / "setup.json").read_text()
    assert json.loads(setup)["origins"]["shop"] == {"api": acme.url}
    assert secret("Leaked") not in setup + operator.text()
    assert secret("Admin") not in setup + operator.text()


@pytest.mark.parametrize("where", ["no bus", "hanging"])
def test_the_commands_under_bad_weather(
    machine: Make, acme: Acme, where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A run without an operator ends with the message and a way on, opens and sends nothing; a drill needs none."""
    env = request.getfixturevalue("hanging_keyring") if where == "hanging" else {"HOME": str(tmp_path)}
    here = machine({"PATH": "/usr/bin:/bin", **env})
    acme.workspace(here.cwd, "inventory: 1\ncredentials:\n  shop: {provider: acme}\n")
    (here.cwd / "answers.yaml").write_text("declare: {exposure: public}\n")
    known = {"provider": "acme", "origins": {"api": acme.url}, "key_id": "ak_leaked", "attributes": {}, "created": ""}
    (here.home / "state").mkdir(parents=True, mode=0o700)
    index = {"version": 1, "items": {"shop": {"secret": True, "binding": known}}}
    (here.home / "state" / "keyring-index.json").write_text(json.dumps(index))
    run = here.run("run", "api-key-leaked", "--input", "leaked=shop", "--headless", "--answers", "answers.yaml")
    message = "does not answer" if where == "hanging" else "no OS keyring to talk to"
    assert run.returncode == 3
    assert message in run.stderr
    assert "--vault session" in run.stderr
    assert list(here.incidents.iterdir()) == []
    added = here.run("credential", "add", "x", "--provider=none", "--value-stdin", stdin="fake-value-1\n")
    assert added.returncode == 3
    assert message in added.stderr
    assert "--vault file" in added.stderr
    assert "Traceback" not in run.stderr + added.stderr
    assert acme.heard == []
    assert here.run("drill", "api-key-leaked", "--auto").returncode == 0
