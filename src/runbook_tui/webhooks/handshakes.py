"""Requests that are no events: a vendor's probe of an endpoint, and the abuse of one. Pure.

`build_handshake` makes the request, `expected` the answer it asks for, `matches` compares an answer with it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.draft import compact
from runbook_tui.webhooks.keys import signing_key
from runbook_tui.webhooks.scheme import HMACS, Case, Delivery, Expect, Handshake, Scheme
from runbook_tui.webhooks.signer import Secrets, build, values_of
from runbook_tui.webhooks.template import Template, filled


def build_handshake(
    scheme: Scheme, handshake: Handshake, case: Case, secret: Secrets, at: datetime, url: str
) -> Delivery:
    """The request of `handshake`. `case.challenge` is what the answer has to give back; it must be new each time.

    Signed in the scheme's way when the handshake is; a URL token goes into the path either way, or the request would
    not reach the endpoint. An unsigned one holds only the headers that the handshake names itself.
    """
    _facts_given(scheme, handshake, case)
    values = _values(scheme, case, None, at)
    body = _body(handshake.body, values)
    target = url
    if handshake.query:
        query = urlencode({name: template.text(values) for name, template in handshake.query.items()})
        target = f"{url}{'&' if '?' in url else '?'}{query}"
    signed = handshake.signed or scheme.kind == "url-token"
    asked = replace(case, method=handshake.method, signed=signed)
    bare = scheme if handshake.signed or scheme.kind == "url-token" else replace(scheme, code="", headers={})
    made = build(bare, asked, secret if signed else None, body, at, target)
    own = {name: template.text(values) for name, template in handshake.headers.items()}
    replaced = {name.lower() for name in own}
    headers = [(name, value) for name, value in made.headers if name.lower() not in replaced]
    if handshake.body is None:
        headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
    return replace(made, headers=(*headers, *own.items()))


def expected(scheme: Scheme, handshake: Handshake, case: Case, secret: Secret | None, at: datetime) -> Expect:
    """The handshake's answer with its tokens filled in; `secret` is needed where the answer proves that it is known."""
    answer, values = handshake.answer, _values(scheme, case, secret, at)
    return replace(
        answer,
        json=filled(answer.json, values),
        text=None if answer.text is None else Template.parse(answer.text, values).text(values),
        holds=Template.parse(answer.holds, values).text(values),
        headers=filled(answer.headers, values),
    )


def matches(expect: Expect, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> str:
    """ "" when the answer is as expected, else the first difference in words, without the answer's own text."""
    given = {name.lower(): value for name, value in headers}
    if status not in expect.status:
        return f"answered {status} instead of {expect.status}"
    for name, value in expect.headers.items():
        if given.get(name.lower()) != value:
            return f"the answer's header {name} is not as expected" if name.lower() in given else f"no header {name}"
    if not given.get("content-type", "").lower().startswith(expect.content_type.lower()):
        return f"the answer's content type is not {expect.content_type}"
    if expect.text is not None and body.decode("utf-8", "replace").strip() != expect.text:
        return "the answer's body is not the text that was asked for" if body.strip() else "the answer's body is empty"
    if expect.holds and expect.holds.encode() not in body:
        return "the answer's body does not hold what was asked for"
    if expect.json is not None:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return "the answer's body is not JSON"
        if not _holds(found, expect.json):
            return "the answer's JSON does not hold what was asked for"
    return ""


def _values(scheme: Scheme, case: Case, secret: Secret | None, at: datetime) -> dict[str, str]:
    values = values_of(scheme, case, at)
    mac = ""
    if secret is not None and scheme.alg in HMACS:
        digest = scheme.alg.removeprefix("hmac-")
        mac = hmac.digest(signing_key(scheme, secret), case.challenge.encode(), digest).hex()
    return {**values, "challenge": case.challenge, "challenge_mac": mac}


def _facts_given(scheme: Scheme, handshake: Handshake, case: Case) -> None:
    templates = (*handshake.query.values(), *handshake.headers.values())
    used = {token for template in templates for token in template.tokens}
    needed = [said for name, said in scheme.facts.items() if name in used and not case.facts.get(name)]
    if needed:
        raise RunbookError(f"{handshake.title} of {scheme.name} also needs {', '.join(needed)}")


def _body(body: Any, values: Mapping[str, str]) -> bytes:
    if body is None:
        return b""
    made = filled(body, values)
    return made.encode() if isinstance(made, str) else compact(made)


def _holds(found: Any, asked: Any) -> bool:
    if isinstance(asked, dict):
        return isinstance(found, dict) and all(name in found and _holds(found[name], asked[name]) for name in asked)
    return bool(found == asked)
