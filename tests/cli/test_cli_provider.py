"""Promise: the catalogue can be read, checked and tried from the command line; a change wants its target typed."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from servers.bao import OpenBao

RUNBOOK = [sys.executable, "-m", "runbook_tui"]
Run = Callable[..., subprocess.CompletedProcess[str]]


def _runner(env: dict[str, str], folder: Path) -> Run:
    def go(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*RUNBOOK, *arguments], env=env, input=stdin, capture_output=True, text=True, cwd=folder, timeout=120
        )

    return go


@pytest.fixture
def bare(tmp_path: Path) -> Run:
    return _runner({"PATH": "/usr/bin:/bin", "RUNBOOK_HOME": str(tmp_path / "home")}, tmp_path)


@pytest.fixture
def run(gnome_keyring: dict[str, str], tmp_path: Path) -> Run:
    return _runner({**gnome_keyring, "RUNBOOK_HOME": str(tmp_path / "home")}, tmp_path)


def test_the_catalogue_is_listed_and_shown(bare: Run) -> None:
    rows = {row["id"]: row for row in json.loads(bare("provider", "list", "--json").stdout)}
    assert {"aws", "discord", "fastpix", "github", "iptv", "nowpayments", "openbao"} <= set(rows)
    assert rows["streampixel"]["overlap"] == "none"
    assert "create" in rows["streampixel"]["manual"]
    shown = bare("provider", "show", "aws")
    assert shown.returncode == 0
    assert "undone by restore" in shown.stdout
    facts = json.loads(bare("provider", "show", "stripe", "--json").stdout)
    assert facts["operations"]["create"]["link"] == "https://dashboard.stripe.com/apikeys"


def test_an_unknown_provider_is_one_clear_line(bare: Run) -> None:
    done = bare("provider", "show", "gihub")
    assert done.returncode == 2
    assert "did you mean github?" in done.stderr


def test_mistakes_in_a_manifest_are_named_with_their_place(bare: Run, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("provider: 1\nid: own\nname: Own\nnmae: Own\n")
    done = bare("provider", "check", "own.yaml")
    assert done.returncode == 2
    assert "own.yaml:4:1: error: unknown field `nmae`" in done.stdout
    missing = bare("provider", "check", "absent.yaml")
    assert missing.returncode == 2
    assert "cannot read absent.yaml" in missing.stderr


def test_a_token_is_previewed_checked_and_revoked(run: Run, openbao: OpenBao, tmp_path: Path) -> None:
    headers = {"X-Vault-Token": openbao.root_token}
    made = httpx.post(f"{openbao.url}/v1/auth/token/create", headers=headers, json={}, trust_env=False).json()["auth"]
    name = f"ci-{secrets.token_hex(4)}"
    place = ("--provider", "openbao", "--origin", f"api={openbao.url}")
    key = ("--key-id", made["accessor"])
    run("credential", "add", name, *place, *key, "--value-stdin", stdin=made["client_token"])
    root = run("credential", "add", f"{name}-root", *place, "--value-stdin", stdin=openbao.root_token)
    assert root.returncode == 0, root.stderr
    about = ("--credential", name, "--admin", f"{name}-root")

    preview = run("provider", "call", "openbao", "revoke", *about, "--dry-run")
    assert preview.returncode == 0, preview.stderr
    assert "POST " in preview.stdout
    assert made["accessor"] in preview.stdout
    assert openbao.root_token not in preview.stdout + preview.stderr

    assert run("provider", "call", "openbao", "verify", *about).returncode == 0
    unconfirmed = run("provider", "call", "openbao", "revoke", *about)
    assert unconfirmed.returncode == 2
    assert f"--confirm {made['accessor']}" in unconfirmed.stderr
    assert run("provider", "call", "openbao", "verify", *about).returncode == 0  # nothing happened

    done = run("provider", "call", "openbao", "revoke", *about, "--confirm", made["accessor"], "--json")
    assert json.loads(done.stdout)["result"] == "done", done.stderr
    dead = run("provider", "call", "openbao", "verify", *about, "--json")
    assert (dead.returncode, json.loads(dead.stdout)["state"]) == (1, "dead")


def test_a_new_key_is_refused_without_a_place_and_then_kept(run: Run, openbao: OpenBao) -> None:
    name = f"root-{secrets.token_hex(4)}"
    place = ("--provider", "openbao", "--origin", f"api={openbao.url}")
    run("credential", "add", name, *place, "--value-stdin", stdin=openbao.root_token)
    run("credential", "add", f"{name}-old", *place, "--key-id", "old-accessor", "--no-value")
    call = ("provider", "call", "openbao", "create", "--credential", f"{name}-old", "--admin", name)
    change = (*call, "--arg", "policy=default", "--confirm", "old-accessor")
    homeless = run(*change)
    assert homeless.returncode == 2
    assert "--store" in homeless.stderr
    kept = run(*change, "--store", f"{name}-new")
    assert kept.returncode == 0, kept.stderr
    assert run("credential", "check", f"{name}-new").returncode == 0


def test_what_has_no_api_is_told_step_by_step(run: Run) -> None:
    name = f"sp-{secrets.token_hex(4)}"
    fact = ("--attribute", "user_id=u1")
    run("credential", "add", name, "--provider", "streampixel", *fact, "--value-stdin", stdin="fake-streampixel-key-1")
    done = run("provider", "call", "streampixel", "create", "--credential", name)
    assert done.returncode == 3
    assert "https://dashboard.streampixel.io" in done.stdout
