"""Schemes as data: every mistake in a file has a place and a hint, and a team's own scheme works like a shipped one."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_tui.foundation.errors import InputProblems, RunbookError
from runbook_tui.foundation.strict_yaml import load
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.draft import HOOKS, facts_of
from runbook_tui.webhooks.listing import as_data, in_words
from runbook_tui.webhooks.reader import read_scheme
from runbook_tui.webhooks.registry import Schemes, read
from runbook_tui.webhooks.scheme import Case, Scheme
from runbook_tui.webhooks.signer import build, safe_body

AT = datetime(2026, 11, 21, 22, 4, tzinfo=UTC)
OWN = """\
webhook: 1
scheme: acme
name: Acme
kind: shared
key: hex
alg: hmac-sha1
signed: "{ts}|{body}"
enc: hex
headers: {X-Acme: "{ts}:{sig}"}
covers: [ts, body]
id: body:/id
tolerance: {past: 60, enforced: doc}
safe_event: {event: ping, body: {id: "{id}", at: "{ts}"}}
source: our gateway team
checked_on: 2026-11-22
"""


def write(folder: Path, text: str, name: str = "acme") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_teams_own_scheme_signs(tmp_path: Path) -> None:
    """A Stripe-like vendor needs a file in the workspace, no code."""
    write(tmp_path, OWN)
    known = Schemes.load([tmp_path, tmp_path / "missing"])
    assert "acme" in known.ids()
    found = build(known.get("acme"), Case("c", "case", delivery_id="x"), Secret("00ff"), b"{}", AT, "https://h/x")
    # printf '1795298640|{}' | openssl dgst -sha1 -mac HMAC -macopt hexkey:00ff
    assert dict(found.headers)["X-Acme"] == "1795298640:864b62cb91c5ed03400aac579ab5fb264e27b0e4"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("kind: shared", "kind: shred", 4, "unknown kind"),
        ("key: hex", "key: base58", 5, "unknown key"),
        ("alg: hmac-sha1", "alg: md5", 6, "unknown alg"),
        ('"{ts}|{body}"', '"{ts}|{bdy}"', 7, "unknown token {bdy}"),
        ('"{ts}|{body}"', '"{ts}|{body}}"', 7, "brace"),
        ("enc: hex", "enc: base32", 8, "unknown enc"),
        ('"{ts}:{sig}"', '"{ts}"', 9, "must hold {sig}"),
        ('"{ts}:{sig}"', '"{sig}{secret}"', 9, "must hold {sig}"),
        ("X-Acme", "X Acme", 9, "not a header name"),
        ("[ts, body]", "[body]", 10, "does not fit"),
        ("body:/id", "id", 11, "idempotency"),
        ("past: 60", "past: soon", 12, "seconds"),
        ("enforced: doc", "enforced: rumour", 12, "sdk or doc"),
        ('"{ts}"}}', '"{tz}"}}', 13, "unknown token {tz}"),
        ("source: our gateway team\n", "", 1, "'source' is missing"),
        ("2026-11-22", "yesterday", 15, "a day like"),
        ("name: Acme", "name: Acme\nsecret: x", 4, "unknown field 'secret'"),
        ("scheme: acme", "scheme: other", 2, "named like its file"),
        ("webhook: 1", "webhook: 2", 1, "format version"),
        ("name: Acme", "name: Acme\nname: Again", 4, "twice"),
        ('signed: "{ts}|{body}"\n', "", 4, "do not fit"),
    ],
)
def test_each_mistake_has_its_place(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in OWN
    with pytest.raises(InputProblems) as caught:
        read(write(tmp_path, OWN.replace(old, new, 1)))
    problem = next(problem for problem in caught.value.problems if said in str(problem))
    assert problem.line == line
    assert problem.file.endswith("acme.yaml")


@pytest.mark.parametrize("text", ["- a\n", "x\n", "webhook: 1\n", "headers: 3\nsafe_event: 4\ncovers: 5\n"])
def test_other_shapes_are_refused_not_crashed_on(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputProblems):
        read(write(tmp_path, text))


def test_a_shipped_scheme_cannot_be_replaced_silently(tmp_path: Path) -> None:
    write(tmp_path, OWN, "stripe")
    with pytest.raises(InputProblems, match="exists already"):
        Schemes.load([tmp_path])


def test_an_unknown_scheme_names_those_that_are_spelt_alike() -> None:
    with pytest.raises(RunbookError, match=r"did you mean stripe.*`runbook webhook schemes` lists all"):
        Schemes.load().get("strype")
    with pytest.raises(RunbookError, match=r"hint: `runbook webhook schemes` lists all"):
        Schemes.load().get("?")


def test_a_vendor_held_key_can_only_be_tested_unsigned(tmp_path: Path) -> None:
    """Nobody but the vendor can make a valid delivery, and the message says so."""
    text = OWN.replace("kind: shared", "kind: vendor-key").replace("alg: hmac-sha1\n", "")
    scheme = read(write(tmp_path, text))
    with pytest.raises(RunbookError, match="only Acme can sign"):
        build(scheme, Case("c", "case", delivery_id="x"), Secret("00"), b"{}", AT, "https://h/x")
    unsigned = build(scheme, Case("c", "case", signed=False, delivery_id="x"), None, b"{}", AT, "https://h/x")
    assert [name for name, _ in unsigned.headers] == ["Content-Type"]


def test_every_shipped_scheme_says_where_it_comes_from() -> None:
    """At least 45 schemes, those of the seed documents among them, each with a source and the day it was checked."""
    known = Schemes.load()
    assert len(known.ids()) >= 45
    assert {"fastpix", "streampixel", "stripe", "paypal", "nowpayments", "discord"} <= set(known.ids())
    for name in known.ids():
        scheme = known.get(name)
        assert scheme.source
        assert scheme.checked_on
        assert scheme.safe_event.body
        for handshake in scheme.abuse:
            assert handshake.why


def test_what_was_not_read_anywhere_is_marked() -> None:
    """A limit that stands in a file without a source that was read is named as not confirmed."""
    known = Schemes.load()
    from_memory = {
        "hubspot-v3", "linear", "zendesk", "sentry", "intercom", "dropbox", "docusign", "twilio", "twilio-json",
        "vercel", "square", "shopify",
    }  # fmt: skip
    for name in from_memory:
        scheme = known.get(name)
        assert scheme.answer_within
        assert any(f"{scheme.answer_within:g} s" in said for said in scheme.unconfirmed), name
    assert known.get("gitlab-signed").unconfirmed
    assert any("HMAC-SHA1" in said for said in known.get("vercel").unconfirmed)


def test_every_code_hook_is_used_and_found_by_its_name() -> None:
    """Code is for nine constructions that a template cannot say; a file names one of them."""
    known = Schemes.load()
    used = {known.get(name).code for name in known.ids()} - {""}
    assert used == set(HOOKS)
    assert used == {
        "adyen", "graph", "jwt_bodyhash", "mailgun", "nowpayments", "paypal", "rfc9421", "sns", "twilio",
    }  # fmt: skip


FULL = """\
webhook: 1
scheme: acme
name: Acme
kind: shared
key: raw
alg: hmac-sha256
signed: "{ts}.{body}"
enc: hex
headers: {X-Acme: "t={ts},{sigs}", X-Key: "{key_id}"}
sigs: {each: "v1={sig}", join: ","}
covers: [ts, body]
id: body:/id
event: header:X-Acme
scope: body:/account
answers: {ok: [2xx], duplicate: [200, 409], bad: [4xx]}
roll_window: 3600
facts: {key_id: the id of the key}
forms: [b64]
safe_event: {event: ping, body: {id: "{id}"}}
variants: {other: {event: ping, scope: body:/a/b, body: {id: "{id}"}}}
probes:
  - {name: probe, title: a probe, signed: true, query: {c: "{challenge}"}, body: {}, expect: {status: [200], json: {}}}
abuse:
  - {name: abuse, title: an abuse, signed: false, headers: {X-C: "{id}"}, fails_on: {holds: "{challenge}"}, why: w}
unconfirmed: ["this"]
vectors: [one]
source: us
checked_on: 2026-11-22
"""


def test_a_scheme_with_every_field_is_read(tmp_path: Path) -> None:
    scheme = read(write(tmp_path, FULL))
    assert scheme.rolls
    assert 409 in scheme.answers.duplicate
    assert 404 in scheme.answers.bad
    assert scheme.probes[0].answer.json == {}
    assert scheme.abuse[0].answer.holds == "{challenge}"
    assert scheme.variants["other"].scope == "body:/a/b"
    data = as_data(scheme)
    assert json.loads(json.dumps(data)) == data
    assert "t={ts}" in data["headers"]["X-Acme"]
    assert "at most" not in in_words(scheme)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('"v1={sig}"', '"v1="', 10, "must hold {sig}"),
        ('join: ","', 'join: ""', 10, "between two signatures"),
        ('sigs: {each: "v1={sig}", join: ","}\n', "", 1, "belong together"),
        ("{sigs}", "{sig}", 10, "belong together"),
        ("[2xx]", "[2yy]", 15, "list of statuses"),
        ("[2xx]", "200", 15, "list of statuses"),
        ("duplicate", "again", 15, "unknown field 'again'"),
        ("roll_window: 3600", "roll_window: -1", 16, "seconds"),
        ("key_id: the", "sig: the", 17, "a fact is a name"),
        ("{key_id}", "{key_od}", 9, "unknown token {key_od}"),
        ("forms: [b64]", "forms: [rot13]", 18, "unknown entry 'rot13'"),
        ("scope: body:/account", "scope: somewhere", 14, "project, account or app"),
        ("event: header:X-Acme", "event: X-Acme", 13, "event's name"),
        ("{challenge}", "{chalenge}", 22, "unknown token {chalenge}"),
        ("expect:", "expected:", 22, "unknown field 'expected'"),
        ("status: [200]", "status: []", 22, "list of statuses"),
        ("signed: true", "signed: yes", 22, "true or false"),
        ("fails_on:", "expect:", 24, "'fails_on' is missing"),
        ("key: raw", "key: pem", 5, "needs another form of key"),
        ("alg: hmac-sha256", "alg: sha256", 7, "{secret} is part of"),
        ("alg: hmac-sha256", "alg: ed25519", 5, "needs another form of key"),
        ("enc: hex", "enc: hex\ncode: twilio", 9, "already says what is signed"),
        ("enc: hex", "enc: hex\ncode: ../x", 9, "unknown code"),
        ('["this"]', "this", 25, "list of texts"),
    ],
)
def test_each_mistake_in_a_newer_field_has_its_place(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in FULL
    with pytest.raises(InputProblems) as caught:
        read(write(tmp_path, FULL.replace(old, new, 1)))
    found = [(problem.line, str(problem)) for problem in caught.value.problems if said in str(problem)]
    assert found, [str(problem) for problem in caught.value.problems]
    assert found[0][0] == line, found


def test_a_teams_own_scheme_may_name_a_code_hook(tmp_path: Path) -> None:
    """A vendor that signs as Twilio does needs a file, no code."""
    text = OWN.replace('signed: "{ts}|{body}"', "code: twilio").replace("[ts, body]", "[url, body]")
    scheme = read(write(tmp_path, text.replace('"{ts}:{sig}"', '"{sig}"')))
    found = build(scheme, Case("c", "case", delivery_id="x"), Secret("00ff"), b"{}", AT, "https://h/x")
    assert "bodySHA256=" in found.url


def signs(scheme: Scheme) -> None:
    """A scheme that was read makes a delivery, or says in words why it cannot."""
    case = Case("c", "case", delivery_id="x", facts=dict.fromkeys(scheme.facts, "fake"))
    with suppress(RunbookError):
        assert build(scheme, case, Secret("ff" * 24), safe_body(scheme, case, AT), AT, "https://h/x").method == "POST"


@pytest.mark.parametrize("code", HOOKS)
@pytest.mark.parametrize("kind", ["shared", "bearer", "url-token", "vendor-key"])
@pytest.mark.parametrize("headers", ["{}", '{X: "{sig}"}', '{X: "{secret}"}'])
def test_a_hook_in_the_wrong_scheme_is_refused_or_works(tmp_path: Path, code: str, kind: str, headers: str) -> None:
    """No combination is read that then has no proof, lacks a fact, or breaks while it signs."""
    alg = "" if kind in ("bearer", "url-token") else "alg: hmac-sha256\n"
    text = OWN.replace("kind: shared", f"kind: {kind}").replace("alg: hmac-sha1\n", alg)
    text = text.replace('signed: "{ts}|{body}"', f"code: {code}").replace('{X-Acme: "{ts}:{sig}"}', headers)
    try:
        scheme = read(write(tmp_path, text.replace("[ts, body]", "[]")))
    except InputProblems:
        return
    assert kind != "url-token"
    assert {name for name in ("webhook_id", "cert_url", "api_key", "key_id") if name in facts_of(code)} == set()
    signs(scheme)


def test_facts_cannot_take_the_name_of_a_part_and_a_form_is_flat(tmp_path: Path) -> None:
    with pytest.raises(InputProblems, match="a fact is a name"):
        read(write(tmp_path, FULL.replace("key_id: the", "body: the")))
    with pytest.raises(InputProblems, match="a form is a mapping"):
        read(
            write(
                tmp_path,
                OWN.replace('{id: "{id}", at', '{id: ["{id}"], at')
                + "content_type: application/x-www-form-urlencoded\n",
            )
        )


JUNK = st.sampled_from([None, True, 0, -1, 1.5, "", "x", "{", "{sig}", "{body}", [], [1], [[]], {}, {"a": 1}, {"": []}])


@given(data=st.data(), junk=JUNK)
@settings(max_examples=150, deadline=None)
def test_any_value_in_any_place_is_read_or_refused(data: st.DataObject, junk: object) -> None:
    """Whatever stands in a scheme's file, reading it ends in a scheme that signs or in problems with their places."""
    document = load(FULL, "acme.yaml")
    where: Any = document.data
    for _ in range(data.draw(st.integers(0, 3))):
        inner = where.values() if isinstance(where, dict) else where
        nested = [one for one in inner if isinstance(one, dict | list) and one]
        if not nested:
            break
        where = data.draw(st.sampled_from(nested))
    key = data.draw(st.sampled_from(list(where) if isinstance(where, dict) else list(range(len(where)))))
    where[key] = junk
    try:
        scheme = read_scheme(document, "acme")
    except InputProblems as caught:
        problems = caught.problems
    else:
        problems = []
        assert as_data(scheme)
        assert in_words(scheme)
        signs(scheme)
    assert all(problem.line >= 1 and problem.message for problem in problems)
