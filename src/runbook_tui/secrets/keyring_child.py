"""The process that talks to the OS keyring, so that a hanging keyring can be killed.

Standard input: one JSON object `{"verb": "get"|"put"|"remove"|"check", "service": …, "name": …, "value": …}`.
Standard output, one JSON object a line: any number of `{"stage": "ready"|"waiting"|"open"}`, then one answer
`{"ok": true, "value": text or null}` or `{"ok": false, "reason": one of keyring_vault.REASONS, "detail": text}`.
The value travels in no other way: not in an argument, not in the environment, not in an error text.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from runbook_tui.foundation.harden import harden

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

Say = Callable[[dict[str, Any]], None]


class Refused(Exception):
    """The keyring cannot do it; `reason` is one of keyring_vault.REASONS."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def native_backend() -> KeyringBackend:
    """This system's own keyring backend, constructed by name.

    Never `keyring.get_keyring()`: that reads a configuration file which can import any code, obeys
    PYTHON_KEYRING_BACKEND, and may pick the chainer, which falls back to plain text files.
    """
    if sys.platform == "darwin":
        from keyring.backends.macOS import Keyring as MacKeyring

        return MacKeyring()
    if sys.platform == "win32":
        from keyring.backends.Windows import WinVaultKeyring

        return WinVaultKeyring()
    from keyring.backends.SecretService import Keyring as ServiceKeyring

    return ServiceKeyring()  # type: ignore[no-untyped-call]


def look_first(say: Say) -> None:
    """On Linux: find out whether there is a service and whether it is locked, before a call that may wait for a human.

    Says `waiting` when the next call opens an unlock dialog. Raises Refused when there is nothing to talk to.
    """
    if sys.platform == "darwin":
        say({"stage": "waiting"})  # the keychain may ask for permission at any call and does not tell
        return
    if sys.platform == "win32":
        return
    import secretstorage

    if not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        raise Refused("absent", "DBUS_SESSION_BUS_ADDRESS is not set")
    try:
        bus = secretstorage.dbus_init()
    except (secretstorage.SecretStorageException, OSError, ValueError, RuntimeError, StopIteration) as error:
        raise Refused("stale", f"{type(error).__name__}: {error}") from None
    with closing(bus):
        if not secretstorage.check_service_availability(bus):
            raise Refused("absent", "no Secret Service on the session bus")
        try:
            locked = secretstorage.Collection(bus).is_locked()
        except secretstorage.ItemNotFoundException:
            locked = True  # there is no collection yet, and making one asks for its password
    say({"stage": "waiting" if locked else "open"})


@contextmanager
def plain_reasons() -> Iterator[None]:
    """Turn whatever the keyring libraries raise into Refused."""
    from keyring.errors import InitError, KeyringLocked

    try:
        yield
    except Refused:
        raise
    except (KeyringLocked, InitError) as error:
        raise Refused("locked", type(error).__name__) from None
    except Exception as error:  # noqa: BLE001 - backends raise OSError, DBusErrorResponse, pywintypes.error, AssertionError…
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if "PromptDismissedException" in kinds or "LockedException" in kinds:
            raise Refused("locked", type(error).__name__) from None
        if "SecretServiceNotAvailableException" in kinds:
            raise Refused("absent", type(error).__name__) from None
        raise Refused("broken", f"{type(error).__name__}: {str(error)[:200]}") from None


def act(backend: KeyringBackend, verb: str, service: str, name: str, value: str | None) -> str | None:
    """Do one thing; the value for `get`, None otherwise. A write counts only once it was read back."""
    if verb == "get":
        return backend.get_password(service, name)
    if verb == "put":
        assert value is not None
        backend.set_password(service, name, value)
        if backend.get_password(service, name) != value:
            raise Refused("null", f"backend {type(backend).__name__}")
    elif verb == "remove":
        if backend.get_password(service, name) is not None:
            backend.delete_password(service, name)
        if backend.get_password(service, name) is not None:
            raise Refused("broken", "the item is still there after its removal")
    else:
        probe = f"probe-{secrets.token_hex(6)}"
        act(backend, "put", f"{service}:{probe}", probe, secrets.token_hex(16))
        act(backend, "remove", f"{service}:{probe}", probe, None)
    return None


def main() -> None:
    """Read the request, answer it, end."""
    harden()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not mix with the answers

    def say(line: dict[str, Any]) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    request = json.loads(sys.stdin.buffer.read())
    value = request.get("value")
    try:
        with plain_reasons():
            backend = native_backend()
            say({"stage": "ready"})
            look_first(say)
            answer = act(backend, request["verb"], request["service"], request["name"], value)
    except Refused as refused:
        # An error met while writing may quote what was written, whole or in part: its type is enough then.
        detail = refused.detail.partition(":")[0] if value else refused.detail
        say({"ok": False, "reason": refused.reason, "detail": detail})
        return
    say({"ok": True, "value": answer})


if __name__ == "__main__":
    main()
