"""Proofs of every kind: key pairs, several signatures, proofs inside the body, and proofs made wrong on purpose."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from scheme_kit import KEY, OTHERS, TEXTS, case_for, facts_for, lab_key, pem, secret_for

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.pointers import changed, value_at
from runbook_tui.webhooks.registry import Schemes
from runbook_tui.webhooks.scheme import SPOILS, Case, Delivery, Scheme
from runbook_tui.webhooks.signer import build, safe_body

AT = datetime(2026, 11, 21, 22, 4, tzinfo=UTC)
URL = "https://example.com/hook?x=1"
SCHEMES = Schemes.load()
SIGNING = [name for name in SCHEMES.ids() if not SCHEMES.get(name).carries_secret]


def made(name: str, *, whose: tuple[bool, ...] = (False,), at: datetime = AT, **fields: Any) -> Delivery:
    """The safe event of a scheme; `whose` says for each secret whether it is the other one."""
    scheme = SCHEMES.get(name)
    case = case_for(scheme, **fields)
    secrets = [secret_for(scheme, other=other) for other in whose]
    return build(scheme, case, secrets, safe_body(scheme, case, at), at, URL)


def head(delivery: Delivery) -> dict[str, str]:
    return {name.lower(): value for name, value in delivery.headers}


def fits(alg: str, signature: bytes, content: bytes) -> bool:
    """Does the public half of the test's key take it?"""
    family = "rsa" if alg.startswith("rsa") else alg
    key: Any = lab_key(family, 0).public_key()
    try:
        if alg == "ed25519":
            key.verify(signature, content)
        elif alg == "ecdsa-p256":
            key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(signature, content, padding.PKCS1v15(), hashes.SHA1() if alg == "rsa-sha1" else hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def public_key_proof(name: str, delivery: Delivery) -> tuple[bytes, bytes]:
    """(signature, content) as a verifier reads them out of the request; it shares nothing with the signer."""
    headers, body = head(delivery), delivery.body
    if name.startswith("discord"):
        return bytes.fromhex(headers["x-signature-ed25519"]), headers["x-signature-timestamp"].encode() + body
    if name == "sendgrid":
        stamp = headers["x-twilio-email-event-webhook-timestamp"].encode()
        return base64.b64decode(headers["x-twilio-email-event-webhook-signature"]), stamp + body
    if name == "paypal":
        parts = [headers["paypal-transmission-id"], headers["paypal-transmission-time"], "fake-webhook_id"]
        return base64.b64decode(headers["paypal-transmission-sig"]), "|".join([*parts, str(zlib.crc32(body))]).encode()
    if name.startswith("sns"):
        data = json.loads(body)
        names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
        assert data["SignatureVersion"] == ("1" if name == "sns" else "2")
        return base64.b64decode(data["Signature"]), "".join(f"{one}\n{data[one]}\n" for one in names).encode()
    assert name == "rfc9421-ed25519"
    params = headers["signature-input"].removeprefix("sig1=")
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert headers["content-digest"] == f"sha-256=:{digest}:"
    lines = ['"@method": POST', f'"@target-uri": {URL}', '"content-type": application/json']
    lines += [f'"content-digest": sha-256=:{digest}:', f'"@signature-params": {params}']
    return base64.b64decode(headers["signature"].removeprefix("sig1=:").removesuffix(":")), "\n".join(lines).encode()


KEY_PAIRS = ["discord", "discord-events", "sendgrid", "paypal", "sns", "sns-sha256", "rfc9421-ed25519"]


def test_every_scheme_with_a_pem_key_is_among_those_tested_here() -> None:
    assert sorted(KEY_PAIRS) == [name for name in SCHEMES.ids() if SCHEMES.get(name).key == "pem"]


@pytest.mark.parametrize("name", KEY_PAIRS)
def test_a_public_key_verifies_what_is_covered(name: str) -> None:
    """A test key pair stands in for the vendor's: its public half verifies the delivery, and no other's."""
    alg = SCHEMES.get(name).alg
    signature, content = public_key_proof(name, made(name))
    assert fits(alg, signature, content)
    assert not fits(alg, signature, content + b"x")
    foreign, same = public_key_proof(name, made(name, whose=(True,)))
    assert same == content
    assert not fits(alg, foreign, same)


def test_standard_webhooks_v1a_is_ed25519_over_the_same_content() -> None:
    headers = head(made("standard-webhooks-ed25519"))
    delivery = made("standard-webhooks-ed25519")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + delivery.body
    version, _, text = headers["webhook-signature"].partition(",")
    assert version == "v1a"
    Ed25519PrivateKey.from_private_bytes(KEY).public_key().verify(base64.b64decode(text), content)


def test_livekit_holds_the_hash_of_the_body_in_a_token() -> None:
    """Taken apart with the standard library: HS256, the API key, five minutes, the body's hash."""
    delivery = made("livekit")
    token = head(delivery)["authorization"]
    content, _, signature = token.rpartition(".")
    parts = [json.loads(base64.urlsafe_b64decode(part + "===")) for part in content.split(".")]
    digest = base64.b64encode(hashlib.sha256(delivery.body).digest()).decode()
    now = int(AT.timestamp())
    assert parts[0] == {"alg": "HS256", "typ": "JWT"}
    assert parts[1] == {"iss": "fake-api_key", "nbf": now, "exp": now + 300, "sha256": digest}
    mac = hmac.digest(TEXTS["raw"].encode(), content.encode(), "sha256")
    assert base64.urlsafe_b64decode(signature + "===") == mac


def test_mailgun_signs_time_and_token_and_nothing_else() -> None:
    signed = json.loads(made("mailgun").body)["signature"]
    mac = hmac.new(TEXTS["raw"].encode(), (signed["timestamp"] + signed["token"]).encode(), hashlib.sha256)
    assert signed["signature"] == mac.hexdigest()
    assert len(signed["token"]) == 50
    assert json.loads(made("mailgun", delivery_id="irtest_2").body)["signature"]["token"] != signed["token"]


def test_graph_puts_the_client_state_into_every_entry() -> None:
    scheme = SCHEMES.get("graph")
    body = b'{"value":[{"id":"1"},{"id":"2"}]}'
    found = build(scheme, case_for(scheme), Secret("fake-state"), body, AT, URL)
    assert [entry["clientState"] for entry in json.loads(found.body)["value"]] == ["fake-state"] * 2
    with pytest.raises(RunbookError, match="list `value`"):
        build(scheme, case_for(scheme), Secret("fake-state"), b'{"value":{}}', AT, URL)


def test_twilio_signs_a_form_and_hashes_anything_else() -> None:
    """The form's fields are decoded before they are signed; a JSON body goes into the URL as a hash."""
    form = made("twilio")
    content = URL + "".join(sorted(name + value for name, value in parse_qsl(form.body.decode())))
    mac = hmac.digest(TEXTS["raw"].encode(), content.encode(), "sha1")
    assert head(form)["x-twilio-signature"] == base64.b64encode(mac).decode()
    other = made("twilio-json")
    assert other.url == f"{URL}&bodySHA256={hashlib.sha256(other.body).hexdigest()}"
    shared = head(made("twilio-shared-key"))
    assert shared["x-twilio-webhooks-signature-settings"] == "key=fake-key_id,algorithm=HMAC_SHA256"


# ---- several signatures

ROLLING = [name for name in SCHEMES.ids() if SCHEMES.get(name).rolls]


def test_the_schemes_that_sign_with_several_secrets_are_these() -> None:
    assert set(ROLLING) == {
        "box", "docusign", "gitlab-signed", "mux", "paddle", "pagerduty", "polar", "standard-webhooks",
        "standard-webhooks-ed25519", "stripe", "svix",
    }  # fmt: skip


@pytest.mark.parametrize("name", ROLLING)
def test_two_secrets_give_both_signatures_in_the_order_asked_for(name: str) -> None:
    """As in a roll: each secret's own signature is there, and the order is the case's."""
    scheme = SCHEMES.get(name)
    alone = [made(name, whose=(other,)) for other in (False, True)]
    both, turned = made(name, whose=(False, True)), made(name, whose=(True, False))
    proving = next(header for header, template in scheme.headers.items() if template.tokens & {"sig", "sigs"})
    first, second = (dict(delivery.headers)[proving] for delivery in alone)
    assert first != second
    if scheme.sigs is None:
        slots = [value for header, value in both.headers if "sig" in "".join(scheme_tokens(scheme, header))]
        assert slots == [first, second]
        assert len(alone[0].headers) == len(both.headers) - 1
        return
    joint = scheme.sigs.join
    prefix = dict(both.headers)[proving].removesuffix(joint.join((ends(first, scheme), ends(second, scheme))))
    assert dict(both.headers)[proving] == prefix + joint.join((ends(first, scheme), ends(second, scheme)))
    assert dict(turned.headers)[proving] == prefix + joint.join((ends(second, scheme), ends(first, scheme)))
    assert first == prefix + ends(first, scheme)


def scheme_tokens(scheme: Scheme, header: str) -> frozenset[str]:
    return scheme.headers[header].tokens if header in scheme.headers else frozenset()


def ends(value: str, scheme: Scheme) -> str:
    """The last signature of a header, with its version."""
    assert scheme.sigs is not None
    return value[value.rindex(scheme.sigs.each.source.partition("{")[0]) :]


def test_two_secrets_are_refused_where_there_is_room_for_one() -> None:
    with pytest.raises(RunbookError, match="one signature only"):
        made("github", whose=(False, True))
    with pytest.raises(RunbookError, match="one signature only"):
        made("streampixel", whose=(False, True))


# ---- wrong on purpose


@pytest.mark.parametrize("name", SIGNING)
def test_each_spoilt_proof_is_another_request(name: str) -> None:
    """Every way of making a proof wrong does so in every scheme that has it; the body else stays as it was."""
    scheme = SCHEMES.get(name)
    right = made(name)
    for how in scheme.spoils:
        wrong = made(name, proof=how)
        assert (wrong.headers, wrong.body) != (right.headers, right.body), how
        if scheme.alg != "ecdsa-p256":
            assert len(wrong.headers) == len(right.headers) + (how == "twice")
    for how in set(SPOILS) - set(scheme.spoils):
        with pytest.raises(ValueError, match="right one"):
            made(name, proof=how)


def test_spoils_look_as_they_say() -> None:
    """GitHub's header as the example: the same length, empty, half, another version, twice with junk first."""
    right = head(made("github"))["x-hub-signature-256"]
    shown = {how: [v for n, v in made("github", proof=how).headers if n == "X-Hub-Signature-256"] for how in SPOILS}
    assert shown["empty"] == ["sha256="]
    assert shown["truncated"] == [right[: 7 + 32]]
    assert shown["prefix"] == [right.replace("sha256=", "x0=")]
    assert shown["twice"] == [shown["junk"][0], right]
    junk = shown["junk"][0].removeprefix("sha256=")
    assert len(junk) == 64
    assert all(a != b for a, b in zip(junk, right.removeprefix("sha256="), strict=True))
    assert bytes.fromhex(junk)
    assert head(made("stripe", proof="prefix"))["stripe-signature"].split(",")[1].startswith("x0=")
    assert head(made("square", proof="prefix"))["x-square-hmacsha256-signature"].startswith("x0=")
    assert head(made("standard-webhooks", proof="prefix"))["webhook-signature"].startswith("x0,")


def test_a_swapped_time_id_or_body_keeps_the_old_signature() -> None:
    """What is shown is the case's; what is signed is what the case says was signed."""
    earlier, other = AT - timedelta(hours=1), "irtest_old"
    for name in ("stripe", "mux", "slack", "box", "workos"):
        scheme = SCHEMES.get(name)
        body = safe_body(scheme, case_for(scheme), AT)
        old = build(scheme, case_for(scheme), secret_for(scheme), body, earlier, URL)
        swapped = build(scheme, case_for(scheme, signed_at=earlier), secret_for(scheme), body, AT, URL)
        now = build(scheme, case_for(scheme), secret_for(scheme), body, AT, URL)
        assert tail(swapped) == tail(old) != tail(now)
        assert swapped.headers != old.headers
    swapped = made("standard-webhooks", signed_id=other)
    assert head(swapped)["webhook-id"] == "irtest_1"
    tampered = made("github", signed_body=b"{}")
    mac = hmac.new(TEXTS["raw"].encode(), b"{}", hashlib.sha256).hexdigest()
    assert head(tampered)["x-hub-signature-256"] == f"sha256={mac}"
    assert tampered.body != b"{}"


def tail(delivery: Delivery) -> str:
    """The last 40 characters of the longest header, which is the one with the proof."""
    return max((value for _, value in delivery.headers), key=len)[-40:]


def test_another_algorithm_is_used_where_a_case_asks_for_it() -> None:
    delivery = made("github", alg="hmac-sha512")
    mac = hmac.new(TEXTS["raw"].encode(), delivery.body, hashlib.sha512).hexdigest()
    assert head(delivery)["x-hub-signature-256"] == f"sha256={mac}"


@pytest.mark.parametrize(
    ("name", "form", "key"),
    [
        ("fastpix", "raw", TEXTS["b64"].encode()),
        ("fastpix", "newline", TEXTS["b64"].encode() + b"\n"),
        ("adyen-platform", "raw", TEXTS["hex"].encode()),
        ("standard-webhooks", "raw", TEXTS["whsec"].encode()),
        ("standard-webhooks", "stripped", TEXTS["b64"].encode()),
    ],
)
def test_a_secret_can_be_read_in_the_wrong_way_for_a_diagnosis(name: str, form: str, key: bytes) -> None:
    """The labelled diagnostic delivery has the signature that a mistaken receiver would compute."""
    delivery = made(name, form=form)
    headers = head(delivery)
    prefix = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() if "webhook-id" in headers else b""
    mac = base64.b64encode(hmac.digest(key, prefix + delivery.body, "sha256")).decode()
    assert any(mac in value for value in headers.values())
    assert form in SCHEMES.get(name).forms


def test_a_secret_that_cannot_be_read_so_says_it() -> None:
    with pytest.raises(RunbookError, match="cannot be read as hex"):
        made("github", form="hex")


# ---- facts, events, scopes, variants


@pytest.mark.parametrize("name", [name for name in SCHEMES.ids() if SCHEMES.get(name).facts and name != "meta"])
def test_a_missing_fact_is_named_with_what_it_is(name: str) -> None:
    scheme = SCHEMES.get(name)
    for fact, said in scheme.facts.items():
        rest = {one: text for one, text in facts_for(scheme).items() if one != fact}
        with pytest.raises(RunbookError) as caught:
            build(scheme, case_for(scheme, facts=rest), secret_for(scheme), b"{}", AT, URL)
        assert fact in str(caught.value)
        assert said in str(caught.value)


def test_an_event_without_the_facts_of_a_handshake_needs_none() -> None:
    """Meta's verify token belongs to its GET; a delivery goes without."""
    assert made("meta", facts={}).headers


@pytest.mark.parametrize("name", SCHEMES.ids())
def test_event_and_scope_go_where_the_vendor_has_them(name: str) -> None:
    """Another event and another project are put into the body or the header, in every scheme that names the place."""
    scheme = SCHEMES.get(name)
    found = made(name, event="other_event", scope="4711")
    for place, text in ((scheme.event, "other_event"), (scheme.scope, "4711")):
        kind, _, where = place.partition(":")
        if kind == "header":
            assert text in head(found)[where.lower()]
        elif kind == "body" and scheme.content_type == "application/x-www-form-urlencoded":
            assert dict(parse_qsl(found.body.decode()))[where.removeprefix("/")] == text
        elif kind == "body":
            assert str(value_at(json.loads(found.body), where)) == text


def test_streampixel_has_the_flat_and_the_recipes_envelope() -> None:
    """The vendor documents a flat one; the seed's handler reads another, in which the project stands elsewhere."""
    flat, recipe = json.loads(made("streampixel").body), json.loads(made("streampixel", variant="recipe").body)
    assert flat["projectId"] == recipe["data"]["projectId"] == "irtest_1"
    assert "data" not in flat
    moved = json.loads(made("streampixel", variant="recipe", scope="foreign").body)
    assert moved["data"]["projectId"] == "foreign"
    assert "projectId" not in moved


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("discord", "not a key", "only Discord interactions can sign"),
        ("paypal", "WH-1", "only PayPal can sign"),
        ("discord", pem(lab_key("ecdsa-p256")), "ed25519"),
        ("sendgrid", pem(lab_key("ed25519")), "ecdsa-p256"),
        ("sns", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "PEM"),
        ("standard-webhooks-ed25519", "whsk_AAAA", "whsk"),
        ("standard-webhooks-ed25519", OTHERS["whsec"], "whsk"),
        ("rfc9421-ed25519", "text", "pem"),
    ],
)
def test_a_wrong_private_key_is_refused_with_what_was_expected(name: str, value: str, said: str) -> None:
    """What is missing is said in words, and no part of the key is repeated."""
    scheme = SCHEMES.get(name)
    with pytest.raises(RunbookError) as caught:
        build(scheme, case_for(scheme), Secret(value), safe_body(scheme, case_for(scheme), AT), AT, URL)
    assert said in str(caught.value)
    assert value.splitlines()[-1] not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"1" * 5000, b"[" * 100_000])
@pytest.mark.parametrize("name", ["adyen-payments", "mailgun", "sns", "graph", "nowpayments"])
def test_a_body_that_does_not_suit_is_refused_in_words(name: str, body: bytes) -> None:
    """Where the proof depends on what the body holds, another body is a sentence; unsigned it is sent as it is."""
    scheme = SCHEMES.get(name)
    with pytest.raises(RunbookError, match=r"the body"):
        build(scheme, case_for(scheme), secret_for(scheme), body, AT, URL)
    assert build(scheme, case_for(scheme, signed=False), None, body, AT, URL).body == body


def test_an_adyen_item_that_lacks_a_field_is_named() -> None:
    scheme = SCHEMES.get("adyen-payments")
    with pytest.raises(RunbookError, match="notificationItems"):
        build(scheme, case_for(scheme), secret_for(scheme), b'{"notificationItems":[]}', AT, URL)


def test_a_time_without_a_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="aware"):
        build(SCHEMES.get("github"), Case("c", "c", delivery_id="x"), Secret("x"), b"", AT.replace(tzinfo=None), URL)


def test_changing_a_value_leaves_the_original_alone() -> None:
    data: dict[str, Any] = {"a": [{"b": 1}, {"b": 2}]}
    assert changed(data, "/a/1/b", "3") == {"a": [{"b": 1}, {"b": 3}]}
    assert changed(data, "/c/d", "x")["c"] == {"d": "x"}
    assert data == {"a": [{"b": 1}, {"b": 2}]}
    with pytest.raises(RunbookError, match="nothing at /a/7/b"):
        changed(data, "/a/7/b", 1)
