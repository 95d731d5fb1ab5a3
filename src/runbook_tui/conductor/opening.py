"""Opening an incident: the playbook's inputs become subjects, consumers and facts in the journal."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui import __version__
from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.inventory import Account, Consumer, Person
from runbook_tui.foundation.places import user_name
from runbook_tui.playbook.model import Field
from runbook_tui.providers.manifest import Manifest

if TYPE_CHECKING:
    from runbook_tui.conductor.core import Conductor

BY_HAND = "none"  # `--admin none`: every administrative call is made by hand


@dataclass(frozen=True)
class Opening:
    """What the operator said when the incident was opened. `inputs` are texts, lists separated by commas."""

    incident: str
    mode: str  # live | drill | dry-run
    inputs: Mapping[str, str] = field(default_factory=dict)
    admin: str = ""  # the credential that signs administrative calls, or `none`
    commander: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)  # what is known before anybody was asked


def open_incident(conductor: Conductor, opening: Opening) -> None:
    """Record who, what and where. RunbookError when an input is missing or unknown: nothing is recorded then.

    What was recorded before the program was killed in the middle of it is not recorded again.
    """
    guard = conductor.kit.guard
    said = {"admin": opening.admin, "commander": opening.commander, **opening.inputs, **opening.facts}
    guard.refuse(said, "the input")  # before anything is looked up by it: an error would show it
    events = _Opening(conductor, opening).events()
    guard.refuse([data for _, data in events], "what the incident would be opened with")
    for kind, data in events[len(conductor.events) :]:
        conductor.record(kind, data)


def half_open(conductor: Conductor) -> bool:
    """Whether nobody has been at the incident yet: then its opening may have been cut off."""
    return not any(event.kind in ("driver", "resumed", "clock_step") for event in conductor.events)


class _Opening:
    def __init__(self, conductor: Conductor, opening: Opening) -> None:
        self.kit, self.book, self.opening = conductor.kit, conductor.book, opening
        self.found: list[tuple[str, dict[str, Any]]] = []
        self.leaked: list[tuple[str, str]] = []  # (slot, vault name)

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        unknown = sorted(set(self.opening.inputs) - {one.name for one in self.book.inputs})
        if unknown:
            known = ", ".join(one.name for one in self.book.inputs)
            raise RunbookError(f"the playbook has no input {unknown[0]!r}", f"it takes: {known}")
        self.found.append(("opened", self._opened()))
        for one in self.book.inputs:
            _READERS[one.type](self, one, self.opening.inputs.get(one.name, ""))
        if self.opening.facts:
            self.found.append(("facts", {"values": dict(self.opening.facts)}))
        return self.found

    def _opened(self) -> dict[str, Any]:
        book = {
            "id": self.book.id,
            "version": self.book.version,
            "sha256": self.book.sha256,
            "source": self.book.source,
        }
        return {
            "incident": self.opening.incident,
            "mode": self.opening.mode,
            "title": self.book.title,
            "playbook": book,
            "target": self.book.target,
            "tool": f"runbook {__version__}",
            "commander": self.opening.commander or user_name(),
            "host": platform.node(),
            "vault": self.kit.vault.kind,
        }

    # -- readers of inputs

    def credential(self, one: Field, text: str) -> None:
        if not text:
            if one.required:
                raise RunbookError(f"no value for the input {one.name!r}: {one.ask}", f"--input {one.name}=NAME")
            return
        kit = self.kit
        binding = kit.describe(text)
        in_vault = text in kit.vault.names()
        secret = kit.credential(text).secret if in_vault else None
        manifest = kit.catalogue.get(binding.provider) if binding.provider else None
        admin = self._admin(one.name, text, binding.provider)
        subject = {
            "slot": one.name,
            "kind": "credential",
            "name": text,
            "provider": binding.provider,
            "provider_name": manifest.name if manifest else "",
            "key_id": binding.key_id,
            "overlap": manifest.overlap if manifest else "none",
            "can": abilities(manifest, bool(admin), secret is not None),
            "has_secret": secret is not None,
            "attributes": dict(binding.attributes) | ({} if manifest else {"verified_by": "us"}),
            **kit.shown(secret, binding.provider),
        }
        self.leaked.append((one.name, text))
        self.found.append(("subject", subject))

    def _admin(self, slot: str, name: str, provider: str) -> str:
        """The credential that signs administrative calls: never the leaked one."""
        known = self.kit.inventory.credentials.get(name)
        admin = self.opening.admin or (known.admin if known else "")
        if not admin or admin == BY_HAND:
            return ""
        hint = f"name a substitute with --admin NAME, or do it by hand with --admin {BY_HAND}"
        if admin == name or self._same_secret(admin, name):
            raise RunbookError(f"the admin credential {admin!r} is the leaked one", hint)
        if self.opening.admin:
            self._check_substitute(admin, hint)
        self.kit.admins[slot] = admin
        return admin

    def _same_secret(self, admin: str, name: str) -> bool:
        if name not in self.kit.vault.names():
            return False
        return self.kit.credential(admin).secret == self.kit.credential(name).secret

    def _check_substitute(self, admin: str, hint: str) -> None:
        """A substitute that does not work would be found out in the middle of the run."""
        credential = self.kit.credential(admin)
        manifest = self.kit.catalogue.get(credential.binding.provider)
        if manifest.can("verify") != "api" or self.opening.mode == "dry-run":
            return
        verdict = self.kit.engine.verify({"credential": credential, "admin": credential})
        if verdict.state != "alive":
            raise RunbookError(f"the admin credential {admin!r} does not work: {verdict.reason}", hint)

    def consumer(self, one: Field, text: str) -> None:
        slot, name = self.leaked[0] if self.leaked else ("", "")
        chosen = self._pick(text, self.kit.inventory.consumers, "consumer") if text else self._consumers_of(name)
        self.found.append(("input", {"name": one.name, "value": [consumer.id for consumer in chosen]}))
        for consumer in chosen:
            data = {"id": consumer.id, "kind": consumer.kind, "title": consumer.title or consumer.id}
            where = consumer.path or consumer.restart or consumer.owner
            self.found.append(("consumer", {**data, "credential": slot, "where": where, "proof": consumer.used.kind}))

    def _consumers_of(self, name: str) -> list[Consumer]:
        known = self.kit.inventory.credentials.get(name)
        named = known.consumers if known else ()
        return [one for one in self.kit.inventory.consumers.values() if one.id in named or one.credential == name]

    def path(self, one: Field, text: str) -> None:
        given = [part for part in text.split(",") if part]
        for part in given:
            # What the inventory names may be absent on this machine: the search then says so, and nothing is held up.
            if not Path(part).expanduser().is_dir():
                raise RunbookError(f"{one.name}: there is no folder {part!r}", "name a git repository on this machine")
        paths = given or list(self.kit.inventory.repositories)
        self.found.append(
            ("input", {"name": one.name, "value": [str(Path(path).expanduser().absolute()) for path in paths]})
        )

    def endpoint(self, one: Field, text: str) -> None:
        if text:
            chosen = self._pick(text, self.kit.inventory.endpoints, "endpoint")[0]
            self.found.append(("input", {"name": one.name, "value": asdict(chosen)}))

    def person(self, one: Field, text: str) -> None:
        if not text:
            raise RunbookError(f"no value for the input {one.name!r}: {one.ask}", f"--input {one.name}=NAME")
        person = self._pick(text, self.kit.inventory.people, "person")[0]
        accounts = [self._account(one.name, person, account) for account in person.accounts]
        value = {"id": person.id, "name": person.name, "accounts": accounts, "could_read": list(person.could_read)}
        self.found.append(("input", {"name": one.name, "value": value}))
        for name in person.could_read:
            known = self.kit.inventory.credentials[name]
            shared = {"slot": f"{one.name}:{name}", "kind": "shared", "name": name, "provider": known.provider}
            self.found.append(("subject", {**shared, "provider_name": known.provider, "key_id": known.key_id}))

    def _account(self, slot: str, person: Person, account: Account) -> dict[str, str]:
        where = "/".join([account.provider, *account.attributes.values(), account.account])
        name = f"{slot}/{where}"
        manifest = self.kit.catalogue.get(account.provider)
        admin = self.opening.admin or account.admin
        if admin and admin != BY_HAND:
            known = self.kit.inventory.credentials.get(admin)
            hint = f"name a substitute with --admin NAME, or do it by hand with --admin {BY_HAND}"
            if known is not None and known.owner == person.id:
                raise RunbookError(f"the admin credential {admin!r} belongs to {person.id}, who leaves", hint)
            if self.opening.admin and admin not in self.kit.admins.values():
                self._check_substitute(admin, hint)
            self.kit.admins[name] = admin
        shown = {"account": account.account, **account.attributes}
        subject = {
            "slot": name,
            "kind": "account",
            "name": account.account,
            "provider": account.provider,
            "provider_name": manifest.name,
            "key_id": account.account,
            "can": abilities(manifest, bool(admin and admin != BY_HAND), False),
            "attributes": shown,
        }
        self.found.append(("subject", subject))
        return {"slot": name, "provider": account.provider, **shown}

    def text(self, one: Field, text: str) -> None:
        value = text or one.default
        if value is None and one.required:
            raise RunbookError(f"no value for the input {one.name!r}: {one.ask}", f"--input {one.name}=VALUE")
        if one.options and value is not None and value not in one.options:
            raise RunbookError(f"{one.name} cannot be {value!r}", f"one of {', '.join(one.options)}")
        if value is not None and one.type == "time":
            value = iso(parse_instant(str(value)))
        if value is not None:
            self.found.append(("input", {"name": one.name, "value": value}))

    def _pick(self, text: str, known: Mapping[str, Any], what: str) -> list[Any]:
        names = [part.strip() for part in text.split(",") if part.strip()]
        for name in names:
            if name not in known:
                there = ", ".join(known) or "the inventory has none"
                raise RunbookError(f"there is no {what} {name!r} in the inventory", f"known: {there}")
        return [known[name] for name in names]


_READERS = {
    "credential": _Opening.credential,
    "consumer": _Opening.consumer,
    "path": _Opening.path,
    "endpoint": _Opening.endpoint,
    "person": _Opening.person,
    "text": _Opening.text,
    "choice": _Opening.text,
    "time": _Opening.text,
}


def abilities(manifest: Manifest | None, has_admin: bool, has_secret: bool) -> dict[str, str]:
    """operation -> api | manual. A call that nobody here can sign is done by hand."""
    found: dict[str, str] = {}
    for name, operation in (manifest.operations if manifest else {}).items():
        signed = {"admin": has_admin, "credential": has_secret}.get(operation.identity, True)
        found[name] = "api" if operation.automatic and signed else "manual"
    return found
