"""Promise: each way a vendor takes a secret is used as the vendor says, and is masked everywhere it is shown."""

from __future__ import annotations

import base64
import socket
import threading
from dataclasses import replace
from typing import Any

import pytest
from provider_server import ProviderServer, Reply

from runbook_tui.foundation.clock import FakeClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Network
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential
from servers.npm_servers import GitHub

VALUE = "fake/leaked+value=0001-abcdef"
SECOND = "fake/admin+value=0002-abcdef"


def credential(provider: str, url: str, value: str = VALUE, key_id: str = "k1", **attributes: str) -> Credential:
    return Credential(f"{provider}-{value[5:10]}", Secret(value), Binding(provider, {"api": url}, key_id, attributes))


@pytest.fixture
def engine() -> Engine:
    return Engine(Catalogue.load(), Network(), FakeClock())


def hidden(*things: Any) -> None:
    forms = (VALUE, SECOND, base64.b64encode(VALUE.encode()).decode(), "fake%2Fleaked%2Bvalue")
    for thing in things:
        assert not any(form in repr(thing) for form in forms), thing


def test_github_takes_the_report_without_authorization(engine: Engine) -> None:
    with ProviderServer(Reply(202, {})) as server:
        about = {"credential": credential("github", server.url)}
        preview = engine.preview("revoke", about)
        outcome = engine.call("revoke", about)
        seen = server.seen[0]
    assert outcome.result == "done"
    assert "authorization" not in seen.headers
    assert seen.json() == {"credentials": [VALUE]}
    hidden(preview, outcome)


def test_who_signs_belongs_to_the_same_provider(engine: Engine) -> None:
    with ProviderServer() as server:
        about = {
            "credential": credential("github", server.url, org="acme"),
            "admin": credential("aws", server.url, SECOND),
        }
        with pytest.raises(RunbookError, match="belongs to aws"):
            engine.call("membership", about)
        assert server.seen == []


def test_a_leaked_value_in_a_body_goes_to_its_own_origin_only() -> None:
    """Even if a manifest lets somebody else sign for a request that carries it."""
    github = Catalogue.load().get("github")
    revoke = replace(github.operations["revoke"], identity="admin")
    own = Catalogue({"github": replace(github, operations={"revoke": revoke})})
    with ProviderServer(Reply(202, {})) as server, ProviderServer() as elsewhere:
        about = {
            "credential": credential("github", server.url),
            "admin": credential("github", elsewhere.url, SECOND, "k2"),
        }
        with pytest.raises(RunbookError, match="is not bound to"):
            Engine(own, Network(), FakeClock()).call("revoke", about)
        assert (server.seen, elsewhere.seen) == ([], [])


def test_a_discord_webhook_is_its_address(engine: Engine) -> None:
    gone = Reply(404, {"message": "Unknown Webhook", "code": 10015})
    with ProviderServer(Reply(200, {"id": "1"}), Reply(204), gone) as server:
        about = {"credential": credential("discord-webhook", server.url, key_id="123")}
        preview = engine.preview("revoke", about)
        alive, outcome, dead = engine.verify(about), engine.call("revoke", about), engine.verify(about)
        assert server.seen[1].path == "/webhooks/123/fake%2Fleaked%2Bvalue%3D0001-abcdef"
    assert (alive.state, outcome.result, dead.state, dead.proof) == ("alive", "done", "dead", "refused")
    hidden(preview, alive, outcome, dead)


def test_the_bot_of_the_same_vendor_may_sign_for_a_webhook(engine: Engine) -> None:
    with ProviderServer(Reply(200, {"id": "9", "token": "fake-new-token-0001", "channel_id": "5"})) as server:
        leaked = credential("discord-webhook", server.url, key_id="123", channel_id="5")
        outcome = engine.call("create", {"credential": leaked, "admin": credential("discord", server.url, SECOND)})
        assert server.seen[0].headers["authorization"] == f"Bot {SECOND}"
        assert server.seen[0].headers["user-agent"].startswith("DiscordBot (")
    assert outcome.new is not None
    assert outcome.new.binding.provider == "discord-webhook"
    assert "fake-new-token-0001" not in repr(outcome)


def test_basic_authentication_names_the_key_id_and_hides_the_rest(engine: Engine) -> None:
    with ProviderServer(Reply(200, {"data": []})) as server:
        about = {"credential": credential("fastpix", server.url)}
        preview = engine.preview("verify", about)
        assert engine.verify(about).state == "alive"
        sent = server.seen[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent).decode() == f"k1:{VALUE}"
    assert dict(preview.headers)["Authorization"].startswith("Basic base64(k1:")
    hidden(preview)


def test_a_panel_takes_the_key_in_the_query_and_proves_life_only(engine: Engine) -> None:
    with ProviderServer(Reply(200, {"status": "STATUS_SUCCESS"}), Reply(200, {"status": "STATUS_FAILURE"})) as server:
        about = {"credential": credential("iptv", server.url, access_code="abc")}
        preview = engine.preview("verify", about)
        alive, unknown = engine.verify(about), engine.verify(about)
        assert "api_key=fake%2Fleaked%2Bvalue" in server.seen[0].path
    assert (alive.state, unknown.state, unknown.proof) == ("alive", "undetermined", "none")
    hidden(preview, alive, unknown)


def test_stripe_gets_one_idempotency_key_per_operation(engine: Engine) -> None:
    body = {"id": "we_2", "url": "https://shop.example/h", "status": "enabled", "secret": "whsec_fake0000000000"}
    with ProviderServer(Reply(200, body)) as server:
        about = {
            "credential": credential("stripe", server.url),
            "admin": credential("stripe", server.url, SECOND, "k2"),
        }
        for _ in range(2):
            outcome = engine.call("endpoint_create", about, {"url": "https://shop.example/h"}, operation_id="cd" * 16)
        assert {seen.headers["idempotency-key"] for seen in server.seen} == {"cd" * 16}
        assert server.seen[0].body == b"url=https%3A%2F%2Fshop.example%2Fh&enabled_events%5B%5D=%2A"
    assert outcome.new is not None
    assert outcome.new.binding.key_id == "we_2"
    assert "whsec_fake" not in repr(outcome)


def test_paypal_calls_are_signed_by_a_fetched_token(engine: Engine) -> None:
    """Fetched once for several calls, with the journal's callback before the real request only."""
    token = Reply(200, {"access_token": "fake-access-0001", "expires_in": 32400})
    with ProviderServer(token, Reply(200, {"webhooks": [{"id": "W1"}]}), Reply(204)) as server:
        about = {
            "credential": credential("paypal", server.url, client_id="cid"),
            "admin": credential("paypal", server.url, SECOND, "k2", client_id="cid"),
        }
        listed = engine.call("inventory", about)
        sent: list[int] = []
        deleted = engine.call("webhook_delete", about, {"id": "W1"}, sending=lambda: sent.append(len(server.seen)))
        paths = [seen.path for seen in server.seen]
        assert base64.b64decode(server.seen[0].headers["authorization"][6:]).decode() == f"cid:{SECOND}"
        assert server.seen[1].headers["authorization"] == "Bearer fake-access-0001"
    assert paths == ["/v1/oauth2/token", "/v1/notifications/webhooks", "/v1/notifications/webhooks/W1"]
    assert (listed.result, deleted.result, sent) == ("done", "done", [2])
    hidden(listed, deleted)
    assert "fake-access-0001" not in repr(listed)


def test_paypal_without_a_token_says_so(engine: Engine) -> None:
    with ProviderServer(Reply(401, {"error": "invalid_client"})) as server:
        about = {"admin": credential("paypal", server.url, SECOND, client_id="cid")}
        with pytest.raises(RunbookError, match="no access token"):
            engine.call("inventory", about)


def test_a_change_whose_token_could_not_be_fetched_was_not_sent(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)

        server = threading.Thread(target=hang_up)
        server.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        about = {"admin": credential("paypal", url, SECOND, client_id="cid")}
        sent: list[int] = []
        outcome = engine.call("webhook_delete", about, {"id": "W1"}, sending=lambda: sent.append(1))
        server.join()
    assert (outcome.result, sent) == ("not_sent", [])


@pytest.mark.parametrize(
    ("provider", "reply", "state"),
    [
        ("paypal", Reply(401, {"error": "invalid_client"}), "dead"),
        ("paypal", Reply(401, {"error": "other"}), "undetermined"),
        ("nowpayments", Reply(403, {"code": "INVALID_API_KEY"}), "dead"),
        ("nowpayments", Reply(403, {"code": "IP_BLOCKED"}), "undetermined"),
        ("stripe", Reply(403, {"error": {"message": "scope"}}), "alive"),
        ("github", Reply(403, {"message": "API rate limit exceeded"}), "undetermined"),
        ("github", Reply(403, {"message": "Resource not accessible by integration"}), "alive"),
        ("streampixel", Reply(401, {"message": "Unauthorized: Invalid User"}), "undetermined"),
        ("streampixel", Reply(401, {"message": "Unauthorized: Invalid API Key"}), "dead"),
        ("streampixel", Reply(404, {"message": "Upload not found"}), "alive"),
        ("streampixel", Reply(429, {"message": "Rate limit exceeded. Try again in 2 minutes."}), "undetermined"),
    ],
)
def test_each_vendors_refusals_are_told_apart(engine: Engine, provider: str, reply: Reply, state: str) -> None:
    with ProviderServer(reply) as server:
        about = credential(provider, server.url, client_id="cid", user_id="u1")
        assert engine.verify({"credential": about}).state == state


@pytest.mark.parametrize("provider", Catalogue.load().ids())
def test_no_preview_shows_a_secret(engine: Engine, provider: str) -> None:
    """Every operation of every manifest, as it would be shown before it is confirmed."""
    manifest = Catalogue.load().get(provider)
    binding = Binding(provider, dict.fromkeys(manifest.origins, "https://api.example.com"), "k1")
    binding = replace(binding, attributes=dict.fromkeys(manifest.attributes, "fact"))
    subjects = {
        "credential": Credential("leaked", Secret(VALUE), binding),
        "admin": Credential("admin", Secret(SECOND), replace(binding, key_id="k2")),
        "new": Credential("fresh", Secret(VALUE + "-fresh"), binding),
    }
    for operation in manifest.operations.values():
        if operation.automatic:
            args = {name: "7" for name, rule in operation.args.items() if rule.required}
            preview = engine.preview(operation.id, subjects, args)
            hidden(preview)
            assert preview.url.startswith("https://api.example.com/")
            assert preview.destructive == operation.destructive


def test_an_address_of_ones_own_has_to_be_bound(engine: Engine) -> None:
    about = Credential("token", Secret(VALUE), Binding("openbao"))
    with pytest.raises(RunbookError, match="address 'api' of OpenBao"):
        engine.verify({"credential": about})


@pytest.mark.network
def test_a_member_is_removed_and_seen_gone(engine: Engine, emulate: GitHub) -> None:
    """A stateful GitHub: the member is there, is removed, is gone, and others stay."""
    admin = Credential("owner", Secret(emulate.token), Binding("github", {"api": emulate.url}))

    def about(login: str) -> dict[str, Credential]:
        binding = Binding("github", {"api": emulate.url}, login, {"org": emulate.organisation})
        return {"credential": Credential(login, None, binding), "admin": admin}

    before = engine.call("membership", about("leaver"))
    assert (before.outputs["login"], before.outputs["role"], before.outputs["state"]) == ("leaver", "member", "active")
    assert engine.verify(about("leaver"), operation="membership").state == "alive"
    assert engine.call("offboard", about("leaver")).result == "done"
    for operation in ("membership", "member_check"):
        gone = engine.verify(about("leaver"), operation=operation)
        assert (gone.state, gone.proof) == ("dead", "listed")
    assert engine.verify(about("stays"), operation="member_check").state == "alive"
    assert engine.call("offboard", about("leaver")).result == "done"  # twice is harmless
