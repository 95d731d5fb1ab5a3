"""What the reference endpoint does with a request: routing, verification, handshakes, duplicates, and then the act."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from runbook_tui.drill.endpoint import proof
from runbook_tui.drill.endpoint.acts import Act, Acts
from runbook_tui.drill.endpoint.handshakes import json_of, offered_secret, open_handshake, signed_handshake
from runbook_tui.drill.endpoint.setup import Arrived, Setup
from runbook_tui.drill.reply import Reply
from runbook_tui.webhooks.scheme import PROOF_TOKENS
from runbook_tui.webhooks.template import Statuses

MOST_BODY = 1 << 20  # bytes
_FORM = "application/x-www-form-urlencoded"
_MOST_WRONG = 3  # refusals after which `locks_out` refuses everybody
_ELSEWHERE = "/elsewhere"


class Endpoint:
    """Answers requests, several at once. `acts` holds what it did."""

    def __init__(self, setup: Setup, acts: Acts) -> None:
        self.setup = setup
        self.acts = acts
        self._base = urlsplit(setup.url).path.rstrip("/")
        self._token = setup.scheme.kind == "url-token"
        self._wrong = 0
        self._lock = threading.Lock()

    def answer(self, arrived: Arrived, now: float) -> Reply:
        """The reply to one request that came at `now` (seconds since 1970)."""
        if self.setup.has("redirects"):
            return Reply(307, None, {"Location": _ELSEWHERE})
        found = self._routed(arrived) or self._handled(arrived, now)
        if self.setup.has("acknowledges_bad") and 400 <= found.status < 500:
            found = Reply(200, {"status": "received"})
        if self.setup.has("echoes_token"):
            found = Reply(found.status, {"answer": found.body, "path": arrived.path, "headers": dict(arrived.headers)})
        return found

    def _routed(self, arrived: Arrived) -> Reply | None:
        """A reply when the path or the method is wrong; None when the request may go on."""
        path = arrived.path.rstrip("/") if not self._token else arrived.path
        if not self._token and path != self._base:
            return Reply(404, {"error": "not found"})
        if self._token:
            if path.rstrip("/") == self._base and self.setup.has("base_path_200"):
                return Reply(200, {"status": "here"})
            token = path.removeprefix(f"{self._base}/") if path.startswith(f"{self._base}/") else ""
            if not token or not (self.setup.has("accepts_all") or proof.knows_token(self.setup, token)):
                return Reply(405 if self.setup.has("wrong_token_405") else 404, {"error": "not found"})
        if len(arrived.body) > MOST_BODY:
            return Reply(413, {"error": "too large"})
        asked = open_handshake(self.setup, arrived)
        if asked is not None and self.setup.has("secret_replaceable") and (secret := offered_secret(arrived)):
            self.setup = replace(self.setup, secret=secret)
        if asked is None and arrived.method != "POST" and not self.setup.has("ignores_method"):
            return Reply(405, {"error": "method not allowed"}, {"Allow": "POST"})
        return asked

    def _handled(self, arrived: Arrived, now: float) -> Reply:
        setup = self.setup
        data = json_of(arrived.body)
        if setup.has("handshake_oracle") and (asked := signed_handshake(setup, data)):
            return asked
        if setup.has("acts_before_verifying"):
            self._act(arrived, data, now)
        wrong = "" if self._token else proof.check(setup, arrived, now)
        if wrong or self._locked():
            with self._lock:
                self._wrong += 1
            if setup.has("crashes_on_bad_input"):
                return Reply(500, {"error": "internal error"})
            return Reply(_first(setup.scheme.answers.bad, 401), {"error": wrong or "too many wrong deliveries"})
        form = _media_type(arrived) == _FORM and (setup.scheme.content_type == _FORM or setup.scheme.code == "twilio")
        if not form and _media_type(arrived) not in _accepted_types(setup):
            return Reply(415, {"error": "unexpected content type"})
        if not form and not isinstance(data, dict | list):
            return Reply(500 if setup.has("crashes_on_bad_input") else 400, {"error": "not JSON"})
        asked = signed_handshake(setup, data)
        if asked is not None:
            return asked
        return self._taken(arrived, data, now)

    def _taken(self, arrived: Arrived, data: Any, now: float) -> Reply:
        setup = self.setup
        number = _place(setup.scheme.delivery_id, arrived, data)
        if number and not self.acts.first_of(number) and not setup.has("no_dedupe"):
            return Reply(_first(setup.scheme.answers.duplicate, 200), {"status": "duplicate"})
        known = _known_event(setup)
        ignored = known and _place(setup.scheme.event, arrived, data) not in known
        if ignored and not setup.has("unknown_event_acts"):
            return Reply(_first(setup.scheme.answers.ok, 200), {"status": "ignored"})
        if _foreign(setup, arrived, data) and not setup.has("foreign_scope_acts"):
            return Reply(_first(setup.scheme.answers.ok, 200), {"status": "ignored"})
        if setup.has("other_envelope") and not _is_variant(setup, data):
            return Reply(_first(setup.scheme.answers.ok, 200), {"status": "ignored"})
        if not setup.has("acts_before_verifying"):
            self._act(arrived, data, now)
        return Reply(_first(setup.scheme.answers.ok, 200), {"status": "accepted"})

    def _act(self, arrived: Arrived, data: Any, now: float) -> None:
        scheme = self.setup.scheme
        secret = {name.lower() for name, one in scheme.headers.items() if one.tokens & PROOF_TOKENS} | {"authorization"}
        kept = [f"{name}: {value}" for name, value in arrived.headers if name.lower() not in secret]
        seen = "\n".join([*kept, "", arrived.body.decode("utf-8", "replace")])
        if scheme.carries_secret:  # in the body
            seen = seen.replace(self.setup.secret, "…")
        event, number = _place(scheme.event, arrived, data), _place(scheme.delivery_id, arrived, data)
        self.acts.add(Act(now, event, number, seen))

    def _locked(self) -> bool:
        with self._lock:
            return self.setup.has("locks_out") and self._wrong >= _MOST_WRONG


def _known_event(setup: Setup) -> set[str]:
    """The names of the events the endpoint knows: those of the scheme's safe events; empty = every event."""
    kind, _, place = setup.scheme.event.partition(":")
    if not kind:
        return set()
    safe = (setup.scheme.safe_event, *setup.scheme.variants.values())
    return {one.event if kind == "header" else _at(one.body, place) for one in safe} - {""}


def _foreign(setup: Setup, arrived: Arrived, data: Any) -> bool:
    """The endpoint minds whose events it gets, and this is not one of its own."""
    places = {setup.scheme.scope, *(one.scope for one in setup.scheme.variants.values())} - {""}
    if not setup.scope or not places:
        return False
    return {_place(one, arrived, data) for one in places} - {""} != {setup.scope}


def _is_variant(setup: Setup, data: Any) -> bool:
    return isinstance(data, dict) and any(set(one.body) <= data.keys() for one in setup.scheme.variants.values())


def _place(where: str, arrived: Arrived, data: Any) -> str:
    kind, _, place = where.partition(":")
    if kind == "header":
        return arrived.one(place)
    return _at(data, place) if kind == "body" else ""


def _at(data: Any, pointer: str) -> str:
    for part in pointer.split("/")[1:]:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return ""
    return "" if data is None or isinstance(data, dict | list) else str(data)


def _media_type(arrived: Arrived) -> str:
    return arrived.one("Content-Type").partition(";")[0].strip().lower()


def _accepted_types(setup: Setup) -> set[str]:
    """None at all is taken too: some senders name none."""
    return {"", "application/json", setup.scheme.content_type.partition(";")[0].strip().lower()}


def _first(statuses: Statuses, usual: int) -> int:
    """The first status that is a number; `usual` when only classes are named."""
    return next((int(one) for one in statuses.source if one.isdigit()), usual)
