"""Taking a found credential into the incident: its value is read again where the scan saw it, and kept in the vault."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_tui.conductor.kit import Kit
from runbook_tui.conductor.logbook import Logbook
from runbook_tui.conductor.opening import abilities
from runbook_tui.conductor.scanning import rules_of
from runbook_tui.foundation.clock import iso
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.events import Event
from runbook_tui.incident.findings import FOUND, untaken
from runbook_tui.incident.state import Finding, IncidentState
from runbook_tui.journal.store import JournalError
from runbook_tui.secrets.fingerprint import fingerprint
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential

_LIMIT = 60.0  # seconds for finding the value again; a terminal waits longer


@dataclass(frozen=True)
class _Found:
    """A finding with its value: between looking and keeping, in memory only."""

    finding: Finding
    secret: Secret


class Takes:
    """`look` may take seconds and needs no lock; `keep` is what changes the incident."""

    def __init__(self, kit: Kit, log: Logbook) -> None:
        self._kit, self._log = kit, log

    def look(self, finding: str) -> _Found:
        """Find the value again; RunbookError when it is no finding to take, or is no longer where it was."""
        chosen = _chosen(self._log.state, finding)
        places = _places(self._log.events, finding)
        rule = next((one for one in rules_of(self._kit) if one.id == chosen.rule), None)
        if rule is None:
            raise RunbookError(f"the rule {chosen.rule} is not there any more", "put it back, or run the search again")
        if not places:
            hint = "search fewer repositories, or store it with `runbook credential add`"
            raise RunbookError(f"{finding} was not traced: where it stands is not known", hint)
        from runbook_tui.exposure.child import run_child_value
        from runbook_tui.exposure.task import ByRules

        secret = run_child_value(finding, places, ByRules([rule], self._kit.key), _after(_LIMIT))
        if secret is None or fingerprint(secret, self._kit.key) != finding:
            raise RunbookError(f"{finding} is no longer where the search found it", "run the search again")
        return _Found(chosen, secret)

    def keep(self, found: _Found) -> dict[str, Any]:
        """Keep the value in the vault and record who it is: {slot, name, stored_in}."""
        finding = _chosen(self._log.state, found.finding.fingerprint)  # somebody else may have taken it meanwhile
        kit = self._kit
        known = finding.provider in kit.catalogue.ids()
        manifest = kit.catalogue.get(finding.provider) if known else None
        name = self._name(finding.provider or "credential")
        # Of a provider that wants to know more (where it is hosted, whose account) nothing can be called by itself.
        callable_ = manifest is not None and not (
            any(one.required and not one.default for one in manifest.attributes.values())
            or any(not one.url for one in manifest.origins.values())
        )
        kit.register(found.secret, name)
        binding = Binding(finding.provider if known else "", {}, "", {}, iso(kit.clock.now()))
        kit.vault.put(Credential(name, found.secret, binding))
        subject = {
            "slot": f"{FOUND}{name}",
            "kind": "credential",
            "name": name,
            "provider": binding.provider,
            "provider_name": manifest.name if manifest else finding.title,
            "key_id": "",
            "overlap": manifest.overlap if manifest else "none",
            "can": abilities(manifest, False, callable_),
            "has_secret": True,
            "attributes": {},
            "finding": finding.fingerprint,
            **kit.shown(found.secret, binding.provider),
        }
        try:
            self._log.record("subject", subject)
        except JournalError:
            kit.vault.remove(name)  # what is not on record was not taken
            raise
        return {"slot": subject["slot"], "name": name, "stored_in": kit.vault.kind}

    def _name(self, of: str) -> str:
        taken = {*self._kit.vault.names(), *self._kit.inventory.credentials}
        name, count = f"{of}-found", 2
        while name in taken:
            name, count = f"{of}-found-{count}", count + 1
        return name


def _chosen(state: IncidentState, finding: str) -> Finding:
    if state.closed:
        raise RunbookError("the incident is closed")
    if finding not in state.findings:
        raise RunbookError(f"there is no finding {finding!r}", "a search lists them by fingerprint (fp:…)")
    if finding not in {one.fingerprint for one in untaken(state)}:
        raise RunbookError(f"{finding} is one of the incident's credentials already")
    return state.findings[finding]


def _places(events: Sequence[Event], finding: str) -> list[tuple[str, str, str]]:
    """Where the last search that saw it says it stands."""
    from runbook_tui.exposure.again import places_of_finding

    for event in reversed(events):
        if event.kind == "scan" and (places := places_of_finding(event.data["result"], finding)):
            return places
    return []


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end
