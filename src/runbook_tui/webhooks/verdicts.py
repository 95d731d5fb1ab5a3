"""What an endpoint's answer says about it, and what a whole test proves and does not prove. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from runbook_tui.net.client import Answer
from runbook_tui.net.fault import NetFault
from runbook_tui.webhooks.scheme import Case, Scheme

_NO_ANSWER_ABOUT_US = frozenset({408, 429})  # the server speaks about itself or its load, not about the delivery
_SKEW_MARGIN = 30  # seconds; a `Date` header is coarse


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
