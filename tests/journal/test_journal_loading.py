"""What was made faster for long records gives what the plain way gives."""

from __future__ import annotations

import gc
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_tui.foundation.clock import FakeClock
from runbook_tui.foundation.collector import at_rest
from runbook_tui.journal import loading
from runbook_tui.journal.chain import Row, canonical
from runbook_tui.journal.loading import fast_decoder
from runbook_tui.journal.store import Journal

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.text(max_size=20)
FIELDS = st.tuples(st.integers(1), TEXT, st.integers(), TEXT, TEXT, TEXT, TEXT, TEXT)


@settings(max_examples=200, deadline=None)
@given(fields=FIELDS)
def test_the_hash_covers_the_canonical_form_of_every_field(fields: tuple[Any, ...]) -> None:
    """Promise: an event's hash is SHA-256 over the canonical JSON of its fields; no two records share it."""
    names = ("seq", "ts", "mono_ns", "boot_id", "actor", "kind", "digest", "prev")
    whole = canonical({"v": 1, **dict(zip(names, fields, strict=True))})
    assert Row(*fields, "", None, None).computed_hash() == hashlib.sha256(whole.encode()).hexdigest()


@pytest.mark.parametrize("changed", [{"mono_ns": "5"}, {"seq": "1"}, {"mono_ns": 5.0}, {"ts": 1}, {"actor": None}])
def test_a_field_of_another_type_has_no_hash(changed: dict[str, Any]) -> None:
    """Promise: text in place of a number never passes for it."""
    row = Row(1, "t", 5, "b", "a", "note", "d", "p", "", None, None)
    with pytest.raises((TypeError, ValueError)):
        row._replace(**changed).computed_hash()


@settings(max_examples=300, deadline=None)
@given(value=ANY_JSON)
def test_both_decoders_read_any_record_alike(value: Any) -> None:
    """Promise: event data does not depend on the length of the record it stands in."""
    text = canonical(value)
    assert repr(fast_decoder()(text)) == repr(json.loads(text))


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet='{}[]",:\\ud8001e-.NaNInfinity ', max_size=12))
def test_both_decoders_refuse_damage_alike(text: str) -> None:
    """Promise: damaged data is told in the same words, however long the record."""

    def outcome(decode: Any) -> str:
        try:
            return repr(decode(text))
        except ValueError as error:
            return str(error)

    assert outcome(fast_decoder()) == outcome(json.loads)


def test_a_record_longer_than_one_portion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: every event comes once and in order, whatever the number, from any start, up to any limit."""
    monkeypatch.setattr(loading, "_FEW", 4)
    monkeypatch.setattr(loading, "_PORTION", 2)
    journal = Journal.create(tmp_path / "inc-1" / "journal.db", FakeClock(tick=0.01), lambda value: value)
    told = [journal.append("note", {"text": f"{number} \ud800"}, "ann") for number in range(10)]
    try:
        for since in range(11):
            assert journal.events(since) == told[since:]
            assert journal.events(since, limit=3) == told[since : since + 3]
        assert journal.events(limit=8) == told[:8]
        assert journal.events(limit=0) == []
    finally:
        journal.close()


def test_the_collector_is_left_as_it_was() -> None:
    """A load that fails, or one within another, leaves Python's collector as it was found."""

    def load_badly() -> None:
        with at_rest():
            with at_rest():
                assert not gc.isenabled()
            assert not gc.isenabled()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        load_badly()
    assert gc.isenabled()
