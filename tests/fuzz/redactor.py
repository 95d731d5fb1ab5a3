"""The redactor: no listed form of a known secret is left, doing it twice changes nothing, other text stays."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
from collections.abc import Callable, Iterator

import atheris

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.redaction import Redactor
from runbook_tui.secrets.secret import Secret

FORMS: tuple[Callable[[str], str], ...] = (
    lambda v: v,
    lambda v: urllib.parse.quote(v, safe=""),
    urllib.parse.quote_plus,
    lambda v: urllib.parse.quote(urllib.parse.quote(v, safe=""), safe=""),
    lambda v: json.dumps(v)[1:-1],
    lambda v: json.dumps(v, ensure_ascii=False)[1:-1],
    lambda v: json.dumps(json.dumps(v)[1:-1])[1:-1],
    html.escape,
    lambda v: v.encode().hex(),
    lambda v: base64.b64encode(v.encode()).decode(),
    lambda v: base64.urlsafe_b64encode(v.encode()).decode(),
    lambda v: v[:12],
)


def seeds() -> Iterator[bytes]:
    yield b"\x00FAKE-secret+value/0123\x00before\x00after"
    for number in range(len(FORMS)):
        yield bytes([number]) + b"sk-FAKE0123456789abcdef" + bytes([number]) * 9 + b"key=\n  "
    yield b"\x04back\\slash\"quote'1234"


def one(data: bytes) -> None:
    given = atheris.FuzzedDataProvider(data)
    write = FORMS[given.ConsumeIntInRange(0, len(FORMS) - 1)]
    value = given.ConsumeUnicodeNoSurrogates(24)
    before, after = given.ConsumeUnicodeNoSurrogates(20), given.ConsumeUnicode(20)
    redactor = Redactor()
    try:
        redactor.add(Secret(value), "known")
    except (RunbookError, ValueError):
        return
    if "«" in value or "known" in value or value != value.strip() or any(ord(char) < 32 for char in value):
        return  # the mark itself, or a value of several lines, whose lines are tested elsewhere
    if write is FORMS[-1] and "\\" in value:
        return  # a run of backslashes counts as one character of a prefix: escaping may have doubled it
    form = write(value)
    text = f"{before}\n{form}\n{after}"
    out = redactor.text(text)
    assert form not in out or form in "«known»", "a form is left"
    assert redactor.text(out) == out, "not idempotent"
    assert "«known»" in out
    alone = redactor.text(before)
    assert alone == before or "«known»" in alone
