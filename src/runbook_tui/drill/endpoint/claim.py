"""What a delivery says in its own favour: the proofs it holds, and the bytes they are about.

Read straight from the scheme's templates with the standard library. Nothing of the signer is used, so that what is
wrong there shows here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runbook_tui.drill.endpoint.setup import Arrived, Setup
from runbook_tui.webhooks.scheme import Scheme
from runbook_tui.webhooks.template import Template

_SIGNATURES = ("sig", "sig2", "sigs")
_MOST_STAMP = 15  # digits; no time has more
# Vendors whose time stands in the body alone: member, and how many of its units make a second.
_BODY_TIME = {"linear": ("webhookTimestamp", 1000)}


class Unproven(Exception):
    """The delivery cannot be what it says; the text is the reason in a few words."""


@dataclass(frozen=True)
class Claim:
    """`proofs` as text, over `content`; `stamp` is the signed time in seconds since 1970, None when none is signed."""

    proofs: tuple[str, ...]
    content: bytes
    stamp: float | None
    alg: str
    enc: str


def read(setup: Setup, arrived: Arrived, secret: str) -> Claim:
    """The claim of a scheme that is described by templates; Unproven when something is missing."""
    scheme = setup.scheme
    proofs: list[str] = []
    values: dict[str, str] = {}
    for name, template in scheme.headers.items():
        if not template.tokens:
            continue
        given = arrived.all(name)
        if len(given) > 1 and template.tokens & set(_SIGNATURES):
            raise Unproven("the signature came twice")
        found = _pattern(template).fullmatch(given[0].strip()) if given else None
        if found is None:
            continue
        for part, value in found.groupdict().items():
            if part == "sigs":
                proofs += _separate(scheme, value)
            elif part in _SIGNATURES:
                proofs.append(value)
            else:
                values.setdefault(part, value)
    if not any(proofs):
        raise Unproven("no signature")
    body = rendered(arrived.body) if setup.has("reserialises") else arrived.body
    known = {name: value.encode() for name, value in values.items()}
    url = setup.url.partition("?")[0] + (f"?{arrived.query}" if arrived.query else "")
    known |= {"body": body, "url": url.encode(), "method": arrived.method.encode(), "secret": secret.encode()}
    known |= {name: value.encode() for name, value in setup.facts.items()}
    missing = scheme.signed.tokens - known.keys()
    if missing:
        raise Unproven(f"no {', '.join(sorted(missing))}")
    content = b"".join(known[text] if token else text.encode() for text, token in scheme.signed.parts)
    stamp = _stamp(values) if "ts" in scheme.covers else _body_stamp(scheme, arrived.body)
    return Claim(tuple(proofs), content, stamp, scheme.alg, scheme.enc)


def rendered(body: bytes) -> bytes:
    """The JSON of `body` as a program would write it again; `body` itself when it is no JSON."""
    with suppress(ValueError):
        return json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    return body


def instant(text: str) -> float:
    """Seconds since 1970 of an ISO time; Unproven when it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Unproven("the time cannot be read") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def seconds(text: str, units: int = 1) -> float:
    """Seconds since 1970 of a number of whole units; Unproven when it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_STAMP):
        raise Unproven("the time cannot be read")
    return int(text) / units


def _pattern(template: Template) -> re.Pattern[str]:
    made = ""
    for text, token in template.parts:
        if not token:
            made += re.escape(text)
        elif f"(?P<{text}>" in made:
            made += f"(?P={text})"
        else:
            made += f"(?P<{text}>.*)" if text in _SIGNATURES else f"(?P<{text}>[^,;\\s]*)"
    return re.compile(made)


def _separate(scheme: Scheme, value: str) -> list[str]:
    if scheme.sigs is None:
        return [value]
    each = _pattern(scheme.sigs.each)
    pieces = (each.fullmatch(piece.strip()) for piece in value.split(scheme.sigs.join))
    return [found.group("sig") for found in pieces if found is not None]


def _stamp(values: Mapping[str, str]) -> float | None:
    if "ts" in values:
        return seconds(values["ts"])
    if "ts_ms" in values:
        return seconds(values["ts_ms"], 1000)
    for name in ("ts_iso", "ts_z"):
        if name in values:
            return instant(values[name])
    return None


def _body_stamp(scheme: Scheme, body: bytes) -> float | None:
    if scheme.id not in _BODY_TIME:
        return None
    member, units = _BODY_TIME[scheme.id]
    with suppress(ValueError):
        data: Any = json.loads(body)
        if isinstance(data, dict) and isinstance(data.get(member), int):
            return float(data[member]) / units
    raise Unproven("no time in the body")
