"""Sends test deliveries to the operator's own endpoint: with the new secret, with the old one, and without any.

Safe events only, fresh ids, no redirect followed, and the new secret's value never goes into a delivery that must be
refused. At most two requests a second, on the injected clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from runbook_tui.foundation.clock import Clock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Answer, Request
from runbook_tui.net.fault import NetFault
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.scheme import Case, Delivery, Scheme
from runbook_tui.webhooks.signer import build, safe_body
from runbook_tui.webhooks.urls import check_endpoint, without_token
from runbook_tui.webhooks.verdicts import Result, between_controls, judge, not_sent, unreached

_PAUSE = 0.5  # seconds between two deliveries
_USUAL_WAIT, _GRACE = 15.0, 5.0  # seconds; where a vendor publishes no limit, and what is added to see a late answer
_NEW, _OLD, _UNSIGNED, _CONTROL = "new", "old", "unsigned", "control"


def origin(scheme: Scheme, url: str) -> str:
    """The URL prefix under which every delivery of a test of `url` lies: what the guarded client is to allow."""
    return without_token(url) if scheme.kind == "url-token" else url.partition("?")[0]


def patience(scheme: Scheme) -> float:
    """The deadline, in seconds, to give the guarded client: longer than the vendor itself would wait."""
    return (scheme.answer_within or _USUAL_WAIT) + _GRACE


def cases(scheme: Scheme, run: str) -> list[Case]:
    """The deliveries of one run, in order; `run` makes their ids unlike those of every other run."""
    if scheme.kind == "url-token":
        titles = ("path with the new token", "path with the old token", "path without a token")
    else:
        titles = ("signed with the new secret", "signed with the old secret", "unsigned")
    if scheme.kind == "bearer":
        titles = ("with the new secret", "with the old secret", "without a secret")
    return [
        Case(_NEW, titles[0], delivery_id=f"irtest_{run}_new"),
        Case(_OLD, titles[1], accept=False, delivery_id=f"irtest_{run}_old"),
        Case(_UNSIGNED, titles[2], accept=False, signed=False, delivery_id=f"irtest_{run}_unsigned"),
        Case(_CONTROL, f"{titles[0]}, once more", delivery_id=f"irtest_{run}_control"),
    ]


def three_answers(
    scheme: Scheme,
    url: str,
    new: Secret,
    old: Secret | None,
    send: Callable[[Request], Answer],
    *,
    clock: Clock,
    run: str = "",
    progress: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Deliver `new`, `old`, `unsigned` and the `control`; four results in that order.

    `url` is the endpoint without its path token (or with `{token}` in the token's place). `send` goes through the
    guarded client, with `origin(scheme, url)` as its origin and `patience(scheme)` as its deadline; it raises NetFault
    when there is no answer, and a redirect is an answer. Without `old` that result is inconclusive. `progress` hears
    of each delivery at once, before the refusals are weighed against the controls. RunbookError before anything is
    sent: bad URL, wrong form of a secret, old and new alike, or a scheme whose key only the vendor holds.
    """
    check_endpoint(url, carries_secret=scheme.carries_secret)
    if old is not None and old == new:
        raise RunbookError(
            "the old and the new secret are the same", "the secret was not rotated, or the wrong one given"
        )
    planned = cases(scheme, run or secrets.token_hex(6))
    given: dict[str, Secret | None] = {_NEW: new, _OLD: old, _UNSIGNED: None, _CONTROL: new}
    for case in planned:  # every wrong form shows before the first delivery leaves
        if given[case.id] is not None or not case.signed:
            _delivery(scheme, case, given[case.id], clock, url)
    results: list[Result] = []
    for case in planned:
        if case.signed and given[case.id] is None:
            result = not_sent(scheme, case, "the old secret is not known here")
        else:
            if results:
                clock.sleep(_PAUSE)
            result = _attempt(scheme, case, _delivery(scheme, case, given[case.id], clock, url), send, clock)
        results.append(result)
        if progress is not None:
            progress(result)
    return between_controls(results, (_NEW, _CONTROL))


def as_request(delivery: Delivery) -> Request:
    return Request(delivery.method, delivery.url, list(delivery.headers), delivery.body)


def _delivery(scheme: Scheme, case: Case, secret: Secret | None, clock: Clock, url: str) -> Delivery:
    at = clock.now()
    return build(scheme, case, secret, safe_body(scheme, case, at), at, url)


def _attempt(scheme: Scheme, case: Case, delivery: Delivery, send: Callable[[Request], Answer], clock: Clock) -> Result:
    try:
        answer = send(as_request(delivery))
    except NetFault as fault:
        return unreached(scheme, case, fault)
    return judge(scheme, case, answer, clock.now())
