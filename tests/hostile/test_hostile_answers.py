"""Promise: whatever a provider or an endpoint answers, a call ends in an outcome, and in bounded time."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_tui.foundation import strict_json
from runbook_tui.foundation.clock import parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Answer
from runbook_tui.providers import answers
from runbook_tui.providers.answers import parse_answer, tidy
from runbook_tui.providers.manifest import RateLimit
from runbook_tui.providers.pacing import LONGEST, demanded
from runbook_tui.providers.paging import _NEXT
from runbook_tui.webhooks import transport
from runbook_tui.webhooks.probing import Reply

NOW = datetime(2026, 11, 21, 22, 4, tzinfo=UTC)

UNREADABLE = {
    "nesting 100,000": b"[" * 100_000 + b"]" * 100_000,
    "nesting that Python reads and later steps cannot": b"[" * 900 + b"]" * 900,
    "nesting of objects": b'{"a":' * 500 + b"1" + b"}" * 500,
    "a number of 5,000 digits": b"1" * 5_000,
    "a key twice": b'{"status": "active", "status": "revoked"}',
    "a key twice by escape": b'{"a": 1, "\\u0061": 2}',
    "NaN": b'{"a": NaN}',
    "Infinity": b"[-Infinity]",
    "text after the end": b"{} {}",
    "not UTF-8": b'{"a": "\xff"}',
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_json_that_can_be_read_in_two_ways_is_not_read(name: str) -> None:
    """Bombs, doubled keys and numbers that are none: the body counts as unreadable, and so proves nothing."""
    assert not parse_answer(Answer(200, [], UNREADABLE[name], 0.1), "json").readable


def test_numbers_and_text_at_the_edge_are_values() -> None:
    """1e999, a number of 4,000 digits and a lone surrogate are JSON: shown and recorded they do no harm."""
    body = b'{"created_at": 1e999, "used_at": ' + b"9" * 4_000 + b', "name": "\\ud800\\u001b[2J"}'
    parsed = parse_answer(Answer(200, [], body, 0.1), "json")
    assert parsed.readable
    shown = {name: answers._instant(name, tidy(value)) for name, value in parsed.body.items()}
    assert shown["created_at"] is None
    assert shown["name"] == "<U+D800><U+001B>[2J"
    json.dumps(shown, allow_nan=False).encode()


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp037", "utf-7"])
def test_no_document_type_in_any_encoding(coding: str) -> None:
    """Entities are never expanded, also where the bytes do not spell <!DOCTYPE."""
    declared = coding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?><!DOCTYPE a [<!ENTITY x "{"lol" * 10}">]><a>&x;&x;</a>'
    assert parse_answer(Answer(200, [], text.encode(coding), 0.1), "xml").body is None


def test_deep_xml_is_refused() -> None:
    """100,000 elements inside each other are no answer."""
    assert not parse_answer(Answer(200, [], b"<a>" * 100_000 + b"</a>" * 100_000, 0.1), "xml").readable


DATES = [
    "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
    "Mon, 01 Jan 2024 99999999999:00:00 GMT",
    "Mon, 01 Jan 99999 00:00:00 GMT",
    "Mon, 01 Jan 2024 00:00:00 -0000",
    "nan", "inf", "-inf", "1e400", "-1", "\u0661", "9" * 5_000, "", ", ,", "0 0 0 0 0 0",
]  # fmt: skip


@pytest.mark.parametrize("text", DATES)
def test_headers_that_name_a_time(text: str) -> None:
    """Retry-After, a rate limit's end and Date may say anything: at most 300 seconds, and a verdict."""
    limit = RateLimit(remaining="x-left", reset="x-reset", reset_form="epoch")
    for headers in ({"retry-after": text}, {"x-left": "0", "x-reset": text}):
        wanted = demanded(limit, 429, headers, NOW)
        assert not wanted > LONGEST
        assert not wanted < 0
    skew = transport._skew(Reply(status=401, headers={"date": text}, at=NOW))
    assert skew is None or math.isfinite(skew)


@given(st.text(max_size=40), st.sampled_from(DATES))
def test_any_text_in_a_time_header(text: str, date: str) -> None:
    limit = RateLimit()
    for value in (text, date + text, text + date):
        assert not demanded(limit, 503, {"retry-after": value}, NOW) > LONGEST


def test_times_at_the_ends_of_the_calendar() -> None:
    """A time that is in no year once its offset is taken off is no time; it is refused like any other bad one."""
    for text in ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"):
        with pytest.raises(RunbookError, match="not a time"):
            parse_instant(text)


def test_a_link_header_is_read_once() -> None:
    """100 KB of addresses: each is looked at alone, and one without `next` never borrows it from a later one."""
    assert _NEXT.search("<>;" * 33_000) is None
    found = _NEXT.search('<https://evil.example/>; rel=prev; <https://a.example/2>; rel="next"')
    assert found is not None
    assert found[1] == "https://a.example/2"


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


@given(VALUES)
def test_ordinary_json_is_read_as_it_is(value: object) -> None:
    """Strictness costs nothing: what `json` writes is read back, and made safe it can be recorded."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:  # infinity
        return
    assert strict_json.loads(text) == value
    json.dumps(tidy(value), allow_nan=False).encode()
