"""What a vault is, what it keeps, and the one that lives in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.ids import check_name
from runbook_tui.secrets.secret import Secret


class VaultError(RunbookError):
    """The vault could not do what was asked; `reason` is one of the words in `keyring_vault.REASONS` or "".

    Nothing was changed unless the message says so.
    """

    exit_code = Exit.INCOMPLETE

    def __init__(self, message: str, hint: str = "", *, reason: str = "", exit_code: Exit | None = None) -> None:
        super().__init__(message, hint, exit_code=exit_code)
        self.reason = reason


@dataclass(frozen=True)
class Binding:
    """Where a credential belongs and where it may be sent. Holds nothing secret."""

    provider: str  # manifest id; "" = none (a webhook secret)
    origins: dict[str, str] = field(default_factory=dict)  # origin name of the manifest -> URL prefix
    key_id: str = ""  # the provider's public id of the key
    attributes: dict[str, str] = field(default_factory=dict)  # what the manifest asks for: region, project_id, …
    created: str = ""  # RFC 3339, when it was stored

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `from_dict` reads it back."""
        return {
            "provider": self.provider,
            "origins": dict(self.origins),
            "key_id": self.key_id,
            "attributes": dict(self.attributes),
            "created": self.created,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Binding:
        """The binding in `data`; ValueError when it has another shape."""
        texts = {name: data.get(name, "") for name in ("provider", "key_id", "created")}
        maps = {name: data.get(name, {}) for name in ("origins", "attributes")}
        for name, value in texts.items():
            if not isinstance(value, str):
                raise ValueError(f"{name} is not text")
        for name, value in maps.items():
            if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
                raise ValueError(f"{name} is not a mapping of texts")
        return cls(
            texts["provider"], dict(maps["origins"]), texts["key_id"], dict(maps["attributes"]), texts["created"]
        )


@dataclass(frozen=True)
class Credential:
    """A named secret and its binding; `secret` is None when only a key id is known."""

    name: str
    secret: Secret | None
    binding: Binding


class Vault(Protocol):
    """A place for credentials. Every method raises VaultError when the place does not answer as it should."""

    @property
    def kind(self) -> str:
        """For the screen: `session`, `keyring (SecretService)`, `file`."""
        ...

    @property
    def durable(self) -> bool:
        """Whether a credential outlives this process."""
        ...

    def check(self) -> None:
        """Write a random value, read it back, remove it: VaultError when a secret could not be kept here."""
        ...

    def put(self, credential: Credential) -> None:
        """Store or replace; returns only after the stored value was read back and compared."""
        ...

    def get(self, name: str) -> Credential:
        """The credential with its secret; RunbookError when there is none of that name."""
        ...

    def describe(self, name: str) -> Binding:
        """The binding alone; the secret is not touched."""
        ...

    def names(self) -> list[str]:
        """All names, sorted; no secret is touched."""
        ...

    def remove(self, name: str) -> None:
        """Forget the credential; RunbookError when there is none of that name."""
        ...


def no_such(name: str, known: list[str]) -> RunbookError:
    """The error for a name the vault does not have."""
    hint = f"known: {', '.join(known)}" if known else "the vault is empty: `runbook credential add NAME --provider P`"
    return RunbookError(f"no credential {name!r} in this vault", hint)


class SessionVault:
    """Keeps credentials in the memory of this process; they are gone when it ends."""

    kind = "session"
    durable = False

    def __init__(self) -> None:
        self._items: dict[str, Credential] = {}

    def check(self) -> None:
        """Memory can always be written."""

    def put(self, credential: Credential) -> None:
        check_name(credential.name, "credential")
        self._items[credential.name] = credential

    def get(self, name: str) -> Credential:
        if name not in self._items:
            raise no_such(name, self.names())
        return self._items[name]

    def describe(self, name: str) -> Binding:
        return self.get(name).binding

    def names(self) -> list[str]:
        return sorted(self._items)

    def remove(self, name: str) -> None:
        if name not in self._items:
            raise no_such(name, self.names())
        del self._items[name]
