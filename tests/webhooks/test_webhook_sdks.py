"""Vendors' own SDKs, as verifiers: they accept what our signer makes and refuse what is wrong in one way each.

All Python SDKs run in one process and all JavaScript SDKs in another, behind HTTP on loopback. One test each, with a
sub-test for every SDK, since starting them is most of the cost.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from delivery_kit import SCHEMES, facts_of, held, send, signed

from runbook_tui.webhooks.scheme import Case, Delivery, Scheme
from runbook_tui.webhooks.signer import FORM
from servers.processes import needs, plain_environment

_SERVERS = Path(__file__).with_name("sdk")
_HOUR = 3600
_NUMBERS = iter(range(1_000_000))


@dataclass(frozen=True)
class Sdk:
    """What one SDK is known to do beyond accepting the right and refusing the wrong.

    `stale`, `future`: a delivery an hour old, or from the next hour, is refused. `rolls`: which order of two signatures
    is accepted, the old secret's and the new one's. `pretty`: whether a rightly signed body in another layout is.
    """

    scheme: str
    stale: bool = False
    future: bool = False
    rolls: tuple[str, ...] = ()
    pretty: bool = True


_BOTH = ("old new", "new old")
PYTHON = {
    "stripe": Sdk("stripe", stale=True, rolls=_BOTH),
    "svix": Sdk("svix", stale=True, future=True, rolls=_BOTH),
    "standardwebhooks": Sdk("standard-webhooks", stale=True, future=True, rolls=_BOTH),
    "slack_sdk": Sdk("slack", stale=True, future=True),
    "slack_bolt": Sdk("slack", stale=True, future=True),
    "twilio": Sdk("twilio"),
    "twilio-json": Sdk("twilio-json"),
    "sendgrid": Sdk("sendgrid"),
    "discord-interactions": Sdk("discord"),
    "livekit-api": Sdk("livekit", stale=True, future=True),
    "squareup": Sdk("square"),
    "adyen-platform": Sdk("adyen-platform"),
    "adyen-payments": Sdk("adyen-payments"),
    "boxsdk": Sdk("box", stale=True, future=True),
    "workos": Sdk("workos", stale=True, future=True),
    "gocardless-pro": Sdk("gocardless"),
    "gidgethub": Sdk("github"),
    "razorpay": Sdk("razorpay"),
    "resend": Sdk("svix", stale=True, future=True, rolls=_BOTH),
    "mailgun": Sdk("mailgun", stale=True, future=True),
    "polar-sdk": Sdk("polar", stale=True, future=True, rolls=_BOTH),
}
NODE = {
    "stripe": Sdk("stripe", stale=True, rolls=_BOTH),
    "svix": Sdk("svix", stale=True, future=True, rolls=_BOTH),
    "standardwebhooks": Sdk("standard-webhooks", stale=True, future=True, rolls=_BOTH),
    "twilio": Sdk("twilio"),
    "twilio-json": Sdk("twilio-json"),
    "discord-interactions": Sdk("discord"),
    "@octokit/webhooks": Sdk("github"),
    "@slack/bolt": Sdk("slack", stale=True),
    "@mux/mux-node": Sdk("mux", stale=True, rolls=_BOTH),
    "@paddle/paddle-node-sdk": Sdk("paddle", stale=True, rolls=("old new",)),
    "@shopify/shopify-api": Sdk("shopify"),
    "@linear/sdk": Sdk("linear", stale=True, future=True),
    "@workos-inc/node": Sdk("workos", stale=True, pretty=False),
    "livekit-server-sdk": Sdk("livekit", stale=True, future=True),
    "@notionhq/client": Sdk("notion"),
    "@sendgrid/eventwebhook": Sdk("sendgrid"),
    "coinbase-commerce-node": Sdk("coinbase-commerce"),
    "sns-validator": Sdk("sns"),
    "sns-validator-sha256": Sdk("sns-sha256"),
    "grammy": Sdk("telegram"),
    "@hubspot/api-client": Sdk("hubspot-v3", stale=True),
    "hubspot-v2": Sdk("hubspot-v2"),
    "@zoom/rivet": Sdk("zoom", pretty=False),
    "gocardless-nodejs": Sdk("gocardless"),
    "razorpay": Sdk("razorpay"),
    "tern github": Sdk("github"),
    "tern sentry": Sdk("sentry", stale=True, future=True),
    "tern woocommerce": Sdk("woocommerce"),
    "tern doppler": Sdk("doppler"),
    "tern shopify": Sdk("shopify"),
    "tern gitlab": Sdk("gitlab"),
}


def public_form(scheme: Scheme) -> str:
    """The secret as an SDK wants it: `delivery_kit` has public keys as base64 or hex, sns-validator wants PEM."""
    text = held(scheme, "new").receiver
    if scheme.id.startswith("sns"):
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])
    return text


def facts(scheme: Scheme) -> dict[str, str]:
    """As in `delivery_kit`; sns-validator looks at the certificate's address."""
    certificate = {"cert_url": f"https://sns.us-east-1.amazonaws.com/{scheme.id}.pem"}
    return {name: certificate.get(name, value) for name, value in facts_of(scheme).items()}


@contextmanager
def verifiers(command: Sequence[str], sdks: dict[str, Sdk]) -> Iterator[dict[str, Any]]:
    """The server's process, with its port and the versions it found."""
    schemes = {name: SCHEMES.get(one.scheme) for name, one in sdks.items()}
    orders = {
        "secrets": {name: public_form(scheme) for name, scheme in schemes.items()},
        "facts": {name: facts(scheme) for name, scheme in schemes.items()},
    }
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=plain_environment(NODE_NO_WARNINGS="1")
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(orders) + "\n")
        process.stdin.flush()
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(20)


class Bench:
    """Sends one SDK the deliveries of one scheme."""

    def __init__(self, port: int, name: str, sdk: Sdk) -> None:
        self.scheme = SCHEMES.get(sdk.scheme)
        self.url = f"http://127.0.0.1:{port}/{quote(name, safe='@')}"
        self.said = ""

    def delivery(self, *whose: str, ago: float = 0, body: bytes | None = None, **how: Any) -> Delivery:
        case = Case("c", "case", delivery_id=f"irtest_{next(_NUMBERS)}", facts=facts(self.scheme), **how)
        secrets = [held(self.scheme, one).sender for one in whose] if case.signed else None
        return signed(self.scheme, case, self.url, secrets, ago=ago, body=body)

    def accepts(self, delivery: Delivery) -> bool:
        answer = send(delivery)
        assert answer.status in (204, 400), answer
        self.said = answer.body.decode()
        return answer.status == 204

    def tampered(self) -> Delivery | None:
        """A delivery of which something signed was changed on the way; None when nothing in the body is signed."""
        signed_body = {part for part in self.scheme.covers if part == "body" or part.startswith("fields:")}
        delivery = self.delivery("new")
        for marker, other in ((b"irtest", b"irtesT"), (b"runbook", b"runboak")):
            if signed_body and marker in delivery.body:
                return replace(delivery, body=delivery.body.replace(marker, other))
        return None

    def pretty(self) -> Delivery | None:
        """The same event with other white space and letters beyond ASCII, signed; None where there is one form only."""
        if self.scheme.code or self.scheme.content_type == FORM:
            return None
        data = json.loads(self.delivery("new").body)
        target = data[0] if isinstance(data, list) else data
        target["note"] = "Grüße, 東京"
        return self.delivery("new", body=json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n")


def check(bench: Bench, sdk: Sdk) -> None:
    assert bench.accepts(bench.delivery("new")), bench.said
    refused = {
        "other secret": bench.delivery("other"),
        "unsigned": bench.delivery(signed=False),
        "junk": bench.delivery("new", proof="junk"),
        "tampered": bench.tampered(),
    }
    accepted = [what for what, delivery in refused.items() if delivery is not None and bench.accepts(delivery)]
    assert accepted == []
    found = {
        "stale": not bench.accepts(bench.delivery("new", ago=_HOUR)),
        "future": not bench.accepts(bench.delivery("new", ago=-_HOUR)),
    }
    assert found == {"stale": sdk.stale, "future": sdk.future}
    if sdk.rolls:
        rolls = [order for order in _BOTH if bench.accepts(bench.delivery(*order.split()))]
        assert tuple(rolls) == sdk.rolls
    pretty = bench.pretty()
    if pretty is not None:
        assert bench.accepts(pretty) == sdk.pretty, bench.said
    assert bench.accepts(bench.delivery("new")), bench.said


def run(command: Sequence[str], sdks: dict[str, Sdk], subtests: pytest.Subtests) -> None:
    with verifiers(command, sdks) as server:
        assert set(server["versions"]) | set(server["missing"]) == set(sdks)
        for name, sdk in sdks.items():
            with subtests.test(msg=server["versions"].get(name, name)):
                if name in server["missing"]:
                    pytest.skip(f"not installed: {server['missing'][name]}")
                check(Bench(server["port"], name, sdk), sdk)


@pytest.mark.network
def test_python_sdks_accept_what_the_signer_makes_and_refuse_the_rest(subtests: pytest.Subtests) -> None:
    """21 verifiers of 19 Python packages: right accepted (also in another layout); another secret, none, junk and a
    changed body refused; age and double signatures as each SDK is known to treat them."""
    run([sys.executable, str(_SERVERS / "python_verifiers.py")], PYTHON, subtests)


@pytest.mark.network
def test_javascript_sdks_accept_what_the_signer_makes_and_refuse_the_rest(subtests: pytest.Subtests) -> None:
    """The same for 31 verifiers of 23 npm packages; what three of them do otherwise is pinned: Paddle's looks at the
    last of two signatures only, WorkOS's and Zoom's refuse a rightly signed body in another layout."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("RUNBOOK_TEST_NPM_SDKS") or Path(cache) / "runbook-tui-tests" / "npm-sdks")
    if not (folder / "node_modules").is_dir():
        pytest.skip("the npm packages of tools/npm-sdks are not installed (sh tools/test-servers)")
    run([needs("node", "nodejs"), str(_SERVERS / "node_verifiers.cjs"), str(folder)], NODE, subtests)
