"""The process that talks to the OS keyring, so that a hanging keyring can be killed.

Standard input: one JSON object `{"verb": "get"|"put"|"remove"|"check", "service": …, "name": …, "value": …,
"life": …}`; after `life` seconds the process ends in any case, also when whoever started it is gone.
Standard output, one JSON object a line: any number of `{"stage": "ready"|"waiting"|"open"}`, then one answer
`{"ok": true, "value": text or null}` or `{"ok": false, "reason": one of keyring_vault.REASONS, "detail": text}`.
The value travels in no other way: not in an argument, not in the environment, not in an error text.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui.foundation.harden import harden

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

Say = Callable[[dict[str, Any]], None]
_COPIES = 32  # items of one name that are removed at most
_BUS_NAME = "org.freedesktop.secrets"


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


def look_first(say: Say) -> bool:
    """On Linux: find out whether there is a service and whether it is locked, before a call that may wait for a human.

    Says `waiting` when the next call opens a dialog. False when there is no collection to keep anything in: making one
    asks for its password. Raises Refused when there is nothing to talk to.
    """
    if sys.platform == "darwin":
        say({"stage": "waiting"})  # the keychain may ask for permission at any call and does not tell
        return True
    if sys.platform == "win32":
        return True
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
            locked, there = secretstorage.Collection(bus).is_locked(), True
        except secretstorage.ItemNotFoundException:
            locked, there = True, False
        except secretstorage.SecretServiceNotAvailableException as error:
            raise Refused("unstartable", str(error)[:200]) from None
    say({"stage": "waiting" if locked else "open"})
    return there


def keeper() -> str:
    """The program behind the Secret Service (`gnome-keyring-d`, `ksecretd`, `keepassxc`), "" when it cannot be told."""
    if sys.platform in ("darwin", "win32"):
        return ""
    from jeepney import DBusAddress, new_method_call
    from jeepney.io.blocking import open_dbus_connection

    bus = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
    with closing(open_dbus_connection("SESSION")) as connection:
        asked = new_method_call(bus, "GetConnectionUnixProcessID", "s", (_BUS_NAME,))
        answer = connection.send_and_get_reply(asked).body
    with contextlib.suppress(OSError, ValueError, IndexError):
        return Path(f"/proc/{int(answer[0])}/comm").read_text(encoding="utf-8", errors="replace").strip()
    return ""


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
        if "SecretServiceNotAvailableException" in kinds or isinstance(error, ConnectionError | EOFError):
            raise Refused("gone", type(error).__name__) from None
        if str(getattr(error, "name", "")).startswith("org.freedesktop.DBus.Error.Spawn."):
            raise Refused("unstartable", str(error)[:200]) from None
        raise Refused("broken", f"{type(error).__name__}: {str(error)[:200]}") from None


def act(backend: KeyringBackend, verb: str, service: str, name: str, value: str | None) -> str | None:
    """Do one thing; the value for `get`, who keeps it for `check`, else None. A write counts once it was read back."""
    if verb == "get":
        found = backend.get_password(service, name)
        if found is not None and _differ(backend, service, name):
            raise Refused("several")
        return found
    if verb == "put":
        assert value is not None
        if not _kept(backend, service, name, value):
            _clear(backend, service, name)  # copies that another program made would hide the new value
            if not _kept(backend, service, name, value):
                raise Refused("null", f"backend {type(backend).__name__}")
    elif verb == "remove":
        if not _clear(backend, service, name):
            raise Refused("broken", "the item is still there after its removal")
    else:
        probe = f"probe-{secrets.token_hex(6)}"
        act(backend, "put", f"{service}:{probe}", probe, secrets.token_hex(16))
        act(backend, "remove", f"{service}:{probe}", probe, None)
        return keeper()
    return None


def _kept(backend: KeyringBackend, service: str, name: str, value: str) -> bool:
    backend.set_password(service, name, value)
    return backend.get_password(service, name) == value and not _differ(backend, service, name)


def _clear(backend: KeyringBackend, service: str, name: str) -> bool:
    for _ in range(_COPIES):
        if backend.get_password(service, name) is None:
            return True
        backend.delete_password(service, name)
    return False


def _differ(backend: KeyringBackend, service: str, name: str) -> bool:
    """Whether the Secret Service holds several items of this name with different values: it would give any of them."""
    look = getattr(backend, "get_preferred_collection", None)
    if look is None:
        return False  # other systems have one item of a name
    collection = look()
    with closing(collection.connection):
        items = list(collection.search_items(backend._query(service, name)))  # type: ignore[attr-defined]
        return len(items) > 1 and len({item.get_secret() for item in items}) > 1


def answer_to(request: dict[str, Any], say: Say) -> str | None:
    """Look, then act. Raises Refused."""
    with plain_reasons():
        backend = native_backend()
        say({"stage": "ready"})
        there = look_first(say)
    if not there and request["verb"] in ("get", "remove"):
        raise Refused("empty")
    try:
        with plain_reasons():
            return act(backend, request["verb"], request["service"], request["name"], request.get("value"))
    except Refused as refused:
        if refused.reason == "locked" and not there:
            raise Refused("empty", refused.detail) from None
        raise


def main() -> None:
    """Read the request, answer it, end."""
    harden()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not mix with the answers

    def say(line: dict[str, Any]) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    request = json.loads(sys.stdin.buffer.read())
    if sys.platform != "win32":
        signal.alarm(request["life"])
    try:
        answer = answer_to(request, say)
    except Refused as refused:
        # An error met while writing may quote what was written, whole or in part: its type is enough then.
        detail = refused.detail.partition(":")[0] if request.get("value") else refused.detail
        say({"ok": False, "reason": refused.reason, "detail": detail})
        return
    say({"ok": True, "value": answer})


if __name__ == "__main__":
    main()
