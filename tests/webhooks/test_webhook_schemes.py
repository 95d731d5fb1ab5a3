"""Schemes as data: every mistake in a file has a place and a hint, and a team's own scheme works like a shipped one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook_tui.foundation.errors import InputProblems, RunbookError
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.registry import Schemes, read
from runbook_tui.webhooks.scheme import Case
from runbook_tui.webhooks.signer import build

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


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(RunbookError, match="fastpix, github"):
        Schemes.load().get("strype")


def test_a_vendor_held_key_can_only_be_tested_unsigned(tmp_path: Path) -> None:
    """Nobody but the vendor can make a valid delivery, and the message says so."""
    text = OWN.replace("kind: shared", "kind: vendor-key").replace("alg: hmac-sha1\n", "")
    scheme = read(write(tmp_path, text))
    with pytest.raises(RunbookError, match="only Acme can sign"):
        build(scheme, Case("c", "case", delivery_id="x"), Secret("00"), b"{}", AT, "https://h/x")
    unsigned = build(scheme, Case("c", "case", signed=False, delivery_id="x"), None, b"{}", AT, "https://h/x")
    assert [name for name, _ in unsigned.headers] == ["Content-Type"]


def test_every_shipped_scheme_says_where_it_comes_from() -> None:
    known = Schemes.load()
    for name in known.ids():
        scheme = known.get(name)
        assert scheme.source
        assert scheme.checked_on
