"""What a bench is asked to test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.planned import Knowledge
from runbook_tui.webhooks.pointers import changed
from runbook_tui.webhooks.scheme import BODY_TOKENS, Scheme
from runbook_tui.webhooks.template import filled
from runbook_tui.webhooks.tokens import NearMiss
from runbook_tui.webhooks.urls import check_endpoint, without_token

_USUAL_WAIT, _GRACE = 15.0, 5.0  # seconds; where a vendor publishes no limit, and what is added to see a late answer
_DEEPEST = 100  # levels of a body


@dataclass(frozen=True)
class Orders:
    """What is to be tested. `url` is without the path token, or has `{token}` in its place.

    `new` is None where only the vendor can sign; a test key in PEM form may stand in for the vendor's. `until`: the
    old secret may still be accepted until then (declared by the operator; a leak has no such time). `acting`: also the
    handshakes that may change the endpoint.
    """

    scheme: Scheme
    url: str
    new: Secret | None
    old: Secret | None = None
    other: Secret | None = None  # another endpoint's
    scope: str = ""  # the own project, account or app, as deliveries name it
    facts: Mapping[str, str] = field(default_factory=dict)
    variant: str = ""
    until: datetime | None = None
    acting: bool = False
    logs: tuple[Path, ...] = ()  # local logs that must not hold a path token


def origin(scheme: Scheme, url: str) -> str:
    """The URL prefix under which every request of a bench of `url` lies: what the guarded client is to allow."""
    return without_token(url) if scheme.kind == "url-token" else url.partition("?")[0]


def patience(scheme: Scheme) -> float:
    """The deadline, in seconds, to give the guarded client: longer than the vendor itself would wait."""
    return (scheme.answer_within or _USUAL_WAIT) + _GRACE


def own_event(scheme: Scheme, event: str, body: bytes | None) -> Scheme:
    """`scheme` with the operator's own event in the safe one's place: its name, its body, or both.

    `body` is JSON whose texts may hold the tokens of a safe event (`{id}`, `{ts_iso}` ...). RunbookError for another.
    """
    safe = scheme.safe_event
    data = safe.body if body is None else _template(scheme, body)
    if event and scheme.event.startswith("body:"):
        data = changed(data, scheme.event.removeprefix("body:"), event)
    elif event and not scheme.event:
        raise RunbookError(f"deliveries of {scheme.name} name no event", "give its body instead")
    return replace(scheme, safe_event=replace(safe, event=event or safe.event, body=data, caution=""))


def _template(scheme: Scheme, body: bytes) -> Any:
    try:
        data = json.loads(body)
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()  # no NaN, no half of a surrogate pair
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict | list):
        raise RunbookError("the body is not JSON", f"{scheme.name} sends a JSON object: give one with {{id}} in it")
    if _depth(data) > _DEEPEST:
        raise RunbookError(f"the body is nested deeper than {_DEEPEST} levels", "no vendor's event is: give a flat one")
    text = body.decode("utf-8", "replace")
    if not scheme.delivery_id.startswith("header:") and not any(token in text for token in ("{id}", "{uuid}")):
        raise RunbookError("the body says nowhere {id}", "each delivery needs an id of its own, or it is a duplicate")
    try:
        filled(data, dict.fromkeys(BODY_TOKENS, "0"))
    except ValueError as error:
        raise RunbookError(f"the body has {error}") from None
    return data


def _depth(data: Any) -> int:
    """Levels of lists and objects."""
    depth, level = 0, [data]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def check(orders: Orders) -> None:
    """RunbookError for orders that cannot be carried out."""
    scheme = orders.scheme
    check_endpoint(orders.url, carries_secret=scheme.carries_secret)
    if orders.new is None and scheme.kind != "vendor-key":
        raise RunbookError("the new secret is needed")
    if orders.old is not None and orders.old == orders.new:
        raise RunbookError(
            "the old and the new secret are the same", "the secret was not rotated, or the wrong one given"
        )
    if orders.variant and orders.variant not in scheme.variants:
        known = ", ".join(scheme.variants) or "none"
        raise RunbookError(f"{scheme.name} has no variant {orders.variant!r}", f"known: {known}")


def knowledge(orders: Orders, misses: Sequence[NearMiss]) -> Knowledge:
    return Knowledge(
        signs=orders.new is not None,
        old=orders.old is not None,
        other=orders.other is not None,
        scope=orders.scope,
        facts=frozenset(orders.facts),
        variant=orders.variant,
        acting=orders.acting,
        misses=tuple((one.id, one.title) for one in misses),
    )
