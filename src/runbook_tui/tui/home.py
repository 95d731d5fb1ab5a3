"""What the home screen shows, handed over by the command line. Nothing of Textual is needed to fill it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlaybookRow:
    """One playbook. `target` and `drilled` are texts, such as `5 m 00 s` and `12 days ago, 4:31` ("" = never)."""

    id: str
    title: str
    target: str
    drilled: str = ""


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One open incident. `mode` is LIVE, DRILL or DRY-RUN; `since` and `state` are texts."""

    id: str
    title: str
    mode: str
    since: str
    state: str


@dataclass(frozen=True, slots=True)
class Ready:
    """One line of readiness: `vault`, `keyring (SecretService)`, and whether it is as it should be."""

    what: str
    found: str
    good: bool = True


@dataclass(frozen=True, slots=True)
class HomeData:
    """Everything on the home screen."""

    playbooks: tuple[PlaybookRow, ...]
    incidents: tuple[IncidentRow, ...] = ()
    readiness: tuple[Ready, ...] = ()
    version: str = ""
