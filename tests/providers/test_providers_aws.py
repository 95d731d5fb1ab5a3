"""Promise: the AWS manifest works on a server that checks signatures and policies, from capture to deletion."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runbook_tui.foundation.clock import FakeClock
from runbook_tui.net.client import Network
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential
from servers.aws import AwsKey, MotoServer

pytestmark = pytest.mark.network


def credential(name: str, url: str, key: AwsKey, **attributes: str) -> Credential:
    origins = dict.fromkeys(("iam", "sts", "cloudtrail", "secretsmanager"), url)
    return Credential(name, Secret(key.secret), Binding("aws", origins, key.id, attributes))


@pytest.fixture
def engine() -> Engine:
    return Engine(Catalogue.load(), Network(), FakeClock())


def test_a_key_is_captured_replaced_disabled_and_deleted(moto_server: MotoServer, engine: Engine) -> None:
    leaked = credential("deploy", moto_server.url, moto_server.user("deploy")[0])
    admin = credential("admin", moto_server.url, moto_server.user("admin")[0])
    about = {"credential": leaked, "admin": admin}

    captured = engine.call("inspect", about)
    assert captured.result == "done", captured.reason
    assert captured.outputs["id"] == leaked.binding.key_id
    assert captured.outputs["status"] == "Active"
    assert captured.outputs["owner"] == "deploy"
    assert captured.learned is not None
    assert captured.learned.attributes["user_name"] == "deploy"
    about["credential"] = replace(leaked, binding=captured.learned)

    created = engine.call("create", about)
    assert created.result == "done", created.reason
    assert created.new is not None
    assert created.new.secret is not None
    assert created.new.binding.key_id == created.outputs["id"] != leaked.binding.key_id
    assert engine.verify({"credential": created.new}).state == "alive"
    assert moto_server.refusal(AwsKey(created.new.binding.key_id, created.new.secret.expose())) == ""

    assert engine.call("create", about).result == "rejected"  # two keys at most
    assert engine.call("inventory", about).outputs["count"] == 2

    assert engine.call("disable", about).result == "done"
    listed = engine.verify(about, operation="state")
    assert (listed.state, listed.proof) == ("dead", "listed")
    assert engine.verify(about).state == "alive"  # this server accepts inactive keys: refuted, not assumed

    assert engine.call("restore", about).result == "done"
    assert engine.verify(about, operation="state").state == "alive"

    assert engine.call("revoke", about).result == "done"
    assert engine.call("revoke", about).already
    dead = engine.verify(about)
    assert (dead.state, dead.proof) == ("dead", "refused")
    assert engine.verify(about, operation="state").state == "dead"
    assert leaked.secret is not None
    assert moto_server.refusal(AwsKey(leaked.binding.key_id, leaked.secret.expose())) == "InvalidClientTokenId"


def test_a_wrong_secret_is_not_a_dead_key(moto_server: MotoServer, engine: Engine) -> None:
    key = moto_server.user("deploy")[0]
    wrong = credential("deploy", moto_server.url, AwsKey(key.id, "wrong/fake/secret/0000000000000000000000"))
    verdict = engine.verify({"credential": wrong})
    assert verdict.state == "undetermined"


def test_a_key_without_rights_is_refused_and_says_so(moto_server: MotoServer, engine: Engine) -> None:
    nothing = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}
    leaked = credential("deploy", moto_server.url, moto_server.user("deploy")[0], user_name="deploy")
    admin = credential("weak", moto_server.url, moto_server.user("weak", nothing)[0])
    outcome = engine.call("revoke", {"credential": leaked, "admin": admin})
    assert (outcome.result, outcome.status) == ("rejected", 403)
    assert "not authorized" in outcome.reason


def test_old_sessions_are_denied_and_allowed_again(moto_server: MotoServer, engine: Engine) -> None:
    leaked = credential("deploy", moto_server.url, moto_server.user("deploy")[0], user_name="deploy")
    admin = credential("admin", moto_server.url, moto_server.user("admin")[0])
    about = {"credential": leaked, "admin": admin}
    assert engine.call("deny_sessions", about).result == "done"
    iam = moto_server.client("iam", AwsKey(admin.binding.key_id, admin.secret.expose() if admin.secret else ""))
    policy = iam.get_user_policy(UserName="deploy", PolicyName="runbook-deny-old-sessions")["PolicyDocument"]
    assert policy["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"].startswith("2026-01-01T00:00:00")
    assert engine.call("allow_sessions", about).result == "done"


def test_the_console_password_is_removed(moto_server: MotoServer, engine: Engine) -> None:
    moto_server.user("leaver")
    admin_key = moto_server.user("admin")[0]
    iam = moto_server.client("iam", admin_key)
    iam.create_login_profile(UserName="leaver", Password="fake-Password-1!")
    account = Credential("leaver at AWS", None, Binding("aws", {"iam": moto_server.url}, "leaver"))
    about = {"credential": account, "admin": credential("admin", moto_server.url, admin_key)}
    assert engine.verify(about, operation="membership").state == "alive"
    assert engine.call("offboard", about).result == "done"
    gone = engine.verify(about, operation="membership")
    assert (gone.state, gone.proof) == ("dead", "listed")
    assert engine.call("offboard", about).already


def test_a_new_secret_is_stored_and_its_version_read(moto_server: MotoServer, engine: Engine) -> None:
    admin_key = moto_server.user("admin")[0]
    manager = moto_server.client("secretsmanager", admin_key)
    manager.create_secret(Name="app/key", SecretString="old")
    about = {
        "admin": credential("admin", moto_server.url, admin_key),
        "new": Credential("fresh", Secret("fresh-fake-value-0001"), Binding("openai")),
    }
    stored = engine.call("rollout", about, {"path": "app/key"}, operation_id="ab" * 16)
    assert stored.result == "done", stored.reason
    assert manager.get_secret_value(SecretId="app/key")["SecretString"] == "fresh-fake-value-0001"
    assert engine.call("stored", about, {"path": "app/key"}).outputs["name"] == "app/key"


def test_an_audit_the_server_cannot_do_is_unknown_not_empty(moto_server: MotoServer, engine: Engine) -> None:
    leaked = credential("deploy", moto_server.url, moto_server.user("deploy")[0], user_name="deploy")
    admin = credential("admin", moto_server.url, moto_server.user("admin")[0])
    outcome = engine.call("audit", {"credential": leaked, "admin": admin}, {"since": "2026-01-01T00:00:00Z"})
    assert outcome.result in ("unknown", "rejected")
    assert outcome.outputs == {}
