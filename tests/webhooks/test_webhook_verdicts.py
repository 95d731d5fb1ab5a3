"""What answers and an observer's word mean, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bench_kit import SCHEMES

from runbook_tui.net.client import Answer
from runbook_tui.net.fault import NetFault
from runbook_tui.webhooks.findings import VERDICTS, Finding
from runbook_tui.webhooks.handshakes import matches
from runbook_tui.webhooks.planned import EXPECTATIONS, Planned
from runbook_tui.webhooks.scheme import Case
from runbook_tui.webhooks.verdicts import Heard, Result, Setting, between_controls, judge, overall, rotation

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
GITHUB = SCHEMES.get("github")


def verdict(
    expect: str,
    *statuses: int,
    acted: bool | None = None,
    watched: bool = False,
    count: int | None = None,
    name: str = "N2",
    gentle: str = "",
    until: datetime | None = None,
    mismatch: str = "",
    scheme: str = "github",
) -> str:
    answers = tuple(Answer(status, [], b"", 0.01) for status in statuses)
    planned = Planned(name, "case", expect, gentle=gentle, requests=len(answers))
    setting = Setting(NOW, watched, until)
    found = judge(SCHEMES.get(scheme), planned, Heard(answers, acted, count, mismatch), setting)
    assert found.reason
    assert not found.reason.endswith(".")
    return found.verdict


@pytest.mark.parametrize("expect", EXPECTATIONS)
@pytest.mark.parametrize("status", [100, 200, 202, 204, 301, 304, 400, 401, 403, 404, 408, 410, 429, 500, 503])
def test_every_answer_to_every_case_has_a_verdict(expect: str, status: int) -> None:
    """5xx and redirects fail everywhere, 408 and 429 judge nothing, and no effect passes without an observer."""
    found = verdict(expect, status, mismatch="the answer's body is empty" if expect == "probe" else "")
    assert found in VERDICTS
    if status in (408, 429, 100):
        assert found == "inconclusive"
    elif status >= 500 or 300 <= status < 400:
        assert found == "fail"
    elif expect in ("inert", "once"):
        assert found != "pass"


@pytest.mark.parametrize(
    ("expect", "status", "acted", "verdict_"),
    [
        ("refuse", 401, False, "pass"),
        ("refuse", 401, True, "fail"),
        ("refuse", 200, False, "warn"),
        ("refuse", 200, True, "fail"),
        ("survive", 400, True, "fail"),
        ("inert", 200, False, "pass"),
        ("inert", 400, False, "pass"),
        ("inert", 200, True, "fail"),
        ("inert", 200, None, "inconclusive"),
        ("accept", 200, True, "pass"),
        ("accept", 200, False, "fail"),
        ("probe", 200, True, "fail"),
    ],
)
def test_an_observers_word_counts(expect: str, status: int, acted: bool | None, verdict_: str) -> None:
    assert verdict(expect, status, acted=acted, watched=True) == verdict_


def test_once_is_once() -> None:
    assert verdict("once", 200, 200, acted=True, count=1, watched=True) == "pass"
    assert verdict("once", 200, 409, acted=True, count=1, watched=True) == "pass"
    assert verdict("once", 200, 200, acted=True, count=2, watched=True) == "fail"
    assert verdict("once", 200, 200, acted=True, count=None, watched=True) == "inconclusive"
    assert verdict("once", 200, 200) == "inconclusive"
    assert verdict("once", 200, 500, acted=True, count=1, watched=True) == "fail"


def test_the_old_secret_in_a_declared_overlap() -> None:
    later, before = NOW + timedelta(hours=1), NOW - timedelta(hours=1)
    assert verdict("refuse", 200, acted=True, watched=True, name="N1", until=later) == "warn"
    assert verdict("refuse", 200, acted=True, watched=True, name="N1", until=before) == "fail"
    assert verdict("refuse", 200, name="N1") == "fail"
    assert verdict("refuse", 200, name="N2", until=later) == "fail"
    assert verdict("refuse", 500, name="N1", until=later) == "fail"


def test_what_no_sdk_refuses_is_a_warning() -> None:
    assert verdict("refuse", 200, gentle="no SDK minds") == "warn"
    assert verdict("refuse", 200, gentle="no SDK minds", acted=True, watched=True) == "warn"


def test_a_path_token_wants_404() -> None:
    assert verdict("refuse", 404, scheme="streampixel") == verdict("refuse", 410, scheme="streampixel") == "pass"
    assert verdict("refuse", 401, scheme="streampixel") == "warn"


def test_abuse_fails_when_the_answer_is_what_a_vendor_gets() -> None:
    assert verdict("abuse", 200, mismatch="") == "fail"
    assert verdict("abuse", 200, mismatch="the answer's body is empty") == "warn"
    assert verdict("abuse", 403, mismatch="answered 403") == "pass"
    assert matches(SCHEMES.get("discord").abuse[0].answer, 403, [], b"")


@pytest.mark.parametrize(
    ("expect", "kind", "verdict_"),
    [
        ("accept", "tls", "fail"),
        ("accept", "too_large", "fail"),
        ("accept", "timeout", "fail"),
        ("accept", "cut", "inconclusive"),
        ("refuse", "timeout", "inconclusive"),
        ("survive", "timeout", "fail"),
        ("survive", "cut", "inconclusive"),
        ("inert", "refused", "inconclusive"),
        ("once", "cut", "inconclusive"),
    ],
)
def test_no_answer(expect: str, kind: str, verdict_: str) -> None:
    """Silence beyond a vendor's published limit (GitHub: 10 s) is a failure, what the network does is none."""
    fault = NetFault(kind, "nothing came", sent=True)
    found = judge(GITHUB, Planned("X", "case", expect, Case("", "")), Heard((fault,)), Setting(NOW))
    assert (found.verdict, found.status) == (verdict_, None)


def result(name: str, verdict_: str, status: int, expect: str = "refuse", acted: bool | None = None) -> Result:
    return Result(name, "case", "", status, verdict_, "because", expect=expect, acted=acted)


def test_a_refusal_counts_between_two_accepted_deliveries_only() -> None:
    """An acceptance, or an effect, of what should be refused needs no control."""
    good, bad_ = result("P1", "pass", 200, "accept"), result("P2", "fail", 401, "accept")
    cases = [
        result("N1", "pass", 401),
        result("N2", "fail", 200),
        result("N3", "fail", 401, acted=True),
        result("N4", "fail", 500),
    ]
    weighed = [one.verdict for one in between_controls([good, *cases, bad_])]
    assert weighed == ["pass", "inconclusive", "fail", "fail", "inconclusive", "fail"]
    kept = [one.verdict for one in between_controls([good, *cases, result("P2", "warn", 200, "accept")])]
    assert kept[1:5] == ["pass", "fail", "fail", "fail"]


def test_the_overall_verdict() -> None:
    cases = [result("P1", "pass", 200), result("N1", "warn", 200), result("N8-5", "inconclusive", 200)]
    assert overall(cases) == "inconclusive"
    assert (overall(cases[:2]), rotation(cases)) == ("warn", "warn")
    assert overall(cases[:1], [Finding("tls-old", "t", "inconclusive", "r")]) == "pass"
    assert overall(cases[:1], [Finding("tls-chain", "t", "fail", "r")]) == "fail"
    assert overall([]) == "inconclusive"
