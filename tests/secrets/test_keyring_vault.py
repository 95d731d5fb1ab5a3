"""Promise: secrets live in the OS keyring, every write is read back, and no state of the keyring hangs or misleads us.

Runs against a real gnome-keyring on a private bus.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.secrets import keyring_vault
from runbook_tui.secrets.keyring_vault import REASONS, KeyringVault
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, VaultError
from servers.processes import needs

CANARY = "canary-Zq8Xw2Lm9Kp4 ä\n\"'"
BINDING = Binding("stripe", {"api": "https://api.stripe.com"}, "key_1", {"region": "eu"})

Use = Callable[[dict[str, str]], KeyringVault]


@pytest.fixture
def vault(use: Use, gnome_keyring: dict[str, str]) -> KeyringVault:
    return use(gnome_keyring)


def _refused(action: Callable[[], object], reason: str) -> VaultError:
    with pytest.raises(VaultError) as caught:
        action()
    assert caught.value.reason == reason
    assert REASONS[reason][0] in caught.value.message
    assert "--vault" in caught.value.hint
    assert CANARY not in str(caught.value)
    return caught.value


def test_round_trip(vault: KeyringVault, tmp_path: Path) -> None:
    """Secret and binding come back; names and bindings are listed from a private file that holds no secret."""
    vault.check()
    vault.put(Credential("trip", Secret(CANARY), BINDING))
    found = vault.get("trip")
    assert found.secret == Secret(CANARY)
    assert found.binding.created
    assert replace(found.binding, created="") == BINDING
    assert vault.names() == ["trip"]
    assert vault.describe("trip") == found.binding
    index = tmp_path / "state" / "keyring-index.json"
    assert index.stat().st_mode & 0o777 == 0o600
    assert "canary" not in index.read_text()
    vault.put(Credential("trip", Secret("another-value"), BINDING))
    assert vault.get("trip").secret == Secret("another-value")
    vault.remove("trip")
    assert vault.names() == []
    for action in (vault.get, vault.describe, vault.remove):
        with pytest.raises(RunbookError, match="no credential 'trip'"):
            action("trip")
    assert vault.durable
    assert vault.kind == "keyring (SecretService)"


def test_a_key_id_alone_needs_no_keyring(use: Use, tmp_path: Path) -> None:
    """A credential without a value is kept in the index, also where there is no keyring at all."""
    vault = use({"HOME": str(tmp_path)})
    vault.put(Credential("known", None, BINDING))
    assert vault.get("known").secret is None
    assert vault.describe("known").key_id == "key_1"
    vault.remove("known")
    assert vault.names() == []


def test_forgetting_the_value_keeps_the_key_id(vault: KeyringVault) -> None:
    vault.put(Credential("half", Secret(CANARY), BINDING))
    vault.put(Credential("half", None, BINDING))
    assert vault.get("half").secret is None
    vault.remove("half")


def test_the_binding_in_the_keyring_counts(vault: KeyringVault, tmp_path: Path) -> None:
    """Somebody who edits the index cannot send a secret to another host."""
    vault.put(Credential("bound", Secret(CANARY), BINDING))
    index = tmp_path / "state" / "keyring-index.json"
    index.write_text(index.read_text().replace("https://api.stripe.com", "https://evil.example"))
    assert vault.get("bound").binding.origins == BINDING.origins
    assert vault.describe("bound").origins == BINDING.origins
    index.unlink()
    assert vault.get("bound").secret == Secret(CANARY)
    assert vault.names() == ["bound"]
    vault.remove("bound")


def test_an_item_removed_elsewhere_is_named(vault: KeyringVault) -> None:
    vault.put(Credential("lost", Secret(CANARY), BINDING))
    vault._ask("remove", "lost")
    with pytest.raises(VaultError, match="no longer has the secret of 'lost'"):
        vault.get("lost")
    vault.remove("lost")
    assert vault.names() == []


def test_a_foreign_item_is_not_shown(vault: KeyringVault) -> None:
    """An item another program wrote under our name is refused without a word of its content."""
    vault._ask("put", "foreign", CANARY)
    with pytest.raises(VaultError, match="not written by this program") as caught:
        vault.get("foreign")
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None
    vault._ask("remove", "foreign")


def test_a_large_value_fits(vault: KeyringVault) -> None:
    """1 MiB goes in by the pipe and comes back."""
    value = Secret("x1" * 512 * 1024)
    vault.put(Credential("large", value, BINDING))
    assert vault.get("large").secret == value
    vault.remove("large")


def test_no_configuration_chooses_the_backend(
    use: Use, gnome_keyring: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the null backend by environment nor code by keyringrc.cfg comes between us and the real keyring."""
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "evil_backend.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    config = Path(gnome_keyring["XDG_CONFIG_HOME"]) / "python_keyring"
    config.mkdir(exist_ok=True)
    rc = config / "keyringrc.cfg"
    rc.write_text(f"[backend]\ndefault-keyring=evil_backend.Keyring\nkeyring-path={evil}\n")
    monkeypatch.chdir(evil)
    (evil / "json.py").write_text((evil / "evil_backend.py").read_text())
    try:
        vault = use(
            {**gnome_keyring, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", "PYTHONPATH": str(evil)}
        )
        vault.put(Credential("real", Secret(CANARY), BINDING))
        assert use(gnome_keyring).get("real").secret == Secret(CANARY)
        vault.remove("real")
    finally:
        rc.unlink()
    assert not (tmp_path / "ran").exists()


def test_locked(use: Use, locked_keyring: dict[str, str]) -> None:
    """No display to ask at: the answer comes at once, and nothing is stored."""
    vault = use(locked_keyring)
    error = _refused(lambda: vault.put(Credential("a", Secret(CANARY), BINDING)), "locked")
    assert error.exit_code == Exit.INCOMPLETE
    _refused(vault.check, "locked")
    assert vault.names() == []


def test_hanging_service_is_given_up(use: Use, hanging_keyring: dict[str, str]) -> None:
    """A service that owns the name and never answers costs its time limit, and its child is gone afterwards."""
    vault = use(hanging_keyring)
    started = time.monotonic()
    error = _refused(vault.check, "hanging")
    assert "--wait" in error.hint
    assert time.monotonic() - started < 60  # it ends at all
    children = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "args="], capture_output=True, text=True).stdout
    assert "keyring_child" not in children


def test_no_bus(use: Use, tmp_path: Path) -> None:
    error = _refused(use({"HOME": str(tmp_path)}).check, "absent")
    assert "--vault file" in error.hint


def test_bus_without_a_service(use: Use, gnome_keyring: dict[str, str], tmp_path: Path) -> None:
    """A bus on which nobody offers a keyring and nobody could start one."""
    config = tmp_path / "bus.conf"
    config.write_text(
        "<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen>"
        '<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>'
        '<allow own="*"/></policy></busconfig>'
    )
    bus = subprocess.Popen(
        [needs("dbus-daemon", "dbus"), f"--config-file={config}", "--nofork", "--print-address=1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert bus.stdout is not None
        address = bus.stdout.readline().strip()
        _refused(use({"HOME": str(tmp_path), "DBUS_SESSION_BUS_ADDRESS": address}).check, "absent")
    finally:
        bus.terminate()
        bus.wait(10)


@pytest.mark.parametrize("address", ["unix:path=/nonexistent/bus", "tcp:host=localhost,port=1", "nonsense"])
def test_stale_bus(use: Use, tmp_path: Path, address: str) -> None:
    _refused(use({"HOME": str(tmp_path), "DBUS_SESSION_BUS_ADDRESS": address}).check, "stale")


def _with_child(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Stands another program in for the child: what it may meet and no keyring here can show."""
    monkeypatch.setattr(keyring_vault, "_command", lambda: [sys.executable, "-c", code])


def test_a_dialog_is_told_from_a_hang(use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child says when it is about to wait for a human; killed then, the message names the dialog."""
    vault = use({"HOME": str(tmp_path)})
    vault._wait = 0.2
    _with_child(
        monkeypatch,
        'import time\nprint(\'{"stage": "ready"}\\n{"stage": "waiting"}\', flush=True)\ntime.sleep(600)',
    )
    error = _refused(vault.check, "prompt")
    assert "unlock dialog" in error.message


def test_a_child_that_dies(use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = use({"HOME": str(tmp_path)})
    _with_child(monkeypatch, "raise SystemExit(1)")
    _refused(vault.check, "broken")


def test_a_backend_that_keeps_nothing(use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The null backend accepts every value: the read-back finds out, in the child's own code."""
    code = (
        "from runbook_tui.secrets import keyring_child as c\n"
        "from keyring.backends.null import Keyring\n"
        "c.native_backend = Keyring\nc.look_first = lambda say: None\nc.main()"
    )
    vault = use({"HOME": str(tmp_path)})
    _with_child(monkeypatch, code)
    _refused(lambda: vault.put(Credential("a", Secret(CANARY), BINDING)), "null")
    assert vault.names() == []


def test_an_error_that_quotes_the_value_is_not_passed_on(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from runbook_tui.secrets import keyring_child as c\n"
        "class Bad:\n"
        "    def set_password(self, *a): raise ValueError(a)\n"
        "c.native_backend = Bad\nc.look_first = lambda say: None\nc.main()"
    )
    vault = use({"HOME": str(tmp_path)})
    _with_child(monkeypatch, code)
    error = _refused(lambda: vault.put(Credential("a", Secret("canary-plain-value"), BINDING)), "broken")
    assert "canary" not in str(error)


def test_windows_limit(use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that the Windows store would cut is refused before any call."""
    vault = use({"HOME": str(tmp_path)})
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(VaultError) as caught:
        vault.put(Credential("a", Secret("x1" * 600), BINDING))
    assert caught.value.reason == "too_large"
    assert caught.value.exit_code == Exit.USAGE


def test_a_damaged_index_is_named(use: Use, tmp_path: Path) -> None:
    vault = use({"HOME": str(tmp_path)})
    (tmp_path / "state").mkdir()
    for content in ("{", "[]", json.dumps({"items": {"a": {"binding": {"provider": 1}, "secret": True}}})):
        (tmp_path / "state" / "keyring-index.json").write_text(content)
        with pytest.raises(VaultError, match="damaged"):
            vault.names()


def test_two_processes_add_at_once(vault: KeyringVault, tmp_path: Path) -> None:
    """No entry of the index is lost when several commands store at the same time."""
    code = (
        "import sys; from pathlib import Path; from runbook_tui.foundation.places import Places\n"
        "from runbook_tui.secrets.keyring_vault import KeyringVault\n"
        "from runbook_tui.secrets.vault import Binding, Credential\n"
        "v = KeyringVault(Places(Path(sys.argv[1]), Path(sys.argv[1])))\n"
        "for n in range(20): v.put(Credential(f'{sys.argv[2]}-{n}', None, Binding('p')))"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "state"), str(n)]) for n in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(vault.names()) == 60


_DIALOG_NOBODY_ANSWERS = """
from jeepney import DBusAddress, HeaderFields, MessageType, new_method_call, new_method_return
from jeepney.io.blocking import open_dbus_connection
bus = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
connection = open_dbus_connection("SESSION")
connection.send_and_get_reply(new_method_call(bus, "RequestName", "su", ("org.freedesktop.secrets", 4)))
print("ready", flush=True)
while True:
    message = connection.receive()
    if message.header.message_type != MessageType.method_call:
        continue
    member = message.header.fields[HeaderFields.member]
    if member == "Get":
        value = {"Locked": ("b", True), "Label": ("s", "Login")}[message.body[1]]
        connection.send(new_method_return(message, "v", (value,)))
    elif member == "Unlock":
        connection.send(new_method_return(message, "aoo", ([], "/org/freedesktop/secrets/prompt/p1")))
    elif member == "Prompt":
        connection.send(new_method_return(message))
"""


def test_an_unlock_dialog_that_nobody_answers(use: Use, tmp_path: Path) -> None:
    """A locked keyring on a desktop opens a dialog and waits: we say so, after our time limit."""
    env = {**os.environ, "HOME": str(tmp_path)}
    bus = subprocess.Popen(
        [needs("dbus-daemon", "dbus"), "--session", "--nofork", "--print-address=1"],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert bus.stdout is not None
    env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
    service = subprocess.Popen(
        [sys.executable, "-c", _DIALOG_NOBODY_ANSWERS], stdout=subprocess.PIPE, text=True, env=env
    )
    try:
        assert service.stdout is not None
        assert service.stdout.readline() == "ready\n"
        error = _refused(
            use({"HOME": str(tmp_path), "DBUS_SESSION_BUS_ADDRESS": env["DBUS_SESSION_BUS_ADDRESS"]}).check, "prompt"
        )
        assert "--wait" in error.hint
    finally:
        for process in (service, bus):
            process.terminate()
            process.wait(10)
