"""The world is real where it can be: git, files, processes; and it survives the death of its simulator."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from drill_stage import Stage

from runbook_tui.drill.world import build, reopen
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Answer, Request
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.bench import Bench
from runbook_tui.webhooks.orders import Orders, origin
from runbook_tui.webhooks.registry import Schemes
from runbook_tui.webhooks.transport import Transport

Make = Callable[..., Stage]


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_history_holds_the_three_copies(stage: Make) -> None:
    """Plain and later removed; base64 in a Kubernetes Secret; and in a commit that a forced push replaced."""
    here = stage("openai-key")
    secret = here.credential("upload-key").secret
    assert secret is not None
    key = secret.expose()
    repository = Path(here.world.inputs["repositories"])
    reached = _git(repository, "log", "--all", "--format=%H", "-S", key, "--", "config/production.env").split()
    assert len(reached) == 2, "added by one commit, removed by another"
    assert key not in _git(repository, "grep", "", "HEAD")
    assert base64.b64encode(key.encode()).decode() in _git(repository, "show", "HEAD:deploy/secret.yaml")

    anywhere = set(_git(repository, "rev-list", "--all").split())
    lost = set(_git(repository, "rev-list", "--reflog").split()) - anywhere
    shown = [_git(repository, "show", commit) for commit in lost]
    assert [key in text for text in shown] == [True], "one commit is in no ref, and it holds the key"
    pushed = _git(repository, "reflog", "show", "--format=%H", "origin/debug-upload").split()
    assert len(pushed) == 2
    assert pushed[1] in lost, "it was on the remote, before another commit took its place"
    first = _git(repository, "log", "--reverse", "--format=%cI", "-S", key, "--", "config/production.env").split()[0]
    assert first.startswith(here.world.facts["exposed_since"][:19])


def test_private_files_are_private(stage: Make) -> None:
    """The env file has mode 0600 and the leaked key; so have the state and the pass to the dashboard."""
    here = stage("openai-key")
    secret = here.credential("upload-key").secret
    assert secret is not None
    env = Path(here.world.inventory.consumers["web"].path)
    assert f"OPENAI_API_KEY={secret.expose()}" in env.read_text().splitlines()
    for path in (env, here.world.folder / "world.json", here.world.folder / "dashboard.json"):
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert secret.expose() not in (here.world.folder / "inventory.yaml").read_text()


def test_the_same_seed_makes_the_same_secrets(stage: Make) -> None:
    """And another seed others; every value looks like the provider's and is recognised as such."""
    one, same, other = stage("openai-key", 7, "a"), stage("openai-key", 7, "b"), stage("openai-key", 8, "c")
    pairs = list(zip(one.world.credentials, same.world.credentials, other.world.credentials, strict=True))
    assert all(a.secret == b.secret for a, b, _ in pairs)
    assert all(a.secret != c.secret for a, _, c in pairs)
    secret = one.credential("upload-key").secret
    assert secret is not None
    assert one.catalogue.recognise(secret)[0][0] == "openai"
    assert "DRILL" in secret.expose()
    made = [here.engine.call("create", here.subjects).new for here in (one, same)]
    assert made[0] is not None
    assert made[1] is not None
    assert made[0].secret == made[1].secret


def test_a_killed_simulator_goes_on_where_it_was(stage: Make) -> None:
    """kill -9 after a create and a revoke: reopened, at the same address, the old key is dead and the new one known."""
    here = stage("openai-key")
    learned = here.engine.call("inspect", here.subjects).learned
    assert learned is not None
    subjects = {**here.subjects, "credential": replace(here.subjects["credential"], binding=learned)}
    new = here.engine.call("create", subjects).new
    assert new is not None
    assert here.engine.call("revoke", subjects).result == "done"
    process = here.world._process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert here.engine.verify(subjects).state == "undetermined"

    world = reopen(here.world.folder, here.clock, here.catalogue)
    try:
        assert world.address == here.world.address
        assert world.facts == here.world.facts
        here.clock.sleep(5)
        engine = Engine(here.catalogue, world.network(here.clock), here.clock)
        again = {one.name: one for one in world.credentials}
        assert again["upload-key-new"].secret == new.secret
        assert again["upload-key-new"].binding.key_id == new.binding.key_id
        assert engine.verify({"credential": again["upload-key"]}).state == "dead"
        assert engine.verify({"credential": again["upload-key-new"]}).state == "alive"
    finally:
        world.stop()


_BUILDER = """
import sys, time
from pathlib import Path
from runbook_tui.drill.scenario import load_scenario
from runbook_tui.drill.world import build
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.providers.catalogue import Catalogue
world = build(load_scenario("streampixel"), Path(sys.argv[1]), 1, FakeClock(), Catalogue.load())
world.dashboard("create")
print(world.address[1], flush=True)
time.sleep(600)
"""


def test_a_killed_drill_is_reopened_at_its_address(tmp_path: Path, catalogue: Catalogue) -> None:
    """kill -9 of the process that owned the world ends its simulator; the next one takes over port and state."""
    folder = tmp_path / "drill"
    builder = subprocess.Popen([sys.executable, "-c", _BUILDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert builder.stdout is not None
    port = int(builder.stdout.readline())
    builder.kill()
    builder.wait()
    builder.stdout.close()
    world = reopen(folder, FakeClock(), catalogue)
    try:
        assert world.address == ("127.0.0.1", port)
        assert [one.name for one in world.credentials][-3:] == [
            "streampixel-key-new",
            "builds-url-token",
            "builds-url-token-old",
        ]
    finally:
        world.stop()


def test_the_simulator_ends_with_its_drill(stage: Make) -> None:
    """No process stays behind: the end of its standard input is the end of the simulator."""
    here = stage("openai-key")
    process = here.world._process
    here.world.stop()
    assert process.poll() == 0


def test_a_folder_takes_one_drill(stage: Make) -> None:
    """Neither does a new drill overwrite an old one, nor is there anything to reopen in an empty folder."""
    here = stage("openai-key")
    with pytest.raises(RunbookError, match="holds a drill already"):
        build(here.world.scenario, here.world.folder, 2, here.clock, here.catalogue)
    with pytest.raises(RunbookError, match="there is no drill"):
        reopen(here.world.folder / "services", here.clock, here.catalogue)


def test_a_damaged_state_is_told_and_not_guessed(stage: Make) -> None:
    """One clear line instead of a world that forgot half of what happened."""
    here = stage("openai-key")
    here.world.stop()
    (here.world.folder / "world.json").write_text("{")
    with pytest.raises(RunbookError, match="is damaged"):
        reopen(here.world.folder, here.clock, here.catalogue)


@pytest.mark.parametrize("scenario", ["openai-key", "streampixel"])
def test_the_receiver_takes_the_new_secret_and_nothing_else(stage: Make, scenario: str) -> None:
    """The bench of the program sees: new accepted, old refused, unsigned refused, new accepted once more."""
    here = stage(scenario)
    endpoint = next(iter(here.world.inventory.endpoints.values()))
    scheme = Schemes.load([]).get(endpoint.scheme)
    network = here.world.network(here.clock)

    def send(request: Request) -> Answer:
        return network.send(request, [origin(scheme, endpoint.url)])

    new, old = here.credential(endpoint.secret).secret, here.credential(endpoint.old_secret).secret
    assert new is not None

    def rotation(new: Secret | None, old: Secret | None) -> str:
        bench = Bench(Orders(scheme, endpoint.url, new, old), send, here.clock)
        return bench.run(lambda before: Transport((), True, 0.0, None, 0)).rotation

    assert (rotation(new, old), rotation(old, new)) == ("pass", "fail")


def test_an_old_or_changed_delivery_is_refused(stage: Make) -> None:
    """The receiver checks the time and every byte (Standard Webhooks), independently of the signer."""
    import hashlib
    import hmac

    here = stage("openai-key")
    endpoint = here.world.inventory.endpoints["orders"]
    secret = here.credential(endpoint.secret).secret
    assert secret is not None
    network = here.world.network(here.clock)
    key = base64.b64decode(secret.expose().removeprefix("whsec_"))

    def deliver(body: bytes, age: int, sent: bytes | None = None) -> int:
        stamp = str(int(here.clock.now().timestamp()) - age)
        mark = base64.b64encode(hmac.digest(key, f"m1.{stamp}.".encode() + body, hashlib.sha256)).decode()
        headers = [("webhook-id", "m1"), ("webhook-timestamp", stamp), ("webhook-signature", f"v1,{mark}")]
        return network.send(Request("POST", endpoint.url, headers, sent or body), [endpoint.url]).status

    assert deliver(b"{}", 0) == 200
    assert deliver(b"{}", 301) == 401
    assert deliver(b"{}", 0, b"{ }") == 401


def test_nothing_secret_is_printed(stage: Make) -> None:
    """What a world shows of itself holds no secret, and its credentials are Secrets."""
    here = stage("openai-key")
    shown = repr(here.world)
    for credential in here.world.credentials:
        assert isinstance(credential.secret, Secret)
        assert credential.secret.expose() not in shown
