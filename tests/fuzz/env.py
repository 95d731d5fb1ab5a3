"""Env files: one variable is set, every other byte and every other value stays, and the second time changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import atheris

from runbook_tui.conductor.envfile import _values, set_variable
from runbook_tui.foundation.errors import RunbookError


def seeds() -> Iterator[bytes]:
    for text in (
        "K=old\nB='a b'\n",
        'export K="x y" # c\n',
        "K=a\\\n b\n",
        "K='it\n's\n",
        "\ufeffK=1\r\nL=2\r\n",
        "#K=1\nK =2",
    ):
        yield b"\x05value" + text.encode()
        yield text.encode()


def one(data: bytes) -> None:
    given = atheris.FuzzedDataProvider(data)
    value = "".join(char for char in given.ConsumeUnicodeNoSurrogates(12) if char not in "\r\n\0")
    text = given.ConsumeUnicodeNoSurrogates(400)
    try:
        changed = set_variable(text, "K", value)
    except RunbookError:
        assert set(text) & set("'\"\\")  # a quote that is never closed, or a line that goes on
        return
    assert set_variable(changed, "K", value) == changed
    others = [text[start:end] for name, start, end in _values(text) if name != "K"]
    assert [changed[start:end] for name, start, end in _values(changed) if name != "K"] == others
    ours = {changed[start:end] for name, start, end in _values(changed) if name == "K"}
    assert ours
