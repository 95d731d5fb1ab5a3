"""Scenarios: what a drill's world looks like at the start. Strict YAML; every mistake with file:line:column."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from runbook_tui.drill.schema import SCHEMA
from runbook_tui.foundation import shape
from runbook_tui.foundation.clock import iso, parse_duration
from runbook_tui.foundation.errors import InputProblems, Problem, RunbookError
from runbook_tui.foundation.ids import check_name
from runbook_tui.foundation.places import shipped
from runbook_tui.foundation.strict_yaml import Document, load_file

# Facts that are times: offsets from the drill's start in the file, RFC 3339 in the run.
_TIME_FACTS = ("detected_at", "exposed_since")


@dataclass(frozen=True)
class KeySpec:
    """A key that exists at the provider when the drill starts. `created` and `used` are seconds before the start."""

    name: str
    key_id: str = ""
    kind: str = ""
    created: float = 0.0
    used: float | None = None
    scopes: tuple[str, ...] = ()
    owner: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)  # what the provider knows and the vault does not


@dataclass(frozen=True)
class ConsumerSpec:
    """A service that uses the leaked key. `reload` is seconds from a change to the service using it."""

    id: str
    kind: str  # env-file | secret-manager
    title: str
    reload: float
    variable: str = ""
    path: str = ""
    field: str = ""


@dataclass(frozen=True)
class ManagerSpec:
    """The secret manager of the drill: the token's name in the vault, the manifest's id, the mount."""

    name: str
    provider: str
    mount: str


@dataclass(frozen=True)
class EndpointSpec:
    """The webhook receiver. `secret` names the current secret in the vault; the one before it is `NAME-old`."""

    id: str
    scheme: str
    secret: str

    @property
    def old_secret(self) -> str:
        return f"{self.secret}-old"


@dataclass(frozen=True)
class LogLine:
    """One line of the provider's log, `ago` seconds before the start."""

    ago: float
    actor: str
    call: str
    ip: str = ""


@dataclass(frozen=True)
class Scenario:
    """One drill. `file` is where it came from; `facts` holds times as offsets (see `facts_at`)."""

    id: str
    playbook: str
    title: str
    brief: str
    provider: str
    leaked: KeySpec
    facts: Mapping[str, str]
    repository: str
    file: str
    default: bool = False
    lag: float = 0.0
    admin: KeySpec | None = None
    consumers: tuple[ConsumerSpec, ...] = ()
    manager: ManagerSpec | None = None
    endpoint: EndpointSpec | None = None
    log: tuple[LogLine, ...] = ()
    says: Mapping[str, str] = field(default_factory=dict)

    def facts_at(self, start: datetime) -> dict[str, str]:
        """The facts of a drill that starts at `start`, times as RFC 3339."""
        return {
            name: iso(start - timedelta(seconds=_ago(value))) if name in _TIME_FACTS else value
            for name, value in self.facts.items()
        }

    @property
    def exposed(self) -> float:
        """Seconds before the start since which the key could be read."""
        return _ago(self.facts["exposed_since"]) if "exposed_since" in self.facts else 1800.0


def load_scenario(name: str) -> Scenario:
    """A scenario by id (of the shipped ones) or by path.

    RunbookError when there is none, InputProblems for mistakes in it.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return read_scenario(Path(name))
    path = _folder() / f"{check_name(name, 'scenario')}.yaml"
    if not path.is_file():
        known = [file.stem for file in sorted(_folder().glob("*.yaml"))]
        close = difflib.get_close_matches(name, known, 1, 0.6)
        hint = f"did you mean {close[0]}? " if close else ""
        raise RunbookError(f"there is no scenario {name!r}", f"{hint}known: {', '.join(known)}")
    return read_scenario(path)


def list_scenarios(playbook: str | None = None) -> list[Scenario]:
    """The shipped scenarios (of one playbook), the default one first."""
    found = [read_scenario(path) for path in sorted(_folder().glob("*.yaml"))]
    return sorted((one for one in found if playbook in (None, one.playbook)), key=lambda one: (not one.default, one.id))


def default_scenario(playbook: str) -> Scenario:
    """The scenario that is played when none is named; RunbookError when the playbook has none."""
    found = list_scenarios(playbook)
    if not found:
        drillable = ", ".join(sorted({one.playbook for one in list_scenarios()}))
        raise RunbookError(f"there is no drill for {playbook!r} yet", f"drills exist for: {drillable}")
    return found[0]


def read_scenario(path: Path) -> Scenario:
    """Load one file."""
    document = load_file(path)
    problems = shape.check(document, SCHEMA) or list(_lint(document))
    if problems:
        raise InputProblems(problems)
    return _build(document)


def _folder() -> Path:
    return shipped("drill", "scenarios")


def _lint(document: Document) -> Iterator[Problem]:
    data = document.data
    for name in _TIME_FACTS:
        if name in data["facts"] and not str(data["facts"][name]).startswith("-"):
            yield document.problem(("facts", name), f"`{name}` is an offset from the start", "write it like -25m")
    seen: set[str] = set()
    for index, entry in enumerate(data.get("consumers", ())):
        at = ("consumers", index)
        if entry["id"] in seen:
            yield document.problem((*at, "id"), f"the consumer {entry['id']!r} stands here twice")
        seen.add(entry["id"])
        needed = ("variable",) if entry["kind"] == "env-file" else ("path", "field")
        for part in needed:
            if part not in entry:
                yield document.problem(at, f"a consumer of kind {entry['kind']} needs `{part}`")
        if entry["kind"] == "secret-manager" and "manager" not in data:
            yield document.problem(at, "there is no secret manager", "add `manager: {name, provider, mount}`")
    names = [data["leaked"]["name"]]
    names += [data[part]["name"] for part in ("admin", "manager") if part in data]
    names += [data["endpoint"]["secret"], data["endpoint"]["secret"] + "-old"] if "endpoint" in data else []
    for name in sorted({one for one in names if names.count(one) > 1}):
        yield document.problem((), f"two credentials are called {name!r}", "every credential has a name of its own")


def _build(document: Document) -> Scenario:
    data: dict[str, Any] = document.data
    return Scenario(
        id=data["id"],
        playbook=data["playbook"],
        title=data["title"],
        brief=data["brief"],
        provider=data["provider"],
        leaked=_key(data["leaked"]),
        facts=dict(data["facts"]),
        repository=data["repository"],
        file=str(Path(document.file).absolute()),
        default=data.get("default", False),
        lag=parse_duration(data["lag"]) if "lag" in data else 0.0,
        admin=_key(data["admin"]) if "admin" in data else None,
        consumers=tuple(
            ConsumerSpec(**{**entry, "reload": parse_duration(entry["reload"])}) for entry in data.get("consumers", ())
        ),
        manager=ManagerSpec(**data["manager"]) if "manager" in data else None,
        endpoint=EndpointSpec(**data["endpoint"]) if "endpoint" in data else None,
        log=tuple(
            LogLine(_ago(entry["at"]), entry["actor"], entry["call"], entry.get("ip", ""))
            for entry in data.get("log", ())
        ),
        says=dict(data.get("says", {})),
    )


def _key(entry: dict[str, Any]) -> KeySpec:
    return KeySpec(
        name=entry["name"],
        key_id=entry.get("key_id", ""),
        kind=entry.get("kind", ""),
        created=_ago(entry["created"]) if "created" in entry else 86400.0,
        used=_ago(entry["used"]) if "used" in entry else None,
        scopes=tuple(entry.get("scopes", ())),
        owner=entry.get("owner", ""),
        attributes=dict(entry.get("attributes", {})),
        hidden=dict(entry.get("hidden", {})),
    )


def _ago(offset: str) -> float:
    return parse_duration(offset.removeprefix("-"))
