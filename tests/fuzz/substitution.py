# ruff: noqa: PT017 - a finding is an exception, wherever it is raised
"""Substitution: a value or a clear refusal for any template; no value changes the structure around it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import atheris

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Request, _check_headers
from runbook_tui.net.fault import NetFault
from runbook_tui.net.origin import check
from runbook_tui.playbook.conditions import holds, problem
from runbook_tui.playbook.values import mistakes, references, resolve
from runbook_tui.providers.drafting import Draft

BASE = "https://api.example.com/v1"


def seeds() -> Iterator[bytes]:
    for text in (
        "$a.b",
        "/keys/$(a.b)/x",
        "$$5 $(a.b) $",
        "$(",
        "${a}",
        "$a.0",
        "../$(v)",
        "\r\nHost: x",
        "%2e%2e",
        "☃/\u202e",
    ):
        yield text.encode()
        yield b"\x01" + text.encode("utf-16-le")


def one(data: bytes) -> None:
    given = atheris.FuzzedDataProvider(data)
    value = given.ConsumeUnicodeNoSurrogates(60)
    template(given.ConsumeUnicodeNoSurrogates(60), value)
    place(value)
    condition(given, value)


def template(text: str, value: str) -> None:
    scope: dict[str, Any] = {"a": {"b": value, "c": [value, 1]}, "v": value, "n": 5}
    try:
        resolved = resolve({text: [text]}, scope)
    except RunbookError:
        resolved = None
    if resolved is not None:
        # What the linter passes, the run resolves to the same thing: a value is never looked at again.
        assert mistakes(text) is None
        if not list(references(text)):
            assert resolved[text][0] == text.replace("$$", "$")


def place(value: str) -> None:
    """A path segment, a query, JSON, a form and a header, read back by somebody else's parser."""
    scope = {"v": value}
    path = str(resolve("/keys/$(v)/end", scope, lambda text: quote(text, safe="")))
    made = Draft("POST", BASE, path, query=[("q", value), ("z", "1")], json={"k": value, "z": 1})
    parts = urlsplit(made.url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.example.com", "")
    assert len(parts.path.split("/")) == 5
    assert unquote(parts.path.split("/")[3]) == value
    assert parse_qsl(parts.query, keep_blank_values=True) == [("q", value), ("z", "1")]
    assert json.loads(made.body()) == {"k": value, "z": 1}
    form = Draft("POST", BASE, "/x", form={"k": value, "l": [value]})
    assert parse_qsl(form.body().decode(), keep_blank_values=True) == [("k", value), ("l[]", value)]
    for refusable in (lambda: check(made.url, [BASE]), lambda: _check_headers(Request("GET", BASE, [("X-V", value)]))):
        try:
            refusable()
        except NetFault as fault:
            assert not fault.sent
            continue
    if all(" " <= char <= "~" for char in value) and value == value.strip():
        _check_headers(Request("GET", BASE, [("X-V", value)]))
    else:
        try:
            _check_headers(Request("GET", BASE, [("X-V", value)]))
        except NetFault:
            return
        raise AssertionError("a header took what does not belong in one")


def condition(given: atheris.FuzzedDataProvider, value: str) -> None:
    try:
        made = json.loads(given.ConsumeUnicodeNoSurrogates(sys.maxsize))
    except (ValueError, RecursionError):
        return
    if problem(made) is None:
        holds(made, {"a": {"b": value, "n": 1, "l": [value]}, "steps": {}})
