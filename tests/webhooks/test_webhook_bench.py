"""The bench against the reference endpoint: silent on a good one, and each fault is found.

The endpoint verifies without the signer's code (see test_webhook_receiver).
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bench_kit import SCHEMES, bench, conduct, endpoint, owned, run, scope_of
from delivery_kit import facts_of, held, send, signed
from endpoint_server import Authority

from runbook_tui.drill.endpoint.setup import FAULTS, Setup
from runbook_tui.drill.receiver import ReferenceReceiver
from runbook_tui.foundation.clock import FakeClock, RealClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Answer, Network, Request
from runbook_tui.net.fault import NetFault
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks import probing
from runbook_tui.webhooks.bench import Bench
from runbook_tui.webhooks.observer import Sight, Watch
from runbook_tui.webhooks.orders import Orders, origin, own_event
from runbook_tui.webhooks.outcome import Report
from runbook_tui.webhooks.rehearsal import Rehearsal
from runbook_tui.webhooks.scheme import Case, Scheme
from runbook_tui.webhooks.transport import Transport

# One or more of each kind, and those whose proof is made by code.
GOOD = [
    *("stripe", "github", "standard-webhooks", "fastpix", "box", "zoom", "meta", "square"),  # HMAC
    *("gitlab", "telegram", "graph"),  # bearer, the last one in the body
    "streampixel",  # URL token
    *("discord-events", "sendgrid"),  # a vendor's key, with a test key
    *("twilio", "adyen-payments", "mailgun", "livekit", "rfc9421", "nowpayments"),  # code
]
# Fault -> where it is looked for, what finds it, and the diagnosis ("" = none).
FOUND: dict[str, tuple[str, dict[str, str], str]] = {
    "accepts_all": ("stripe", {"N1": "fail", "N2": "fail", "N3": "fail", "N15": "fail"}, "no-verification"),
    "unsigned_accepted": ("github", {"N3": "fail", "N4-junk": "pass"}, "accepts-n3"),
    "old_secret_valid": ("gitlab", {"N1": "fail", "N4-random": "pass"}, "accepts-n1"),
    "accepts_wrong_algorithm": ("github", {"N14-sha1": "fail", "N14-sha512": "fail"}, "accepts-n14"),
    "compares_prefix": ("standard-webhooks", {"N4-truncated": "fail", "N4-junk": "pass"}, "accepts-n4-truncated"),
    "wrong_key_form": ("fastpix", {"P1": "fail", "D-raw": "pass", "D-newline": "fail"}, "key-form"),
    "first_signature_only": ("stripe", {"P5-old-first": "fail", "P5-new-first": "pass"}, "roll-order"),
    "last_signature_only": ("paddle", {"P5-new-first": "fail", "P5-old-first": "pass"}, "roll-order"),
    "reserialises": ("github", {"P1": "pass", "P4": "warn"}, "re-serialised"),
    "no_tolerance": ("standard-webhooks", {"N5": "fail", "N6": "fail"}, "accepts-n5"),
    "future_accepted": ("standard-webhooks", {"N5": "pass", "N6": "fail"}, "accepts-n6"),
    "no_dedupe": ("telegram", {"N8-replay": "fail", "N8-5": "fail"}, "no-dedupe"),
    "acts_before_verifying": ("stripe", {"N1": "fail", "N3": "fail", "N4-junk": "fail"}, "acts-first"),
    "acknowledges_bad": ("stripe", {"N1": "warn", "N3": "warn", "N4-junk": "warn"}, "acknowledges"),
    "unknown_event_acts": ("stripe", {"N10": "fail"}, "any-event"),
    "foreign_scope_acts": ("streampixel", {"N11": "fail"}, "any-scope"),
    "other_envelope": ("streampixel", {"P1": "fail", "P1-recipe": "pass"}, "envelope"),
    "locks_out": ("github", {"P1": "pass", "P2": "fail", "N2": "inconclusive"}, "locked-out"),
    "probe_refused": ("fastpix", {"P3-activation": "fail", "P3-empty": "fail"}, "probe"),
    "handshake_oracle": ("zoom", {"N13-forging-oracle": "fail"}, "handshake"),
    "secret_replaceable": ("asana", {"N13-second-secret": "fail", "P2": "pass"}, "handshake"),
    "crashes_on_bad_input": ("stripe", {"N1": "fail", "P2": "pass", "N10": "inconclusive"}, "crashes"),
    "ignores_method": ("github", {"N12-method": "fail"}, "method"),
    "base_path_200": ("streampixel", {"N3-base": "warn", "N4-random": "pass"}, "acknowledges"),
    "wrong_token_405": ("streampixel", {"N4-random": "warn", "N1": "warn"}, ""),
    "echoes_token": ("streampixel", {"token-echo": "fail"}, "echo"),
    "redirects": ("github", {"P1": "fail", "N2": "inconclusive"}, "redirect"),
    "hangs": ("github", {"P1": "fail"}, "silent"),
    "trickles": ("github", {"P1": "fail"}, "silent"),
    "huge_answer": ("github", {"P1": "fail"}, "silent"),
    "cuts_off": ("github", {"P1": "inconclusive"}, "silent"),
    "skewed_clock": ("stripe", {"P1": "fail", "D-clock": "pass", "clock": "warn"}, "skew"),
}
# Found by a test of their own, below.
APART = {"ignores_url", "logs_token", "slow"}


def verdicts(report: Report) -> dict[str, str]:
    ways = report.transport.findings if report.transport else ()
    return {one.id: one.verdict for one in (*report.results, *report.checks, *ways)}


def bad(report: Report) -> dict[str, str]:
    return {name: one for name, one in verdicts(report).items() if one in ("fail", "warn")}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_endpoint_passes_in_every_case(name: str) -> None:
    """Nothing fails or warns, everything that applies passes, and all of it takes less than 60 requests."""
    with endpoint(SCHEMES.get(name)) as receiver:
        report = conduct(bench(receiver))
        assert report.requests == len(receiver.arrivals) <= 60
    assert (bad(report), report.diagnosis) == ({}, ())
    assert {one.verdict for one in report.results} == {"pass", "not_applicable"}
    assert (report.verdict, report.rotation, report.observer) == ("pass", "pass", "trusted")


def test_every_fault_of_the_endpoint_is_looked_for() -> None:
    assert FOUND.keys() | APART == FAULTS.keys()


@pytest.mark.parametrize("fault", FOUND)
def test_each_fault_is_found_and_explained(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table fault x found, each with the diagnosis an operator reads."""
    name, expected, advice = FOUND[fault]
    silent = fault in ("hangs", "trickles")
    if silent:
        monkeypatch.setattr(probing, "_ANSWER_SECONDS", 0.3)
    more = {"skew": 400.0} if fault == "skewed_clock" else {}
    report = run(name, fault, more=more, acting=True, deadline=0.5 if silent else 5.0)
    found = verdicts(report)
    assert {case: found[case] for case in expected} == expected
    assert (advice in [one.id for one in report.diagnosis]) == bool(advice)
    assert report.verdict != "pass"


def test_a_loose_comparison_of_url_tokens_shows_on_the_old_token() -> None:
    """The new token is never altered in a request; with the old one still valid, what is like it shows."""
    report = run("streampixel", "ignores_url", "old_secret_valid")
    assert {"N1", "N4-old-half", "N4-old-case"} <= bad(report).keys()
    assert run("streampixel", "ignores_url").verdict == "pass"  # a limit that docs name


def test_a_token_in_a_local_log_is_found(tmp_path: Path) -> None:
    scheme, log = SCHEMES.get("streampixel"), tmp_path / "access.log"
    for faults, verdict in ((["logs_token"], "fail"), ([], "pass")):
        log.write_text("")
        setup = Setup(scheme, owned(scheme, "new").receiver, scope=scope_of(scheme), faults=frozenset(faults))
        with ReferenceReceiver(setup, access_log=log) as receiver:
            assert verdicts(conduct(bench(receiver, logs=(log,))))["token-logs"] == verdict


def test_an_answer_after_the_vendors_limit_fails() -> None:
    scheme = replace(SCHEMES.get("streampixel"), answer_within=0.05)
    with endpoint(scheme, "slow", slow=0.1) as receiver:
        report = conduct(bench(receiver))
    assert bad(report)["P1"] == bad(report)["ack-limit"] == "fail"
    assert "slow" in [one.id for one in report.diagnosis]


@pytest.mark.parametrize("name", ["streampixel", "gitlab", "graph"])
def test_the_new_secret_goes_into_no_delivery_that_must_be_refused(name: str) -> None:
    """Where the secret itself travels: only what must be accepted, or has to reach the endpoint, carries it."""
    scheme, said = SCHEMES.get(name), []
    with endpoint(scheme) as receiver:
        one = bench(receiver)
        text = owned(scheme, "new").receiver
        for planned in one.plan.cases:
            if planned.sends:
                made = one._maker.make(planned, datetime.now(UTC))
                whole = f"{made.delivery.url} {made.delivery.headers} {made.delivery.body!r}"
                if text in whole or text[::-1] in whole or text[: len(text) // 2] in whole:
                    said.append(planned.expect)
        assert not {"refuse", "survive", "abuse"} & set(said)
        assert {"accept", "inert"} <= set(said)


@pytest.mark.parametrize("name", ["stripe", "streampixel", "telegram"])
def test_ids_are_new_in_every_delivery_and_every_run(name: str) -> None:
    """A receiver that drops duplicates would answer a reused id from memory."""
    scheme, bodies = SCHEMES.get(name), []
    for _ in range(2):
        orders = Orders(scheme, "https://example.com/h", owned(scheme, "new").sender)
        one = Bench(orders, lambda request: said(200), FakeClock())
        for planned in one.plan.cases:
            if planned.sends and planned.how == "plain":
                times = range(1 if planned.expect == "once" else planned.requests)
                bodies += [one._maker.make(planned, one._turns.time(), number).delivery.body for number in times]
    assert len(set(bodies)) == len(bodies) > 15


def test_at_most_two_requests_a_second_leave() -> None:
    """On the injected clock, with the pauses of several at once made up for; no faster run to another machine."""
    scheme = SCHEMES.get("github")
    with endpoint(scheme) as receiver:
        clock = FakeClock(RealClock().now())
        network, times = Network(), []

        def send(request: Request) -> Answer:
            times.append(clock.mono_ns() / 1e9)
            return network.send(request, [receiver.url])

        orders = Orders(scheme, receiver.url, owned(scheme, "new").sender, owned(scheme, "old").sender)
        one = Bench(orders, send, clock)
        one.run(lambda before: Transport((), True, 0.0, None, 0))
    for seconds in range(int(times[-1])):
        assert sum(1 for at in times if seconds <= at < seconds + 5) <= 5 * 2 + 5
    assert times[-1] >= 0.5 * (len(times) - 5)
    with pytest.raises(RunbookError, match="twice a second"):
        Bench(replace(orders, url="https://hooks.example.com/x"), send, clock, pause=0.0)


def test_nothing_is_sent_before_the_way_is_safe(tmp_path: Path) -> None:
    """A certificate that nobody trusts: not one request reaches the endpoint, and the verdict is a failure."""
    context: ssl.SSLContext = Authority("nobody").issue(tmp_path, "127.0.0.1")
    scheme = SCHEMES.get("streampixel")
    with ReferenceReceiver(Setup(scheme, owned(scheme, "new").receiver), tls=context) as receiver:
        report = conduct(bench(receiver))
        assert receiver.arrivals == []
    assert report.verdict == "fail"
    assert "tls-chain" in [one.id for one in report.diagnosis]
    assert {one.verdict for one in report.results} == {"inconclusive"}


def stopped_by(answers: Callable[[int], Answer | NetFault]) -> Report:
    """A bench of github whose nth answer is `answers(n)`."""
    count = 0

    def send(request: Request) -> Answer:
        nonlocal count
        count += 1
        answer = answers(count)
        if isinstance(answer, NetFault):
            raise answer
        return answer

    scheme = SCHEMES.get("github")
    orders = Orders(scheme, "http://127.0.0.1:9/h", owned(scheme, "new").sender, owned(scheme, "old").sender)
    return Bench(orders, send, FakeClock()).run(lambda before: Transport((), True, 0.0, None, 0))


def said(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, list(headers.items()), body, 0.01)


@pytest.mark.parametrize(
    ("answers", "requests", "why"),
    [
        (lambda n: said(200 if n < 9 else 429), 9, "429"),
        (lambda n: said(200 if n < 9 else 503), 11, "failed twice"),  # and the control after it
        (lambda n: NetFault("timeout", "no answer in time", sent=True), 2, "got no answer"),
        (lambda n: NetFault("refused", "the connection was refused", sent=False), 2, "got no answer"),
    ],
)
def test_a_run_ends_early(answers: Callable[[int], Answer | NetFault], requests: int, why: str) -> None:
    report = stopped_by(answers)
    assert report.requests == requests
    assert why in report.stopped
    assert report.verdict in ("fail", "inconclusive")


def test_an_endpoint_that_refuses_everything_proves_nothing() -> None:
    """Refusals count only between accepted deliveries; the old secret and no proof are still tried."""
    report = stopped_by(lambda n: said(401))
    found = verdicts(report)
    assert (found["P1"], found["N1"], found["N3"], found["N2"]) == ("fail", *["inconclusive"] * 3)
    assert (report.rotation, [one.id for one in report.diagnosis]) == ("fail", ["refused"])


def test_an_endpoint_that_was_never_changed_is_told_apart() -> None:
    """It refuses the new secret and takes the old one."""
    scheme = SCHEMES.get("github")
    with endpoint(scheme) as receiver:
        swapped = {"new": owned(scheme, "old").sender, "old": owned(scheme, "new").sender}
        report = conduct(bench(receiver, **swapped))
    assert (verdicts(report)["N1"], report.diagnosis[0].id) == ("fail", "not-rolled-out")


def test_a_firewall_is_not_taken_for_the_endpoint() -> None:
    """403 with the same body as an address that is nobody's gets: refused upstream."""
    last = stopped_by(lambda n: said(200)).requests
    report = stopped_by(lambda n: said(200) if n in (*range(2, 9), last) else said(403, b"blocked", server="front"))
    assert verdicts(report)["P2"] == "pass"
    assert {one.verdict for one in report.results if one.expect == "refuse" and one.status} == {"inconclusive"}
    assert "upstream" in [one.id for one in report.diagnosis]


@pytest.mark.parametrize(("hours", "verdict"), [(24, "warn"), (-1, "fail"), (None, "fail")])
def test_a_declared_overlap_is_a_warning_with_a_deadline(hours: int | None, verdict: str) -> None:
    """After a leak the overlap is zero."""
    until = None if hours is None else datetime.now(UTC) + timedelta(hours=hours)
    report = run("github", "old_secret_valid", until=until)
    (old,) = (one for one in report.results if one.id == "N1")
    assert old.verdict == verdict
    assert verdict == "fail" or f"{until:%Y-%m-%d}" in old.reason


def test_without_an_observer_effects_stay_open() -> None:
    """No status proves that nothing was done: never pass; and the rotation has a verdict of its own."""
    report = run("github", watched=False)
    found = verdicts(report)
    assert {found[name] for name in ("N8-replay", "N8-5", "N10", "N11")} == {"inconclusive"}
    assert (report.verdict, report.rotation, report.observer) == ("inconclusive", "pass", "none")
    assert any("status code" in one for one in report.open)


def test_without_the_old_secret_its_case_stays_open() -> None:
    report = run("github", old=None)
    assert verdicts(report)["N1"] == report.verdict == report.rotation == "inconclusive"


def test_an_observer_that_repeats_the_question_is_not_believed() -> None:
    class Echo:
        kind = "url"

        def look(self, marker: str) -> Sight:
            return Sight(True, 1)

        def close(self) -> None: ...

    with endpoint(SCHEMES.get("github")) as receiver:
        one = bench(receiver)
        one._sights._watch = Watch(Echo(), RealClock(), wait=0)  # type: ignore[union-attr]
        report = conduct(one)
    assert "cannot be believed" in report.observer
    with endpoint(SCHEMES.get("discord-events")) as receiver:
        vendors = bench(receiver, new=None, old=None, vendor=lambda _: "vendor_event_1")
        vendors._sights._watch = Watch(Echo(), RealClock(), wait=0)  # type: ignore[union-attr]
        attested = conduct(vendors)
    assert verdicts(report)["N10"] == "inconclusive"
    assert (verdicts(attested)["P1"], attested.proven) == ("inconclusive", ())
    assert "cannot be believed" in attested.observer


def test_an_observer_that_sees_no_valid_delivery_is_doubted() -> None:
    with endpoint(SCHEMES.get("github"), "other_envelope") as receiver:  # it acts on nothing of this scheme
        report = conduct(bench(receiver))
    assert "proves nothing" in report.observer
    assert (verdicts(report)["P1"], verdicts(report)["N10"]) == ("warn", "inconclusive")


def test_a_vendors_own_delivery_closes_what_only_the_vendor_can_show() -> None:
    """Negatives count between two deliveries that the vendor was asked to trigger, both seen by the observer."""
    scheme = SCHEMES.get("discord-events")
    with endpoint(scheme) as receiver:
        names = ["vendor_event_1", "vendor_event_2", "vendor_event_3"]

        def vendor(instruction: str) -> str:
            assert "trigger a test delivery" in instruction
            name = names.pop(0)
            case = Case("v", "of the vendor", delivery_id=name, scope=scope_of(scheme))
            assert send(signed(scheme, case, receiver.url, held(scheme, "new").sender)).status == 204
            return name

        closed = conduct(bench(receiver, new=None, old=None, vendor=vendor))
        once = conduct(bench(receiver, new=None, old=None, vendor=lambda _: "vendor_event_1"))
        alone = conduct(bench(receiver, new=None, old=None))
    assert (verdicts(closed)["P1"], verdicts(closed)["N3"], verdicts(closed)["N15"]) == ("pass", "pass", "pass")
    assert (verdicts(closed)["P2"], closed.rotation, len(names)) == ("pass", "pass", 1)
    assert (verdicts(once)["P1"], verdicts(once)["P2"], verdicts(once)["N3"]) == ("pass", *["inconclusive"] * 2)
    assert verdicts(alone)["P1"] == verdicts(alone)["N3"] == "inconclusive"
    assert "vendor" in next(one.reason for one in alone.results if one.id == "P1")


def test_an_interrupted_run_keeps_what_is_known() -> None:
    def progress(result: object) -> None:
        if getattr(result, "id", "") == "N3":
            raise KeyboardInterrupt

    with endpoint(SCHEMES.get("github")) as receiver:
        one = bench(receiver, progress=progress)
        with pytest.raises(KeyboardInterrupt):
            conduct(one)
        one.stopped = "interrupted"
        report = one.report()
    found = {each.id: each for each in report.results}
    assert (found["P1"].verdict, found["P2"].reason) == ("pass", "not sent: interrupted")
    assert report.verdict == "inconclusive"


@pytest.mark.parametrize("name", ["stripe", "streampixel", "graph"])
def test_the_document_holds_no_secret_and_no_proof(name: str) -> None:
    """Header names without values, labels of secrets, and nothing of what an endpoint that echoes all of it says."""
    scheme = SCHEMES.get(name)
    with endpoint(scheme, "echoes_token") as receiver:
        one = bench(receiver)
        text = json.dumps([conduct(one).data(), one.plan.data()])
    for whose in ("new", "old"):
        secret = owned(scheme, whose).receiver
        assert not any(secret[at : at + 12] in text for at in range(len(secret) - 11))
    assert "t=1" not in text


@pytest.mark.parametrize("name", ["mailgun", "adyen-payments", "graph"])
def test_the_plan_shows_no_proof_that_stands_in_the_body(name: str) -> None:
    """Mailgun signs a time and a token alone: with one signature that is shown anybody could send any event."""
    rehearsal = _rehearsed(SCHEMES.get(name))
    (first,) = (one for one in rehearsal.cases if one.id == "P1")
    sent = rehearsal.maker.make(first, datetime.now(UTC)).delivery.body
    proof = {"mailgun": "signature", "adyen-payments": "hmacSignature", "graph": "clientState"}[name]
    assert proof in sent.decode()
    assert f'"{proof}":"' not in rehearsal.data()["example"]
    assert "irtest_0123456789ab_p1" in rehearsal.data()["example"]


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("fastpix", {"new": Secret("not base64!")}, "b64"),
        ("fastpix", {"old": Secret("not base64!")}, "b64"),
        ("stripe", {"new": Secret("sk_live_fake_and_wrong")}, "begins with"),
        ("github", {"old": owned(SCHEMES.get("github"), "new").sender}, "the same"),
        ("github", {"new": None}, "needed"),
        ("github", {"url": "not a url"}, "URL"),
        ("gitlab", {"url": "http://192.0.2.1/h"}, "https"),
        ("streampixel", {"variant": "round"}, "recipe"),
        ("paypal", {"new": None, "facts": {}}, "webhook_id"),
    ],
)
def test_bad_orders_are_refused_before_anything_is_sent(name: str, fields: dict[str, object], said: str) -> None:
    """The message says which form of a secret was expected."""
    scheme = SCHEMES.get(name)
    orders = Orders(scheme, "https://example.com/h", owned(scheme, "new").sender, facts=facts_of(scheme))

    def send(request: Request) -> Answer:
        raise AssertionError("sent")

    with pytest.raises(RunbookError) as caught:
        Bench(replace(orders, **fields), send, FakeClock())  # type: ignore[arg-type]
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "body", [b'{"a": "\\ud83d", "id": "{id}"}', b'{"a": 1e999, "id": "{id}"}', b"{}", b'{"a": []}']
)
def test_an_odd_event_of_the_operators_is_refused(body: bytes) -> None:
    """Half a character and infinity are no JSON; without a value there is nothing to change after signing."""
    scheme = SCHEMES.get("github")
    deep = b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}"
    for one in (body, deep):
        with pytest.raises(RunbookError):
            _rehearsed(own_event(scheme, "", one))


def _rehearsed(scheme: Scheme) -> Rehearsal:
    orders = Orders(scheme, "https://example.com/h", owned(scheme, "new").sender, facts=facts_of(scheme))
    return Rehearsal(orders, datetime.now(UTC), "0123456789ab")


def test_an_own_event_takes_the_safe_ones_place() -> None:
    """With it the observer sees effects where the scheme's safe event is only a handshake."""
    scheme = own_event(SCHEMES.get("slack"), "event_callback", b'{"type": "x", "event_id": "{id}", "team_id": "T"}')
    with endpoint(scheme) as receiver:
        report = conduct(bench(receiver))
    assert (report.verdict, origin(scheme, receiver.url)) == ("pass", receiver.url)
    for body, why in ((b"{", "not JSON"), (b'{"type": "x"}', "{id}"), (b'{"a": "{id} {nope}"}', "nope")):
        with pytest.raises(RunbookError) as caught:
            own_event(SCHEMES.get("slack"), "", body)
        assert why in str(caught.value)
