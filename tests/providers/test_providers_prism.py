"""Promise: every request that a manifest makes is one that the vendor's own API description accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from runbook_tui.foundation.clock import FakeClock
from runbook_tui.net.client import Answer, Network, Request
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.engine import Engine
from runbook_tui.providers.tokens import Tokens
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential
from servers.npm_servers import violations

pytestmark = pytest.mark.network

CATALOGUE = Catalogue.load()
UUID = "7f2c1a9e-3b5d-4c8e-9a1f-0123456789ab"
SNOWFLAKE = "123456789012345678"

# What each manifest is asked with: key id, attributes, arguments by name.
FACTS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "openai": ("key_1", {"project_id": "proj_1", "service_account_id": "user-1"}, {}),
    "github": (
        "7",
        {"org": "acme"},
        {
            "owner": "acme",
            "repo": "site",
            "id": "7",
            "number": "7",
            "team": "platform",
            "event": "deploy",
            "name": "API_KEY",
            "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake",
        },
    ),
    "discord": (SNOWFLAKE, {"guild_id": SNOWFLAKE}, {"id": SNOWFLAKE, "role": SNOWFLAKE}),
    "discord-webhook": (SNOWFLAKE, {"channel_id": SNOWFLAKE}, {}),
    "fastpix": (UUID, {}, {"id": UUID}),
    "stripe": ("", {}, {"id": "we_1", "url": "https://shop.example/hook"}),
    "paypal": ("", {"client_id": "fake-client"}, {"id": "8PT597110X687430L", "url": "https://shop.example/hook"}),
}
# The description that serves a manifest, where the name differs, and the operations that it does not know.
SPECS = {"discord-webhook": "discord"}
OPERATION_SPECS = {("github", "audit"): "github_ghec", ("paypal", "transactions"): "paypal_reporting"}
ABSENT = {"github": {"membership"}, "paypal": {"verify", "inspect"}}


class Watching(Network):
    """The real client, remembering the last answer."""

    last: Answer

    def send(self, request: Request, origins: Iterable[str], **more: Any) -> Answer:
        self.last = super().send(request, origins, **more)
        return self.last


def request_faults(answer: Answer) -> list[str]:
    """What the server found wrong with the request; it cuts long lists, whose faults are then of its own answer."""
    found = answer.header("sl-violations") or ""
    if found.startswith("Too many violations"):
        return [found] if '["request' in found else []
    return violations(dict(answer.headers))


def cases() -> list[Any]:
    found = []
    for provider in FACTS:
        for name, operation in CATALOGUE.get(provider).operations.items():
            if operation.automatic and name not in ABSENT.get(provider, set()):
                found.append(pytest.param(provider, name, id=f"{provider}-{name}"))
    return found


@pytest.mark.parametrize(("provider", "name"), cases())
def test_the_description_accepts_the_request(
    provider: str, name: str, prism: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tokens, "get", lambda *_: "fake-access-token")  # the token endpoint is in no description
    url = prism(OPERATION_SPECS.get((provider, name)) or SPECS.get(provider, provider))
    key_id, attributes, values = FACTS[provider]
    binding = Binding(provider, {"api": url}, key_id, attributes)
    network = Watching()
    operation = CATALOGUE.get(provider).operations[name]
    subjects = {
        "credential": Credential("leaked", Secret("fake-leaked-value-0001"), binding),
        "admin": Credential("admin", Secret("fake-admin-value-0001"), replace(binding, key_id="adm")),
        "new": Credential("fresh", Secret("fake-fresh-value-0001"), binding),
    }
    args = {key: values[key] for key, rule in operation.args.items() if key in values}
    outcome = Engine(CATALOGUE, network, FakeClock()).call(name, subjects, args)
    assert request_faults(network.last) == []
    assert outcome.status in operation.expect.status, network.last.body[:300]


def test_the_check_itself_finds_faults(prism: Callable[[str], str]) -> None:
    """A body the description refuses is refused: the test above can fail."""
    url = prism("openai")
    request = Request(
        "POST",
        url + "/organization/projects/p/service_accounts",
        [("Authorization", "Bearer fake"), ("Content-Type", "application/json")],
        b'{"wrong": 1}',
    )
    assert request_faults(Network().send(request, [url]))
