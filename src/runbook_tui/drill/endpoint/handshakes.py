"""What vendors ask of an endpoint before and between deliveries, answered as their documentation shows it.

Written by hand, not from the schemes' files: those say what a tester expects, this is what answers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from runbook_tui.drill.endpoint.proof import same
from runbook_tui.drill.endpoint.setup import Arrived, Setup
from runbook_tui.drill.reply import Reply

_MANY = 2048  # characters: no vendor's challenge is longer


def open_handshake(setup: Setup, arrived: Arrived) -> Reply | None:
    """The answer to a probe that no vendor signs; None when `arrived` is none."""
    answer = _OPEN.get(setup.scheme.id)
    found = answer(setup, arrived) if answer is not None else None
    return Reply(403, {"error": "probes are not answered"}) if found and setup.has("probe_refused") else found


def signed_handshake(setup: Setup, data: Any) -> Reply | None:
    """The answer to a probe that has been proven (or, with `handshake_oracle`, that has not)."""
    answer = _SIGNED.get(setup.scheme.id)
    found = answer(setup, data) if answer is not None and isinstance(data, dict) else None
    return Reply(403, {"error": "probes are not answered"}) if found and setup.has("probe_refused") else found


def offered_secret(arrived: Arrived) -> str:
    """The new secret that a handshake of Asana or Notion brings; "" when there is none."""
    data = json_of(arrived.body)
    token = data.get("verification_token", "") if isinstance(data, dict) else ""
    return arrived.one("X-Hook-Secret") or (token if isinstance(token, str) else "")


def json_of(body: bytes) -> Any:
    """The body as JSON; None when it is none."""
    with suppress(ValueError, RecursionError):
        return json.loads(body)
    return None


def _fields(arrived: Arrived) -> Mapping[str, str]:
    return dict(parse_qsl(arrived.query, keep_blank_values=True))


def _plain(text: str) -> Reply:
    return Reply(200, text, {"Content-Type": "text/plain", "X-Content-Type-Options": "nosniff"})


def _fastpix(setup: Setup, arrived: Arrived) -> Reply | None:
    probe = arrived.method == "POST" and not arrived.all("FastPix-Signature") and arrived.body.strip() in (b"", b"{}")
    return Reply(200, {"status": "ready"}) if probe else None


def _meta(setup: Setup, arrived: Arrived) -> Reply | None:
    if arrived.method != "GET":
        return None
    asked = _fields(arrived)
    known = setup.facts.get("verify_token", "")
    right = bool(known) and same(asked.get("hub.verify_token", ""), known)
    if asked.get("hub.mode") != "subscribe" or not (right or setup.has("handshake_oracle")):
        return Reply(403, {"error": "wrong verify token"})
    return _plain(asked.get("hub.challenge", "")[:_MANY])


def _dropbox(setup: Setup, arrived: Arrived) -> Reply | None:
    return _plain(_fields(arrived)["challenge"][:_MANY]) if _asks(arrived, "GET", "challenge") else None


def _graph(setup: Setup, arrived: Arrived) -> Reply | None:
    asked = _asks(arrived, "POST", "validationToken")
    return _plain(_fields(arrived)["validationToken"][:_MANY]) if asked else None


def _asks(arrived: Arrived, method: str, name: str) -> bool:
    return arrived.method == method and name in _fields(arrived)


def _okta(setup: Setup, arrived: Arrived) -> Reply | None:
    challenge = arrived.one("X-Okta-Verification-Challenge")
    return Reply(200, {"verification": challenge}) if arrived.method == "GET" and challenge else None


def _asana(setup: Setup, arrived: Arrived) -> Reply | None:
    """The secret was agreed on long ago: whoever offers another one now is not Asana."""
    offered = arrived.one("X-Hook-Secret")
    if not offered:
        return None
    if setup.has("secret_replaceable") or same(offered, setup.secret):
        return Reply(200, None, {"X-Hook-Secret": offered})
    return Reply(403, {"error": "the secret is agreed on already"})


def _notion(setup: Setup, arrived: Arrived) -> Reply | None:
    data = json_of(arrived.body)
    if arrived.all("X-Notion-Signature") or not isinstance(data, dict) or set(data) != {"verification_token"}:
        return None
    return Reply(200, {"status": "noted"})


def _intercom(setup: Setup, arrived: Arrived) -> Reply | None:
    return Reply(200) if arrived.method == "HEAD" else None


def _slack(setup: Setup, data: dict[str, Any]) -> Reply | None:
    asked = data.get("type") == "url_verification"
    return Reply(200, {"challenge": str(data.get("challenge", ""))[:_MANY]}) if asked else None


def _zoom(setup: Setup, data: dict[str, Any]) -> Reply | None:
    payload = data.get("payload")
    if data.get("event") != "endpoint.url_validation" or not isinstance(payload, dict):
        return None
    plain = str(payload.get("plainToken", ""))[:_MANY]
    digest = hmac.new(setup.secret.encode(), plain.encode(), hashlib.sha256).hexdigest()
    return Reply(200, {"plainToken": plain, "encryptedToken": digest})


def _twitch(setup: Setup, data: dict[str, Any]) -> Reply | None:
    return _plain(str(data["challenge"])[:_MANY]) if "challenge" in data and "event" not in data else None


def _discord(setup: Setup, data: dict[str, Any]) -> Reply | None:
    return Reply(200, {"type": 1}) if data.get("type") == 1 else None


def _discord_events(setup: Setup, data: dict[str, Any]) -> Reply | None:
    return Reply(204) if data.get("type") == 0 else None


def _sns(setup: Setup, data: dict[str, Any]) -> Reply | None:
    """Says that it confirms, and fetches nothing: a drill's endpoint connects to nobody."""
    return Reply(200, {"status": "confirmed"}) if data.get("Type") == "SubscriptionConfirmation" else None


_OPEN: dict[str, Callable[[Setup, Arrived], Reply | None]] = {
    "asana": _asana,
    "dropbox": _dropbox,
    "fastpix": _fastpix,
    "graph": _graph,
    "intercom": _intercom,
    "meta": _meta,
    "notion": _notion,
    "okta": _okta,
}
_SIGNED: dict[str, Callable[[Setup, dict[str, Any]], Reply | None]] = {
    "discord": _discord,
    "discord-events": _discord_events,
    "slack": _slack,
    "sns": _sns,
    "sns-sha256": _sns,
    "twitch": _twitch,
    "zoom": _zoom,
}
