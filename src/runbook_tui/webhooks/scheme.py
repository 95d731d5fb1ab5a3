"""What a webhook scheme is: how one vendor proves that a delivery comes from it.

A scheme is data (`schemes/*.yaml`, read by `registry`). `signer.build` turns it into a delivery; nothing here does I/O.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = {
    "shared": "sender and receiver hold one key; the sender signs with it",
    "bearer": "the secret itself travels in a header",
    "url-token": "the secret is a part of the URL's path; nothing is signed",
    "vendor-key": "only the vendor holds the signing key",
}
KEY_FORMS = {
    "raw": "the text as shown by the vendor, used byte for byte (a prefix stays in)",
    "b64": "standard base64 with its padding, decoded before use",
    "hex": "an even number of hexadecimal digits, decoded before use",
    "whsec": "`whsec_` followed by base64 of 24 to 64 bytes; the prefix is dropped and the rest decoded",
}
ALGORITHMS = ("hmac-sha1", "hmac-sha256", "hmac-sha512", "none")
ENCODINGS = ("hex", "b64")

# Token of a `signed` template -> what it makes the signature cover.
SIGNED_TOKENS = {
    "body": "body",
    "body_sorted": "body",  # the body re-written as JSON with sorted keys (canonical.py)
    "id": "id",
    "ts": "ts",
    "ts_ms": "ts",
    "ts_iso": "ts",
    "url": "url",
    "method": "method",
}
HEADER_TOKENS = ("sig", "secret", "id", "uuid", "ts", "ts_ms", "ts_iso", "event")
BODY_TOKENS = ("id", "uuid", "ts", "ts_ms", "ts_iso")
PROOF_TOKENS = frozenset({"sig", "secret"})  # a header with one of these is what an unsigned delivery leaves out

_TOKEN = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Template:
    """Text with `{token}` parts and nothing cleverer: no expressions, no formats, no escapes."""

    source: str
    parts: tuple[tuple[str, bool], ...]  # (text, False) or (token, True)

    @classmethod
    def parse(cls, source: str, allowed: tuple[str, ...]) -> Template:
        """ValueError, in words for the author of the file, when `source` is not such a text."""
        parts: list[tuple[str, bool]] = []
        end = 0
        for match in _TOKEN.finditer(source):
            parts.append((source[end : match.start()], False))
            if match.group(1) not in allowed:
                known = ", ".join("{" + name + "}" for name in allowed)
                raise ValueError(f"unknown token {match.group()} (known: {known})")
            parts.append((match.group(1), True))
            end = match.end()
        parts.append((source[end:], False))
        if any("{" in text or "}" in text for text, is_token in parts if not is_token):
            raise ValueError("a brace that belongs to no token")
        return cls(source, tuple(part for part in parts if part[0]))

    @property
    def tokens(self) -> frozenset[str]:
        return frozenset(text for text, is_token in self.parts if is_token)

    def text(self, values: Mapping[str, str]) -> str:
        return "".join(values[text] if is_token else text for text, is_token in self.parts)

    def data(self, values: Mapping[str, bytes]) -> bytes:
        return b"".join(values[text] if is_token else text.encode() for text, is_token in self.parts)


@dataclass(frozen=True)
class Tolerance:
    """How far a signed time may lie from the receiver's clock, in seconds; `future` None: never refused for it."""

    past: int
    future: int | None
    enforced: str  # sdk | doc: who refuses


@dataclass(frozen=True)
class SafeEvent:
    """An event that a receiver takes without doing anything: what a test against a real endpoint sends.

    Strings in `body` may hold `{id}`, `{uuid}`, `{ts}`, `{ts_ms}`, `{ts_iso}`; a string that is only `{ts}` or
    `{ts_ms}` becomes a number. `caution` is said when the endpoint accepts what it should refuse.
    """

    event: str
    body: Mapping[str, Any] | list[Any]
    caution: str = ""


@dataclass(frozen=True)
class Scheme:
    """One way of proving where a delivery comes from. Fields are described in docs of the YAML format (`registry`)."""

    id: str
    name: str
    kind: str  # one of KINDS
    key: str  # one of KEY_FORMS
    key_prefix: str
    alg: str  # one of ALGORITHMS
    signed: Template
    enc: str  # one of ENCODINGS
    headers: Mapping[str, Template]
    covers: tuple[str, ...]  # what a change of must break the signature: body, ts, id, url, method
    delivery_id: str  # where the idempotency id stands: header:<name>, body:<JSON pointer>, or "" (none)
    tolerance: Tolerance | None
    answer_within: float  # seconds the vendor waits for an answer; 0 = not published
    safe_event: SafeEvent
    source: str
    checked_on: str  # YYYY-MM-DD
    content_type: str = "application/json"
    notes: str = ""

    @property
    def carries_secret(self) -> bool:
        """The request holds the secret itself, not only a proof made with it."""
        return self.kind in ("bearer", "url-token")

    def facts(self) -> dict[str, Any]:
        """Plain data for `webhook schemes --json`."""
        tolerance = self.tolerance
        return {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "key": self.key,
            "alg": self.alg,
            "signed": self.signed.source,
            "enc": self.enc,
            "headers": {name: template.source for name, template in self.headers.items()},
            "covers": list(self.covers),
            "delivery_id": self.delivery_id,
            "tolerance": None
            if tolerance is None
            else {"past": tolerance.past, "future": tolerance.future, "enforced": tolerance.enforced},
            "answer_within": self.answer_within,
            "safe_event": self.safe_event.event,
            "source": self.source,
            "checked_on": self.checked_on,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class Case:
    """How one delivery is made, and what a good endpoint does with it.

    `delivery_id` must be new for every delivery, or a receiver that drops duplicates answers from memory.
    """

    id: str
    title: str
    accept: bool = True  # a good endpoint accepts it
    signed: bool = True  # False: without the header, or without the path token, that proves the sender
    delivery_id: str = ""
    event: str = ""  # "" = the scheme's safe event
    content_type: str = ""  # "" = the scheme's


@dataclass(frozen=True)
class Delivery:
    """One request, ready to send. Its `repr` shows neither URL nor headers: they may hold a secret."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
