"""The reference endpoint: a good one takes what our signer makes and nothing else; each fault shows, and only there.

The endpoint reads the schemes' templates with the standard library and shares no code with the signer.
"""

from __future__ import annotations

import http.client
import itertools
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from delivery_kit import SCHEMES, Answer, facts_of, held, request, send, signed, tampered

from runbook_tui.drill.endpoint.setup import FAULTS, Setup
from runbook_tui.drill.receiver import ReferenceReceiver
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.handshakes import build_handshake, expected, matches
from runbook_tui.webhooks.scheme import HMACS, PROOF_TOKENS, Case, Scheme
from runbook_tui.webhooks.signer import values_of

_NUMBERS = itertools.count()


@contextmanager
def served(scheme: Scheme, *faults: str, **more: Any) -> Iterator[ReferenceReceiver]:
    setup = Setup(
        scheme,
        held(scheme, "new").receiver,
        old=held(scheme, "old").receiver,
        facts=facts_of(scheme),
        faults=frozenset(faults),
        **more,
    )
    with ReferenceReceiver(setup) as receiver:
        yield receiver


def fresh(**how: Any) -> Case:
    number = next(_NUMBERS)
    return Case("c", "case", delivery_id=f"irtest_{number}", **how)


def deliver(receiver: ReferenceReceiver, case: Case, *whose: str, **how: Any) -> Answer:
    scheme = receiver.setup.scheme
    secrets = [held(scheme, one).sender for one in whose] if case.signed else None
    return send(signed(scheme, case, receiver.url, secrets, **how))


def acted(receiver: ReferenceReceiver, case: Case) -> int:
    """How often, by what the observer's port says of the delivery's id or of the UUID made from it."""
    scheme = receiver.setup.scheme
    for name in ("id", "uuid"):
        marker = values_of(scheme, case, datetime.now(UTC))[name]
        told = request("GET", f"{receiver.observer_url}/acted?marker={marker}").body.decode()
        assert told.startswith(f"{marker}: ")
        if count := int(told.removeprefix(f"{marker}: ")):
            return count
    return 0


def is_handshake(scheme: Scheme) -> bool:
    """Its safe event is a question that gets an answer, and no event to act on."""
    return scheme.id in ("slack", "discord")


@pytest.mark.parametrize("name", SCHEMES.ids())
def test_a_good_endpoint_takes_the_new_secret_and_nothing_else(name: str) -> None:
    """Every scheme: signed with the new secret is taken and acted on once, also with other JSON bytes; the old secret,
    somebody else's, a changed signed body, none at all, junk and half a proof are refused and nothing is done."""
    scheme = SCHEMES.get(name)
    with served(scheme) as receiver:
        first = fresh()
        assert deliver(receiver, first, "new").status in scheme.answers.ok
        assert acted(receiver, first) == (0 if is_handshake(scheme) else 1)
        before = len(receiver.acts.found(""))
        refused = {whose: deliver(receiver, fresh(), whose).status for whose in ("old", "other")}
        refused["none"] = deliver(receiver, fresh(signed=False)).status
        in_header = any(template.tokens & PROOF_TOKENS for template in scheme.headers.values())
        for spoil in ("junk", "empty", "truncated", "prefix"):
            if scheme.kind != "url-token" and (spoil != "prefix" or in_header):
                refused[spoil] = deliver(receiver, fresh(proof=spoil), "new").status
        if "body" in scheme.covers:
            delivery = signed(scheme, fresh(), receiver.url, held(scheme, "new").sender)
            refused["tampered"] = send(tampered(scheme, delivery)).status
        assert {what: status for what, status in refused.items() if status // 100 != 4} == {}
        assert len(receiver.acts.found("")) == before
        last = fresh()
        assert deliver(receiver, last, "new").status in scheme.answers.ok
        assert held(scheme, "new").receiver not in "".join(act.seen for act in receiver.acts.found(""))


def changed(name: str, **how: Any) -> Scheme:
    return replace(SCHEMES.get(name), **how)


def last_status(receiver: ReferenceReceiver, *whose: str) -> int:
    return [deliver(receiver, fresh(), one).status for one in whose][-1]


def shouted(receiver: ReferenceReceiver) -> int:
    return request("POST", f"{receiver.url}/{receiver.setup.secret.upper()}", JSON, b"{}").status


# Fault -> scheme, and what differs between an endpoint with the fault and one without.
SHOWS: dict[str, tuple[str, Any]] = {
    "accepts_all": ("stripe", lambda r: deliver(r, fresh(signed=False)).status == 200),
    "unsigned_accepted": ("github", lambda r: deliver(r, fresh(signed=False)).status == 200),
    "old_secret_valid": ("stripe", lambda r: deliver(r, fresh(), "old").status == 200),
    "accepts_wrong_algorithm": ("github", lambda r: deliver(r, fresh(alg="hmac-sha512"), "new").status == 200),
    "compares_prefix": ("github", lambda r: deliver(r, fresh(proof="truncated"), "new").status == 200),
    "wrong_key_form": ("fastpix", lambda r: deliver(r, fresh(form="raw"), "new").status == 200),
    "first_signature_only": ("stripe", lambda r: deliver(r, fresh(), "old", "new").status != 200),
    "last_signature_only": ("paddle", lambda r: deliver(r, fresh(), "new", "old").status != 200),
    "reserialises": ("github", lambda r: deliver(r, fresh(), "new", body=b'{"a": 1}\n').status != 200),
    "ignores_url": (
        "streampixel",
        lambda r: request("POST", f"{r.url}/{r.setup.secret.upper()}", JSON, b"{}").status == 200,
    ),
    "no_tolerance": ("stripe", lambda r: deliver(r, fresh(), "new", ago=3600).status == 200),
    "future_accepted": ("stripe", lambda r: deliver(r, fresh(), "new", ago=-3600).status == 200),
    "no_dedupe": ("github", lambda r: twice(r) > 1),
    "acts_before_verifying": ("stripe", lambda r: acts_on(r, fresh(), "other")),
    "acknowledges_bad": ("stripe", lambda r: deliver(r, fresh(), "other").status == 200),
    "unknown_event_acts": ("stripe", lambda r: acts_on(r, fresh(event="runbook.unknown"), "new")),
    "foreign_scope_acts": ("fastpix", lambda r: acts_on(r, fresh(scope="ws_foreign"), "new")),
    "other_envelope": ("streampixel", lambda r: not acts_on(r, fresh(), "new")),
    "locks_out": ("github", lambda r: last_status(r, "old", "old", "old", "new") != 200),
    "probe_refused": ("fastpix", lambda r: request("POST", r.url, JSON, b"{}").status != 200),
    "handshake_oracle": ("slack", lambda r: b"chal" in request("POST", r.url, JSON, CHALLENGE).body),
    "secret_replaceable": ("asana", lambda r: replaced(r) is True),
    "crashes_on_bad_input": ("github", lambda r: deliver(r, fresh(), "new", body=b"{").status == 500),
    "ignores_method": ("github", lambda r: deliver(r, fresh(method="PUT"), "new").status == 200),
    "base_path_200": ("streampixel", lambda r: request("POST", r.url, JSON, b"{}").status == 200),
    "wrong_token_405": ("streampixel", lambda r: request("POST", f"{r.url}/x", JSON, b"{}").status == 405),
    "echoes_token": ("streampixel", lambda r: r.setup.secret.encode() in deliver(r, fresh(), "new").body),
    "redirects": ("github", lambda r: deliver(r, fresh(), "new").status == 307),
}
JSON = [("Content-Type", "application/json")]
CHALLENGE = b'{"type":"url_verification","challenge":"chal"}'


def acts_on(receiver: ReferenceReceiver, case: Case, whose: str) -> bool:
    deliver(receiver, case, whose)
    return acted(receiver, case) > 0


def replaced(receiver: ReferenceReceiver) -> bool:
    """After a stranger's X-Hook-Secret the stranger's deliveries are taken and the vendor's no longer are."""
    stranger = held(receiver.setup.scheme, "stranger").receiver
    answer = request("POST", receiver.url, [("X-Hook-Secret", stranger)])
    taken = [deliver(receiver, fresh(), whose).status == 200 for whose in ("stranger", "new")]
    assert taken == ([True, False] if answer.status == 200 else [False, True])
    return taken[0]


def twice(receiver: ReferenceReceiver) -> int:
    """The same bytes six times, five of them at once: how often it acted."""
    case = fresh()
    delivery = signed(receiver.setup.scheme, case, receiver.url, held(receiver.setup.scheme, "new").sender)
    threads = [threading.Thread(target=send, args=(delivery,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send(delivery)
    return acted(receiver, case)


HANDSHAKES = [(name, one.name) for name in SCHEMES.ids() for one in SCHEMES.get(name).probes]
ABUSES = [(name, one.name) for name in SCHEMES.ids() for one in SCHEMES.get(name).abuse]


def shake(receiver: ReferenceReceiver, name: str, challenge: str) -> str:
    """Make one of the scheme's handshakes: "" when the answer is the one that the scheme's file describes."""
    scheme, at = receiver.setup.scheme, datetime.now(UTC)
    handshake = next(one for one in (*scheme.probes, *scheme.abuse) if one.name == name)
    case = fresh(challenge=challenge, facts=facts_of(scheme))
    secret = held(scheme, "new").sender
    answer = send(build_handshake(scheme, handshake, case, secret if handshake.signed else None, at, receiver.url))
    shown = secret if scheme.alg in HMACS else None
    return matches(expected(scheme, handshake, case, shown, at), answer.status, answer.headers.items(), answer.body)


@pytest.mark.parametrize(("name", "handshake"), HANDSHAKES)
def test_a_good_endpoint_answers_the_vendors_handshakes_and_does_nothing_else(name: str, handshake: str) -> None:
    """The answers, written by hand, are what the schemes' files expect; a faulty endpoint's are not; nothing acts."""
    scheme = SCHEMES.get(name)
    # Asana's handshake establishes the secret: an endpoint that has one already takes that one only.
    challenge = held(scheme, "new").receiver if name == "asana" else "fake-challenge-42"
    with served(scheme) as good, served(scheme, "probe_refused") as bad:
        assert shake(good, handshake, challenge) == ""
        assert good.acts.found("") == []
        assert shake(bad, handshake, challenge) != ""


@pytest.mark.parametrize(("name", "abuse"), ABUSES)
def test_a_good_endpoint_gives_abuse_of_a_handshake_nothing(name: str, abuse: str) -> None:
    """Each abuse in the schemes' files shows on an endpoint with the fault and not on a good one."""
    scheme = SCHEMES.get(name)
    with served(scheme) as good, served(scheme, "handshake_oracle", "secret_replaceable") as bad:
        assert shake(good, abuse, "fake-challenge-42") != ""
        assert shake(bad, abuse, "fake-challenge-42") == ""


@pytest.mark.parametrize("fault", sorted(SHOWS))
def test_each_fault_shows_and_a_good_endpoint_does_not_have_it(fault: str) -> None:
    """The behaviour that a fault stands for is there when it is switched on, and absent without."""
    name, shows = SHOWS[fault]
    if name not in SCHEMES.ids():
        pytest.skip(f"there is no scheme {name}")
    scheme = SCHEMES.get(name)
    more = {"scope": "ws_own"} if scheme.scope and fault == "foreign_scope_acts" else {}
    with served(scheme, **more) as good:
        assert not shows(good)
    with served(scheme, fault, **more) as bad:
        assert shows(bad)
        if fault in ("acts_before_verifying", "acknowledges_bad", "accepts_wrong_algorithm", "old_secret_valid"):
            assert deliver(bad, fresh(), "new").status == 200


def test_every_fault_has_a_test() -> None:
    """No fault is listed that nobody has seen."""
    below_http = {"slow", "hangs", "trickles", "huge_answer", "cuts_off", "skewed_clock", "logs_token"}
    assert set(SHOWS) | below_http == set(FAULTS)
    with pytest.raises(ValueError, match="unknown faults: sloppy"):
        Setup(SCHEMES.get("github"), "fake", faults=frozenset({"sloppy"}))


def test_faults_below_http_show() -> None:
    """Slow, hanging, trickling, huge and broken answers, and a clock that is wrong, are what they say."""
    scheme = SCHEMES.get("github")
    with served(scheme, "hangs") as receiver, pytest.raises(TimeoutError):
        send(signed(scheme, fresh(), receiver.url, held(scheme, "new").sender), timeout=0.5)
    with served(scheme, "trickles") as receiver:
        parts = urlsplit(receiver.url)
        connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
        connection.request("POST", parts.path)
        answer = connection.getresponse()
        assert answer.read(3) == b"{  "
        assert int(answer.headers["Content-Length"]) > 1_000_000
        connection.close()
    with served(scheme, "cuts_off") as receiver, pytest.raises(http.client.IncompleteRead):
        deliver(receiver, fresh(), "new")
    with served(scheme, "huge_answer") as receiver:
        assert len(deliver(receiver, fresh(), "new").body) == 10_000_000
    with served(scheme, "slow", slow=0.3) as receiver:
        begun = time.monotonic()
        assert deliver(receiver, fresh(), "new").status == 200
        assert time.monotonic() - begun >= 0.3
    stripe = SCHEMES.get("stripe")
    with served(stripe, "skewed_clock", skew=3600) as receiver:
        answer = deliver(receiver, fresh(), "new")
        assert answer.status in stripe.answers.bad
        ahead = parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)
        assert timedelta(minutes=59) < ahead < timedelta(minutes=61)


@pytest.mark.parametrize("faults", [(), ("logs_token",)])
def test_logs_say_what_was_done_and_a_good_one_holds_no_token(faults: tuple[str, ...], tmp_path: Path) -> None:
    """The log of acts holds a delivery's marker, never the secret; the access log holds a token only as a fault."""
    scheme = SCHEMES.get("streampixel")
    log, access = tmp_path / "acted.log", tmp_path / "access.log"
    setup = Setup(scheme, held(scheme, "new").receiver, faults=frozenset(faults))
    case = fresh()
    with ReferenceReceiver(setup, log=log, access_log=access) as receiver:
        assert deliver(receiver, case, "new").status == 200
        assert deliver(receiver, fresh(), "other").status == 404
        assert [(method, status) for _, method, status in receiver.arrivals] == [("POST", 200), ("POST", 404)]
    assert log.read_text().count(case.delivery_id) >= 1
    assert len(log.read_text().splitlines()) == 1
    assert setup.secret not in log.read_text()
    assert (setup.secret in access.read_text()) == bool(faults)


def test_the_endpoint_as_a_process_of_its_own_ends_with_its_input(tmp_path: Path) -> None:
    """Orders on standard input, addresses on standard output; secrets are in no argument and no environment."""
    scheme = SCHEMES.get("paddle")
    orders = {"scheme": "paddle", "secret": held(scheme, "new").receiver, "log": str(tmp_path / "log")}
    command = [sys.executable, "-m", "runbook_tui.drill.receiver"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(orders) + "\n")
        process.stdin.flush()
        where = json.loads(process.stdout.readline())
        case = fresh()
        assert send(signed(scheme, case, where["url"], held(scheme, "new").sender)).status == 200
        assert send(signed(scheme, fresh(), where["url"], Secret(scheme.key_prefix + "other"))).status // 100 == 4
        assert request("GET", f"{where['observer']}/acted?marker={case.delivery_id}").body.endswith(b": 1\n")
        process.stdin.close()
        assert process.wait(20) == 0
    assert case.delivery_id in (tmp_path / "log").read_text()


def test_the_endpoint_serves_tls_when_given_a_certificate() -> None:
    """Its URL, which some schemes sign, is then an https one, and what is delivered there is judged as ever."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    scheme = SCHEMES.get("square")
    with ReferenceReceiver(Setup(scheme, held(scheme, "new").receiver), tls=context) as receiver:
        assert receiver.url.startswith("https://")
        delivery = signed(scheme, fresh(), receiver.url, held(scheme, "new").sender)
        parts = urlsplit(receiver.url)
        connection = http.client.HTTPSConnection("127.0.0.1", parts.port, timeout=10, context=trusting)
        connection.request("POST", parts.path, delivery.body, dict(delivery.headers))
        assert connection.getresponse().status == 200
        connection.close()
