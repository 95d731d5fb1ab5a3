"""Promise: a secret the redactor knows is in no text it lets through, in any of the listed forms."""

from __future__ import annotations

import base64
import html
import json
import random
import string
import textwrap
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.redaction import Redactor
from runbook_tui.secrets.secret import Secret

PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "
VALUES = st.one_of(
    st.text(string.ascii_letters + string.digits + "_-", min_size=8, max_size=60),
    st.text(PRINTABLE, min_size=8, max_size=60),
    st.text(PRINTABLE + "äß€😀\n", min_size=8, max_size=60),
).filter(lambda v: len(set(v)) >= 4 and len(v.strip()) >= 8)

FORMS: dict[str, Callable[[str], str]] = {
    "raw": lambda v: v,
    "percent": lambda v: urllib.parse.quote(v, safe=""),
    "percent, slashes kept": lambda v: urllib.parse.quote(v, safe="/"),
    "form field": urllib.parse.quote_plus,
    "percent, lower case": lambda v: urllib.parse.quote(v, safe="").replace("%2F", "%2f").replace("%3A", "%3a"),
    "percent twice": lambda v: urllib.parse.quote(urllib.parse.quote(v, safe=""), safe=""),
    "JSON": lambda v: json.dumps(v)[1:-1],
    "JSON, Unicode kept": lambda v: json.dumps(v, ensure_ascii=False)[1:-1],
    "JSON, slashes escaped": lambda v: json.dumps(v)[1:-1].replace("/", "\\/"),
    "JSON twice": lambda v: json.dumps(json.dumps(v)[1:-1])[1:-1],
    "HTML": html.escape,
    "repr": lambda v: repr(v)[1:-1],
    "hex": lambda v: v.encode().hex(),
    "hex, upper case": lambda v: v.encode().hex().upper(),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64url": lambda v: base64.urlsafe_b64encode(v.encode()).decode(),
    "base64, broken": lambda v: textwrap.fill(base64.b64encode(v.encode()).decode(), 16),
    "hex, broken": lambda v: "\n  ".join(textwrap.wrap(v.encode().hex(), 10)),
}


def _redactor(*values: str) -> Redactor:
    redactor = Redactor()
    for number, value in enumerate(values):
        redactor.add(Secret(value), f"s{number}")
    return redactor


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None)
@given(value=VALUES, before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_listed_form_survives(form: str, value: str, before: str, after: str) -> None:
    written = FORMS[form](value)
    assume(written not in "«s0»")
    clean = _redactor(value).text(before + written + after)
    assert written not in clean
    assert "«s0»" in clean


@settings(max_examples=150, deadline=None)
@given(value=VALUES, before=st.binary(max_size=10), after=st.binary(max_size=10), url=st.booleans())
def test_base64_at_any_alignment(value: str, before: bytes, after: bytes, url: bool) -> None:
    """The characters that carry the value alone are gone, whatever stands before and after it inside the base64."""
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    written = encode(before + value.encode() + after).decode()
    clean = _redactor(value).text(f"data: {written}")
    start, end = -(-len(before) * 8 // 6), (len(before) + len(value.encode())) * 8 // 6
    assert written[start:end] not in clean
    assert "«s0»" in clean


@settings(max_examples=100, deadline=None)
@given(value=st.text(string.ascii_letters + string.digits, min_size=12, max_size=80), data=st.data())
def test_prefixes_of_twelve_characters(value: str, data: st.DataObject) -> None:
    assume(len(set(value)) >= 4)
    length = data.draw(st.integers(12, len(value)))
    clean = _redactor(value).text(f"<{value[:length]}>")
    assert clean == "<«s0»>"


@settings(max_examples=100, deadline=None)
@given(value=st.text(string.ascii_letters + string.digits, min_size=8, max_size=80), width=st.integers(1, 20))
def test_broken_over_lines(value: str, width: int) -> None:
    assume(len(set(value)) >= 4)
    broken = "\r\n    ".join(value[at : at + width] for at in range(0, len(value), width))
    assert _redactor(value).text(f"x: {broken}.") == "x: «s0»."


@settings(max_examples=100, deadline=None)
@given(values=st.lists(VALUES, min_size=2, max_size=4, unique=True), middle=st.text("ab-. ", max_size=3))
def test_secrets_beside_and_inside_each_other(values: list[str], middle: str) -> None:
    redactor = _redactor(*values)
    clean = redactor.text(middle.join(values) + values[0][:6] + values[1])
    for value in values:
        assert value not in clean


def test_lines_of_a_private_key_stand_for_it() -> None:
    """Each line of a multi-line value is taken out; the armour, which everybody's key has, stays."""
    rng = random.Random(7)
    lines = ["".join(rng.choices(string.ascii_letters + "0123456789+/", k=64)) for _ in range(20)] + ["Zm9vYmE="]
    pem = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])
    redactor = _redactor(pem)
    assert redactor.text(pem) == "-----BEGIN PRIVATE KEY-----\n«s0»"
    assert redactor.text(f"line: {lines[9]}!") == "line: «s0»!"
    assert redactor.text("\n".join(lines[3:6])) == "«s0»"
    assert redactor.text(json.dumps({"key": pem})) == '{"key": "-----BEGIN PRIVATE KEY-----\\n«s0»"}'
    assert redactor.text(base64.b64encode(pem.encode()).decode()).count("«s0»") == 1
    assert redactor.text("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


@settings(max_examples=150, deadline=None)
@given(text=st.text(string.ascii_lowercase + " .,:/\n{}\"'0123456789", max_size=400))
def test_other_text_is_left_alone(text: str) -> None:
    assert _redactor("SK_LIVE_QWERTZUIOPASDF", "XKCD-CORRECT-HORSE").text(text) == text


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=100))
def test_any_text_with_odd_characters_is_taken(text: str) -> None:
    clean = _redactor("SK_LIVE_QWERTZUIOPASDF").text(text + "\udcff" + "SK_LIVE_QWERTZUIOPASDF")
    assert clean == text + "\udcff«s0»"


@pytest.mark.parametrize("value", ["short12", "aaaaaaaaaaaa", "abababababcc"])
def test_values_that_look_like_ordinary_text_are_refused(value: str) -> None:
    """The caller learns why, and the message does not show the value."""
    with pytest.raises(RunbookError) as caught:
        _redactor(value)
    assert value not in str(caught.value)


def test_data_is_redacted_through_and_through() -> None:
    redactor = _redactor("987654321012", "SK_LIVE_QWERTZUIOPASDF")
    value = {
        "SK_LIVE_QWERTZUIOPASDF": [987654321012, True, None, 1.5],
        "s": {"t": ("Bearer SK_LIVE_QWERTZUIOPASDF",)},
        "«s1»": 1,
    }
    assert redactor.data(value) == {"«s1»": ["«s0»", True, None, 1.5], "s": {"t": ["Bearer «s1»"]}, "«s1»′": 1}  # noqa: RUF001
    with pytest.raises(TypeError):
        redactor.data({"x": object()})


def test_the_longest_secret_names_the_place() -> None:
    redactor = Redactor()
    redactor.add(Secret("prefix-0123456789"), "short")
    redactor.add(Secret("prefix-0123456789-and-more"), "long")
    redactor.add(Secret("prefix-0123456789-and-more"), "again")
    assert redactor.text("prefix-0123456789-and-more") == "«long»"


def test_a_text_full_of_hits_is_done_in_one_pass() -> None:
    """Ten thousand copies in one answer are no way to stall the journal."""
    value = "SK_LIVE_QWERTZUIOPASDF"
    assert _redactor(value).text(f"{value} " * 10_000) == "«s0» " * 10_000


def test_a_value_that_is_no_text() -> None:
    """Bytes (a raw webhook key) are found in hex and base64."""
    value = bytes([255, 254, 0, 1, 2, 3, 200, 201, 202, 203])
    redactor = Redactor()
    redactor.add(Secret(value), "raw")
    assert redactor.text(f"k={value.hex()} b={base64.b64encode(b'x' + value).decode()}").count("«raw»") == 2
