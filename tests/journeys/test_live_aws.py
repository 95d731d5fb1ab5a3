"""The whole job on real systems: AWS (moto), OpenBao, gnome-keyring, git. Nothing here is simulated by us."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from servers.aws import AwsKey, MotoServer
from servers.bao import OpenBao

RUNBOOK = [sys.executable, "-m", "runbook_tui"]


@dataclass
class Site:
    """A team's machine: keyring, workspace, repository, servers."""

    env: dict[str, str]
    root: Path
    moto: MotoServer
    bao: OpenBao
    leaked: AwsKey
    admin: AwsKey

    def run(self, *args: str, stdin: str = "", timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*RUNBOOK, *args], input=stdin, env=self.env, cwd=self.root, capture_output=True, text=True, timeout=timeout
        )

    def store(self, name: str, secret: str, *options: str) -> None:
        done = self.run("credential", "add", name, "--value-stdin", *options, stdin=secret + "\n")
        assert done.returncode == 0, done.stderr


@pytest.fixture
def site(tmp_path: Path, gnome_keyring: dict[str, str], moto_server: MotoServer, openbao: OpenBao) -> Site:
    admin = moto_server.user("admin")[0]
    leaked = moto_server.user("deploy")[0]
    root = tmp_path / "workspace"
    root.mkdir()
    env = {**gnome_keyring, "RUNBOOK_HOME": str(tmp_path / "home"), "TERM": "dumb"}
    here = Site(env, root, moto_server, openbao, leaked, admin)
    entry = {"options": {}, "data": {"aws_secret": "old", "other": "kept"}}
    headers = {"X-Vault-Token": openbao.root_token}
    httpx.post(f"{openbao.url}/v1/secret/data/deploy", json=entry, headers=headers, trust_env=False).raise_for_status()
    (root / "app.env").write_text(f"# the worker's settings\nAWS_SECRET_ACCESS_KEY={leaked.secret}\nPORT=8080\n")
    _repository(root / "repo", leaked.secret)
    (root / "inventory.yaml").write_text(_INVENTORY)
    origins = [f"--origin={name}={moto_server.url}" for name in ("iam", "sts", "cloudtrail")]
    here.store("aws-deploy", leaked.secret, "--provider=aws", f"--key-id={leaked.id}", *origins)
    here.store("aws-admin", admin.secret, "--provider=aws", f"--key-id={admin.id}", *origins)
    here.store("bao", openbao.root_token, "--provider=openbao", f"--origin=api={openbao.url}")
    return here


_INVENTORY = """\
inventory: 1
credentials:
  aws-deploy: {provider: aws, owner: kim, admin: aws-admin, consumers: [worker, manager]}
  aws-admin: {provider: aws, owner: kim}
consumers:
  worker:
    kind: env-file
    title: worker
    path: app.env
    variable: AWS_SECRET_ACCESS_KEY
    used: {vendor-last-used: true}
  manager:
    kind: secret-manager
    title: secret manager
    store: bao
    mount: secret
    path: deploy
    field: aws_secret
    used: {vendor-last-used: true}
repositories: [repo]
"""

_ANSWERS = """\
declare: {exposure: public, used_by_others: "no", power: ordinary}
decide: {order: replace_first, reason: the worker must not stop}
disable: {confirm: KEY}
revoke: {confirm: KEY}
audit: {skip_if_failed: this server keeps no trail}
clean-up: {seen: nothing to reverse in a test account}
"""


def _repository(path: Path, secret: str) -> None:
    git = ["git", "-c", "user.name=Kim", "-c", "user.email=kim@example.test", "-C", str(path)]
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    (path / "settings.py").write_text(f'SECRET = "{secret}"\n')
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "settings"], check=True)
    (path / "settings.py").write_text('SECRET = os.environ["SECRET"]\n')
    (path / "secret.yaml").write_text(f"data:\n  key: {base64.b64encode(secret.encode()).decode()}\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "read it from the environment"], check=True)


class _Worker(threading.Thread):
    """The consumer: reads its env file and calls AWS with what it finds, as a real service does."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self._site, self.over = site, threading.Event()

    def run(self) -> None:
        iam = self._site.moto.client("iam", self._site.admin)
        while not self.over.wait(0.5):
            text = (self._site.root / "app.env").read_text()
            secret = text.split("AWS_SECRET_ACCESS_KEY=")[1].splitlines()[0].strip("'")
            if secret == self._site.leaked.secret:
                continue
            keys = iam.list_access_keys(UserName="deploy")["AccessKeyMetadata"]
            new = [key["AccessKeyId"] for key in keys if key["AccessKeyId"] != self._site.leaked.id]
            if new:
                self._site.moto.client("iam", AwsKey(new[0], secret)).get_user()


def _events(site: Site, incident: str) -> list[dict[str, Any]]:
    shown = site.run("incident", "show", incident, "--json")
    assert shown.returncode == 0, shown.stderr
    return list(json.loads(shown.stdout)["events"])


@pytest.mark.network
def test_a_leaked_aws_key_is_replaced_rolled_out_and_proven_dead(site: Site) -> None:
    """Capture first; the new key stored and used; moto's inactive key refuted, the deleted one dead; a report."""
    answers = site.root / "answers.yaml"
    answers.write_text(_ANSWERS.replace("KEY", site.leaked.id))
    worker = _Worker(site)
    worker.start()
    try:
        done = site.run(
            "run",
            "api-key-leaked",
            "--input",
            "leaked=aws-deploy",
            "--headless",
            "--answers",
            str(answers),
            "--json",
            timeout=240,
        )
    finally:
        worker.over.set()
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    assert (done.returncode, result["state"]) == (0, "contained"), done.stderr
    assert result["credentials"][0]["old"] == "dead"
    assert result["credentials"][0]["proof"] == "refused"
    assert result["credentials"][0]["new"] == "live"
    assert result["consumers"] == {"live": 2, "total": 2}

    # The world agrees: asked by another program than ours.
    assert site.moto.refusal(site.leaked) == "InvalidClientTokenId"
    text = (site.root / "app.env").read_text()
    assert text.startswith("# the worker's settings\n")
    assert site.leaked.secret not in text
    assert (site.root / "app.env").stat().st_mode & 0o777 == 0o600
    headers = {"X-Vault-Token": site.bao.root_token}
    kept = httpx.get(f"{site.bao.url}/v1/secret/data/deploy", headers=headers, trust_env=False).json()["data"]["data"]
    assert kept["other"] == "kept"
    assert kept["aws_secret"] in text

    events = _events(site, result["incident"])
    kinds = [event["kind"] for event in events]
    captured = next(e["seq"] for e in events if e["kind"] == "recorded" and e["data"]["step"] == "capture")
    assert captured < next(e["seq"] for e in events if e["kind"] == "verification")
    disabled = [e["data"]["verdict"] for e in events if e["kind"] == "verification" and e["data"]["step"] == "disable"]
    assert "alive" in disabled, "moto takes inactive keys, so the proof after deactivation is refuted"
    for op in {e["data"]["op"] for e in events if e["kind"] == "intent"}:
        order = [e["kind"] for e in events if e["data"].get("op") == op and e["kind"] != "new_credential"]
        assert order == ["intent", "sending", "outcome"]
    found = next(e for e in events if e["kind"] == "scan")["data"]["result"]["repositories"][0]["hits"]
    assert {hit["form"] for hit in found} >= {"raw", "base64"}
    assert "exported" in kinds
    report = Path(result["report"]).read_text()
    assert "## " in report
    for secret in (site.leaked.secret, kept["aws_secret"], site.admin.secret, site.bao.root_token):
        for path in (Path(site.env["RUNBOOK_HOME"])).rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert secret.encode() not in path.read_bytes(), path
        assert secret not in done.stderr + done.stdout
    assert site.run("incident", "verify", result["incident"]).returncode == 0
