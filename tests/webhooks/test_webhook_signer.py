"""Properties of the signer: round trip with independent verifiers, tampering seen, wrong key forms refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheme_kit import KEY, TEXTS, case_for, secret_for

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.canonical import js_number, sorted_json
from runbook_tui.webhooks.draft import compact
from runbook_tui.webhooks.pointers import changed, value_at
from runbook_tui.webhooks.registry import Schemes
from runbook_tui.webhooks.scheme import FORM, PROOF_TOKENS, Case, Delivery, Scheme
from runbook_tui.webhooks.signer import build, safe_body

AT = datetime(2026, 11, 21, 22, 4, tzinfo=UTC)
URL = "https://example.com/hook"
SCHEMES = Schemes.load()
BY_NAME = {name: SCHEMES.get(name) for name in SCHEMES.ids()}


def deliver(name: str, body: bytes, *, signed: bool = True, delivery_id: str = "irtest_1") -> Delivery:
    scheme = BY_NAME[name]
    case = case_for(scheme, signed=signed, delivery_id=delivery_id)
    return build(scheme, case, secret_for(scheme) if signed else None, body, AT, URL)


def verify(name: str, delivery: Delivery) -> bool:
    """Verifiers written from the vendors' descriptions, sharing nothing with the signer."""
    headers = {key.lower(): value for key, value in delivery.headers}
    body = delivery.body
    if name == "fastpix":
        mac = hmac.new(KEY, body, hashlib.sha256).digest()
        return headers["fastpix-signature"] == base64.b64encode(mac).decode()
    if name == "stripe":
        fields = dict(part.split("=", 1) for part in headers["stripe-signature"].split(","))
        content = fields["t"].encode() + b"." + body
        return fields["v1"] == hmac.new(b"whsec_fake-secret-for-tests", content, hashlib.sha256).hexdigest()
    if name == "github":
        mac = hmac.new(b"fake-secret-for-tests", body, hashlib.sha256).hexdigest()
        return headers["x-hub-signature-256"] == f"sha256={mac}"
    if name == "slack":
        content = b"v0:" + headers["x-slack-request-timestamp"].encode() + b":" + body
        mac = hmac.new(b"fake-secret-for-tests", content, hashlib.sha256).hexdigest()
        return headers["x-slack-signature"] == f"v0={mac}"
    assert name == "standard-webhooks"
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    return f"v1,{mac}" in headers["webhook-signature"].split(" ")


BYTE_SCHEMES = ["fastpix", "stripe", "github", "slack", "standard-webhooks"]


@pytest.mark.parametrize("name", BYTE_SCHEMES)
@given(body=st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_body_round_trips_and_the_bytes_signed_are_the_bytes_sent(name: str, body: bytes) -> None:
    """Whatever the body holds, an independent verifier accepts exactly the bytes that are sent."""
    delivery = deliver(name, body)
    assert delivery.body == body
    assert verify(name, delivery)


@pytest.mark.parametrize("name", BYTE_SCHEMES)
@given(body=st.binary(min_size=1, max_size=100), at=st.integers(min_value=0), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_one_flipped_bit_is_seen(name: str, body: bytes, at: int, bit: int) -> None:
    """Any change of the body breaks the signature."""
    delivery = deliver(name, body)
    changed = bytearray(body)
    changed[at % len(body)] ^= 1 << bit
    assert not verify(name, Delivery("POST", URL, delivery.headers, bytes(changed)))


PARTS = {"body", "ts", "id", "url", "method"}


def proof(scheme: Scheme, delivery: Delivery) -> str:
    """The proof alone, wherever the scheme puts it, without the time and the id that stand beside it."""
    if scheme.code in PLACED:
        return str(value_at(json.loads(delivery.body), PLACED[scheme.code]))
    shown = [value for header, value in delivery.headers if "sig" in proof_tokens(scheme, header)]
    return shown[0].rpartition("=" if scheme.enc == "hex" else ",")[2] if scheme.sigs or "," in shown[0] else shown[0]


PLACED = {
    "adyen": "/notificationItems/0/NotificationRequestItem/additionalData/hmacSignature",
    "mailgun": "/signature/signature",
    "sns": "/Signature",
}


def proof_tokens(scheme: Scheme, header: str) -> frozenset[str]:
    template = scheme.headers.get(header)
    return frozenset({"sig"} if template is not None and template.tokens & {"sig", "sigs"} else ())


@pytest.mark.parametrize("name", sorted(set(SCHEMES.ids()) - {"sendgrid"}))  # ECDSA is random: test_webhook_proofs.py
def test_what_a_scheme_says_it_covers_changes_its_signature(name: str) -> None:
    """`covers` is not a claim: each covered part, changed alone, gives another proof, and no other part does."""
    scheme = BY_NAME[name]
    if scheme.carries_secret:
        assert scheme.covers == ()
        return
    body, secret = safe_body(scheme, case_for(scheme), AT), secret_for(scheme)

    def made(at: datetime = AT, url: str = URL, method: str = "POST", **fields: Any) -> str:
        case = case_for(scheme, method=method, **fields)
        return proof(scheme, build(scheme, case, secret, body, at, url))

    right = made()
    assert made() == right
    changed_body = body + b"&x=1" if scheme.content_type == FORM else compact({"added": 1} | as_dict(body))
    seen = {
        "body": made(signed_body=changed_body) != right,
        "ts": made(signed_at=AT + timedelta(seconds=1)) != right,
        "url": made(url=URL + "2") != right,
        "id": made(signed_id="irtest_2") != right,
        "method": made(method="PUT") != right,
    }
    # Linear and SNS have their time and id inside a body that is given here; changing the token alone changes nothing.
    assert {part for part, changed in seen.items() if changed} == set(scheme.covers) & PARTS - INSIDE.get(name, set())
    for pointer in (part.removeprefix("fields:") for part in scheme.covers if part.startswith("fields:")):
        other = compact(changed(json.loads(body), pointer, "another"))
        assert made(signed_body=other) != right, pointer


INSIDE = {"sns": {"id", "ts"}, "sns-sha256": {"id", "ts"}}


def as_dict(body: bytes) -> dict[str, Any]:
    data = json.loads(body)
    return data if isinstance(data, dict) else {"list": data}


@pytest.mark.parametrize("name", SCHEMES.ids())
def test_an_unsigned_delivery_holds_no_proof(name: str) -> None:
    """Without a secret every proving header is left out, and a path token too; the rest stays."""
    scheme = BY_NAME[name]
    delivery = deliver(name, safe_body(scheme, case_for(scheme), AT), signed=False)
    proving = {header for header, template in scheme.headers.items() if template.tokens & PROOF_TOKENS}
    assert {header for header, _ in delivery.headers} == {"Content-Type", *scheme.headers} - proving
    assert delivery.url.startswith(URL)
    if scheme.code in PLACED:
        with pytest.raises(RunbookError, match="nothing at"):
            value_at(json.loads(delivery.body), PLACED[scheme.code])
    assert b"clientState" not in delivery.body


IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=30).map(lambda text: f"irtest_{text}")
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


def safe_bodies(at: datetime, delivery_id: str, text: str) -> list[bytes]:
    """Every safe event and variant of the schemes that send JSON, as it is and with another event and scope."""
    found = []
    for scheme in BY_NAME.values():
        if scheme.content_type == FORM:
            continue
        for variant in ("", *scheme.variants):
            for more in ({}, {"event": text, "scope": text}):
                found.append(safe_body(scheme, case_for(scheme, delivery_id=delivery_id, variant=variant, **more), at))
    return found


@given(at=TIMES, delivery_id=IDS, text=IDS)
@settings(max_examples=5, deadline=None)
def test_safe_bodies_are_fixed_points_of_pythons_writer(at: datetime, delivery_id: str, text: str) -> None:
    """A receiver that parses a safe body and writes it again, compact, has the same bytes."""
    for body in safe_bodies(at, delivery_id, text):
        assert body.isascii()
        assert json.dumps(json.loads(body), separators=(",", ":")).encode() == body
        assert b"{" + b"id}" not in body


AGAIN = r"""
let text = ""; process.stdin.on("data", d => text += d).on("end", () => {
  process.stdout.write(JSON.stringify(JSON.parse(text).map(x => JSON.stringify(JSON.parse(x)))))
})
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to compare with")
def test_safe_bodies_are_fixed_points_of_javascripts_writer() -> None:
    """The same for JSON.stringify(JSON.parse(body)), as official SDKs do it; the proofs inside bodies included."""
    texts = []
    for at, delivery_id in ((AT, "irtest_1"), (datetime(2039, 12, 31, 23, 59, 59, 999000, UTC), "irtest_ffffffffffff")):
        texts += safe_bodies(at, delivery_id, "irtest_other")
        for scheme in BY_NAME.values():
            if scheme.content_type != FORM:
                case = case_for(scheme, delivery_id=delivery_id)
                texts.append(build(scheme, case, secret_for(scheme), safe_body(scheme, case, at), at, URL).body)
    shown = [text.decode() for text in texts]
    run = subprocess.run(["node", "-e", AGAIN], input=json.dumps(shown).encode(), capture_output=True, check=True)
    assert json.loads(run.stdout) == shown


@pytest.mark.parametrize("name", SCHEMES.ids())
def test_safe_events_carry_a_fresh_id(name: str) -> None:
    """Two runs never send the same body, and no token is left in it."""
    scheme = BY_NAME[name]
    bodies = [
        build(scheme, case, secret_for(scheme), safe_body(scheme, case, AT), AT, URL).body
        for case in (case_for(scheme, delivery_id=run) for run in ("irtest_a", "irtest_b"))
    ]
    assert bodies[0] != bodies[1]
    assert b"{ts" not in bodies[0]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("fastpix", "not base64 at all!", "b64"),
        ("fastpix", TEXTS["whsec"], "b64"),
        ("standard-webhooks", "a plain pass phrase", "whsec"),
        ("standard-webhooks", "whsec_" + base64.b64encode(b"short").decode(), "whsec"),
        ("adyen-platform", "xyz", "hex"),
        ("stripe", "sk_test_fake", "whsec_"),
        ("github", "fake-secret\n", "line break"),
        ("streampixel", "https://example.com/hooks/abc", "path token"),
        ("gitlab", "two words", "raw"),
        ("gitlab", "naïve", "raw"),
    ],
)
def test_a_wrong_key_form_is_refused_with_the_form_that_was_expected(name: str, value: str, said: str) -> None:
    """The operator learns which form the vendor uses, and no part of the secret is repeated."""
    with pytest.raises(RunbookError) as caught:
        build(SCHEMES.get(name), Case("c", "case", delivery_id="x"), Secret(value), b"{}", AT, URL)
    assert said in str(caught.value)
    assert value.strip() not in str(caught.value)


def test_a_wrongly_formed_key_would_have_given_another_signature() -> None:
    """The two classic FastPix mistakes give what the reference says they give, so ours is neither of them."""
    body = (
        b'{"type":"video.media.ready","id":"11111111-2222-4333-8444-555555555555",'
        b'"object":{"type":"media","id":"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"}}'
    )
    right = dict(deliver("fastpix", body).headers)["FastPix-Signature"]
    text_key = hmac.digest(TEXTS["b64"].encode(), body, "sha256")
    assert base64.b64encode(text_key).decode() == "vOa/dHINm1MFrK/BQ/zhIe+j06UXLlpz7MfwsXOc83Y="
    rewritten = hmac.digest(KEY, json.dumps(json.loads(body)).encode(), "sha256")
    assert base64.b64encode(rewritten).decode() == "yt8EhYaq/iF2mtxj91yA8u4XeIyWQ/HT9s6Ry6Z7OLA="
    assert right == "CCO5BhZuEGUmezXedSPCK0EkOc9oBdOV/N1/RYgTcec="


def test_no_header_can_be_smuggled_in_through_an_id() -> None:
    with pytest.raises(RunbookError, match="webhook-id"):
        deliver("standard-webhooks", b"{}", delivery_id="x\r\nX-Evil: 1")


def test_the_token_may_stand_inside_the_path_but_not_in_the_address_given() -> None:
    """`{token}` says where the token goes; an address that holds the token already is refused, unrepeated."""
    scheme, case = SCHEMES.get("streampixel"), Case("c", "case", delivery_id="x")
    token = "ab" * 24
    found = build(scheme, case, Secret(token), b"{}", AT, "https://example.com/h/{token}/in?x=1")
    assert found.url == f"https://example.com/h/{token}/in?x=1"
    with pytest.raises(RunbookError) as caught:
        build(scheme, case, Secret(token), b"{}", AT, f"https://example.com/h/{token}")
    assert token not in str(caught.value)


def test_a_delivery_does_not_show_what_it_holds() -> None:
    """A token scheme's delivery holds the secret; its repr must not."""
    assert "fake-secret" not in repr(deliver("gitlab", b"{}"))
    assert "fake-secret" not in repr(deliver("streampixel", b"{}"))


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"{", b"\xff", b'{"a":[1]}', b'{"a":NaN}'])
def test_nowpayments_refuses_what_cannot_be_signed_in_one_way(body: bytes) -> None:
    with pytest.raises(RunbookError):
        sorted_json(body)


NODE = r"""
const sort = o => (o && typeof o === "object")
  ? Object.keys(o).sort().reduce((r, k) => { r[k] = sort(o[k]); return r }, {}) : o;
let text = ""; process.stdin.on("data", d => text += d).on("end", () => {
  process.stdout.write(JSON.stringify(JSON.parse(text).map(x => JSON.stringify(sort(JSON.parse(x))))))
})
"""
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=4) | st.integers(0, 12).map(str), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to compare with")
def test_sorted_json_is_what_node_writes() -> None:
    """The vendor's published code is JavaScript: ours gives the same bytes, numbers and odd keys included."""

    @given(st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), min_size=30, max_size=60))
    @settings(max_examples=8, deadline=None)
    def same(objects: list[dict[str, object]]) -> None:
        texts = [json.dumps(value) for value in objects]
        run = subprocess.run(["node", "-e", NODE], input=json.dumps(texts).encode(), capture_output=True, check=True)
        assert [sorted_json(text.encode()).decode() for text in texts] == json.loads(run.stdout)

    same()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e-7, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (0.000001, "0.000001"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (123456789.125, "123456789.125"),
        (-2.5, "-2.5"),
        (9007199254740993.0, "9007199254740992"),
        (1.2345e25, "1.2345e+25"),
        (math.inf, "null"),
    ],
)
def test_numbers_look_as_in_javascript(value: float, shown: str) -> None:
    assert js_number(value) == shown


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_written_for_javascript_reads_back_the_same(value: float) -> None:
    assert float(js_number(value)) == value
