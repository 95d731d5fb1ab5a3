"""Sends test deliveries to the operator's own endpoint: with the new secret, with the old one, and without any.

Safe events only, fresh ids, no redirect followed, and the new secret's value never goes into a delivery that must be
refused. At most two requests a second, on the injected clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from runbook_tui.foundation.clock import Clock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Answer, Request
from runbook_tui.net.fault import NetFault
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.scheme import Case, Delivery, Scheme
from runbook_tui.webhooks.signer import build, safe_body
from runbook_tui.webhooks.urls import check_endpoint, without_token

_NO_ANSWER_ABOUT_US = frozenset({408, 429})  # the server speaks about itself or its load, not about the delivery
_SKEW_MARGIN = 30  # seconds; a `Date` header is coarse


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


@dataclass(frozen=True)
class Result:
    """What came of one delivery. Nothing in it is secret; `data()` is fit for the journal and the report."""

    id: str
    title: str
    expected: str
    status: int | None  # None: not sent, or no answer
    verdict: str  # pass | fail | inconclusive
    reason: str
    milliseconds: int | None

    def data(self) -> dict[str, Any]:
        return asdict(self)


def expected(scheme: Scheme, case: Case) -> str:
    if case.accept:
        return "2xx"
    return "404 or 410" if scheme.kind == "url-token" else "refused (4xx)"


def judge(scheme: Scheme, case: Case, answer: Answer, now: datetime) -> Result:
    """The verdict of one answer on its own; `between_controls` then weighs the refusals."""
    verdict, reason = (_accepting if case.accept else _refusing)(scheme, answer, now)
    return Result(
        case.id, case.title, expected(scheme, case), answer.status, verdict, reason, round(answer.seconds * 1000)
    )


def unreached(scheme: Scheme, case: Case, fault: NetFault) -> Result:
    """The verdict when no answer came.

    On a valid delivery, broken TLS is a failure, and so is silence beyond the vendor's published limit (the caller
    waits longer than that, see `deliver.patience`). Everything else may be the network between us.
    """
    silent = fault.kind == "timeout" and fault.sent and scheme.answer_within > 0
    verdict = "fail" if case.accept and (fault.kind == "tls" or silent) else "inconclusive"
    return Result(case.id, case.title, expected(scheme, case), None, verdict, f"no answer: {fault.message}", None)


def not_sent(scheme: Scheme, case: Case, reason: str) -> Result:
    return Result(case.id, case.title, expected(scheme, case), None, "inconclusive", f"not sent: {reason}", None)


def between_controls(results: Sequence[Result], controls: Sequence[str]) -> list[Result]:
    """A refusal counts only between accepted deliveries: an endpoint that is down refuses everything.

    An acceptance of what should be refused stays a failure: it needs no control.
    """
    if all(result.verdict == "pass" for result in results if result.id in controls):
        return list(results)
    why = "counts only between two accepted deliveries with the new secret"
    return [_weakened(result, why) if _needs_control(result, controls) else result for result in results]


def overall(results: Sequence[Result]) -> str:
    """fail when any failed, else inconclusive when any is, else pass."""
    found = {result.verdict for result in results}
    return next((verdict for verdict in ("fail", "inconclusive") if verdict in found), "pass")


def conclusions(scheme: Scheme, results: Sequence[Result]) -> tuple[list[str], list[str]]:
    """(what is proven, what is not), in sentences for the screen and the report."""
    by_id = {result.id: result.verdict for result in results}
    path = scheme.kind == "url-token"
    said = {
        "new": "the endpoint answers on the path with the new token" if path else "the new secret is accepted",
        "old": "the path with the old token is gone" if path else "the old secret is refused",
        "unsigned": "the path without a token is not served" if path else "an unsigned delivery is refused",
        "control": "the endpoint still accepted the new secret after the refusals",
    }
    proven = [text for case, text in said.items() if by_id.get(case) == "pass"]
    open_points = [f"not shown: {text}" for case, text in said.items() if by_id.get(case) != "pass"]
    if not scheme.covers:
        open_points.append(
            "whether a delivery was acted on, or its project and event were checked: nothing is signed, and such an "
            "endpoint may answer 200 to anything that carries the secret"
        )
    else:
        open_points.append("whether a refused delivery was acted on all the same: a status code cannot tell")
    return proven, open_points


def _accepting(scheme: Scheme, answer: Answer, now: datetime) -> tuple[str, str]:
    status = answer.status
    if 300 <= status < 400:
        return "fail", f"answered {status}: vendors do not follow redirects"
    if status in _NO_ANSWER_ABOUT_US:
        return "inconclusive", f"answered {status}: the endpoint did not judge the delivery"
    if status >= 500:
        return "fail", f"answered {status}: the endpoint failed on a valid delivery"
    if not 200 <= status < 300:
        return "fail", f"answered {status} to a valid delivery{_skew(scheme, answer, now)}"
    if scheme.answer_within and answer.seconds > scheme.answer_within:
        limit = f"{scheme.answer_within:g} s"
        return "fail", f"answered {status}, but after {answer.seconds:.1f} s; {scheme.name} waits {limit}"
    if not scheme.covers:
        return "pass", f"answered {status}: the endpoint is there; whether it acted on the delivery is not shown"
    return "pass", f"answered {status}"


def _refusing(scheme: Scheme, answer: Answer, _now: datetime) -> tuple[str, str]:
    status = answer.status
    if 200 <= status < 300:
        caution = f" ({scheme.safe_event.caution})" if scheme.safe_event.caution else ""
        return "fail", f"answered {status} where a refusal was expected{caution}"
    if 300 <= status < 400:
        return "fail", f"answered {status}: a redirect is no refusal"
    if status >= 500:
        return "fail", f"answered {status}: the endpoint failed instead of refusing"
    if status in _NO_ANSWER_ABOUT_US:
        return "inconclusive", f"answered {status}: the endpoint did not judge the delivery"
    if status < 200:
        return "inconclusive", f"answered {status}: not a final answer"
    if scheme.kind == "url-token" and status not in (404, 410):
        return "pass", f"refused with {status}; 404 would not tell a stranger that something is here"
    return "pass", f"refused with {status}"


def _skew(scheme: Scheme, answer: Answer, now: datetime) -> str:
    """A hint when the endpoint's clock, not the secret, may be why a timestamped delivery was refused."""
    header = answer.header("date")
    if scheme.tolerance is None or header is None:
        return ""
    try:
        skew = abs((now - parsedate_to_datetime(header)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return ""
    if skew <= max(_SKEW_MARGIN, scheme.tolerance.past / 2):
        return ""
    return f"; its clock and ours differ by {skew:.0f} s, which alone may be the reason"


def _needs_control(result: Result, controls: Sequence[str]) -> bool:
    accepted = result.status is not None and 200 <= result.status < 300
    return result.id not in controls and result.verdict != "inconclusive" and not accepted


def _weakened(result: Result, why: str) -> Result:
    return replace(result, verdict="inconclusive", reason=f"{result.reason}; {why}")
