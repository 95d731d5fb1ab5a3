"""Promise: `init` makes a valid workspace without overwriting one; `doctor` finds what would get in the way."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_tui.cli import doctor
from runbook_tui.cli.checks import memory, session, software, store
from runbook_tui.cli.checks.finding import LIMIT, Check, Finding, good, run_checks
from runbook_tui.cli.checks.linux import Logind
from runbook_tui.foundation.mounts import Mount
from runbook_tui.foundation.places import Places
from runbook_tui.foundation.workspace import Workspace
from runbook_tui.secrets import keyring_vault

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
    folders = {"playbooks", "manifests", "schemes", "rules", "drills"}
    assert {path.name for path in root.iterdir()} == {"inventory.yaml", *folders}
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
    assert list(states) == [check.name for check in doctor.CHECKS]
    assert states["terminal"] == "warn"  # there is none in this test


def test_doctor_without_a_keyring_warns(tmp_path: Path) -> None:
    code, states = _states(_bare(tmp_path), tmp_path)
    assert (code, states["keyring"]) == (0, "warn")
    done = _run(_bare(tmp_path), tmp_path, "doctor")
    assert "hint: start one in a desktop session" in done.stdout


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


def test_the_json_document(tmp_path: Path) -> None:
    """Every check is there, says which promise it guards, and whatever is not good has a hint."""
    done = _run(_bare(tmp_path), tmp_path, "doctor", "--json")
    document = json.loads(done.stdout)
    assert set(document) == {"doctor", "healthy", "findings"}
    assert (document["doctor"], document["healthy"]) == (1, done.returncode == 0)
    for one in document["findings"]:
        assert set(one) == {"check", "state", "detail", "hint", "protects"}
        assert one["state"] in ("ok", "warn", "bad")
        assert one["detail"]
        assert one["protects"]
        assert one["hint"] or one["state"] == "ok", one
    assert done.stderr == ""


def test_the_keyrings_program_is_named(gnome_keyring: dict[str, str], tmp_path: Path) -> None:
    done = _run({**gnome_keyring, "RUNBOOK_HOME": str(tmp_path / "home")}, tmp_path, "doctor")
    assert "keyring (SecretService) of gnome-keyring-d: a test value was stored" in done.stdout


def test_what_other_programs_would_use_is_named_and_ignored(tmp_path: Path) -> None:
    """A variable, a keyringrc.cfg or a backend that keeps plain text changes nothing here, and is told."""
    (tmp_path / ".config/python_keyring").mkdir(parents=True)
    (tmp_path / ".config/python_keyring/keyringrc.cfg").write_text("[backend]\ndefault-keyring=keyrings.alt.file.X\n")
    env = {**_bare(tmp_path), "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", "SSLKEYLOGFILE": "/tmp/keys"}
    text = _run(env, tmp_path, "doctor").stdout
    assert "ignored by this program: PYTHON_KEYRING_BACKEND, " in text
    assert "keyringrc.cfg" in text
    assert "ignored: PYTHON_KEYRING_BACKEND, SSLKEYLOGFILE" in text


def test_proxies_and_loaders_are_told(tmp_path: Path) -> None:
    for name, said in (("HTTPS_PROXY", "ignored: HTTPS_PROXY"), ("LD_AUDIT", "LD_AUDIT puts other code")):
        done = _run({**_bare(tmp_path), name: "/nowhere"}, tmp_path, "doctor")
        assert done.returncode == 0
        assert f"warn environment    {said}" in done.stdout


def test_the_chosen_vault(tmp_path: Path) -> None:
    """A vault that does not exist, or a file that is none, is found before a secret is asked for."""
    (tmp_path / "home/config").mkdir(parents=True)
    choice = tmp_path / "home/config/vault"
    choice.write_text("cloud\n")
    assert _states(_bare(tmp_path), tmp_path)[1]["vault"] == "bad"
    choice.write_text("file\n")
    assert _states(_bare(tmp_path), tmp_path)[1]["vault"] == "ok"
    (tmp_path / "home/state").mkdir(mode=0o700)
    (tmp_path / "home/state/vault.json").write_text("{}")
    done = _run(_bare(tmp_path), tmp_path, "doctor")
    assert "is not a vault file this program would write" in done.stdout


def test_incidents_that_need_somebody(tmp_path: Path) -> None:
    """A journal that cannot be read is bad; one that no conductor works on is no fault of a drill."""
    folder = tmp_path / "home/state/incidents/inc-20260101-aaaa"
    folder.mkdir(parents=True, mode=0o700)
    (tmp_path / "home/state").chmod(0o700)
    (folder / "journal.db").write_text("not a database")
    done = _run(_bare(tmp_path), tmp_path, "doctor")
    assert done.returncode == 1
    assert "cannot be read: inc-20260101-aaaa" in done.stdout
    shutil.rmtree(folder)
    assert _run(_bare(tmp_path), tmp_path, "drill", "api-key-leaked", "--auto").returncode == 0
    code, states = _states(_bare(tmp_path), tmp_path)
    assert (code, states["incidents"]) == (0, "ok")


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    """Found by doctor, and by a drill before anything is opened, with the same message."""
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    env = {**_bare(tmp_path), "RUNBOOK_HOME": str(deep), "XDG_RUNTIME_DIR": str(deep)}
    assert _states(env, tmp_path)[1]["sockets"] == "bad"
    env["XDG_RUNTIME_DIR"] = "/tmp"
    assert _states(env, tmp_path)[1]["sockets"] == "ok"
    env["XDG_RUNTIME_DIR"] = str(deep)
    done = _run(env, tmp_path, "drill", "api-key-leaked", "--plain")
    assert (done.returncode, "too long for a socket" in done.stderr) == (3, True)
    assert list((deep / "state/incidents").iterdir()) == []


def test_a_check_that_fails_or_hangs_is_a_warning(tmp_path: Path) -> None:
    """Never a traceback, never for ever: a check that cannot be made says so, and the others are told all the same."""

    def wrong(here: Places) -> Finding:
        raise KeyError("canary-of-the-fault")

    def denied(here: Places) -> Finding:
        raise PermissionError(13, "Permission denied", "/proc/x")

    hung = threading.Event()

    def hangs(here: Places) -> Finding:
        hung.wait()
        return good("late")

    checks = [Check(look.__name__, "p", look) for look in (wrong, denied, hangs)]
    checks.append(Check("fine", "p", lambda here: good("fine\x1b[31m")))
    found = run_checks(checks, Places(tmp_path, tmp_path), limit=1)
    hung.set()
    assert [one.state for one in found] == ["warn", "warn", "warn", "ok"]
    assert "KeyError at" in found[0].detail
    assert "canary" not in found[0].detail
    assert found[1].detail == "could not be checked: /proc/x: Permission denied"
    assert found[2].detail == "could not be checked: no answer after 1 s"
    assert "\x1b" not in found[3].detail


def test_doctor_ends_with_a_keyring_that_hangs(hanging_keyring: dict[str, str], tmp_path: Path) -> None:
    """The limit of all checks together is below ten seconds and above what one keyring call may take."""
    assert keyring_vault.LIMIT == 3.0
    assert keyring_vault.LIMIT < LIMIT < 10
    done = _run({**hanging_keyring, "RUNBOOK_HOME": str(tmp_path / "home")}, tmp_path, "doctor")
    assert done.returncode == 1
    assert "bad  keyring        the OS keyring does not answer" in done.stdout


def _places(tmp_path: Path) -> Places:
    return Places(tmp_path / "state", tmp_path / "config")


@pytest.mark.parametrize(
    ("kind", "state"),
    [("nfs4", "bad"), ("fuse.sshfs", "bad"), ("vfat", "bad"), ("overlay", "warn"), ("tmpfs", "warn"), ("xfs", "ok")],
)
def test_file_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, state: str) -> None:
    """What the journal refuses is bad here too; what a container or a restart loses is warned of."""
    monkeypatch.setattr(store, "mounts", lambda: [Mount("/", kind)])
    assert store.file_system(_places(tmp_path)).state == state


def test_a_full_disk_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 1024 * 1024})
    monkeypatch.setattr(store.shutil, "disk_usage", lambda folder: usage)
    assert store.disk(_places(tmp_path)).state == "bad"


def test_folders_that_others_own_or_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left behind by sudo, or below a folder in which anybody may put another one."""
    here = Places(tmp_path / "open/state", tmp_path / "config")
    here.state.mkdir(parents=True, mode=0o700)
    assert store.permissions(here).state == "ok"
    (tmp_path / "open").chmod(0o777)
    assert "may be changed by anybody" in store.permissions(here).detail
    (tmp_path / "open").chmod(0o700)
    (here.state / "left").touch()
    monkeypatch.setattr(store.os, "geteuid", lambda: 12345)
    assert "belongs to another user" in store.permissions(here).detail
    monkeypatch.setattr(store.os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "ada")
    assert store.permissions(here).state == "warn"


@pytest.mark.parametrize(
    ("dumpable", "pattern", "limit", "state"),
    [
        (False, "core", resource.RLIM_INFINITY, "ok"),
        (False, "|/usr/share/apport/apport -p%p", 0, "ok"),
        (True, "core", 0, "ok"),
        (True, "core", resource.RLIM_INFINITY, "warn"),
        (True, "|/usr/share/apport/apport -p%p", 0, "warn"),
        (True, "@/run/coredump.socket", 0, "warn"),
    ],
)
def test_core_dumps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dumpable: bool, pattern: str, limit: int, state: str
) -> None:
    """A limit of 0 does not keep a dump from a collector; a process that is not dumpable is never dumped."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    monkeypatch.setattr(memory, "_undumpable", lambda: not dumpable)
    monkeypatch.setattr(memory, "_setting", lambda name: pattern if name == "core_pattern" else "1")
    assert memory.cores(_places(tmp_path)).state == state


def test_this_programs_own_processes_are_not_dumpable(tmp_path: Path) -> None:
    """Not by belief: the kernel is asked in the process that would hold the secret."""
    text = _run(_bare(tmp_path), tmp_path, "doctor").stdout
    assert "ok   core dumps     never of this program" in text
    assert "ok   debuggers      kept out by this program itself" in text


def test_git_that_anybody_could_replace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for first in (str(tmp_path / "open"), "", "bin"):
        monkeypatch.setenv("PATH", f"{first}:/usr/bin:/bin")
        assert software.git(_places(tmp_path)).state == "bad"
    monkeypatch.setenv("PATH", f"/usr/bin:/bin:{tmp_path / 'open'}")
    assert software.git(_places(tmp_path)).state in ("ok", "warn")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert software.git(_places(tmp_path)).state == "warn"


@pytest.mark.parametrize(
    ("place", "settings", "linger", "state"),
    [
        ("", Logind(True), False, "ok"),
        ("session", Logind(False), False, "ok"),
        ("session", Logind(True), False, "warn"),
        ("session", Logind(True), True, "warn"),
        ("session", Logind(None), False, "warn"),
        ("user manager", Logind(False), False, "warn"),
        ("user manager", Logind(True), True, "ok"),
    ],
)
def test_what_a_logout_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, settings: Logind, linger: bool, state: str
) -> None:
    """Lingering saves what runs below the user manager, and nothing that is in a session's scope."""
    monkeypatch.setattr(session, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(session, "_LINGER", tmp_path)
    monkeypatch.setattr(session.getpass, "getuser", lambda: "ada")
    monkeypatch.setattr(session, "home_of_process", lambda text: place)
    monkeypatch.setattr(session, "_asked", lambda: settings)
    if linger:
        (tmp_path / "ada").touch()
    assert session.logout(_places(tmp_path)).state == state
