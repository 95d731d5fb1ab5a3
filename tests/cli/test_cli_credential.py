"""Promise: the vault commands keep, list and check credentials, and no value is ever shown, logged or an argument.

The real `runbook` command on a real gnome-keyring, a real terminal and a real OpenBao.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from servers.bao import OpenBao
    from servers.terminal import Terminal

CANARY = "sk_canary_Zq8Xw2Lm9Kp4Rt7Vb1Nc6Hd3"
RUNBOOK = [sys.executable, "-m", "runbook_tui"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def env(gnome_keyring: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return {**gnome_keyring, "RUNBOOK_HOME": str(tmp_path / "home")}


@pytest.fixture
def run(env: dict[str, str], tmp_path: Path) -> Run:
    """Runs `runbook` with arguments; no canary may be in what it prints."""

    def go(*arguments: str, stdin: str = "", env: dict[str, str] = env) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*RUNBOOK, *arguments], env=env, input=stdin, capture_output=True, text=True, cwd=tmp_path, timeout=120
        )
        assert "canary" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return go


@pytest.fixture
def name() -> str:
    """A name no other test has stored in this keyring."""
    return f"test-{uuid.uuid4().hex[:8]}"


def test_add_list_show_remove(run: Run, name: str, tmp_path: Path) -> None:
    added = run(
        "credential", "add", name, "--provider", "none", "--key-id", "k_1", "--value-stdin", stdin=CANARY + "\n"
    )
    assert added.returncode == 0, added.stderr
    assert "keyring (SecretService)" in added.stdout

    listed = json.loads(run("credential", "list", "--json").stdout)
    assert [(item["name"], item["key_id"]) for item in listed["credentials"]] == [(name, "k_1")]
    assert name in run("credential", "list").stdout

    shown = json.loads(run("credential", "show", name, "--json").stdout)
    assert shown["mask"] == "…6Hd3"
    assert shown["fingerprint"].startswith("fp:")
    assert shown["fingerprint"] in run("credential", "show", name).stdout

    assert run("credential", "remove", name).returncode == 2
    assert run("credential", "remove", name, "--yes-name", "other").returncode == 2
    assert run("credential", "remove", name, "--yes-name", name).returncode == 0
    gone = run("credential", "show", name)
    assert gone.returncode == 2
    assert f"no credential '{name}'" in gone.stderr
    assert "is empty" in run("credential", "list").stdout
    for file in (tmp_path / "home").rglob("*"):
        assert file.is_dir() or b"canary" not in file.read_bytes()


def test_an_existing_one_is_not_overwritten_by_accident(run: Run, name: str) -> None:
    add = ("credential", "add", name, "--provider", "none", "--value-stdin")
    assert run(*add, stdin=CANARY).returncode == 0
    again = run(*add, stdin="another-value-1234")
    assert again.returncode == 2
    assert "--replace" in again.stderr
    assert run(*add, "--replace", stdin="another-value-1234").returncode == 0
    assert json.loads(run("credential", "show", name, "--json").stdout)["mask"] == "…34"
    run("credential", "remove", name, "--yes-name", name)


def test_only_a_key_id(run: Run, name: str) -> None:
    assert run("credential", "add", name, "--provider", "none", "--no-value", "--key-id", "k_9").returncode == 0
    shown = json.loads(run("credential", "show", name, "--json").stdout)
    assert (shown["mask"], shown["key_id"]) == (None, "k_9")
    run("credential", "remove", name, "--yes-name", name)


def test_the_name_comes_back_with_its_prefix(run: Run, name: str) -> None:
    """A shipped provider's public prefix is part of the mask."""
    value = "sk-proj-" + "Zq8Xw2Lm9Kp4Rt7Vb1Nc6Hd3"
    added = run(
        "credential",
        "add",
        name,
        "--provider",
        "openai",
        "--attribute",
        "project_id=proj_1",
        "--value-stdin",
        stdin=value,
    )
    assert added.returncode == 0, added.stderr
    assert json.loads(run("credential", "show", name, "--json").stdout)["mask"] == "sk-proj-…6Hd3"
    run("credential", "remove", name, "--yes-name", name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("../x", "--provider", "none"), "not a valid name"),
        (("a", "--provider", "nobody"), "no provider 'nobody'"),
        (("a", "--provider", "openai", "--origin", "apl=https://x"), "has no origin 'apl'"),
        (("a", "--provider", "openai", "--attribute", "color=red"), "has no attribute 'color'"),
        (("a", "--provider", "openbao"), "needs the address 'api'"),
        (("a", "--provider", "none", "--origin", "api"), "written name=value"),
        (("a", "--provider", "none", "--origin", "api=ftp://x"), "is not an address"),
        (("a", "--provider", "none", "--no-value"), "--no-value goes with --key-id"),
        (("a",), "no provider was named"),
        (("a", "--provider", "none", "--vault", "session"), "a session vault ends with"),
    ],
)
def test_bad_usage(run: Run, arguments: tuple[str, ...], message: str) -> None:
    """One clear line and exit code 2; nothing is stored."""
    extra = () if "--no-value" in arguments else ("--value-stdin",)
    done = run("credential", "add", *arguments, *extra, stdin=CANARY)
    assert done.returncode == 2
    assert message in done.stderr
    assert json.loads(run("credential", "list", "--json").stdout)["credentials"] == []


def test_bad_values(run: Run, name: str) -> None:
    """Nothing, other bytes than text, too much: refused. Too short to be recognised later: stored with a warning."""
    add = ("credential", "add", name, "--provider", "none", "--value-stdin")
    assert "is empty" in run(*add, stdin="\n").stderr
    assert "larger than 64 KiB" in run(*add, stdin="x" * 70_000).stderr
    short = run(*add, stdin="abc12")
    assert short.returncode == 0
    assert "warning: the value is shorter than 8 characters" in short.stderr
    run("credential", "remove", name, "--yes-name", name)


def test_no_value_without_a_terminal(run: Run, name: str) -> None:
    """The prompt needs a terminal without echo; the hint names the other way."""
    done = subprocess.run(
        [*RUNBOOK, "credential", "add", name, "--provider", "none", "--vault", "file"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "--value-stdin" in done.stderr


def test_typed_at_a_terminal(terminal: Callable[..., Terminal], env: dict[str, str], run: Run, name: str) -> None:
    """Asked for twice without echo, provider recognised by its prefix and confirmed; the value is never shown."""
    value = "sk-proj-canary" + "Zq8Xw2Lm9Kp4Rt7Vb1Nc6Hd3"
    screen = terminal([*RUNBOOK, "credential", "add", name], env=env)
    screen.wait_for("not shown")
    screen.paste(value)
    screen.send("Enter")
    screen.wait_for("once more")
    screen.paste(value)
    screen.send("Enter")
    screen.wait_for("OpenAI")
    screen.type("y")
    screen.send("Enter")
    assert screen.wait_exit() == 0
    assert "canary" not in screen.history()
    assert json.loads(run("credential", "show", name, "--json").stdout)["provider"] == "openai"

    screen = terminal([*RUNBOOK, "credential", "remove", name], env=env)
    screen.wait_for("type its name")
    screen.type(name)
    screen.send("Enter")
    assert screen.wait_exit() == 0
    assert run("credential", "show", name).returncode == 2


def test_two_different_entries(terminal: Callable[..., Terminal], env: dict[str, str], name: str) -> None:
    screen = terminal([*RUNBOOK, "credential", "add", name, "--provider", "none"], env=env)
    screen.wait_for("not shown")
    screen.paste(CANARY)
    screen.send("Enter")
    screen.wait_for("once more")
    screen.paste(CANARY + "x")
    screen.send("Enter")
    assert screen.wait_exit() == 2
    assert "the two entries differ" in screen.history()


def test_file_vault_at_a_terminal(terminal: Callable[..., Terminal], env: dict[str, str], run: Run, name: str) -> None:
    """`init --vault file` is remembered; the passphrase is asked for without echo, twice the first time."""
    assert run("init", "team", "--vault", "file").returncode == 0
    screen = terminal([*RUNBOOK, "credential", "add", name, "--provider", "none"], env=env)
    for question in ("value of", "once more"):
        screen.wait_for(question)
        screen.paste(CANARY)
        screen.send("Enter")
    screen.wait_for("passphrase")
    screen.paste("canary passphrase")
    screen.send("Enter")
    screen.wait_for("vault (not shown):\nonce more")
    screen.paste("canary passphrase")
    screen.send("Enter")
    assert screen.wait_exit() == 0
    assert "in the vault: file" in screen.history()
    assert "canary" not in screen.history()
    assert json.loads(run("credential", "list", "--json").stdout)["vault"] == "file"


@pytest.mark.network
def test_check_asks_a_real_server(run: Run, openbao: OpenBao, name: str) -> None:
    """Alive is 0; after the revocation the server refuses the token: dead is 1; no answer is undetermined: 3."""
    admin = {"X-Vault-Token": openbao.root_token}
    made: dict[str, Any] = httpx.post(f"{openbao.url}/v1/auth/token/create", headers=admin, json={}).json()["auth"]
    origin = f"api={openbao.url}"
    add = ("credential", "add", name, "--provider", "openbao", "--value-stdin", "--replace", "--origin")
    assert run(*add, origin, stdin=made["client_token"]).returncode == 0
    alive = run("credential", "check", name)
    assert alive.returncode == 0, alive.stderr
    assert "is alive" in alive.stdout
    httpx.post(f"{openbao.url}/v1/auth/token/revoke-accessor", headers=admin, json={"accessor": made["accessor"]})
    dead = run("credential", "check", name, "--json")
    assert dead.returncode == 1
    assert json.loads(dead.stdout)["proof"] == "refused"
    assert made["client_token"] not in dead.stdout
    assert run(*add, "api=http://127.0.0.1:1", stdin=made["client_token"]).returncode == 0
    assert run("credential", "check", name).returncode == 3
    run("credential", "remove", name, "--yes-name", name)


def test_no_keyring(run: Run, tmp_path: Path) -> None:
    """Fails closed, with exit code 3 and what to do instead; listing still works."""
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "RUNBOOK_HOME": str(tmp_path / "home")}
    done = run("credential", "add", "a", "--provider", "none", "--value-stdin", stdin=CANARY, env=bare)
    assert done.returncode == 3
    assert "there is no OS keyring" in done.stderr
    assert "--vault file" in done.stderr
    assert run("credential", "list", env=bare).returncode == 0


def test_locked_keyring(run: Run, locked_keyring: dict[str, str], tmp_path: Path) -> None:
    env = {**locked_keyring, "RUNBOOK_HOME": str(tmp_path / "home")}
    done = run("credential", "add", "a", "--provider", "none", "--value-stdin", stdin=CANARY, env=env)
    assert done.returncode == 3
    assert "is locked" in done.stderr


def test_hanging_keyring_offers_to_wait(
    terminal: Callable[..., Terminal], hanging_keyring: dict[str, str], tmp_path: Path
) -> None:
    """At a terminal the operator is asked whether to go on waiting; a no ends it with exit code 3."""
    env = {**hanging_keyring, "RUNBOOK_HOME": str(tmp_path / "home")}
    screen = terminal([*RUNBOOK, "credential", "add", "a", "--provider", "none"], env=env)
    for question in ("value of", "once more"):
        screen.wait_for(question)
        screen.paste(CANARY)
        screen.send("Enter")
    screen.wait_for("wait up to 60 s")
    screen.type("n")
    screen.send("Enter")
    assert screen.wait_exit() == 3
    assert "does not answer" in screen.history()


def test_copy_is_refused_away_from_a_desktop(run: Run, name: str) -> None:
    run("credential", "add", name, "--provider", "none", "--value-stdin", stdin=CANARY)
    done = run("credential", "show", name, "--copy")
    assert done.returncode == 2
    assert "nothing was copied" in done.stderr
    run("credential", "remove", name, "--yes-name", name)
