"""Credentials in the operating system's keyring.

Every call to the keyring runs in a process of its own (`keyring_child`), because a keyring can wait for a human or for
ever and no thread can be ended. The item holds `{"secret", "binding"}`, so nobody can re-bind a secret by editing a
file; an index file lists names and bindings for everything that does not need the secret.
"""

from __future__ import annotations

import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from runbook_tui.foundation.clock import RealClock, iso
from runbook_tui.foundation.errors import Exit
from runbook_tui.foundation.ids import check_name
from runbook_tui.foundation.places import Places
from runbook_tui.foundation.text import one_line
from runbook_tui.secrets.index import Entry, Index
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, VaultError, no_such

SERVICE = "runbook-tui"
LIMIT = 3.0  # seconds a keyring call may take
PATIENT = 60.0  # seconds to wait for an unlock dialog, when the operator says so
_START_LIMIT = 20.0  # seconds for the child to load its libraries, on a machine that is busy
_WINDOWS_LIMIT = 1200  # characters; the credential store takes 2560 bytes of UTF-16
_ITEM_LIMIT = 4 * 1024 * 1024  # characters; Secret Services take 16 MiB, far slower than anybody wants to wait

_ELSEWHERE = "or use --vault session (in memory, for one run) or --vault file (encrypted file)"

REASONS: dict[str, tuple[str, str]] = {
    "absent": (
        "there is no OS keyring to talk to",
        f"start one in a desktop session (GNOME Keyring, KWallet, KeePassXC), {_ELSEWHERE}",
    ),
    "stale": (
        "the session bus of this terminal is gone, so the keyring cannot be reached",
        f"open a new session (DBUS_SESSION_BUS_ADDRESS points to an old one), {_ELSEWHERE}",
    ),
    "unstartable": (
        "the OS keyring is installed but could not be started",
        f"start it by hand to see why (gnome-keyring-daemon --start, or your desktop's own), {_ELSEWHERE}",
    ),
    "locked": (
        "the OS keyring is locked and could not be unlocked",
        f"log in at the desktop, or unlock it there and try again, {_ELSEWHERE}",
    ),
    "empty": (
        "the OS keyring has no default collection to keep anything in",
        f"make one in its own program (Passwords and Keys, KWalletManager, KeePassXC), {_ELSEWHERE}",
    ),
    "prompt": (
        "the OS keyring waits for somebody to answer its unlock dialog",
        f"answer the dialog; --wait gives it up to {PATIENT:.0f} s, {_ELSEWHERE}",
    ),
    "hanging": (
        "the OS keyring does not answer and was given up",
        f"restart the keyring service, --wait gives it up to {PATIENT:.0f} s, {_ELSEWHERE}",
    ),
    "null": (
        "the OS keyring did not keep what it was given",
        f"the backend accepts values and loses them: nothing is stored; repair it, {_ELSEWHERE}",
    ),
    "gone": (
        "the OS keyring ended in the middle of the call",
        f"what was being stored or removed may be there or not: do it again when it is back, {_ELSEWHERE}",
    ),
    "several": (
        "the OS keyring holds several items of this name with different values",
        f"remove the wrong ones in its own program, or store the right value again; {_ELSEWHERE}",
    ),
    "too_large": ("the value is too long for the OS keyring", "use --vault file for this one"),
    "broken": ("the OS keyring failed", f"`runbook doctor` shows its state; {_ELSEWHERE}"),
}

_BACKENDS = {"darwin": "macOS Keychain", "win32": "Windows Credential Manager"}

# What the child may see of the environment: enough to find the bus, the dialog's screen and the user's folders.
# Anything else (PYTHON_KEYRING_BACKEND, KEYRING_PROPERTY_*, preload tricks) stays outside.
_ENVIRONMENT = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR"}
    | {"DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"}
    | {"SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP"}
)


class KeyringVault:
    """The OS keyring; `wait` is how many seconds one call may take before it is killed."""

    durable = True

    def __init__(self, places: Places, *, wait: float = LIMIT) -> None:
        self._index = Index(places.state / "keyring-index.json")
        self._wait = wait

    @property
    def kind(self) -> str:
        return f"keyring ({_BACKENDS.get(sys.platform, 'SecretService')})"

    def check(self) -> None:
        self.keeper()

    def keeper(self) -> str:
        """`check`, and the name of the program that keeps the secrets; "" when the system does not tell."""
        return self._ask("check", "probe") or ""

    def put(self, credential: Credential) -> None:
        check_name(credential.name, "credential")
        binding = credential.binding
        if not binding.created:
            binding = replace(binding, created=iso(RealClock().now()))
        if credential.secret is None:
            if self._index.load().get(credential.name, Entry(binding, False)).has_secret:
                self._ask("remove", credential.name)
            self._index.set(credential.name, Entry(binding, has_secret=False))
            return
        item = json.dumps({"secret": credential.secret.expose(), "binding": binding.as_dict()}, ensure_ascii=False)
        most = _WINDOWS_LIMIT if sys.platform == "win32" else _ITEM_LIMIT
        if len(item) > most:
            raise _error("too_large", f"{len(item)} characters with its binding, at most {most}", exit_code=Exit.USAGE)
        self._ask("put", credential.name, item)
        self._index.set(credential.name, Entry(binding))

    def get(self, name: str) -> Credential:
        entry = self._index.load().get(name)
        if entry is not None and not entry.has_secret:
            return Credential(name, None, entry.binding)
        item = self._ask("get", name)
        if item is None:
            if entry is None:
                raise no_such(name, self.names())
            raise VaultError(
                f"the OS keyring no longer has the secret of {name!r}",
                f"it was removed outside this program: `runbook credential add {name} …` stores it again",
            )
        credential = _credential(name, item)
        if entry != Entry(credential.binding):
            self._index.set(name, Entry(credential.binding))
        return credential

    def describe(self, name: str) -> Binding:
        return self._index.entry(name).binding

    def names(self) -> list[str]:
        return sorted(self._index.load())

    def remove(self, name: str) -> None:
        if self._index.entry(name).has_secret:
            self._ask("remove", name)
        self._index.drop(name)

    def _ask(self, verb: str, name: str, value: str | None = None) -> str | None:
        service = SERVICE if verb == "check" else f"{SERVICE}:{name}"
        life = math.ceil(_START_LIMIT + self._wait) + 1
        request = {"verb": verb, "service": service, "name": name, "value": value, "life": life}
        return _call(request, self._wait)


def _credential(name: str, item: str) -> Credential:
    try:
        data = json.loads(item)
        return Credential(name, Secret(data["secret"]), Binding.from_dict(data["binding"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # raised outside: the error's context would carry the item
    item = ""
    raise VaultError(
        f"the keyring item of {name!r} was not written by this program",
        f"remove it in the keyring's own program, then `runbook credential add {name} …`",
    )


def _error(reason: str, detail: str = "", *, exit_code: Exit | None = None) -> VaultError:
    message, hint = REASONS[reason]
    shown = f"{message} ({one_line(detail)})" if detail else message
    return VaultError(shown, hint, reason=reason, exit_code=exit_code)


def _command() -> list[str]:
    import site

    # Isolated: neither the working folder nor PYTHON* decide what is imported. An installation in the user's own
    # site-packages needs that one folder back.
    user_site = bool(site.ENABLE_USER_SITE) and Path(__file__).is_relative_to(site.getusersitepackages())
    return [sys.executable, *(["-E", "-P"] if user_site else ["-I"]), "-m", "runbook_tui.secrets.keyring_child"]


def _call(request: dict[str, Any], wait: float) -> str | None:
    """Run one keyring call in a child; its answer, or VaultError. The child never outlives this call."""
    environment = {key: value for key, value in os.environ.items() if key.upper() in _ENVIRONMENT}
    with subprocess.Popen(
        _command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as child:
        try:
            return _talk(child, json.dumps(request).encode(), wait)
        finally:
            child.kill()


def _talk(child: subprocess.Popen[bytes], request: bytes, wait: float) -> str | None:
    assert child.stdin is not None
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(child.stdout, lines), daemon=True).start()
    try:
        with child.stdin:
            child.stdin.write(request)
    except BrokenPipeError:
        pass  # the child is gone: its missing answer is reported below
    deadline = time.monotonic() + _START_LIMIT
    stage = "starting"
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise _error("prompt" if stage == "waiting" else "hanging", f"after {wait:g} s") from None
        if line is None:
            raise _error("broken", "the keyring process ended without an answer")
        answer = json.loads(line)
        if "stage" not in answer:
            break
        stage = answer["stage"]
        if stage == "ready":
            deadline = time.monotonic() + wait
    if not answer["ok"]:
        raise _error(answer["reason"], answer["detail"])
    value: str | None = answer["value"]
    return value


def _pump(stream: Any, lines: queue.SimpleQueue[bytes | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)
