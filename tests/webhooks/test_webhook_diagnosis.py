"""The likely cause of what a bench saw, and the vendor's own fix. Those of whole runs are in test_webhook_bench."""

from __future__ import annotations

import pytest
from bench_kit import SCHEMES

from runbook_tui.webhooks.diagnosis import Advice, diagnose
from runbook_tui.webhooks.findings import Finding
from runbook_tui.webhooks.transport import Transport
from runbook_tui.webhooks.verdicts import Result


def result(name: str, verdict: str, status: int | None, reason: str = "because", **more: object) -> Result:
    expect = "refuse" if name.startswith("N") else "accept"
    return Result(name, "case", "", status, verdict, reason, **{"expect": expect, **more})  # type: ignore[arg-type]


def advice(scheme: str, *results: Result, skew: float | None = None) -> list[Advice]:
    return diagnose(SCHEMES.get(scheme), results, Transport((), True, skew, None, 0), (), "")


# The troubleshooting table of FastPix's guide, and what else an operator meets.
@pytest.mark.parametrize(
    ("scheme", "results", "found", "fix"),
    [
        (
            "fastpix",
            [result("P1", "fail", 400), result("D-raw", "pass", 202)],
            "key-form",
            "Buffer.from(secret, 'base64')",
        ),
        ("fastpix", [result("P1", "fail", 400)], "refused", "express.raw"),
        ("fastpix", [result("P1", "pass", 202), result("P4", "warn", 400)], "re-serialised", "express.raw"),
        ("fastpix", [result("P3-activation", "fail", 400)], "probe", "before anything is verified"),
        ("fastpix", [result("P1", "fail", 404)], "status-404", "tunnels change theirs"),
        ("adyen-platform", [result("P1", "fail", 401), result("D-raw", "pass", 200)], "key-form", "bytes.fromhex"),
        ("standard-webhooks", [result("P1", "fail", 400), result("D-raw", "pass", 200)], "key-form", "drop `whsec_`"),
        ("stripe", [result("P1", "fail", 400), result("D-newline", "pass", 200)], "key-form", "line break"),
        ("stripe", [result("P1", "fail", 400), result("D-clock", "pass", 200)], "skew", "NTP"),
        ("stripe", [result("P1", "fail", 400), result("N1", "fail", 200)], "not-rolled-out", "restart"),
        ("twilio", [result("P1", "fail", 403)], "url-differs", "behind a proxy"),
        ("square", [result("P1", "fail", 401)], "url-differs", "as registered"),
        ("paddle", [result("P5-new-first", "fail", 400), result("P5-old-first", "pass", 200)], "roll-order", "both"),
        ("github", [result("P1", "fail", 405)], "status-405", "POST"),
        ("github", [result("P1", "fail", 301)], "redirect", "register the address"),
        ("github", [result("P1", "fail", None, "no answer: late")], "silent", "acknowledge first"),
        ("github", [result("P1", "fail", 500)], "crash", "log"),
        ("github", [result("N1", "inconclusive", 403, "refused upstream with 403: x")], "upstream", "let the vendor"),
        ("github", [result("N1", "fail", 401, acted=True)], "acts-first", "only then act"),
        ("fastpix", [result("N1", "fail", 202)], "accepts-n1", "1800 s"),
        ("zoom", [result("N13-forging-oracle", "fail", 200)], "handshake", "verify it"),
    ],
)
def test_each_failure_has_its_cause_and_fix(scheme: str, results: list[Result], found: str, fix: str) -> None:
    told = {one.id: one for one in advice(scheme, *results)}
    assert fix in told[found].fix
    assert told[found].cases
    assert not told[found].fix.endswith(".")


def test_a_clock_that_is_off_is_named_before_the_secret_is_doubted() -> None:
    """Paddle takes deliveries of 5 s at most."""
    refused = result("P1", "fail", 403)
    assert [one.id for one in advice("paddle", refused, skew=20.0)] == ["skew"]
    assert [one.id for one in advice("paddle", refused, skew=1.0)] == ["refused"]
    assert "20 s" in advice("paddle", refused, skew=20.0)[0].cause


def test_the_way_to_the_endpoint_comes_first() -> None:
    bad = Finding("tls-expiry", "t", "fail", "r")
    found = diagnose(
        SCHEMES.get("github"), [result("P1", "fail", 401)], Transport((bad,), False, None, None, 0), (), ""
    )
    assert [one.id for one in found] == ["tls-expiry", "refused"]


def test_a_good_endpoint_needs_no_advice() -> None:
    assert advice("github", result("P1", "pass", 200), result("N1", "pass", 401), result("P2", "pass", 200)) == []
