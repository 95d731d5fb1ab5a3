"""Promise: the OpenBao manifest works on a real server: tokens live and die, secrets are stored without loss."""

from __future__ import annotations

import secrets

import httpx
import pytest

from runbook_tui.foundation.clock import FakeClock
from runbook_tui.net.client import Network
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential
from servers.bao import OpenBao

pytestmark = pytest.mark.network


@pytest.fixture
def engine() -> Engine:
    return Engine(Catalogue.load(), Network(), FakeClock())


@pytest.fixture
def admin(openbao: OpenBao) -> Credential:
    return Credential("root", Secret(openbao.root_token), Binding("openbao", {"api": openbao.url}))


def asked(openbao: OpenBao, method: str, path: str, **more: object) -> httpx.Response:
    headers = {"X-Vault-Token": openbao.root_token}
    return httpx.request(method, openbao.url + path, headers=headers, trust_env=False, **more)  # type: ignore[arg-type]


def test_a_token_is_made_found_and_revoked(engine: Engine, admin: Credential) -> None:
    parent = Credential("ci", None, Binding("openbao", admin.binding.origins, "none-yet"))
    made = engine.call("create", {"credential": parent, "admin": admin}, {"policy": "default"})
    assert made.result == "done", made.reason
    assert made.new is not None
    about = {"credential": made.new, "admin": admin}
    assert engine.verify(about).state == "alive"
    captured = engine.call("inspect", about)
    assert captured.outputs["id"] == made.new.binding.key_id
    assert "default" in captured.outputs["scopes"]
    assert engine.verify(about, operation="inspect").state == "alive"

    assert engine.call("revoke", about).result == "done"
    dead = engine.verify(about)
    assert (dead.state, dead.proof) == ("dead", "refused"), dead
    listed = engine.verify(about, operation="inspect")
    assert (listed.state, listed.proof) == ("dead", "listed"), listed
    again = engine.call("revoke", about)
    assert (again.result, again.already) == ("done", True), again


def test_a_token_that_may_not_look_itself_up_is_not_dead(engine: Engine, admin: Credential, openbao: OpenBao) -> None:
    body = {"policies": ["nothing"], "no_default_policy": True}
    token = asked(openbao, "POST", "/v1/auth/token/create", json=body).json()["auth"]["client_token"]
    weak = Credential("weak", Secret(token), Binding("openbao", admin.binding.origins))
    assert engine.verify({"credential": weak}).state == "undetermined"
    assert engine.call("inventory", {"credential": weak, "admin": admin}).outputs["count"] >= 1


def test_the_new_secret_joins_the_entry_and_the_rest_stays(engine: Engine, admin: Credential, openbao: OpenBao) -> None:
    path = "apps/" + secrets.token_hex(4) + "/web"
    asked(openbao, "POST", f"/v1/secret/data/{path}", json={"data": {"user": "u", "key": "old"}})
    about = {"admin": admin, "new": Credential("fresh", Secret('fresh "fake" value'), Binding("openai"))}
    where = {"path": path, "field": "key"}

    stored = engine.call("rollout", about, where)
    assert (stored.result, stored.outputs["version"]) == ("done", 2), stored
    kept = asked(openbao, "GET", f"/v1/secret/data/{path}").json()["data"]["data"]
    assert kept == {"user": "u", "key": 'fresh "fake" value'}
    assert engine.call("stored", about, {"path": path}).outputs["version"] == 2

    stale = engine.call("rollout", about, {**where, "cas": "1"})
    assert stale.result == "rejected"  # somebody else changed it since


def test_a_new_entry_is_made_but_never_overwritten(engine: Engine, admin: Credential) -> None:
    path = "apps/" + secrets.token_hex(4)
    about = {"admin": admin, "new": Credential("fresh", Secret("fresh-fake-value"), Binding("openai"))}
    assert engine.call("rollout", about, {"path": path}).result == "rejected"  # nothing there to add to
    assert engine.call("rollout_create", about, {"path": path}).outputs["version"] == 1
    assert engine.call("rollout_create", about, {"path": path}).result == "rejected"


def test_an_approle_secret_id_is_made_and_destroyed(engine: Engine, admin: Credential, openbao: OpenBao) -> None:
    asked(openbao, "POST", "/v1/sys/auth/approle", json={"type": "approle"})
    asked(openbao, "POST", "/v1/auth/approle/role/ci", json={})
    about = {"credential": Credential("ci", None, Binding("openbao", admin.binding.origins)), "admin": admin}
    made = engine.call("create_secret_id", about, {"role": "ci"})
    assert made.result == "done", made.reason
    assert made.new is not None
    gone = engine.call("revoke_secret_id", {"credential": made.new, "admin": admin}, {"role": "ci"})
    assert gone.result == "done", gone.reason
