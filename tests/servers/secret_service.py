"""A real gnome-keyring on a private bus, in a private home folder; also locked, and one that never answers."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from servers.processes import end, needs, plain_environment, wait_until

Process = subprocess.Popen[bytes]
State = Literal["unlocked", "locked", "hanging"]

_OWNER = """
import sys
from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection
bus = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
name = "org.freedesktop.secrets"
connection = open_dbus_connection("SESSION")
"""
_ASK = (
    _OWNER
    + """
sys.exit(not connection.send_and_get_reply(new_method_call(bus, "NameHasOwner", "s", (name,))).body[0])
"""
)
# Owns the name and answers nothing: what a caller meets when the service waits for a dialog nobody sees.
_HANG = (
    _OWNER
    + """
connection.send_and_get_reply(new_method_call(bus, "RequestName", "su", (name, 4)))
while True:
    connection.receive()
"""
)


@contextlib.contextmanager
def run_secret_service(state: State = "unlocked") -> Iterator[dict[str, str]]:
    """Give the environment under which a command sees this keyring, and nothing of the user's own."""
    bus_program = needs("dbus-daemon", "dbus")
    keyring_program = needs("gnome-keyring-daemon", "gnome-keyring")
    # Not below pytest's folder: a socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="rb-keyring-") as root, contextlib.ExitStack() as stack:
        env = _private_environment(Path(root))
        log = stack.enter_context((Path(root) / "log").open("wb"))

        def start(argv: list[str], stdin: int = subprocess.DEVNULL, stdout: IO[bytes] | int = log) -> Process:
            process = subprocess.Popen(
                argv, env=env, cwd=root, stdin=stdin, stdout=stdout, stderr=log, start_new_session=True
            )
            stack.callback(end, process)
            return process

        bus = start([bus_program, "--session", "--nofork", "--nopidfile", "--print-address=1"], stdout=subprocess.PIPE)
        assert bus.stdout is not None
        env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().decode().strip()
        bus.stdout.close()
        if state == "hanging":
            service = start([sys.executable, "-c", _HANG])
        else:
            daemon = [keyring_program, "--foreground", "--components=secrets"]
            service = start([*daemon, "--unlock"], stdin=subprocess.PIPE)
            assert service.stdin is not None
            service.stdin.write(b"fake-passphrase")
            service.stdin.close()
        wait_until(lambda: _owned(env), service, 20, Path(root) / "log")
        if state == "locked":
            # The same login keyring, seen by a daemon that was not given the passphrase.
            end(service)
            wait_until(lambda: _owned(env), start(daemon), 20, Path(root) / "log")
        yield dict(env)


def _private_environment(root: Path) -> dict[str, str]:
    folders = {
        "HOME": root / "home",
        "XDG_RUNTIME_DIR": root / "run",
        "XDG_DATA_HOME": root / "home/.local/share",
        "XDG_CONFIG_HOME": root / "home/.config",
        "XDG_STATE_HOME": root / "home/.local/state",
        "XDG_CACHE_HOME": root / "home/.cache",
    }
    for folder in (*folders.values(), root / "home/.local/share/keyrings"):
        # Without the keyrings folder gnome-keyring does not make a login keyring.
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    return plain_environment(**{name: str(folder) for name, folder in folders.items()})


def _owned(env: dict[str, str]) -> bool:
    return subprocess.run([sys.executable, "-c", _ASK], env=env, stdin=subprocess.DEVNULL).returncode == 0
