"""Promise: nothing that carries a secret is sent before the way to the endpoint was looked at and found safe."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID
from endpoint_server import Authority, Endpoint, answer

from runbook_tui.foundation.clock import RealClock
from runbook_tui.net.client import Timing
from runbook_tui.webhooks.probing import Facts, Reached, Reply
from runbook_tui.webhooks.speed import acknowledgement, percentile_95
from runbook_tui.webhooks.tls import TlsResult
from runbook_tui.webhooks.transport import Transport, address_of, examine, judge

ROOT = Authority("Test root")
HERE = "127.0.0.1"
CERTIFICATE = ("tls-chain", "tls-host", "tls-expiry", "tls-version")


def look(endpoint: Endpoint | str, **more: Any) -> Transport:
    url = endpoint if isinstance(endpoint, str) else endpoint.url
    return examine(url, **{"clock": RealClock(), "trust": ROOT.trusting, **more})


def verdicts(transport: Transport) -> dict[str, str]:
    return {finding.id: finding.verdict for finding in transport.findings}


def reason(transport: Transport, name: str) -> str:
    return next(finding.reason for finding in transport.findings if finding.id == name)


@pytest.fixture
def good(tmp_path: Path) -> Callable[..., ssl.SSLContext]:
    return lambda *hosts, **how: ROOT.issue(tmp_path, *(hosts or (HERE,)), **how)


def test_a_good_endpoint_passes_and_two_requests_are_all_it_sees(good: Callable[..., ssl.SSLContext]) -> None:
    """Silent on a good endpoint; both requests are unsigned, and the pacing is asked before each."""
    paced: list[int] = []
    with Endpoint(good()) as endpoint:
        found = look(endpoint, before_request=lambda: paced.append(len(endpoint.seen)))
    assert set(verdicts(found).values()) == {"pass", "not_applicable"}
    assert verdicts(found)["ipv6"] == "not_applicable"
    assert found.safe_to_send
    assert found.skew is not None
    assert abs(found.skew) < 5
    assert found.timing is not None
    assert found.timing.tls is not None
    assert (found.requests, len(paced)) == (2, 2)
    assert endpoint.seen == [b"GET /hooks/vendor HTTP/1.1"]
    assert found.data()["findings"][0]["id"] == "address"


@pytest.mark.parametrize(
    ("how", "failing", "word"),
    [
        pytest.param({"days": -2}, "tls-expiry", "expired", id="expired"),
        pytest.param({"own": True}, "tls-chain", "signed by itself", id="self-signed"),
        pytest.param({"hosts": ["elsewhere.example"]}, "tls-host", "another host", id="wrong host"),
    ],
)
def test_a_bad_certificate_stops_everything(
    good: Callable[..., ssl.SSLContext], how: dict[str, Any], failing: str, word: str
) -> None:
    with Endpoint(good(*how.pop("hosts", []), **how)) as endpoint:
        found = look(endpoint)
    assert [name for name in CERTIFICATE if verdicts(found)[name] == "fail"] == [failing]
    assert word in reason(found, failing)
    assert not found.safe_to_send
    assert endpoint.seen == []


def test_all_that_is_wrong_with_a_certificate_is_told(good: Callable[..., ssl.SSLContext]) -> None:
    with Endpoint(good("elsewhere.example", days=-2)) as endpoint:
        found = look(endpoint)
    assert [name for name in CERTIFICATE if verdicts(found)[name] == "fail"] == ["tls-host", "tls-expiry"]


def test_an_authority_nobody_trusts_is_no_safe_way(tmp_path: Path) -> None:
    with Endpoint(Authority("Somebody else").issue(tmp_path, HERE)) as endpoint:
        found = look(endpoint)
    assert (verdicts(found)["tls-chain"], found.safe_to_send) == ("fail", False)
    assert "Somebody else" in reason(found, "tls-chain")


@pytest.mark.parametrize("aia", [False, True])
def test_a_chain_without_its_intermediate_is_named(tmp_path: Path, aia: bool) -> None:
    """Vendors fetch no missing intermediates; browsers do, so the operator may never have noticed."""
    middle = Authority("Test intermediate", ROOT)
    with Endpoint(middle.issue(tmp_path, HERE, aia=aia)) as endpoint:
        assert look(endpoint).safe_to_send
    with Endpoint(middle.issue(tmp_path, HERE, chain=False, aia=aia)) as endpoint:
        found = look(endpoint)
    assert (verdicts(found)["tls-chain"], found.safe_to_send) == ("fail", False)
    assert "Test intermediate" in reason(found, "tls-chain")
    assert ("most likely" in reason(found, "tls-chain")) == aia


def test_a_certificate_with_an_odd_name_in_it_is_a_failure_and_no_crash(tmp_path: Path) -> None:
    """An issuer's alternative name that is an ediPartyName (RFC 5280, 4.2.1.6), which our parser does not know."""
    odd = x509.UnrecognizedExtension(ExtensionOID.ISSUER_ALTERNATIVE_NAME, bytes.fromhex("3007a505a1030c0178"))
    middle = Authority("Test intermediate", ROOT)
    with Endpoint(middle.issue(tmp_path, HERE, chain=False, more=odd)) as endpoint:
        found = look(endpoint)
    assert (verdicts(found)["tls-chain"], found.safe_to_send) == ("fail", False)


def test_a_certificate_about_to_expire_is_a_warning(good: Callable[..., ssl.SSLContext]) -> None:
    with Endpoint(good(days=13)) as endpoint:
        found = look(endpoint)
    assert (verdicts(found)["tls-expiry"], found.safe_to_send) == ("warn", True)


def _old(context: ssl.SSLContext, *, only: bool) -> ssl.SSLContext:
    """`context` with TLS 1.1; skips, and says so, where the OpenSSL here cannot speak it."""
    if not ssl.HAS_TLSv1_1:
        pytest.skip("this OpenSSL is built without TLS 1.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    if only:
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_endpoint_that_speaks_old_tls_only_is_no_safe_way(good: Callable[..., ssl.SSLContext]) -> None:
    with Endpoint(_old(good(), only=True)) as endpoint:
        found = look(endpoint)
    assert (verdicts(found)["tls-version"], verdicts(found)["tls-old"]) == ("fail", "warn")
    assert "TLS 1.1" in reason(found, "tls-old")
    assert not found.safe_to_send


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_beside_new_is_a_warning(good: Callable[..., ssl.SSLContext]) -> None:
    with Endpoint(_old(good(), only=False)) as endpoint:
        found = look(endpoint)
    assert (verdicts(found)["tls-version"], verdicts(found)["tls-old"]) == ("pass", "warn")
    assert found.safe_to_send


@pytest.mark.parametrize(
    ("status", "verdict", "safe"), [(200, "fail", False), (401, "warn", True), (301, "pass", True), (404, "pass", True)]
)
def test_the_plain_twin_must_not_serve_the_endpoint(
    good: Callable[..., ssl.SSLContext], status: int, verdict: str, safe: bool
) -> None:
    """Port 80 as a server of its own; one port that speaks both is below."""
    twin_answer = answer(status, location="https://127.0.0.1/hooks/vendor")
    with Endpoint(good()) as endpoint, Endpoint(plain=twin_answer) as twin:
        found = look(endpoint, twin_port=twin.port)
    assert (verdicts(found)["plain-http"], found.safe_to_send) == (verdict, safe)
    assert twin.seen == [b"GET /hooks/vendor HTTP/1.1"]


def test_a_port_that_takes_both_is_found(good: Callable[..., ssl.SSLContext]) -> None:
    with Endpoint(good(), plain=answer(204)) as endpoint:
        found = look(endpoint)
    assert (verdicts(found)["plain-http"], found.safe_to_send) == ("fail", False)


@pytest.mark.parametrize(
    ("location", "verdict", "word"),
    [
        ("http://127.0.0.1/hooks/vendor", "fail", "plain HTTP"),
        ("https://elsewhere.example/hooks/vendor", "fail", "another host"),
        ("/hooks/vendor/", "fail", "spelled otherwise"),
        ("/login?next=hidden-value", "warn", "an unsigned GET"),
        ("https://[broken", "fail", "broken Location"),
    ],
)
def test_a_redirect_is_judged_by_where_it_leads(
    good: Callable[..., ssl.SSLContext], location: str, verdict: str, word: str
) -> None:
    with Endpoint(good(), secured=answer(302, location=location)) as endpoint:
        found = look(endpoint)
    assert (verdicts(found)["redirect"], found.safe_to_send) == (verdict, verdict == "warn")
    assert word in reason(found, "redirect")
    assert "hidden-value" not in str(found.data())
    assert len(endpoint.seen) == 1


def test_no_name_and_no_listener() -> None:
    found = look("https://nowhere.invalid/hooks")
    assert (verdicts(found)["address"], found.safe_to_send, found.requests) == ("fail", False, 0)
    with socket.create_server((HERE, 0)) as listener:
        port = listener.getsockname()[1]
    found = look(f"https://{HERE}:{port}/hooks")
    assert (verdicts(found)["ipv4"], found.safe_to_send, found.requests) == ("fail", False, 0)
    assert "refused" in reason(found, "ipv4")


@pytest.mark.parametrize("url", ["http://endpoint.example/hooks", "https://10.1.2.3.4/hooks", "ftp://x/", "nonsense"])
def test_an_address_that_may_not_be_used_is_not_contacted(url: str) -> None:
    found = look(url)
    assert (verdicts(found)["address"], found.safe_to_send) == ("fail", False)


def test_a_name_that_leads_inside_is_not_contacted(
    good: Callable[..., ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard of the HTTP client holds here too, and so does the operator's word that a private address is meant."""
    where = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (HERE, 0))]
    with Endpoint(good("hooks.example")) as endpoint:
        monkeypatch.setattr(socket, "getaddrinfo", _names("hooks.example", where, socket.getaddrinfo))
        url = f"https://hooks.example:{endpoint.port}/hooks"
        found = look(url)
        assert ("not a public address" in reason(found, "address"), found.safe_to_send) == (True, False)
        assert look(url, private=True).safe_to_send
        assert not look(url, private=True, only=(HERE, 1)).safe_to_send


def _names(name: str, known: list[Any], usual: Callable[..., Any]) -> Callable[..., Any]:
    return lambda host, *rest, **more: known if host == name else usual(host, *rest, **more)


@pytest.mark.parametrize("fault", ["good", "closed", "other certificate"])
def test_both_families_are_tried(
    good: Callable[..., ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A vendor may use the second address: nobody there is a failure, another certificate there is no safe way."""
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    where = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (HERE, 0)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", _names("hooks.example", where, socket.getaddrinfo))
    names = ("elsewhere.example",) if fault == "other certificate" else ("hooks.example",)
    with Endpoint(good("hooks.example")) as endpoint:
        url = f"https://hooks.example:{endpoint.port}/hooks"
        if fault == "closed":
            found = look(url, private=True)
        else:
            with Endpoint(good(*names), address="::1", port=endpoint.port):
                found = look(url, private=True)
    assert verdicts(found)["ipv4"] == "pass"
    assert verdicts(found)["ipv6"] == ("fail" if fault == "closed" else "pass")
    assert verdicts(found)["tls-host"] == ("fail" if fault == "other certificate" else "pass")
    assert found.safe_to_send == (fault != "other certificate")


def test_no_way_to_ipv6_from_here_is_no_fault_of_the_endpoint() -> None:
    shaken = TlsResult(version="TLSv1.3", expires=datetime(2027, 1, 1, tzinfo=UTC).timestamp())
    reached = (Reached("192.0.2.1", handshake=shaken), Reached("2001:db8::1", "no_route"))
    facts = Facts(_target("https://hooks.example/x"), reached=reached, reply=Reply(status=401))
    found = judge(facts, datetime(2026, 1, 1, tzinfo=UTC))
    assert verdicts(found)["ipv6"] == "inconclusive"
    assert found.safe_to_send


def _target(url: str) -> Any:
    from runbook_tui.net.origin import parse

    return parse(url)


@pytest.mark.parametrize(
    ("secured", "fault"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", "broke", id="dies half-way"),
        pytest.param(b"\x00\x01 not http\r\n\r\n", "not HTTP", id="not HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "not HTTP", id="a head without end"),
    ],
)
def test_an_endpoint_that_does_not_answer_properly(
    good: Callable[..., ssl.SSLContext], secured: bytes, fault: str
) -> None:
    """The way is safe; what cannot be judged is said to be so."""
    with Endpoint(good(), secured=secured) as endpoint:
        found = look(endpoint)
    assert (verdicts(found)["redirect"], verdicts(found)["clock"]) == ("inconclusive", "inconclusive")
    assert fault in reason(found, "redirect")
    assert (found.skew, found.timing, found.safe_to_send) == (None, None, True)


def test_an_endpoint_that_dies_in_the_handshake_is_no_safe_way(tmp_path: Path) -> None:
    with socket.create_server((HERE, 0)) as listener:

        def drop() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(1)  # the handshake has begun, so it is not the connection that fails
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

        threading.Thread(target=drop, daemon=True).start()
        found = look(f"https://{HERE}:{listener.getsockname()[1]}/hooks")
        assert (verdicts(found)["tls-chain"], found.safe_to_send) == ("fail", False)
        listener.shutdown(socket.SHUT_RDWR)


def test_slow_for_ever_ends_at_the_deadline(good: Callable[..., ssl.SSLContext]) -> None:
    with Endpoint(good(), secured=answer(200, x="y" * 3000), drip=True) as endpoint:
        found = look(endpoint, deadline=1.0)
    assert "in time" in reason(found, "redirect")


def test_ten_megabytes_are_not_read(good: Callable[..., ssl.SSLContext]) -> None:
    """The head is enough: a huge body neither costs anything nor hides the status and the clock."""
    with Endpoint(good(), secured=answer(200, b"x" * 10_000_000, date=datetime.now(UTC))) as endpoint:
        found = look(endpoint)
    assert (verdicts(found)["redirect"], verdicts(found)["clock"]) == ("pass", "pass")


def test_interim_answers_are_passed_over(good: Callable[..., ssl.SSLContext]) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    with Endpoint(good(), secured=interim + answer(405)) as endpoint:
        assert "405" in reason(look(endpoint), "redirect")


@pytest.mark.parametrize(
    ("ahead", "tolerance", "verdict"), [(120, None, "warn"), (-120, 300, "warn"), (10, 300, "pass"), (10, 5, "warn")]
)
def test_the_clock_is_read_before_times_are_judged(
    good: Callable[..., ssl.SSLContext], ahead: int, tolerance: float | None, verdict: str
) -> None:
    """The limit is 30 s or half of the scheme's tolerance: with Paddle's 5 s, 10 s of skew look like a bad secret."""
    date = datetime.now(UTC) + timedelta(seconds=ahead)
    with Endpoint(good(), secured=answer(401, date=date)) as endpoint:
        found = look(endpoint, tolerance=tolerance)
    assert verdicts(found)["clock"] == verdict
    assert found.skew == pytest.approx(ahead, abs=8)
    assert found.safe_to_send


LAST = "Fri, 31 Dec 9999 23:59:59 GMT"  # an hour later there is no time


@pytest.mark.parametrize("date", ["yesterday", "Mon, 99 Foo 2026 00:00:00 GMT", "Fri, 01 Jan 99999 00:00:00 GMT", LAST])
def test_a_date_that_is_none_is_not_a_skew(good: Callable[..., ssl.SSLContext], date: str) -> None:
    with Endpoint(good(), secured=answer(401, date=date)) as endpoint:
        found = look(endpoint)
    assert (found.skew, verdicts(found)["clock"]) == (None, "inconclusive")


def test_plain_http_to_this_machine_is_allowed_and_said() -> None:
    with Endpoint(plain=answer(401, date=datetime.now(UTC))) as endpoint:
        found = look(endpoint)
    assert {verdicts(found)[name] for name in (*CERTIFICATE, "tls-old", "plain-http")} == {"not_applicable"}
    assert "this machine" in reason(found, "tls-chain")
    assert (found.safe_to_send, found.requests) == (True, 1)


def test_no_secret_goes_along() -> None:
    """A query may hold a token, and a path token is replaced by a random one of no relation to it."""
    assert address_of("https://a.example/x?key=hidden-value") == "https://a.example/x"
    first, second = (address_of("https://a.example/x/{token}/y?t=1") for _ in range(2))
    assert first != second
    assert first.startswith("https://a.example/x/")
    assert first.endswith("/y")
    assert address_of("https://a.example/x", path_token=True).count("/") == 4
    with Endpoint(plain=answer(404)) as endpoint:
        look(endpoint.url + "?key=hidden-value")
    assert endpoint.seen == [b"GET /hooks/vendor HTTP/1.1"]


def _timings(*seconds: float) -> list[Timing]:
    return [Timing(0.1, 5.0, 5.0, one) for one in seconds]


def test_acknowledgement_is_judged_without_the_way_there() -> None:
    """95th percentile of first byte minus TLS, against one second and against the vendor's own limit."""

    def judged(timings: list[Timing], limit: float) -> list[str]:
        return [finding.verdict for finding in acknowledgement(timings, limit)]

    assert judged(_timings(0.1, 0.2, 0.3, 0.1, 0.2), 3.0) == ["pass", "pass"]
    assert judged(_timings(0.1, 0.2, 0.3, 0.1, 1.2), 3.0) == ["warn", "pass"]
    assert judged(_timings(0.1, 0.2, 0.3, 0.1, 4.0), 3.0) == ["warn", "fail"]
    assert judged(_timings(0.1, 0.2, 0.3, 0.1, 4.0), 0) == ["warn", "not_applicable"]
    assert judged(_timings(0.1, 0.2, 0.3, 0.1), 3.0) == ["inconclusive", "inconclusive"]
    assert percentile_95([float(n) for n in range(1, 101)]) == 95
    assert percentile_95([3.0, 1.0, 2.0]) == 3
