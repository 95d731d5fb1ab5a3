"""Three answers from a real receiver on loopback: good ones pass, each kind of faulty one is found out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runbook_tui.foundation.clock import FakeClock, RealClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Answer, Network, Request
from runbook_tui.net.fault import NetFault
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.deliver import Result, conclusions, origin, overall, patience, three_answers
from runbook_tui.webhooks.registry import Schemes
from runbook_tui.webhooks.scheme import Scheme

SCHEMES = Schemes.load()
Headers = dict[str, str]
Judge = Callable[[str, Headers, bytes], int]  # path, headers in lower case, body -> status
NEW, OLD = "fake-new-secret", "fake-old-secret"
B64_NEW, B64_OLD = base64.b64encode(b"n" * 32).decode(), base64.b64encode(b"o" * 32).decode()


class Receiver:
    """An endpoint that remembers what it was sent and answers as `judge` says."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[tuple[str, Headers, bytes]] = []


@contextmanager
def receiver(judge: Judge) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.seen.append((self.path, headers, body))
            status = judge(self.path, headers, body)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hooks/vendor")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(
    scheme: Scheme, url: str, new: str, old: str | None, *, run: str = "", deadline: float | None = None
) -> dict[str, Result]:
    network = Network()

    def send(request: Request) -> Answer:
        return network.send(request, [origin(scheme, url)], deadline=deadline or patience(scheme))

    # The times that are signed are real, since the receivers check them; the pauses are not waited for.
    clock = FakeClock(RealClock().now())
    results = three_answers(scheme, url, Secret(new), Secret(old) if old else None, send, clock=clock, run=run)
    assert [result.id for result in results] == ["new", "old", "unsigned", "control"]
    return {result.id: result for result in results}


def verdicts(results: dict[str, Result]) -> list[str]:
    return [result.verdict for result in results.values()]


def same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(), b.encode())


def fastpix(*secrets: str) -> Judge:
    """After the vendor's description: base64 HMAC-SHA256 over the raw body, key decoded; 202 or 400."""

    def judge(_path: str, headers: Headers, body: bytes) -> int:
        given = headers.get("fastpix-signature", "")
        keys = [base64.b64decode(secret) for secret in secrets]
        good = any(same(given, base64.b64encode(hmac.new(k, body, hashlib.sha256).digest()).decode()) for k in keys)
        return 202 if good else 400

    return judge


def github(*secrets: str) -> Judge:
    def judge(_path: str, headers: Headers, body: bytes) -> int:
        given = headers.get("x-hub-signature-256", "")
        macs = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets]
        return 200 if any(same(given, f"sha256={mac}") for mac in macs) else 401

    return judge


def stripe(*secrets: str) -> Judge:
    def judge(_path: str, headers: Headers, body: bytes) -> int:
        fields = dict(part.partition("=")[::2] for part in headers.get("stripe-signature", "").split(","))
        if abs(time.time() - int(fields.get("t", "0") or "0")) > 300:
            return 400
        content = fields["t"].encode() + b"." + body
        macs = [hmac.new(secret.encode(), content, hashlib.sha256).hexdigest() for secret in secrets]
        return 200 if any(same(fields["v1"], mac) for mac in macs) else 400

    return judge


def slack(*secrets: str) -> Judge:
    def judge(_path: str, headers: Headers, body: bytes) -> int:
        stamp = headers.get("x-slack-request-timestamp", "0")
        content = b"v0:" + stamp.encode() + b":" + body
        macs = ["v0=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest() for secret in secrets]
        return 200 if any(same(headers.get("x-slack-signature", ""), mac) for mac in macs) else 401

    return judge


def standard(*secrets: str) -> Judge:
    def judge(_path: str, headers: Headers, body: bytes) -> int:
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
        macs = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys]
        given = headers.get("webhook-signature", "").split(" ")
        return 204 if any(f"v1,{mac}" in given for mac in macs) else 401

    return judge


def nowpayments(*secrets: str) -> Judge:
    """PyPI verifiers' way: keys sorted by json.dumps, which agrees with the vendor's on plain bodies."""

    def judge(_path: str, headers: Headers, body: bytes) -> int:
        content = json.dumps(json.loads(body), separators=(",", ":"), sort_keys=True).encode()
        macs = [hmac.new(secret.encode(), content, hashlib.sha512).hexdigest() for secret in secrets]
        return 200 if any(same(headers.get("x-nowpayments-sig", ""), mac) for mac in macs) else 403

    return judge


def streampixel(*tokens: str) -> Judge:
    """Answers 200 to anything on the right path, 404 elsewhere: the recipe's handler."""

    def judge(path: str, _headers: Headers, _body: bytes) -> int:
        return 200 if any(same(path, f"/hooks/vendor/{token}") for token in tokens) else 404

    return judge


def gitlab(*tokens: str) -> Judge:
    def judge(_path: str, headers: Headers, _body: bytes) -> int:
        return 200 if headers.get("x-gitlab-token") in tokens else 401

    return judge


ALL = [
    ("fastpix", fastpix, B64_NEW, B64_OLD),
    ("github", github, NEW, OLD),
    ("stripe", stripe, f"whsec_{NEW}", f"whsec_{OLD}"),
    ("slack", slack, NEW, OLD),
    ("standard-webhooks", standard, f"whsec_{B64_NEW}", f"whsec_{B64_OLD}"),
    ("nowpayments", nowpayments, NEW, OLD),
    ("streampixel", streampixel, "ab" * 24, "cd" * 24),
    ("gitlab", gitlab, NEW, OLD),
]
each = pytest.mark.parametrize(("name", "make", "new", "old"), ALL, ids=[entry[0] for entry in ALL])


@each
def test_a_good_endpoint_passes(name: str, make: Callable[..., Judge], new: str, old: str) -> None:
    """New accepted twice, old and unsigned refused: four passes, measured, with nothing secret in the results."""
    with receiver(make(new)) as endpoint:
        results = ask(SCHEMES.get(name), endpoint.url, new, old)
    assert verdicts(results) == ["pass"] * 4
    assert overall(list(results.values())) == "pass"
    assert all(result.milliseconds is not None for result in results.values())
    assert len(endpoint.seen) == 4
    shown = json.dumps([result.data() for result in results.values()])
    assert new not in shown
    assert old not in shown


@each
def test_an_endpoint_that_still_takes_the_old_secret_fails(
    name: str, make: Callable[..., Judge], new: str, old: str
) -> None:
    """The failure the test is for: the receiver was given the new secret and keeps the old one."""
    with receiver(make(new, old)) as endpoint:
        results = ask(SCHEMES.get(name), endpoint.url, new, old)
    assert verdicts(results) == ["pass", "fail", "pass", "pass"]
    assert overall(list(results.values())) == "fail"


@each
def test_an_endpoint_that_accepts_everything_fails(name: str, make: Callable[..., Judge], new: str, old: str) -> None:
    with receiver(lambda *_: 200) as endpoint:
        results = ask(SCHEMES.get(name), endpoint.url, new, old)
    assert verdicts(results) == ["pass", "fail", "fail", "pass"]


@each
def test_an_endpoint_that_was_never_changed_fails(name: str, make: Callable[..., Judge], new: str, old: str) -> None:
    """It refuses the new secret and takes the old; the refusal of the unsigned one proves nothing then."""
    with receiver(make(old)) as endpoint:
        results = ask(SCHEMES.get(name), endpoint.url, new, old)
    assert verdicts(results) == ["fail", "fail", "inconclusive", "fail"]


def faulty(good: Judge, status: int) -> Judge:
    """Accepts what it should, and answers `status` where it should refuse."""

    def judge(path: str, headers: Headers, body: bytes) -> int:
        answer = good(path, headers, body)
        return answer if answer < 300 else status

    return judge


@pytest.mark.parametrize(
    ("status", "verdict"), [(500, "fail"), (503, "fail"), (302, "fail"), (429, "inconclusive"), (404, "pass")]
)
def test_only_a_refusal_counts_as_one(status: int, verdict: str) -> None:
    """A crash or a redirect on a bad delivery is a failure; 429 says nothing about the delivery."""
    with receiver(faulty(github(NEW), status)) as endpoint:
        results = ask(SCHEMES.get("github"), endpoint.url, NEW, OLD)
    assert verdicts(results) == ["pass", verdict, verdict, "pass"]


@pytest.mark.parametrize(("status", "verdict"), [(500, "fail"), (301, "fail"), (403, "fail"), (429, "inconclusive")])
def test_refusals_of_an_endpoint_that_refuses_everything_prove_nothing(status: int, verdict: str) -> None:
    """Negatives count only between two passing positives."""
    with receiver(lambda *_: status) as endpoint:
        results = ask(SCHEMES.get("github"), endpoint.url, NEW, OLD)
    assert verdicts(results) == [verdict, "inconclusive", "inconclusive", verdict]


def test_no_redirect_is_followed() -> None:
    with receiver(lambda *_: 307) as endpoint:
        ask(SCHEMES.get("github"), endpoint.url, NEW, OLD)
    assert {path for path, _, _ in endpoint.seen} == {"/hooks/vendor"}


def test_an_endpoint_that_locks_us_out_half_way_is_inconclusive() -> None:
    """The final control tells a refusal from a ban that the first bad delivery brought about."""
    banned: list[bool] = []

    def judge(path: str, headers: Headers, body: bytes) -> int:
        status = github(NEW)(path, headers, body)
        if banned or status != 200:
            banned.append(True)
            return 403
        return status

    with receiver(judge) as endpoint:
        results = ask(SCHEMES.get("github"), endpoint.url, NEW, OLD)
    assert verdicts(results) == ["pass", "inconclusive", "inconclusive", "fail"]


def test_an_answer_after_the_vendors_limit_fails() -> None:
    """The vendor would have given up: an accepted delivery that comes too late is lost."""
    scheme = replace(SCHEMES.get("github"), answer_within=0.05)

    def slow(path: str, headers: Headers, body: bytes) -> int:
        time.sleep(0.2)
        return github(NEW)(path, headers, body)

    with receiver(slow) as endpoint:
        results = ask(scheme, endpoint.url, NEW, OLD)
        assert verdicts(results) == ["fail", "inconclusive", "inconclusive", "fail"]
        assert "waits 0.05 s" in results["new"].reason


def test_silence_beyond_the_vendors_limit_fails() -> None:
    """Our own deadline is longer than the vendor's, so running into it is no matter of taste."""
    scheme = replace(SCHEMES.get("github"), answer_within=0.05)
    over = threading.Event()

    def stuck(*_: object) -> int:
        over.wait()
        return 200

    with receiver(stuck) as endpoint:
        silent = ask(scheme, endpoint.url, NEW, OLD, deadline=0.5)
        over.set()
    assert verdicts(silent) == ["fail", "inconclusive", "inconclusive", "fail"]
    assert silent["new"].status is None


def test_nobody_listening_is_inconclusive() -> None:
    """A dead port says nothing about secrets: undetermined, not failed."""
    with receiver(lambda *_: 200) as endpoint:
        url = endpoint.url
    results = ask(SCHEMES.get("github"), url, NEW, OLD)
    assert verdicts(results) == ["inconclusive"] * 4


def test_broken_tls_is_the_endpoints_failure() -> None:
    def send(_request: Request) -> Answer:
        raise NetFault("tls", "the certificate of localhost has expired", sent=False)

    results = three_answers(
        SCHEMES.get("streampixel"), "https://localhost/h", Secret("ab" * 24), None, send, clock=FakeClock()
    )
    assert [result.verdict for result in results] == ["fail", "inconclusive", "inconclusive", "fail"]


def test_without_the_old_secret_its_line_stays_open() -> None:
    with receiver(github(NEW)) as endpoint:
        results = ask(SCHEMES.get("github"), endpoint.url, NEW, None)
    assert verdicts(results) == ["pass", "inconclusive", "pass", "pass"]
    assert len(endpoint.seen) == 3
    assert overall(list(results.values())) == "inconclusive"


def test_two_clocks_apart_are_named_when_a_timestamped_delivery_is_refused() -> None:
    """A skewed clock looks like a bad secret; the endpoint's Date header tells."""
    with receiver(stripe(f"whsec_{NEW}")) as endpoint:
        network = Network()
        clock = FakeClock()  # far from the receiver's real time
        results = three_answers(
            SCHEMES.get("stripe"),
            endpoint.url,
            Secret(f"whsec_{NEW}"),
            None,
            lambda request: network.send(request, [endpoint.url]),
            clock=clock,
        )
    assert "clock" in results[0].reason


@each
def test_a_refusable_delivery_never_holds_the_new_secret(
    name: str, make: Callable[..., Judge], new: str, old: str
) -> None:
    """Where the secret itself travels, only the two deliveries that must be accepted carry the new one."""
    with receiver(make(new)) as endpoint:
        ask(SCHEMES.get(name), endpoint.url, new, old)
    for path, headers, body in endpoint.seen[1:3]:
        assert new not in path + json.dumps(headers) + body.decode()


@each
def test_ids_are_new_in_every_run(name: str, make: Callable[..., Judge], new: str, old: str) -> None:
    """A receiver that drops duplicates would answer a reused id from memory."""
    with receiver(make(new)) as endpoint:
        ask(SCHEMES.get(name), endpoint.url, new, old)
        ask(SCHEMES.get(name), endpoint.url, new, old)
    assert len({body for _, _, body in endpoint.seen}) == 8


def test_url_token_paths_and_what_they_prove() -> None:
    """Right path, old path, base path; and the result says that nothing shows whether a delivery was acted on."""
    scheme = SCHEMES.get("streampixel")
    new, old = "ab" * 24, "cd" * 24
    with receiver(streampixel(new)) as endpoint:
        results = ask(scheme, endpoint.url, new, old)
    assert [path for path, _, _ in endpoint.seen] == [
        f"/hooks/vendor/{new}",
        f"/hooks/vendor/{old}",
        "/hooks/vendor",
        f"/hooks/vendor/{new}",
    ]
    assert json.loads(endpoint.seen[0][2])["event"] == "webhook.test"
    proven, open_points = conclusions(scheme, list(results.values()))
    assert len(proven) == 4
    assert any("acted on" in point for point in open_points)
    assert "not shown" in results["new"].reason


@pytest.mark.parametrize(
    ("name", "url", "new", "old", "said"),
    [
        ("github", "https://example.com/h", NEW, NEW, "the same"),
        ("fastpix", "https://example.com/h", B64_NEW, "not base64!", "b64"),
        ("github", "ftp://example.com/h", NEW, OLD, "URL"),
        ("github", "https://user:pw@example.com/h", NEW, OLD, "before the @"),
        ("streampixel", "http://example.com/h", "ab" * 24, "cd" * 24, "https"),
        ("gitlab", "http://192.0.2.1/h", NEW, OLD, "https"),
        ("github", "https://example.com:99999/h", NEW, OLD, "URL"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(name: str, url: str, new: str, old: str, said: str) -> None:
    sent: list[Request] = []

    def send(request: Request) -> Answer:
        sent.append(request)
        return Answer(200, [], b"", 0.0)

    with pytest.raises(RunbookError, match=said):
        three_answers(SCHEMES.get(name), url, Secret(new), Secret(old), send, clock=FakeClock())
    assert sent == []
