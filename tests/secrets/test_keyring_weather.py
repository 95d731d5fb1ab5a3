"""Promise: whatever the OS keyring does, its message is its own, nothing is taken for stored that is not, and it ends.

A scriptable Secret Service (servers/odd_keyring_service.py) shows what no real daemon does on demand; what a real
gnome-keyring can show is shown by it. The table of weather is `keyring_vault.REASONS`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runbook_tui.foundation.errors import Exit
from runbook_tui.foundation.places import Places
from runbook_tui.secrets import file_vault, keyring_vault
from runbook_tui.secrets.file_vault import FileVault
from runbook_tui.secrets.keyring_vault import REASONS, KeyringVault
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, VaultError
from servers import odd_keyring_service
from servers.processes import needs, plain_environment

CANARY = "canary-Wq7Zt3Np8Rk2"
BINDING = Binding("stripe", {"api": "https://api.stripe.com"})
Use = Callable[[dict[str, str]], KeyringVault]


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Callable[..., dict[str, str]]]:
    """`bus()` starts a private bus, `bus("dies")` one with that odd keyring, `bus(activates="/bin/false")` one that
    starts the named program when the keyring is asked for."""
    running: list[subprocess.Popen[str]] = []

    def start(behaviour: str = "", *, activates: str = "") -> dict[str, str]:
        services = tmp_path / "services"
        services.mkdir(exist_ok=True)
        if activates:
            text = f"[D-BUS Service]\nName=org.freedesktop.secrets\nExec={activates}\n"
            (services / "org.freedesktop.secrets.service").write_text(text)
        config = tmp_path / "bus.conf"
        config.write_text(
            f"<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><servicedir>{services}</servicedir>"
            '<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>'
            '<allow own="*"/></policy></busconfig>'
        )
        program = [needs("dbus-daemon", "dbus"), f"--config-file={config}", "--nofork", "--print-address=1"]
        running.append(subprocess.Popen(program, stdout=subprocess.PIPE, text=True))
        assert running[0].stdout is not None
        env = {"HOME": str(tmp_path), "DBUS_SESSION_BUS_ADDRESS": running[0].stdout.readline().strip()}
        if behaviour:
            odd = [sys.executable, odd_keyring_service.__file__, behaviour]
            running.append(subprocess.Popen(odd, stdout=subprocess.PIPE, text=True, env=plain_environment(**env)))
            assert running[1].stdout is not None
            assert running[1].stdout.readline() == "ready\n"
        return env

    yield start
    for process in reversed(running):
        process.terminate()
        process.wait(10)


def _put(vault: KeyringVault, name: str = "one", value: str = CANARY) -> None:
    vault.put(Credential(name, Secret(value), BINDING))


def test_every_kind_of_weather_has_its_own_words() -> None:
    """No two messages are alike, each gives a way on, and one call is limited to three seconds."""
    assert len({message for message, _ in REASONS.values()}) == len(REASONS)
    assert all("--vault file" in hint for _, hint in REASONS.values())
    assert all("--vault session" in hint for reason, (_, hint) in REASONS.items() if reason != "too_large")
    assert keyring_vault.LIMIT == 3.0


def test_the_odd_service_can_behave(use: Use, bus: Callable[..., dict[str, str]]) -> None:
    """The ground of the tests below: without a fault of its own it keeps what it is given."""
    vault = use(bus("good"))
    _put(vault)
    assert vault.get("one").secret == Secret(CANARY)
    vault.remove("one")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("dismissed", "locked"), ("no-default", "empty"), ("dies", "gone"), ("changes", "null"), ("drops", "null")],
)
def test_odd_weather(use: Use, bus: Callable[..., dict[str, str]], behaviour: str, reason: str) -> None:
    """A closed dialog, no collection, an end before the read-back, another value, no value: nothing is listed."""
    vault = use(bus(behaviour))
    with pytest.raises(VaultError) as caught:
        _put(vault)
    assert caught.value.reason == reason
    assert REASONS[reason][0] in caught.value.message
    assert CANARY not in str(caught.value)
    assert caught.value.exit_code == Exit.INCOMPLETE
    assert vault.names() == []


def test_reading_makes_no_collection(use: Use, bus: Callable[..., dict[str, str]]) -> None:
    """Where there is no collection a read is refused at once: making one would open a dialog for its password."""
    with pytest.raises(VaultError) as caught:
        use(bus("no-default")).get("one")
    assert caught.value.reason == "empty"


@pytest.mark.parametrize("program", ["/bin/false", "/nonexistent/keyring"])
def test_a_keyring_that_cannot_be_started(use: Use, bus: Callable[..., dict[str, str]], program: str) -> None:
    """The bus knows a keyring and cannot start it: not the message of a machine that has none."""
    with pytest.raises(VaultError) as caught:
        use(bus(activates=program)).check()
    assert caught.value.reason == "unstartable"


_SEVERAL = """
import json, secretstorage, sys
from contextlib import closing
from keyring.backends.SecretService import Keyring
where, service, name, values = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
with closing(secretstorage.dbus_init()) as bus:
    collection = secretstorage.Collection(bus, where) if where else secretstorage.get_default_collection(bus)
    for value in values:
        collection.create_item("copy", Keyring()._query(service, name), value, replace=False)
"""


def _by_another_program(env: dict[str, str], name: str, values: list[str], where: str = "") -> None:
    """Items under our name that somebody else made."""
    argv = [sys.executable, "-c", _SEVERAL, where, f"{keyring_vault.SERVICE}:{name}", name, json.dumps(values)]
    subprocess.run(argv, env=env, check=True, timeout=60)


def test_several_items_of_one_name(use: Use, gnome_keyring: dict[str, str]) -> None:
    """Which of two values is meant cannot be known: neither is used. Storing again settles it, removing takes all."""
    vault = use(gnome_keyring)
    _put(vault, "twice")
    item = json.dumps({"secret": "another-value", "binding": BINDING.as_dict()})
    _by_another_program(gnome_keyring, "twice", [item])
    with pytest.raises(VaultError) as caught:
        vault.get("twice")
    assert caught.value.reason == "several"
    assert "another-value" not in str(caught.value)
    _put(vault, "twice", "the-right-value")
    assert vault.get("twice").secret == Secret("the-right-value")
    _by_another_program(gnome_keyring, "twice", [item, item, "foreign"])
    vault.remove("twice")
    assert vault._ask("get", "twice") is None


def test_another_collection_is_not_looked_into(use: Use, gnome_keyring: dict[str, str]) -> None:
    """Only the default collection counts: an item of our name elsewhere is neither read nor taken for a copy."""
    vault = use(gnome_keyring)
    elsewhere = "/org/freedesktop/secrets/collection/session"
    _by_another_program(gnome_keyring, "both", ["foreign"], elsewhere)
    assert vault._ask("get", "both") is None
    _put(vault, "both")
    assert vault.get("both").secret == Secret(CANARY)
    vault.remove("both")


def test_too_long_for_any_keyring(use: Use, tmp_path: Path) -> None:
    """Our own cap is refused before any call, with its size and the vault that takes it."""
    vault = use({"HOME": str(tmp_path)})
    with pytest.raises(VaultError, match="too long for the OS keyring") as caught:
        _put(vault, value="x1" * (keyring_vault._ITEM_LIMIT // 2))
    assert caught.value.exit_code == Exit.USAGE
    assert "--vault file" in caught.value.hint


def test_the_file_vault_refuses_what_it_could_never_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that would make the file larger than is read leaves the old file, and all it holds, as it was."""
    monkeypatch.setattr(file_vault, "_MAX_BYTES", 8192)
    vault = FileVault(Places(tmp_path / "state", tmp_path), lambda new: Secret("a fake passphrase"))
    vault.put(Credential("kept", Secret(CANARY), BINDING))
    with pytest.raises(VaultError, match="would be larger than"):
        vault.put(Credential("huge", Secret("x1" * 8192), BINDING))
    assert vault.get("kept").secret == Secret(CANARY)
    assert vault.names() == ["kept"]


_CHAINED = """
import keyring
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
class PlainText(KeyringBackend):
    priority = 50
    def get_password(self, *a): raise SystemExit("the plain text backend was asked")
    set_password = delete_password = get_password
keyring.core.set_keyring(ChainerBackend())
assert [type(one).__name__ for one in ChainerBackend().backends][0] == "PlainText"
from runbook_tui.secrets import keyring_child as child
assert type(child.native_backend()).__module__ == "keyring.backends.SecretService"
child.act(child.native_backend(), "check", "weather", "probe", None)
print("stored")
"""


def test_a_chain_with_a_plain_text_backend(gnome_keyring: dict[str, str]) -> None:
    """Another backend of a higher priority, as keyrings.alt brings, heads the library's chain: it is never asked."""
    done = subprocess.run(
        [sys.executable, "-c", _CHAINED], env=gnome_keyring, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("stored\n", 0), done.stderr


def test_a_child_ends_when_nobody_is_left_to_kill_it(hanging_keyring: dict[str, str]) -> None:
    """Its life is limited by the kernel's own clock: kill -9 of a front end leaves no process waiting for ever."""
    request = {"verb": "check", "service": "x", "name": "x", "value": None, "life": 1}
    child = subprocess.Popen(
        [sys.executable, "-I", "-m", "runbook_tui.secrets.keyring_child"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=hanging_keyring,
    )  # fmt: skip
    child.communicate(json.dumps(request).encode(), timeout=60)
    assert child.returncode == -14
