"""What a webhook scheme is: how one vendor proves that a delivery comes from it.

A scheme is data (`schemes/*.yaml`, read by `registry`; the file's fields are described there). `signer.build` turns it
into a delivery; nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runbook_tui.webhooks.template import Statuses, Template

KINDS = {
    "shared": "sender and receiver hold one key; the sender signs with it",
    "bearer": "the secret itself travels in a header, or in the body where a code hook puts it",
    "url-token": "the secret is a part of the URL's path; nothing is signed",
    "vendor-key": "only the vendor holds the signing key",
}
KEY_FORMS = {
    "raw": "the text as shown by the vendor, used byte for byte (a prefix stays in)",
    "b64": "standard base64 with its padding, decoded before use",
    "hex": "an even number of hexadecimal digits, decoded before use",
    "whsec": "`whsec_` followed by base64 of 24 to 64 bytes; the prefix is dropped and the rest decoded",
    "whsk": "`whsk_` followed by base64 of an Ed25519 private key (32 bytes, or 64 with its public half)",
    "pem": "a private key in PEM form: of a test key pair, since the vendor never hands out its own",
}
# Ways in which a receiver may have read the same secret: each makes one labelled diagnostic delivery (`Case.form`).
WRONG_FORMS = {
    "raw": "the whole text, not decoded",
    "b64": "decoded from base64",
    "hex": "decoded from hexadecimal",
    "stripped": "the text after the prefix, not decoded",
    "newline": "the whole text with a line break at its end",
}
HMACS = ("hmac-sha1", "hmac-sha256", "hmac-sha512")
PUBLIC_KEY = ("ed25519", "ecdsa-p256", "rsa-sha1", "rsa-sha256")  # made with the private key of a pair
ALGORITHMS = (*HMACS, "sha256", *PUBLIC_KEY, "none")  # sha256: a plain digest, with the secret inside what is signed
FORM = "application/x-www-form-urlencoded"
ENCODINGS = ("hex", "b64", "b64url")

# Token of a `signed` template -> what it makes the signature cover ("" = nothing that a stranger could change).
SIGNED_TOKENS = {
    "body": "body",
    "id": "id",
    "uuid": "id",
    "ts": "ts",
    "ts_ms": "ts",
    "ts_iso": "ts",
    "ts_z": "ts",
    "url": "url",
    "method": "method",
    "secret": "",
}
BODY_TOKENS = ("id", "uuid", "ts", "ts_ms", "ts_iso", "ts_z")
HEADER_TOKENS = ("sig", "sig2", "sigs", "secret", *BODY_TOKENS, "event")
PROBE_TOKENS = ("challenge", "challenge_mac", *BODY_TOKENS)
PROOF_TOKENS = frozenset({"sig", "sig2", "sigs", "secret"})  # an unsigned delivery leaves out headers with one of these

SPOILS = {
    "junk": "a proof of the right length and alphabet that nobody made",
    "empty": "an empty proof",
    "truncated": "the first half of the right proof",
    "prefix": "the right proof under another version prefix",
    "twice": "the header two times, junk first",
}


_SUCCESS, _REFUSAL = Statuses(("2xx",)), Statuses(("4xx",))


@dataclass(frozen=True)
class Signatures:
    """Several signatures in one header, as during a roll: `each` holds `{sig}`, `join` stands between them."""

    each: Template
    join: str


@dataclass(frozen=True)
class Answers:
    """What a good endpoint answers: to a valid delivery, to the same once more, and to one it must refuse."""

    ok: Statuses = _SUCCESS
    duplicate: Statuses = _SUCCESS
    bad: Statuses = _REFUSAL


@dataclass(frozen=True)
class Tolerance:
    """How far a time may lie from the receiver's clock, in seconds; `future` None: never refused for it."""

    past: int
    future: int | None
    enforced: str  # sdk | doc: who refuses


@dataclass(frozen=True)
class SafeEvent:
    """An event that a receiver takes without doing anything: what a test against a real endpoint sends.

    Strings in `body` may hold BODY_TOKENS; a string that is only `{ts}` or `{ts_ms}` becomes a number. `caution` is
    said when the endpoint accepts what it should refuse.
    """

    event: str
    body: Mapping[str, Any] | list[Any]
    caution: str = ""
    scope: str = ""  # of a variant that has it elsewhere than Scheme.scope says


@dataclass(frozen=True)
class Expect:
    """An answer, as far as it matters: its texts may hold PROBE_TOKENS until `handshakes.expected` fills them.

    `json`: the members (or the value) the answer's JSON must have at least. `text`: the whole body, white space around
    it aside. `holds`: a text somewhere in the body. `headers`: name -> value. `content_type`: its beginning. None or ""
    asks for nothing.
    """

    status: Statuses
    json: Any = None
    text: str | None = None
    holds: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""


@dataclass(frozen=True)
class Handshake:
    """A request that is not an event: a vendor's probe of the endpoint, or an abuse of one.

    `body` is JSON data with PROBE_TOKENS, a text, or None (no body). For a probe `answer` is what a good endpoint
    answers; for an abuse it is what only a faulty one answers. `acts`: the endpoint may change something because of it.
    """

    name: str
    title: str
    method: str
    signed: bool
    query: Mapping[str, Template]
    headers: Mapping[str, Template]
    body: Any
    answer: Expect
    acts: bool = False
    why: str = ""


@dataclass(frozen=True)
class Scheme:
    """One way of proving where a delivery comes from."""

    id: str
    name: str
    kind: str  # one of KINDS
    key: str  # one of KEY_FORMS
    key_prefix: str
    alg: str  # one of ALGORITHMS
    signed: Template  # empty when `code` says what is signed
    enc: str  # one of ENCODINGS
    headers: Mapping[str, Template]
    covers: tuple[str, ...]  # what a change of must break the signature: body, fields:<pointer>, ts, id, url, method
    delivery_id: str  # where the idempotency id stands: header:<name>, body:<JSON pointer>, or "" (none)
    tolerance: Tolerance | None
    answer_within: float  # seconds the vendor waits for an answer; 0 = not published
    safe_event: SafeEvent
    source: str
    checked_on: str  # YYYY-MM-DD
    content_type: str = "application/json"
    notes: str = ""
    code: str = ""  # name of the hook (hooks/<name>.py) that says what is signed and where the proof goes
    sigs: Signatures | None = None
    event: str = ""  # where the event's name stands: header:<name> or body:<JSON pointer>
    scope: str = ""  # where the project, account or app stands, likewise
    answers: Answers = Answers()
    probes: tuple[Handshake, ...] = ()
    abuse: tuple[Handshake, ...] = ()
    min_token_bytes: int = 0  # random bytes a path token should have; 0 = no URL token
    variants: Mapping[str, SafeEvent] = field(default_factory=dict)  # other envelopes of the same event
    forms: tuple[str, ...] = ()  # of WRONG_FORMS, worth a diagnosis
    facts: Mapping[str, str] = field(default_factory=dict)  # what else a signature needs: name -> what it is
    roll_window: int = 0  # seconds for which the vendor, or its own receiver, keeps the old secret after a roll
    vectors: tuple[str, ...] = ()  # ids of published vectors that the tests recompute
    unconfirmed: tuple[str, ...] = ()  # statements of this file that no source was read for

    @property
    def carries_secret(self) -> bool:
        """The request holds the secret itself, not only a proof made with it."""
        return self.kind in ("bearer", "url-token")

    @property
    def spoils(self) -> tuple[str, ...]:
        """Those of SPOILS that say something here: the last two concern a header, and a proof may stand elsewhere."""
        in_header = any(template.tokens & PROOF_TOKENS for template in self.headers.values())
        return tuple(SPOILS) if in_header else tuple(how for how in SPOILS if how not in ("prefix", "twice"))

    @property
    def rolls(self) -> bool:
        """One delivery can hold proofs made with several secrets."""
        return self.sigs is not None or any("sig2" in template.tokens for template in self.headers.values())


@dataclass(frozen=True)
class Case:
    """How one delivery is made, and what a good endpoint does with it.

    `delivery_id` must be new for every delivery, or a receiver that drops duplicates answers from memory. The fields
    from `proof` on make the delivery wrong in one way each; left alone, it is right.
    """

    id: str
    title: str
    accept: bool = True  # a good endpoint accepts it
    signed: bool = True  # False: without the header, the body part or the path token that proves the sender
    delivery_id: str = ""
    event: str = ""  # "" = the safe event's
    content_type: str = ""  # "" = the scheme's
    secrets: tuple[str, ...] = ("new",)  # whose secrets, in the order of their signatures: new | old | other | random
    scope: str = ""  # "" = the safe event's
    variant: str = ""  # a name of Scheme.variants
    method: str = "POST"
    facts: Mapping[str, str] = field(default_factory=dict, repr=False)  # values of Scheme.facts
    challenge: str = ""  # what a handshake asks to have back
    proof: str = ""  # one of SPOILS
    form: str = ""  # one of WRONG_FORMS: read the secret in this way
    alg: str = ""  # another of HMACS
    signed_at: datetime | None = None  # the proof is made for this time, the delivery shows its own
    signed_id: str = ""  # the proof is made for this id, the delivery shows `delivery_id`
    signed_body: bytes | None = field(default=None, repr=False)  # the proof is made for this body, another is sent


@dataclass(frozen=True)
class Delivery:
    """One request, ready to send. Its `repr` shows neither URL nor headers: they may hold a secret."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
