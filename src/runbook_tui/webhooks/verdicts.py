"""What the answers to a case and an observer's word say about an endpoint. Pure.

A status alone cannot prove that nothing was done. So a refusal passes as a refusal, and what is about effects (a
duplicate, an unknown event, somebody else's project) stays inconclusive until an observer that was seen to work speaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from runbook_tui.net.client import Answer
from runbook_tui.net.fault import NetFault
from runbook_tui.webhooks.findings import Finding
from runbook_tui.webhooks.planned import CONTROLS, Planned, expected
from runbook_tui.webhooks.scheme import Scheme

_ABOUT_ITSELF = frozenset({408, 429})  # the server speaks about itself or its load, not about the delivery
_GONE = (404, 410)
_BROKEN = frozenset({"tls", "too_large", "garbled"})  # no matter of the network between us
_FRONTS = ("cf-mitigated", "x-amzn-waf-action", "via", "server")  # headers by which a front door shows itself
_RAYS = ("cf-ray", "x-sucuri-id", "x-iinfo", "x-akamai-request-id")  # of those, what differs in every answer
_REFUSING = ("refuse", "abuse", "survive")
_ORDER = ("fail", "inconclusive", "warn", "pass")
Verdict = tuple[str, str]  # verdict, reason in one sentence without a full stop


@dataclass(frozen=True)
class Heard:
    """What came of one case. `acted` and `count` are the observer's; `mismatch` compares a handshake's answer."""

    answers: tuple[Answer | NetFault, ...]
    acted: bool | None = None
    count: int | None = None
    mismatch: str = ""


@dataclass(frozen=True)
class Setting:
    """What all cases of a run have in common. `watched`: an observer was seen to work.

    `until` is the end of a declared overlap in which the old secret still counts (None: it leaked, none is allowed).
    `first` is the answer to P1, `nobody` the one to an address that is nobody's.
    """

    now: datetime
    watched: bool = False
    until: datetime | None = None
    pending: bool = False  # the observer is yet to be asked
    first: Answer | None = None
    nobody: Answer | None = None


@dataclass(frozen=True)
class Result:
    """What came of one case. Nothing in it is secret; `data()` is fit for the journal and the report."""

    id: str
    title: str
    expected: str
    status: int | None  # None: not sent, or no answer
    verdict: str  # one of findings.VERDICTS
    reason: str  # one sentence, without a full stop
    milliseconds: int | None = None
    acted: bool | None = None
    expect: str = ""  # of cases.EXPECTATIONS
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "expected": self.expected,
            "status": self.status,
            "acted": self.acted,
            "verdict": self.verdict,
            "reason": self.reason,
            "milliseconds": self.milliseconds,
            "evidence": dict(self.evidence),
        }


def judge(scheme: Scheme, planned: Planned, heard: Heard, setting: Setting) -> Result:
    """The verdict of one case on its own; `between_controls` then weighs the refusals."""
    judged = {"accept": _accepting, "bytes": _accepting, "variant": _accepting, "probe": _probing, "once": _once}.get(
        planned.expect, _inert if planned.expect == "inert" else _refusing
    )
    verdict, reason = judged(scheme, planned, heard, setting)
    last = heard.answers[-1] if heard.answers else None
    answered = [one for one in heard.answers if isinstance(one, Answer)]
    status = _telling(answered).status if answered and isinstance(last, Answer) else None
    took = round(answered[-1].seconds * 1000) if answered else None
    return replace(left_out(scheme, planned, verdict, reason), status=status, milliseconds=took, acted=heard.acted)


def left_out(scheme: Scheme, planned: Planned, verdict: str, reason: str) -> Result:
    """The result of a case that was not sent."""
    return Result(planned.id, planned.title, expected(scheme, planned), None, verdict, reason, expect=planned.expect)


def accepted(result: Result) -> bool:
    return result.status is not None and 200 <= result.status < 300 and result.verdict in ("pass", "warn")


def between_controls(results: Sequence[Result], *, attested: bool = False) -> list[Result]:
    """A refusal counts only between accepted deliveries: an endpoint that is down refuses everything.

    An acceptance or an effect of what should be refused stays a failure: it needs no control. `attested`: the vendor's
    own deliveries were seen before and after, where nobody else can make one.
    """
    if attested or all(any(one.id == name and accepted(one) for one in results) for name in CONTROLS):
        return list(results)
    why = "counts only between two accepted deliveries"
    return [
        replace(one, verdict="inconclusive", reason=f"{one.reason}; {why}") if _bare(one) else one for one in results
    ]


def overall(results: Sequence[Result], findings: Sequence[Finding] = ()) -> str:
    """fail when anything failed; else inconclusive when a case is; else warn; else pass.

    Findings beside the cases fail or warn; what they could not tell does not count.
    """
    found = {one.verdict for one in results} | {one.verdict for one in findings if one.verdict in ("fail", "warn")}
    return next((verdict for verdict in _ORDER if verdict in found), "inconclusive")


def rotation(results: Sequence[Result]) -> str:
    """The verdict on the rotation alone: the new secret is accepted, the old one and none at all are refused."""
    return overall([one for one in results if one.id in (*CONTROLS, "N1") or one.id.startswith("N3")])


def _bare(result: Result) -> bool:
    """A verdict that rests on a refusal alone."""
    taken = result.status is not None and 200 <= result.status < 300
    decided = result.verdict in ("pass", "warn", "fail")
    return result.expect in _REFUSING and decided and not taken and result.acted is not True


def _telling(answers: Sequence[Answer]) -> Answer:
    """The answer that says most: the worst one."""
    return max(answers, key=lambda one: (one.status >= 500, one.status >= 300, one.status))


def _plain(answer: Answer) -> Verdict | None:
    """What goes for every case: an answer that judges no delivery."""
    status = answer.status
    if status in _ABOUT_ITSELF:
        return "inconclusive", f"answered {status}: the endpoint did not judge the delivery"
    if status < 200:
        return "inconclusive", f"answered {status}: not a final answer"
    if 300 <= status < 400:
        return "fail", f"answered {status}: vendors do not follow redirects"
    return None


def _accepting(scheme: Scheme, planned: Planned, heard: Heard, setting: Setting) -> Verdict:
    worst: Verdict = ("pass", "")
    for answer in heard.answers:
        worst = min(worst, _accepted(scheme, planned, answer), key=lambda one: _ORDER.index(one[0]))
        worst = worst if worst[1] else _accepted(scheme, planned, answer)
    verdict, reason = worst
    if verdict not in ("pass", "warn") or planned.requests > 1:
        return verdict, reason
    if heard.acted:
        return verdict, f"{reason} and was acted on"
    if heard.acted is False and planned.expect == "accept":
        if setting.watched:
            return "fail", f"{reason}, and had no effect: a valid delivery is lost"
        if planned.id in CONTROLS:
            return "warn", f"{reason}, and the observer saw no effect: doubt the observer, or the endpoint"
    return verdict, reason


def _accepted(scheme: Scheme, planned: Planned, answer: Answer | NetFault) -> Verdict:
    if isinstance(answer, NetFault):
        # The caller waits longer than the vendor would, so silence is a failure where a limit is published.
        silent = answer.kind == "timeout" and answer.sent and scheme.answer_within > 0
        return "fail" if answer.kind in _BROKEN or silent else "inconclusive", f"no answer: {answer.message}"
    status, general = answer.status, _plain(answer)
    if general is not None:
        return general
    if status >= 500:
        return "fail", f"answered {status}: the endpoint failed on a valid delivery"
    if status >= 400:
        if planned.expect == "bytes":
            return "warn", f"answered {status}: it does not verify the bytes as they came, or refuses an unknown member"
        if planned.expect == "variant":
            return "warn", f"answered {status}: it does not take this envelope"
        return "fail", f"answered {status} to a valid delivery"
    if scheme.answer_within and answer.seconds > scheme.answer_within:
        limit = f"{scheme.answer_within:g} s"
        return "fail", f"answered {status}, but after {answer.seconds:.1f} s; {scheme.name} waits {limit}"
    if status not in scheme.answers.ok:
        return "warn", f"answered {status} where {scheme.name} asks for {scheme.answers.ok}"
    return "pass", f"answered {status}"


def _refusing(scheme: Scheme, planned: Planned, heard: Heard, setting: Setting) -> Verdict:
    answer = heard.answers[-1]
    if heard.acted and not _allowed(planned, setting):
        said = "no answer" if isinstance(answer, NetFault) else f"answered {answer.status}"
        return "fail", f"{said}, and it was acted on"
    if isinstance(answer, NetFault):
        hung = planned.expect == "survive" and answer.kind == "timeout" and answer.sent
        return "fail" if hung else "inconclusive", f"no answer: {answer.message}"
    status, general = answer.status, _plain(answer)
    if general is not None:
        return general
    if status >= 500:
        return "fail", f"answered {status}: the endpoint failed instead of refusing"
    if status < 300:
        return _taken(scheme, planned, heard, setting, status)
    if status == 403 and (front := _upstream(answer, setting)):
        return "inconclusive", f"refused upstream with 403: {front}"
    if scheme.kind == "url-token" and status not in _GONE and planned.expect == "refuse":
        return "warn", f"refused with {status}; 404 would not tell a stranger that something is here"
    known = setting.watched and heard.acted is False
    effect = "" if setting.pending else " and whether it had an effect is not shown"
    return "pass", f"refused with {status}{' and had no effect' if known else effect}"


def _allowed(planned: Planned, setting: Setting) -> bool:
    """An acceptance, and so an effect, is a warning at most."""
    overlap = planned.id == "N1" and setting.until is not None and setting.now < setting.until
    return bool(planned.gentle) or overlap


def _taken(scheme: Scheme, planned: Planned, heard: Heard, setting: Setting, status: int) -> Verdict:
    """A 2xx where a refusal was expected."""
    if planned.expect == "abuse":
        if heard.mismatch:
            return "warn", f"answered {status} to a request that it should refuse, and gave nothing away"
        return "fail", f"answered {status} as it should answer the vendor alone"
    if planned.id == "N1" and setting.until is not None and _allowed(planned, setting):
        return "warn", f"the old secret is accepted until {setting.until:%Y-%m-%d %H:%M} UTC, as was declared"
    if planned.gentle:
        return "warn", f"answered {status}: {planned.gentle}"
    if heard.acted is False and setting.watched:
        return "warn", f"answered {status} and had no effect: the vendor takes it for delivered"
    if planned.expect == "survive" and planned.case.signed:
        return "warn", f"answered {status} where a refusal was expected"
    caution = f" ({scheme.safe_event.caution})" if scheme.safe_event.caution else ""
    return "fail", f"answered {status} where a refusal was expected{caution}"


def _upstream(answer: Answer, setting: Setting) -> str:
    """Why a 403 seems to come from something before the endpoint, "" when it does not."""
    nobody, first = setting.nobody, setting.first
    if nobody is not None and (nobody.status, nobody.body) == (403, answer.body):
        return "an address that is nobody's gets the same answer"
    if first is not None:
        found = [name for name in _FRONTS if answer.header(name) and answer.header(name) != first.header(name)]
        found += [name for name in _RAYS if answer.header(name) and not first.header(name)]
        if found:
            return f"its header {found[0]} is not the one of accepted deliveries"
    return ""


def _probing(scheme: Scheme, planned: Planned, heard: Heard, setting: Setting) -> Verdict:
    answer = heard.answers[-1]
    if isinstance(answer, NetFault):
        return _accepted(scheme, planned, answer)
    if heard.mismatch:
        return _plain(answer) or ("fail", heard.mismatch)
    if heard.acted:
        return "fail", f"answered {answer.status} as {scheme.name} asks, but took the probe for an event"
    return "pass", f"answered {answer.status} as {scheme.name} asks"


def _inert(scheme: Scheme, planned: Planned, heard: Heard, setting: Setting) -> Verdict:
    answer = heard.answers[-1]
    if heard.acted:
        return "fail", "it was acted on"
    if isinstance(answer, NetFault):
        return _accepted(scheme, planned, answer)
    if (general := _plain(answer)) is not None:
        return general
    if answer.status >= 500:
        return "fail", f"answered {answer.status}: the endpoint failed on it"
    return _unless_watched(f"answered {answer.status}", "had no effect", heard.acted is False, setting)


def _once(scheme: Scheme, planned: Planned, heard: Heard, setting: Setting) -> Verdict:
    answers = [one for one in heard.answers if isinstance(one, Answer)]
    if len(answers) < len(heard.answers):
        return "inconclusive", f"{len(heard.answers) - len(answers)} of {len(heard.answers)} got no answer"
    shown = "answered " + ", ".join(str(one.status) for one in answers)
    for one in answers:
        if (general := _plain(one)) is not None:
            return general
    if any(one.status >= 500 for one in answers):
        return "fail", f"{shown}: the endpoint failed on a duplicate"
    if not any(one.status < 300 for one in answers):
        return "fail", f"{shown}: a valid delivery was refused"
    if setting.watched and heard.count is not None and heard.count != 1:
        return "fail", f"{shown}, and was acted on {heard.count} times"
    return _unless_watched(shown, "was acted on once", heard.count == 1, setting)


def _unless_watched(shown: str, effect: str, known: bool, setting: Setting) -> Verdict:
    if setting.watched and known:
        return "pass", f"{shown} and {effect}"
    why = "the observer cannot tell" if setting.watched else "no observer has shown it"
    why = "the observer is asked at the end" if setting.pending else why
    return "inconclusive", f"{shown}; whether it {effect} is open: {why}"
