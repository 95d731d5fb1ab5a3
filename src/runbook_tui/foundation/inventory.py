"""What `inventory.yaml` says: credentials, consumers, endpoints, people, repositories. Holds no secret.

Every mistake is reported with file:line:column; unknown fields are mistakes, because a misspelt `consumers` would be a
consumer nobody rolls the new key out to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from runbook_tui.foundation.errors import InputProblems, Problem
from runbook_tui.foundation.ids import NAME
from runbook_tui.foundation.strict_yaml import Document, Path_

CONSUMER_KINDS = ("env-file", "secret-manager", "manual")


@dataclass(frozen=True)
class KnownCredential:
    """A credential the team knows of; its value is in the vault, if anywhere."""

    name: str
    provider: str = ""
    owner: str = ""
    key_id: str = ""
    origins: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    prefix: str = ""  # what its values start with
    consumers: tuple[str, ...] = ()
    admin: str = ""  # the credential that signs administrative calls
    exposed: str = ""  # where or since when it could be read, if that is known


@dataclass(frozen=True)
class ProofOfUse:
    """How one sees that a consumer uses the new value; `kind` is vendor-last-used, health (`url`) or attested."""

    kind: str = "attested"
    url: str = ""


@dataclass(frozen=True)
class Consumer:
    """A place that must receive the new value."""

    id: str
    kind: str = "manual"
    title: str = ""
    credential: str = ""
    path: str = ""
    variable: str = ""  # env-file
    store: str = ""  # secret-manager: the credential that opens it
    mount: str = ""
    field: str = ""
    owner: str = ""
    used: ProofOfUse = ProofOfUse()
    restart: str = ""  # tells the operator how to load the new value


@dataclass(frozen=True)
class Endpoint:
    """A URL that receives webhooks; `secret` is the credential that signs them, `old_secret` the one before it.

    `scope` is the own project, account or app, `facts` what else the scheme asks for (a webhook id, say). `observe_url`
    (with `{marker}`) or `observe_log` (a file) tells which deliveries were acted on.
    """

    id: str
    url: str
    scheme: str = ""
    secret: str = ""
    old_secret: str = ""
    scope: str = ""
    variant: str = ""
    observe_url: str = ""
    observe_log: str = ""
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Account:
    """A person's account at a provider; `attributes` are the other fields (org, team, …)."""

    provider: str
    account: str = ""
    admin: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """Somebody who may leave: accounts, and the credentials they could read."""

    id: str
    name: str = ""
    email: str = ""
    accounts: tuple[Account, ...] = ()
    could_read: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inventory:
    """The whole file."""

    credentials: dict[str, KnownCredential] = field(default_factory=dict)
    consumers: dict[str, Consumer] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    repositories: tuple[str, ...] = ()


SECTIONS = ("credentials", "consumers", "endpoints", "people")


def parse(document: Document) -> Inventory:
    """The inventory in a loaded document; InputProblems with every mistake in it."""
    reader = _Reader(document)
    top = reader.mapping((), document.data, ("inventory", *SECTIONS, "repositories"))
    if top.get("inventory") != 1:
        reader.mistake(("inventory",), "this is not an inventory of format 1", "start the file with `inventory: 1`")
    inventory = Inventory(
        credentials={name: reader.credential(name, at, item) for name, at, item in reader.entries(top, "credentials")},
        consumers={name: reader.consumer(name, at, item) for name, at, item in reader.entries(top, "consumers")},
        endpoints={name: reader.endpoint(name, at, item) for name, at, item in reader.entries(top, "endpoints")},
        people={name: reader.person(name, at, item) for name, at, item in reader.entries(top, "people")},
        repositories=reader.texts(("repositories",), top.get("repositories")),
    )
    reader.references(inventory)
    if reader.problems:
        raise InputProblems(sorted(reader.problems, key=lambda problem: (problem.line, problem.column)))
    return inventory


class _Reader:
    """Reads parts of the document and collects the mistakes."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def mistake(self, path: Path_, message: str, hint: str = "") -> None:
        self.problems.append(self.document.problem(path, message, hint))

    def mapping(self, path: Path_, value: Any, known: tuple[str, ...]) -> dict[str, Any]:
        """`value` as a mapping with only the fields in `known`."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.mistake(path, "fields are expected here (`name: value`)")
            return {}
        for name in value:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
                self.mistake((*path, name), f"unknown field {name!r}", hint)
        return value

    def entries(self, top: dict[str, Any], section: str) -> list[tuple[str, Path_, Any]]:
        """Name, place and value of every entry of a section."""
        value = top.get(section)
        if value is None:
            return []
        if not isinstance(value, dict):
            self.mistake((section,), f"{section} is a mapping of names", f"write {section}: {{name: {{…}}}}")
            return []
        for name in value:
            if not NAME.fullmatch(name):
                self.mistake(
                    (section, name), f"{name!r} is not a valid name", "use letters, digits, dot, dash, underscore"
                )
        return [(name, (section, name), item) for name, item in value.items()]

    def text(self, path: Path_, value: Any, *, required: bool = False) -> str:
        """`value` as text; whole numbers count as text, because ids look like that."""
        if value is None or value == "":
            if required:
                self.mistake(path, f"{path[-1]!r} is missing")
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        self.mistake(path, f"{path[-1]!r} must be text", "put it in quotes")
        return ""

    def texts(self, path: Path_, value: Any) -> tuple[str, ...]:
        """`value` as a list of texts."""
        if value is None:
            return ()
        if not isinstance(value, list):
            self.mistake(path, f"{path[-1]!r} must be a list", "write it like [one, two]")
            return ()
        return tuple(self.text((*path, index), item, required=True) for index, item in enumerate(value))

    def text_map(self, path: Path_, value: Any) -> dict[str, str]:
        """`value` as a mapping of texts."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.mistake(path, f"{path[-1]!r} must be a mapping of texts", "write it like {name: value}")
            return {}
        return {name: self.text((*path, name), item) for name, item in value.items()}

    def credential(self, name: str, at: Path_, value: Any) -> KnownCredential:
        plain = ("provider", "owner", "key_id", "prefix", "admin", "exposed")
        fields = self.mapping(at, value, (*plain, "origins", "attributes", "consumers"))
        origins = self.text_map((*at, "origins"), fields.get("origins"))
        for origin, url in origins.items():
            self._url((*at, "origins", origin), url)
        return KnownCredential(
            name,
            **{part: self.text((*at, part), fields.get(part)) for part in plain},
            origins=origins,
            attributes=self.text_map((*at, "attributes"), fields.get("attributes")),
            consumers=self.texts((*at, "consumers"), fields.get("consumers")),
        )

    def consumer(self, name: str, at: Path_, value: Any) -> Consumer:
        plain = ("title", "credential", "path", "variable", "store", "mount", "field", "owner", "restart")
        fields = self.mapping(at, value, ("kind", *plain, "used"))
        kind = self.text((*at, "kind"), fields.get("kind"), required=True)
        needed = {"env-file": ("path", "variable"), "secret-manager": ("store", "path")}.get(kind, ())
        if kind and kind not in CONSUMER_KINDS:
            self.mistake((*at, "kind"), f"unknown kind {kind!r}", f"use one of: {', '.join(CONSUMER_KINDS)}")
        texts = {part: self.text((*at, part), fields.get(part), required=part in needed) for part in plain}
        return Consumer(name, kind, **texts, used=self._used((*at, "used"), fields.get("used")))

    def _used(self, at: Path_, value: Any) -> ProofOfUse:
        if value is None:
            return ProofOfUse()
        fields = self.mapping(at, value, ("vendor-last-used", "health", "attested"))
        if len(fields) != 1:
            self.mistake(
                at, "`used` names exactly one proof", "for example: used: {health: https://app.example/health}"
            )
            return ProofOfUse()
        kind, detail = next(iter(fields.items()))
        if kind == "health":
            url = self.text((*at, kind), detail, required=True)
            self._url((*at, kind), url)
            return ProofOfUse(kind, url)
        if detail is not True:
            self.mistake((*at, kind), f"{kind!r} takes the value true")
        return ProofOfUse(kind)

    def endpoint(self, name: str, at: Path_, value: Any) -> Endpoint:
        plain = ("url", "scheme", "secret", "old_secret", "scope", "variant", "observe_url", "observe_log")
        fields = self.mapping(at, value, (*plain, "facts"))
        texts = {part: self.text((*at, part), fields.get(part), required=part == "url") for part in plain}
        for part in ("url", "observe_url"):
            self._url((*at, part), texts[part])
        if texts["observe_url"] and texts["observe_log"]:
            self.mistake((*at, "observe_log"), "an endpoint is observed by a URL or by a log, not by both")
        if texts["observe_url"] and "{marker}" not in texts["observe_url"]:
            self.mistake(
                (*at, "observe_url"), "the URL has no {marker}", "write it like https://app.example/acted?m={marker}"
            )
        return Endpoint(name, **texts, facts=self.text_map((*at, "facts"), fields.get("facts")))

    def person(self, name: str, at: Path_, value: Any) -> Person:
        fields = self.mapping(at, value, ("name", "email", "accounts", "could_read"))
        accounts = fields.get("accounts") or []
        if not isinstance(accounts, list):
            self.mistake(
                (*at, "accounts"), "'accounts' must be a list", "write it like [{provider: github, account: name}]"
            )
            accounts = []
        return Person(
            name,
            self.text((*at, "name"), fields.get("name")),
            self.text((*at, "email"), fields.get("email")),
            tuple(self._account((*at, "accounts", index), item) for index, item in enumerate(accounts)),
            self.texts((*at, "could_read"), fields.get("could_read")),
        )

    def _account(self, at: Path_, value: Any) -> Account:
        fields = self.text_map(at, value)
        provider = self.text((*at, "provider"), fields.pop("provider", None), required=True)
        return Account(provider, fields.pop("account", ""), fields.pop("admin", ""), fields)

    def _url(self, at: Path_, url: str) -> None:
        if url and not url.startswith(("https://", "http://")):
            self.mistake(at, f"{url!r} is not a URL", "write it like https://api.example.com")

    def references(self, inventory: Inventory) -> None:
        """Names that stand for another entry of this file must exist; admin credentials may be in the vault alone."""
        for name, credential in inventory.credentials.items():
            for index, consumer in enumerate(credential.consumers):
                self._refers(("credentials", name, "consumers", index), consumer, "consumer", inventory.consumers)
        for name, place in inventory.consumers.items():
            if place.credential:
                self._refers(("consumers", name, "credential"), place.credential, "credential", inventory.credentials)
        for name, person in inventory.people.items():
            for index, credential_name in enumerate(person.could_read):
                self._refers(
                    ("people", name, "could_read", index), credential_name, "credential", inventory.credentials
                )

    def _refers(self, at: Path_, name: str, what: str, known: dict[str, Any]) -> None:
        if name and name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"add it under `{what}s:`"
            self.mistake(at, f"no {what} {name!r} in this file", hint)
