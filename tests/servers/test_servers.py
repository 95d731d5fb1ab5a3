"""Each server really behaves as the tests that lean on it assume: otherwise their success would mean nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from servers.aws import MotoServer
from servers.bao import OpenBao
from servers.npm_servers import GitHub, violations
from servers.processes import plain_environment
from servers.terminal import Terminal

pytestmark = pytest.mark.network

_KEYRING = """
import sys
from keyring.backends.SecretService import Keyring
ring = Keyring()
ring.set_password("runbook-test", "name", sys.stdin.read())
print(ring.get_password("runbook-test", "name"))
"""


@pytest.fixture
def web() -> httpx.Client:
    return httpx.Client(trust_env=False, timeout=30)


def test_moto_refuses_a_deleted_key_and_still_takes_an_inactive_one(moto_server: MotoServer) -> None:
    """Deactivation alone leaves the old key alive on moto; only deletion is a proof of death."""
    admin, leaked = moto_server.user("admin")[0], moto_server.user("deploy")[0]
    iam = moto_server.client("iam", admin)

    iam.update_access_key(UserName="deploy", AccessKeyId=leaked.id, Status="Inactive")
    assert moto_server.refusal(leaked) == ""
    iam.delete_access_key(UserName="deploy", AccessKeyId=leaked.id)
    assert moto_server.refusal(leaked) == "InvalidClientTokenId"


def test_moto_checks_signatures_and_policies(moto_server: MotoServer) -> None:
    """A wrong signature and a missing permission are refused: what passes was really signed and allowed."""
    nothing = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}
    key = moto_server.user("limited", nothing)[0]
    assert moto_server.refusal(type(key)(key.id, "fake-wrong-secret")) == "SignatureDoesNotMatch"
    iam = moto_server.client("iam", key)
    with pytest.raises(iam.exceptions.ClientError, match="AccessDenied"):
        iam.list_users()


def test_openbao_keeps_a_value_and_refuses_a_revoked_token(openbao: OpenBao, web: httpx.Client) -> None:
    root = {"X-Vault-Token": openbao.root_token}
    path = f"{openbao.url}/v1/secret/data/servers-test"
    assert web.post(path, json={"data": {"key": "fake-value"}}, headers=root).status_code == 200
    assert web.get(path, headers=root).json()["data"]["data"] == {"key": "fake-value"}

    made = web.post(f"{openbao.url}/v1/auth/token/create", headers=root, json={"policies": ["root"]}).json()
    child = {"X-Vault-Token": made["auth"]["client_token"]}
    assert web.get(path, headers=child).status_code == 200
    web.post(f"{openbao.url}/v1/auth/token/revoke-self", headers=child).raise_for_status()
    assert web.get(path, headers=child).status_code == 403


def test_gnome_keyring_keeps_a_value_between_processes(gnome_keyring: dict[str, str]) -> None:
    """The keyring is a real Secret Service: libsecret's own program reads back what python-keyring stored."""
    stored = subprocess.run(
        [sys.executable, "-c", _KEYRING], env=gnome_keyring, input="fake-value", text=True, capture_output=True
    )
    assert stored.stdout.strip() == "fake-value", stored.stderr
    looked_up = subprocess.run(
        ["secret-tool", "lookup", "service", "runbook-test", "username", "name"],
        env=gnome_keyring,
        text=True,
        capture_output=True,
    )
    assert looked_up.stdout == "fake-value"


def test_a_locked_keyring_gives_nothing(locked_keyring: dict[str, str]) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", _KEYRING], env=locked_keyring, input="fake-value", text=True, capture_output=True
    )
    assert asked.returncode != 0
    assert "fake-value" not in asked.stdout


def test_a_hanging_keyring_never_answers(hanging_keyring: dict[str, str]) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(
            [sys.executable, "-c", _KEYRING], env=hanging_keyring, input="x", text=True, capture_output=True, timeout=3
        )


def test_prism_refuses_what_the_vendor_would_refuse(prism: Callable[[str], str], web: httpx.Client) -> None:
    """A wrong body and a wrong path are named; a right request has no violation."""
    github = prism("github")
    body = {"credentials": ["fake_token_value"]}
    right = web.post(f"{github}/credentials/revoke", json=body)
    assert right.status_code == 202
    assert violations(right.headers) == []

    wrong = web.post(f"{github}/credentials/revoke", json={"credentials": "one string"})
    assert wrong.status_code == 422
    assert any(line.startswith("request.body.credentials") for line in violations(wrong.headers))
    assert web.get(f"{github}/credentials/nowhere").status_code == 404


def test_emulate_removes_a_member(emulate: GitHub, web: httpx.Client) -> None:
    """The removal is seen afterwards: members and teams no longer list the leaver, the others stay."""
    web.headers["Authorization"] = f"Bearer {emulate.token}"
    members = f"{emulate.url}/orgs/{emulate.organisation}/members"
    team = f"{emulate.url}/orgs/{emulate.organisation}/teams/{emulate.team}/members"
    assert {member["login"] for member in web.get(members).json()} == {"owner", "leaver", "stays"}
    assert {member["login"] for member in web.get(team).json()} == {"owner", "leaver"}

    assert web.delete(f"{members}/leaver").status_code == 204
    assert web.get(f"{members}/leaver").status_code == 404
    assert {member["login"] for member in web.get(members).json()} == {"owner", "stays"}
    assert {member["login"] for member in web.get(team).json()} == {"owner"}


def test_servers_listen_on_loopback_only(emulate: GitHub) -> None:
    """No test server can be reached from another machine."""
    port = int(emulate.url.rsplit(":", 1)[1])
    listening = [
        line.split()[1].split(":")[0]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    ]
    assert set(listening) <= {"0100007F"}


def test_the_terminal_types_pastes_resizes_and_reports_the_exit(terminal: Callable[..., Terminal]) -> None:
    """Keys reach the program, its screen is read, a no-echo prompt stays hidden, and its exit code comes back."""
    program = (
        "import getpass, os, sys\n"
        "name = input('name? '); secret = getpass.getpass('secret? ')\n"
        "print('hello', name, len(secret), sys.stdout.isatty(), os.get_terminal_size())\n"
        "input('size? '); print(os.get_terminal_size()); sys.exit(7)"
    )
    shell = terminal([sys.executable, "-c", program], env=plain_environment(), columns=80, rows=24)
    shell.wait_for("name?")
    shell.type("Ada")
    shell.send("Enter")
    shell.wait_for("secret?")
    shell.paste("fake-pasted-value\n")
    screen = shell.wait_for("hello Ada 17 True os.terminal_size(columns=80, lines=24)")
    assert "fake-pasted-value" not in screen
    shell.resize(100, 30)
    shell.send("Enter")
    shell.wait_for("columns=100, lines=30")
    assert shell.wait_exit() == 7


def test_the_terminal_reports_the_signal_that_ended_its_program(terminal: Callable[..., Terminal]) -> None:
    shell = terminal([sys.executable, "-c", "input('here? ')"], env=plain_environment())
    shell.wait_for("here?")
    os.kill(shell.pid, signal.SIGKILL)
    assert shell.wait_exit() == 128 + signal.SIGKILL


def test_closing_the_terminal_hangs_up_its_program(terminal: Callable[..., Terminal]) -> None:
    shell = terminal([sys.executable, "-c", "input('here? ')"], env=plain_environment())
    shell.wait_for("here?")
    pid = shell.pid
    assert shell.exit_code() is None
    shell.close()
    with pytest.raises(ProcessLookupError):  # noqa: PT012 - until the signal has been delivered
        for _ in range(1_000):
            os.kill(pid, 0)
            subprocess.run(["sleep", "0.01"])
