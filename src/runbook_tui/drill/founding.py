"""What a drill's world holds at the start, from the scenario and the seed alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from runbook_tui.drill.estate import Consumer, Entry, Estate, Key, LogEntry, Receiver
from runbook_tui.drill.forge import key_value, webhook_secret
from runbook_tui.drill.scenario import KeySpec, Scenario
from runbook_tui.foundation.clock import iso
from runbook_tui.providers.catalogue import Catalogue


def found(scenario: Scenario, folder: Path, seed: int, now: datetime, catalogue: Catalogue) -> Estate:
    """The estate of a drill that starts at `now`; its files will stand in `folder`."""
    estate = Estate(seed=seed, started=iso(now), now=iso(now), lag=scenario.lag)

    def ago(seconds: float) -> str:
        return iso(now - timedelta(seconds=seconds))

    def key(spec: KeySpec, provider: str, role: str) -> Key:
        return Key(
            provider=provider,
            name=spec.name,
            secret=key_value(catalogue.get(provider), spec.kind, seed, f"{scenario.id}:{spec.name}"),
            id=spec.key_id,
            role=role,
            kind=spec.kind,
            created=ago(spec.created),
            used=ago(spec.used) if spec.used is not None else "",
            owner=spec.owner,
            scopes=list(spec.scopes),
            attributes={**spec.attributes, **spec.hidden},
        )

    leaked = key(scenario.leaked, scenario.provider, "leaked")
    estate.keys.append(leaked)
    if scenario.admin is not None:
        estate.keys.append(key(scenario.admin, scenario.provider, "admin"))
    if scenario.manager is not None:
        estate.keys.append(key(KeySpec(scenario.manager.name), scenario.manager.provider, "admin"))
    if scenario.endpoint is not None:
        one = scenario.endpoint
        new, old = (webhook_secret(one.scheme, seed, f"{scenario.id}:{name}") for name in (one.secret, one.old_secret))
        estate.receivers.append(Receiver(one.id, one.scheme, new, old))
    estate.log = [
        LogEntry(
            scenario.provider, ago(line.ago), line.actor, line.call, leaked.id if line.actor == "us" else "", line.ip
        )
        for line in scenario.log
    ]
    _consumers(scenario, folder, estate, leaked)
    return estate


def _consumers(scenario: Scenario, folder: Path, estate: Estate, leaked: Key) -> None:
    for one in scenario.consumers:
        if one.kind == "env-file":
            place, name = str(folder / "services" / f"{one.id}.env"), one.variable
        else:
            assert scenario.manager is not None
            place, name = f"{scenario.manager.mount}/{one.path}", one.field
            entry = estate.entries.setdefault(place, Entry({"owner": one.id}, 1, leaked.created))
            entry.data[name] = leaked.secret
        estate.consumers.append(
            Consumer(
                id=one.id,
                kind=one.kind,
                reload=one.reload,
                place=place,
                field=name,
                provider=scenario.provider,
                noticed=leaked.secret,
                noticed_at=leaked.created,
                using=leaked.secret,
                loaded_at=leaked.created,
            )
        )
