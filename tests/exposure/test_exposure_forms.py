"""Every form of a value is found wherever it stands."""

from __future__ import annotations

import base64
import html
import json
import random
import sys
import urllib.parse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runbook_tui.exposure.forms import Forms
from runbook_tui.foundation.errors import RunbookError


def _every(text: str, write: str) -> str:
    return "".join(write % ord(char) for char in text)


WRITERS = {
    "raw": lambda text: text.encode(),
    "url": lambda text: urllib.parse.quote(text, safe="").encode(),
    "url lower case": lambda text: _lower_percent(urllib.parse.quote(text, safe="/")).encode(),
    "url plus": lambda text: urllib.parse.quote_plus(text).encode(),
    "url all": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "HEX": lambda text: text.encode().hex().upper().encode(),
    "json": lambda text: json.dumps(text)[1:-1].encode(),
    "json utf-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1].encode(),
    "json slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/").encode(),
    "json twice": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1].encode(),
    "json all": lambda text: b"".join(b"\\u" + unit for unit in text.encode("utf-16-be").hex(" ", 2).encode().split()),
    "html": lambda text: html.escape(text).encode(),
    "utf-16le": lambda text: text.encode("utf-16-le"),
    "utf-16be": lambda text: text.encode("utf-16-be"),
}


def _lower_percent(text: str) -> str:
    parts = text.split("%")
    return parts[0] + "".join("%" + part[:2].lower() + part[2:] for part in parts[1:])


values = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=6, max_size=60).filter(
    lambda text: len(text.encode()) >= 6
)


@pytest.mark.parametrize("writer", WRITERS)
@given(value=values, before=st.binary(max_size=40), after=st.binary(max_size=40))
@example(value='a"b\\c/d+e=f&g<h> %i', before=b"", after=b"")
@example(value="//////", before=b"/", after=b"")
@example(value="%41%41", before=b"", after=b"")
@example(value="plainplain", before=b"x", after=b"y")
def test_any_value_in_any_form_at_any_offset(writer: str, value: str, before: bytes, after: bytes) -> None:
    """Whatever stands around it, a value is found in each form a program may write it in."""
    assert Forms([value.encode()]).find(before + WRITERS[writer](value) + after)


@given(value=st.binary(min_size=6, max_size=60), before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_base64_at_any_alignment(value: bytes, before: bytes, after: bytes) -> None:
    """The value is found inside base64 and base64url of a longer text, whatever comes before it."""
    forms = Forms([value])
    assert forms.find(base64.b64encode(before + value + after))
    assert forms.find(base64.urlsafe_b64encode(before + value + after))


@given(value=st.binary(min_size=6, max_size=300), before=st.binary(max_size=80), width=st.integers(60, 80))
def test_base64_broken_into_lines(value: bytes, before: bytes, width: int) -> None:
    """Base64 that a tool broke into lines, indented as in a YAML block, is found."""
    encoded = base64.b64encode(before + value + b"tail").decode()
    lines = [encoded[i : i + width] for i in range(0, len(encoded), width)]
    assert Forms([value]).find("\r\n    ".join(lines).encode())


def test_the_form_is_named() -> None:
    """The report says in which form a value stands."""
    value = 'fake"secret/value+1'
    forms = Forms([value.encode()])
    named = {
        "raw": value.encode(),
        "base64": base64.b64encode(b"x" + value.encode()),
        "hex": value.encode().hex().encode(),
        "url": urllib.parse.quote(value, safe="").encode(),
        "json": json.dumps(value).encode(),
        "html": html.escape(value).encode(),
        "utf-16le": value.encode("utf-16-le"),
    }
    assert {form: [match.form for match in forms.find(text)] for form, text in named.items()} == {
        form: [form] for form in named
    }


def test_several_values_are_told_apart() -> None:
    """Each match says which value it is of, and where."""
    forms = Forms([b"first-fake-value", b"second-fake-value"])
    found = forms.find(b"... second-fake-value")
    assert [(match.needle, match.form, match.start) for match in found] == [(1, "raw", 4)]


def test_a_value_that_stands_everywhere_is_refused() -> None:
    """A value so short that it stands in any history by chance is refused, and the message does not repeat it."""
    with pytest.raises(RunbookError, match="shorter than 6 bytes") as caught:
        Forms([b"abcde"])
    assert "abcde" not in str(caught.value)


def test_repr_shows_no_value() -> None:
    """A crash report that prints the searcher prints no value."""
    assert "fake" not in repr(Forms([b"fake-secret-value"]))


def test_strings_inside_strings() -> None:
    """A JSON document in a JSON string, as logs have it, with the slash escaped or not: one to three backslashes."""
    value = 'fake/key+with"quote'
    for inner in (json.dumps(value), json.dumps(value).replace("/", "\\/"), json.dumps(value).replace("+", "\\u002b")):
        for text in (inner, json.dumps(inner)):
            assert [match.form for match in Forms([value.encode()]).find(text.encode())] == ["json"], text


def test_many_values_are_found_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: with hundreds of values, of which some are parts of others or have no letters, each match is the same
    with and without hyperscan and as if every value were looked for alone."""
    luck = random.Random(17)
    signs = 'abcdefgXYZ0123456789+/_-=%&."\\ '
    made = ["".join(luck.choices(signs, k=luck.randrange(6, 50))) for _ in range(150)]
    made += ["//////", "%%%%%%%", made[0][:6], made[1] + made[2], "pässwörd", "é" * 6]
    values = list(dict.fromkeys(value.encode() for value in made))
    fast = Forms(values)
    monkeypatch.setitem(sys.modules, "hyperscan", None)
    pure = Forms(values)
    alone = [Forms([value]) for value in values]
    writers = [*WRITERS.values(), lambda text: base64.b64encode(text.encode()), lambda text: b"nothing"]
    for _ in range(60):
        parts = [luck.choice(writers)(luck.choice(made)) for _ in range(4)]
        text = luck.choice([b" ", b"\n", b"", b"x"]).join([luck.randbytes(luck.randrange(3)), *parts])
        found = fast.find(text)
        assert found == pure.find(text)
        assert {(one.needle, one.form, one.start) for one in found} == {
            (index, one.form, one.start) for index, forms in enumerate(alone) for one in forms.find(text)
        }
