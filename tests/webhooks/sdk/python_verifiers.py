"""Vendors' own Python SDKs behind one HTTP server on loopback: `python python_verifiers.py`.

    in    {"secrets": {sdk: text}, "facts": {sdk: {name: value}}}    one JSON line on standard input
    out   {"port": number, "versions": {sdk: version}, "missing": {sdk: reason}}

POST /<sdk> answers 204 when the SDK accepts the request, 400 when it refuses it. Ends with its standard input. Each SDK
is called as its documentation shows; nothing here looks at a signature.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.metadata import version
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Got:
    """A request: header names in lower case; `url` as its sender wrote it."""

    headers: dict[str, str]
    body: bytes
    url: str
    secret: str
    facts: dict[str, str]

    @property
    def text(self) -> str:
        return self.body.decode()

    def head(self, name: str) -> str:
        return self.headers.get(name.lower(), "")


def stripe(got: Got) -> Any:
    return import_module("stripe").Webhook.construct_event(got.body, got.head("Stripe-Signature"), got.secret)


def svix(got: Got) -> Any:
    return import_module("svix.webhooks").Webhook(got.secret).verify(got.body, got.headers) is not False


def standardwebhooks(got: Got) -> Any:
    return import_module("standardwebhooks.webhooks").Webhook(got.secret).verify(got.body, got.headers) is not False


def slack_sdk(got: Got) -> Any:
    return import_module("slack_sdk.signature").SignatureVerifier(got.secret).is_valid_request(got.body, got.headers)


def slack_bolt(got: Got) -> Any:
    """A whole app: its own middleware verifies and answers `url_verification`."""
    bolt = import_module("slack_bolt")
    app = bolt.App(signing_secret=got.secret, token="fake-token", token_verification_enabled=False)
    asked = bolt.BoltRequest(body=got.text, headers={name: [value] for name, value in got.headers.items()})
    return app.dispatch(asked).status == 200


def twilio(got: Got) -> Any:
    validator = import_module("twilio.request_validator").RequestValidator(got.secret)
    form = "form" in got.head("Content-Type")
    params: Any = dict(parse_qsl(got.text, keep_blank_values=True)) if form else got.text
    return validator.validate(got.url, params, got.head("X-Twilio-Signature"))


def sendgrid(got: Got) -> Any:
    webhook = import_module("sendgrid.helpers.eventwebhook").EventWebhook(got.secret)
    name = "X-Twilio-Email-Event-Webhook"
    return webhook.verify_signature(got.text, got.head(f"{name}-Signature"), got.head(f"{name}-Timestamp"))


def discord(got: Got) -> Any:
    name = "X-Signature"
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it refuses
        verify = import_module("discord_interactions").verify_key
        return verify(got.body, got.head(f"{name}-Ed25519"), got.head(f"{name}-Timestamp"), got.secret)


def livekit(got: Got) -> Any:
    api = import_module("livekit.api")
    receiver = api.WebhookReceiver(api.TokenVerifier(got.facts["api_key"], got.secret))
    return receiver.receive(got.text, got.head("Authorization")) is not None


def square(got: Got) -> Any:
    verify = import_module("square.utils.webhooks_helper").verify_signature
    signature = got.head("x-square-hmacsha256-signature")
    return verify(request_body=got.text, signature_header=signature, signature_key=got.secret, notification_url=got.url)


def adyen_platform(got: Got) -> Any:
    verify = import_module("Adyen.util").is_valid_hmac_payload
    return verify(got.head("HmacSignature"), got.secret, got.body)


def adyen_payments(got: Got) -> Any:
    return import_module("Adyen.util").is_valid_hmac_notification(json.loads(got.body), got.secret)


def box(got: Got) -> Any:
    validate = import_module("box_sdk_gen.managers.webhooks").WebhooksManager.validate_message
    return validate(got.text, got.headers, got.secret)


def workos(got: Got) -> Any:
    verify = import_module("workos.webhooks._verification").verify_header
    verify(event_body=got.body, event_signature=got.head("WorkOS-Signature"), secret=got.secret)
    return True


def gocardless(got: Got) -> Any:
    parse = import_module("gocardless_pro.webhooks").parse_with_meta
    return parse(got.text, got.secret, got.head("Webhook-Signature")).webhook_id


def gidgethub(got: Got) -> Any:
    event = import_module("gidgethub.sansio").Event.from_http(got.headers, got.body, secret=got.secret)
    return event.event == got.head("X-GitHub-Event")


def razorpay(got: Got) -> Any:
    client = import_module("razorpay").Client(auth=("fake", "fake"))
    return client.utility.verify_webhook_signature(got.text, got.head("X-Razorpay-Signature"), got.secret)


def resend(got: Got) -> Any:
    names = {"id": "svix-id", "timestamp": "svix-timestamp", "signature": "svix-signature"}
    headers = {name: got.head(header) for name, header in names.items()}
    options = {"payload": got.text, "headers": headers, "webhook_secret": got.secret}
    import_module("resend").Webhooks.verify(options)
    return True


def mailgun(got: Got) -> Any:
    given = json.loads(got.body)["signature"]
    guard = import_module("mailgun.security").SecurityGuard
    return guard.verify_webhook(got.secret, given["token"], given["timestamp"], given["signature"])


def polar(got: Got) -> Any:
    """The signature alone: the typed loader behind it knows real events only."""
    webhooks = import_module("polar.webhooks")
    return webhooks.validate_event(got.body, got.headers, got.secret, frozenset({"runbook.test"}), bool)


SDKS: dict[str, tuple[str, Callable[[Got], Any]]] = {
    "stripe": ("stripe", stripe),
    "svix": ("svix", svix),
    "standardwebhooks": ("standardwebhooks", standardwebhooks),
    "slack_sdk": ("slack_sdk", slack_sdk),
    "slack_bolt": ("slack_bolt", slack_bolt),
    "twilio": ("twilio", twilio),
    "twilio-json": ("twilio", twilio),
    "sendgrid": ("sendgrid", sendgrid),
    "discord-interactions": ("discord-interactions", discord),
    "livekit-api": ("livekit-api", livekit),
    "squareup": ("squareup", square),
    "adyen-platform": ("Adyen", adyen_platform),
    "adyen-payments": ("Adyen", adyen_payments),
    "boxsdk": ("boxsdk", box),
    "workos": ("workos", workos),
    "gocardless-pro": ("gocardless-pro", gocardless),
    "gidgethub": ("gidgethub", gidgethub),
    "razorpay": ("razorpay", razorpay),
    "resend": ("resend", resend),
    "mailgun": ("mailgun", mailgun),
    "polar-sdk": ("polar-sdk", polar),
}


class Handler(BaseHTTPRequestHandler):
    orders: dict[str, Any]
    lock = threading.Lock()

    def do_POST(self) -> None:
        name = self.path.partition("?")[0].removeprefix("/")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        url = f"http://{self.headers['Host']}{self.path}"
        headers = {key.lower(): value for key, value in self.headers.items()}
        orders = self.orders
        got = Got(headers, body, url, orders["secrets"].get(name, ""), orders.get("facts", {}).get(name, {}))
        reason = ""
        try:
            with self.lock:
                accepted = bool(SDKS[name][1](got))
        except Exception as error:  # noqa: BLE001 # every SDK refuses in its own way, and the tester is told which
            accepted, reason = False, f"{type(error).__name__}: {error}"
        self.send_response(204 if accepted else 400)
        if not accepted:
            said = json.dumps({"refused": reason or "false"}).encode()
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if not accepted:
            self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tester says what it saw."""


def main() -> None:
    Handler.orders = json.loads(sys.stdin.readline())
    asyncio.set_event_loop(asyncio.new_event_loop())
    versions, missing = {}, {}
    for name, (package, _) in SDKS.items():
        try:
            versions[name] = f"{package} {version(package)}"
        except ImportError as error:
            missing[name] = f"{package}: {error}"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_address[1], "versions": versions, "missing": missing}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
