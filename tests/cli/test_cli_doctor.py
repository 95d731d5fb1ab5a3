"""Promise: `init` makes a valid workspace without overwriting one; `doctor` finds what would get in the way."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_tui.cli import doctor
from runbook_tui.foundation.places import Places
from runbook_tui.foundation.workspace import Workspace

if TYPE_CHECKING:
    from servers.terminal import Terminal

RUNBOOK = [sys.executable, "-m", "runbook_tui"]


def _run(env: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUNBOOK, *arguments],
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def _bare(folder: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(folder), "RUNBOOK_HOME": str(folder / "home")}


def _states(env: dict[str, str], folder: Path) -> tuple[int, dict[str, str]]:
    done = _run(env, folder, "doctor", "--json")
    return done.returncode, {item["check"]: item["state"] for item in json.loads(done.stdout)["findings"]}


def test_init_makes_a_workspace_once(tmp_path: Path) -> None:
    env = _bare(tmp_path)
    done = _run(env, tmp_path, "init", "team")
    assert done.returncode == 0, done.stderr
    assert "none usable yet: there is no OS keyring" in done.stdout
    root = tmp_path / "team"
    assert Workspace.load(root).credentials == {}
    assert {path.name for path in root.iterdir()} == {"inventory.yaml", "playbooks", "manifests", "schemes", "drills"}
    (root / "inventory.yaml").write_text("inventory: 1\n# ours\n")
    again = _run(env, tmp_path, "init", "team")
    assert again.returncode == 2
    assert "is a workspace already" in again.stderr
    assert (root / "inventory.yaml").read_text() == "inventory: 1\n# ours\n"


def test_the_examples_of_the_new_inventory_are_valid(tmp_path: Path) -> None:
    """Whoever takes the comment marks away gets an inventory that loads."""
    _run(_bare(tmp_path), tmp_path, "init", ".")
    lines = (tmp_path / "inventory.yaml").read_text().splitlines()
    text = "\n".join(line.replace("  # ", "  ", 1) if line.startswith("  # ") else line for line in lines)
    (tmp_path / "inventory.yaml").write_text(text)
    space = Workspace.load(tmp_path)
    assert list(space.consumers) == ["shop-env", "shop-vault"]
    assert space.people["ada"].accounts[0].provider == "github"


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for env, folder in ((_bare(tmp_path), "file/team"), (_bare(tmp_path) | {"RUNBOOK_HOME": "file/home"}, "team")):
        done = _run(env, tmp_path, "init", folder, "--vault", "file")
        assert done.returncode == 2
        assert done.stderr.startswith("error: cannot write")
        assert "Traceback" not in done.stderr


def test_init_says_that_the_keyring_works(gnome_keyring: dict[str, str], tmp_path: Path) -> None:
    env = {**gnome_keyring, "RUNBOOK_HOME": str(tmp_path / "home")}
    assert "keyring (SecretService) works" in _run(env, tmp_path, "init", "team").stdout


def test_doctor_with_a_keyring(gnome_keyring: dict[str, str], tmp_path: Path) -> None:
    code, states = _states({**gnome_keyring, "RUNBOOK_HOME": str(tmp_path / "home")}, tmp_path)
    assert code == 0
    assert states["keyring"] == "ok"
    assert set(states) == {
        "keyring",
        "clock",
        "disk",
        "file system",
        "permissions",
        "swap",
        "core dumps",
        "terminal",
    }
    assert states["terminal"] == "warn"  # there is none in this test


def test_doctor_without_a_keyring_warns(tmp_path: Path) -> None:
    code, states = _states(_bare(tmp_path), tmp_path)
    assert (code, states["keyring"]) == (0, "warn")
    done = _run(_bare(tmp_path), tmp_path, "doctor")
    assert "hint: start one in a desktop session" in done.stdout


def test_doctor_finds_a_hanging_keyring_bad(hanging_keyring: dict[str, str], tmp_path: Path) -> None:
    code, states = _states({**hanging_keyring, "RUNBOOK_HOME": str(tmp_path / "home")}, tmp_path)
    assert (code, states["keyring"]) == (1, "bad")


def test_doctor_finds_open_folders_bad(tmp_path: Path) -> None:
    state = tmp_path / "home" / "state"
    state.mkdir(parents=True)
    state.chmod(0o755)
    code, states = _states(_bare(tmp_path), tmp_path)
    assert (code, states["permissions"]) == (1, "bad")


def test_doctor_at_a_terminal(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    for columns, state in ((100, "ok   terminal"), (70, "warn terminal")):
        screen = terminal([*RUNBOOK, "doctor"], env=_bare(tmp_path), columns=columns, rows=30)
        screen.wait_exit()
        assert state in screen.history()


def test_the_mount_that_holds_a_path() -> None:
    """The longest mount point counts, the last one of several on the same point wins, blanks are decoded."""
    table = (
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "2 1 0:5 / /home rw shared:1 - nfs4 server:/home rw\n"
        "3 2 0:6 / /home/a\\040b rw - tmpfs tmpfs rw\n"
    )
    assert doctor._mounted(table, Path("/var/lib")) == ("ext4", "/")
    assert doctor._mounted(table, Path("/home/ada")) == ("nfs4", "/home")
    assert doctor._mounted(table, Path("/home/a b/c")) == ("tmpfs", "/home/a b")


def test_a_network_file_system_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_mounted", lambda table, path: ("nfs4", "/home"))
    assert doctor.file_system(Places(tmp_path, tmp_path)).state == "bad"


def test_a_full_disk_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 1024 * 1024})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage)
    assert doctor.disk(Places(tmp_path / "none" / "yet", tmp_path)).state == "bad"


def test_core_dumps_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(tmp_path, tmp_path)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert doctor.cores(places).state == "warn"
    monkeypatch.setattr(resource, "getrlimit", lambda which: (0, 0))
    assert doctor.cores(places).state == "ok"
