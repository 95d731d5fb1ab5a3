"""Short texts are not searched: nothing may hide in one."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runbook_tui.secrets.forms import forms_of, why_refused
from runbook_tui.secrets.redaction import Redactor
from runbook_tui.secrets.secret import Secret

# What shortens a value on its way: blanks around lines, runs of backslashes, line breaks.
ODD = st.text(alphabet="ab1\\ \t\n\r\"'é", min_size=8, max_size=16)


@settings(max_examples=400, deadline=None)
@given(value=ODD, cut=st.integers(0, 16))
def test_what_the_search_finds_is_never_skipped(value: str, cut: int) -> None:
    """Promise: a text that is too short to be searched holds no form of the secret that the search would find."""
    assume(not why_refused(value.encode()))
    redactor = Redactor()
    redactor.add(Secret(value), "key")
    squeezed = "\n".join(line.strip(" \t") for line in value.splitlines())
    for text in (value, squeezed, value[:cut], squeezed[:cut], squeezed.replace("\n", "")):
        assert (redactor.text(text) != text) == bool(redactor._find(text))


@settings(max_examples=200, deadline=None)
@given(value=ODD)
def test_every_unit_of_a_form_takes_a_character(value: str) -> None:
    """What the length of an anchor in characters rests on."""
    assume(not why_refused(value.encode()))
    from re import fullmatch

    for form in forms_of(value.encode()):
        assert not any(fullmatch(option, "") for unit in form.units for option in unit)
