"""What others write into headers and answers: signatures, link, retry-after, date; templates of a scheme; JSON, XML."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from runbook_tui.drill.endpoint.acts import Acts
from runbook_tui.drill.endpoint.behaviour import Endpoint
from runbook_tui.drill.endpoint.setup import Arrived, Setup
from runbook_tui.foundation import strict_json
from runbook_tui.net.client import Answer
from runbook_tui.providers.answers import _instant, parse_answer, tidy
from runbook_tui.providers.manifest import RateLimit
from runbook_tui.providers.pacing import LONGEST, demanded
from runbook_tui.providers.paging import _NEXT
from runbook_tui.webhooks import transport
from runbook_tui.webhooks.probing import Reply
from runbook_tui.webhooks.registry import Schemes
from runbook_tui.webhooks.scheme import HEADER_TOKENS, Template

_SCHEMES = Schemes.load()
_NOW = datetime(2026, 11, 21, 22, 4, tzinfo=UTC)
_LIMIT = RateLimit(remaining="x-left", reset="x-reset", reset_form="epoch")
_KEY = "whsec_" + "RkFLRS1GQUtFLUZBS0UtRkFLRS1GQUtF"


def seeds() -> Iterator[bytes]:
    yield b"s" + b"v1,AAAA v1,BBBB|1795298640|msg_1"
    yield b"f" + b"AAAA"
    yield b"l" + b'<https://a.example/x?page=2>; rel="next", <https://a.example/y>; rel=last'
    for text in (b"120", b"Sat, 21 Nov 2026 22:04:00 GMT", b"Mon, 01 Jan 2024 00:00:00 +9999999999", b"inf", b"1e400"):
        yield b"r" + text
    yield b"t" + b"t={ts},v1={sig}"
    yield b"j" + b'{"a": [1, 1e999, "\\ud800", {"created_at": 1700000000000}], "b": null}'
    yield b"x" + b"<?xml version='1.0'?><Errors><Error><Code>x</Code></Error><list><member>1</member></list></Errors>"


def one(data: bytes) -> None:
    kind, text = data[:1], data[1:].decode("latin-1")
    if kind in (b"s", b"f"):
        signature, _, rest = text.partition("|")
        stamp, _, message = rest.partition("|")
        names = {"webhook-signature": signature, "webhook-timestamp": stamp, "webhook-id": message}
        scheme, key = ("standard-webhooks", _KEY) if kind == b"s" else ("fastpix", "QUJD")
        headers = tuple({**names, "fastpix-signature": signature}.items())
        endpoint = Endpoint(Setup(_SCHEMES.get(scheme), key), Acts())
        assert endpoint.answer(Arrived("POST", "", "", headers, b"{}"), _NOW.timestamp()).status // 100 == 4
    elif kind == b"l":
        found = _NEXT.search(text)
        assert found is None or "<" not in found[1]
    elif kind == b"r":
        headers = {"retry-after": text, "x-left": "0", "x-reset": text}
        assert not demanded(_LIMIT, 429, headers, _NOW) > LONGEST
        transport._skew(Reply(status=401, headers={"date": text}, at=_NOW))
    elif kind == b"t":
        try:
            made = Template.parse(text, HEADER_TOKENS)
        except ValueError:
            return
        assert made.text({name: f"{{{name}}}" for name in HEADER_TOKENS}) == text
    else:
        parsed = parse_answer(Answer(200, [], data[1:], 0.1), "xml" if kind == b"x" else "json")
        shown = tidy(parsed.body)
        assert "\x1b" not in repr(shown)
        str(shown).encode()
        if isinstance(parsed.body, list):
            for part in parsed.body:
                _instant("created_at", part)
        if kind == b"j" and parsed.readable and parsed.body is not None:
            strict_json.loads(data[1:])
