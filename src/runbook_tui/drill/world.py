"""A drill's world: built on the spot, served by the simulator's process, and opened again after a crash."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runbook_tui.drill import history
from runbook_tui.drill.dashboard import DrillNetwork, Pass, Seen, look, press
from runbook_tui.drill.estate import Estate, Key, load, save
from runbook_tui.drill.founding import found
from runbook_tui.drill.scenario import KeySpec, Scenario, read_scenario
from runbook_tui.drill.vendor import check_imitable
from runbook_tui.foundation.clock import Clock, parse_instant
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.files import make_private_dir, write_atomic
from runbook_tui.foundation.inventory import Inventory, parse
from runbook_tui.foundation.strict_yaml import load as load_yaml
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential

HOST = "127.0.0.1"
_STATE, _SCENARIO = "world.json", "scenario.yaml"
_LAST_WORDS = 300  # characters of the simulator's own complaint that are shown


@dataclass
class World:
    """What a drill's run is given. `inputs` are texts as on the command line; `admins` maps provider to vault name."""

    folder: Path
    scenario: Scenario
    seed: int
    address: tuple[str, int]
    credentials: list[Credential]
    inventory: Inventory
    inputs: dict[str, str]
    admins: dict[str, str]
    facts: dict[str, str]
    _pass: Pass
    _process: subprocess.Popen[str]
    _networks: list[DrillNetwork] = field(default_factory=list)

    def network(self, clock: Clock) -> DrillNetwork:
        """The guarded client: reaches the simulator alone and tells it what time it is."""
        network = DrillNetwork(self.address, clock)
        self._networks.append(network)
        return network

    def dashboard(self, operation: str) -> Secret:
        """Do a manual operation of the provider in its dashboard; the secret that a person would read there."""
        return press(self._pass, operation, self._network())

    def look(self) -> Seen:
        """What one sees by looking at the provider's list and at every consumer's place."""
        return look(self._pass, self._network())

    def _network(self) -> DrillNetwork | None:
        return self._networks[-1] if self._networks else None

    @property
    def dashboard_url(self) -> str:
        """Where a person opens the dashboard."""
        return self._pass.url

    def stop(self) -> None:
        """End the simulator; the world stays on disk."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def build(scenario: Scenario, folder: Path, seed: int, clock: Clock, catalogue: Catalogue) -> World:
    """Make the world of `scenario` in the new folder `folder` and start its simulator.

    The same seed makes the same secrets. RunbookError when the folder is in use, git is missing, or the simulator
    cannot imitate a provider.
    """
    for provider in _providers(scenario):
        check_imitable(catalogue.get(provider))
    make_private_dir(folder)
    if (folder / _STATE).exists():
        raise RunbookError(f"{folder} holds a drill already", "resume it, or start the new one in another folder")
    write_atomic(folder / _SCENARIO, Path(scenario.file).read_bytes())
    estate = found(scenario, folder, seed, clock.now(), catalogue)
    leaked = next(key for key in estate.keys if key.role == "leaked")
    variable = next((one.variable for one in scenario.consumers if one.variable), "API_KEY")
    repository = folder / "repositories" / scenario.repository
    history.make(repository, Secret(leaked.secret), variable, parse_instant(estate.started), scenario.exposed)
    make_private_dir(folder / "services")
    for one in estate.consumers:
        if one.kind == "env-file":
            content = f"# made for this drill\nLOG_LEVEL=info\n{one.field}={leaked.secret}\n"
            write_atomic(Path(one.place), content.encode(), 0o600)
    save(estate, folder / _STATE)
    return _open(scenario, folder, estate, catalogue)


def reopen(folder: Path, clock: Clock, catalogue: Catalogue) -> World:
    """The world in `folder` as it was left, its simulator started again, on the same port when that is free.

    `credentials` then hold the keys made so far too, under the names a run gives them (`NAME-new`, `NAME-new-2`, …).
    """
    estate = load(folder / _STATE)
    return _open(read_scenario(folder / _SCENARIO), folder, estate, catalogue)


def _providers(scenario: Scenario) -> list[str]:
    return [scenario.provider, *([scenario.manager.provider] if scenario.manager else [])]


# -- the running world -------------------------------------------------------------------------------------------------


def _open(scenario: Scenario, folder: Path, estate: Estate, catalogue: Catalogue) -> World:
    process, control = _start(folder, (catalogue.get(provider).file for provider in _providers(scenario)))
    address = HOST, control.port
    base = f"http://{HOST}:{control.port}"
    control = replace(control, provider=scenario.provider)
    control.save(folder)
    inventory = _inventory(scenario, folder, base)
    inputs = {"leaked": scenario.leaked.name, "repositories": str(folder / "repositories" / scenario.repository)}
    if scenario.consumers:
        inputs["consumers"] = ",".join(one.id for one in scenario.consumers)
    if scenario.endpoint is not None:
        inputs["endpoint"] = scenario.endpoint.id
    return World(
        folder=folder,
        scenario=scenario,
        seed=estate.seed,
        address=address,
        credentials=_credentials(scenario, estate, catalogue, base),
        inventory=inventory,
        inputs=inputs,
        admins={scenario.provider: scenario.admin.name} if scenario.admin else {},
        facts=scenario.facts_at(parse_instant(estate.started)),
        _pass=control,
        _process=process,
    )


def _start(folder: Path, manifests: Iterable[str]) -> tuple[subprocess.Popen[str], Pass]:
    """The simulator's process; its orders go through standard input, which also ends it when this process does."""
    token = secrets.token_hex(8)  # short: people copy the address from an 80-column screen
    orders = {"state": str(folder / _STATE), "manifests": list(manifests), "control": token}
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    log = folder / "simulator.log"
    with log.open("ab") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "runbook_tui.drill.simulator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=environment,
            cwd=folder,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is for the front end
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(orders) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
    except (OSError, ValueError):
        process.kill()
        process.wait()
        words = log.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS:].strip().splitlines()[-1:]
        said = words[0] if words else "it said nothing"
        raise RunbookError(f"the simulator did not start: {said}", f"see {log}", exit_code=Exit.INCOMPLETE) from None
    return process, Pass(int(answer["port"]), token)


def _credentials(scenario: Scenario, estate: Estate, catalogue: Catalogue, base: str) -> list[Credential]:
    """Everything for the session vault, in the order it came to be."""
    kept: list[Credential] = []
    made = 0
    for key in estate.keys:
        origins = {name: f"{base}/{key.provider}/{name}" for name in catalogue.get(key.provider).origins}
        name, attributes = key.name, dict(key.attributes)
        if key.role == "created":
            made += 1
            name = f"{scenario.leaked.name}-new" + (f"-{made}" if made > 1 else "")
        else:
            spec = _spec(scenario, key)
            attributes = dict(spec.attributes)
        binding = Binding(key.provider, origins, key.id, attributes, key.created)
        kept.append(Credential(name, Secret(key.secret), binding))
    if scenario.endpoint is not None:
        one, receiver = scenario.endpoint, estate.receivers[0]
        for name, value in ((one.secret, receiver.secret), (one.old_secret, receiver.old)):
            kept.append(Credential(name, Secret(value), Binding("", {"endpoint": f"{base}/endpoint/{one.id}"})))
    return kept


def _spec(scenario: Scenario, key: Key) -> KeySpec:
    specs = [scenario.leaked, *([scenario.admin] if scenario.admin else [])]
    return next((spec for spec in specs if spec.name == key.name), KeySpec(key.name))


def _inventory(scenario: Scenario, folder: Path, base: str) -> Inventory:
    """The inventory a team would keep of this world; written to `inventory.yaml` in the drill's folder too."""
    leaked = {
        "provider": scenario.provider,
        "owner": scenario.leaked.owner,
        "key_id": scenario.leaked.key_id,
        "attributes": dict(scenario.leaked.attributes),
        "consumers": [one.id for one in scenario.consumers],
    }
    if scenario.admin is not None:
        leaked["admin"] = scenario.admin.name
    credentials: dict[str, Any] = {scenario.leaked.name: leaked}
    places: dict[str, Callable[[Any], dict[str, str]]] = {
        "env-file": lambda one: {"path": str(folder / "services" / f"{one.id}.env"), "variable": one.variable},
        "secret-manager": lambda one: {
            "store": scenario.manager.name if scenario.manager else "",
            "mount": scenario.manager.mount if scenario.manager else "",
            "path": one.path,
            "field": one.field,
        },
    }
    data: dict[str, Any] = {
        "inventory": 1,
        "credentials": credentials,
        "consumers": {
            one.id: {
                "kind": one.kind,
                "title": one.title,
                "credential": scenario.leaked.name,
                "used": {"health": f"{base}/consumer/{one.id}/health"},
                **places[one.kind](one),
            }
            for one in scenario.consumers
        },
        "repositories": [str(folder / "repositories" / scenario.repository)],
    }
    if scenario.endpoint is not None:
        one = scenario.endpoint
        observer = f"{base}/acted/{one.id}?marker={{marker}}"
        entry = {"url": f"{base}/endpoint/{one.id}", "scheme": one.scheme, "observe_url": observer}
        data["endpoints"] = {one.id: {**entry, "secret": one.secret, "old_secret": one.old_secret}}
    text = json.dumps(data, indent=1)
    write_atomic(folder / "inventory.yaml", text.encode())
    return parse(load_yaml(text, str(folder / "inventory.yaml")))
