"""Makes the requests of a planned case: the right delivery, or one wrong in exactly one way. Pure but for chance.

Every request carries a marker, unique to the run and the case, by which an observer finds it.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Request
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.draft import compact
from runbook_tui.webhooks.handshakes import build_handshake, expected
from runbook_tui.webhooks.observer import MOST
from runbook_tui.webhooks.planned import FOREIGN, Planned
from runbook_tui.webhooks.pointers import changed, value_at
from runbook_tui.webhooks.scheme import FORM, Case, Delivery, Expect, Scheme
from runbook_tui.webhooks.signer import build, safe_body, values_of
from runbook_tui.webhooks.tokens import NearMiss
from runbook_tui.webhooks.urls import without_token

_LARGE = 1 << 20  # bytes
_MARKERS = 2  # of one delivery that are looked for
_NOTE = "Grüße, 世界 ✓"


@dataclass(frozen=True)
class Keys:
    """Whose secrets there are; `random` has the form of the new one and belongs to nobody."""

    new: Secret | None
    old: Secret | None
    other: Secret | None
    random: Secret

    def of(self, label: str) -> Secret:
        """RunbookError when it is not known. Another endpoint's is replaced by a random one."""
        found = {"new": self.new, "old": self.old, "other": self.other or self.random}.get(label, self.random)
        if found is None:
            raise RunbookError(f"the {label} secret is not known here")
        return found


@dataclass(frozen=True)
class Made:
    """`answer` is what a handshake asks for; `markers` are the texts by which an effect is found (none, one or two)."""

    delivery: Delivery
    markers: tuple[str, ...] = ()
    answer: Expect | None = None

    def request(self) -> Request:
        one = self.delivery
        return Request(one.method, one.url, [(name, value.strip()) for name, value in one.headers], one.body)


@dataclass(frozen=True)
class Maker:
    """What the cases of one run have in common. `skew`: seconds by which the endpoint's clock is ahead of ours."""

    scheme: Scheme
    url: str
    keys: Keys
    run: str
    facts: Mapping[str, str]
    misses: Sequence[NearMiss] = ()
    skew: float = 0.0

    def make(self, planned: Planned, at: datetime, number: int = 0) -> Made:
        """The request of `planned` at `at`, the `number`th of it.

        RunbookError for a secret in the wrong form (it says which is expected).
        """
        name = "".join(letter for letter in planned.id.lower() if letter.isalnum()) + (f"x{number}" if number else "")
        case = replace(
            planned.case,
            id=planned.id,
            title=planned.title,
            delivery_id=f"irtest_{self.run}_{name}",
            facts=self.facts,
            challenge=f"runbook{secrets.token_hex(8)}",
        )
        if planned.how == "handshake":
            return self._handshake(planned, case, at)
        at, case = self._timed(planned, case, at)
        return self._marked(self._delivery(planned, case, at), case, at)

    def lost(self) -> Request:
        """An unsigned POST to an address that is nobody's, to see what stands before the endpoint."""
        url = f"{without_token(self.url)}/runbook-{secrets.token_hex(6)}"
        return Request("POST", url, [("Content-Type", self.scheme.content_type)], b"{}")

    def _timed(self, planned: Planned, case: Case, at: datetime) -> tuple[datetime, Case]:
        """A time that is stale or ahead by the endpoint's clock too, when that differs from ours."""
        ago = planned.ago + max(0.0, -self.skew) if planned.ago > 0 else planned.ago - max(0.0, self.skew)
        if planned.how == "their-clock":
            ago = -self.skew
        at = at - timedelta(seconds=ago) if planned.ago or planned.how == "their-clock" else at
        if planned.proof_ago is not None:
            case = replace(case, signed_at=at - timedelta(seconds=planned.proof_ago))
        if case.signed_id:
            case = replace(case, signed_id=f"{case.delivery_id}x")
        if case.scope == FOREIGN:
            case = replace(case, scope=_foreign(self.scheme, replace(case, scope=""), at))
        return at, case

    def _delivery(self, planned: Planned, case: Case, at: datetime) -> Delivery:
        scheme, how, url = self.scheme, planned.how, self.url
        if how == "near-miss":
            (miss,) = (one for one in self.misses if one.id == planned.part)
            made = build(scheme, case, None, safe_body(scheme, case, at), at, url)
            return replace(made, url=miss.url)
        body = safe_body(scheme, case, at)
        if how == "pretty":
            body = _pretty(body)
        elif how == "tampered":
            case, body = replace(case, signed_body=body), self._tampered(case, body, planned.part)
        elif how in ("malformed", "empty", "large"):
            body = {"malformed": body[: len(body) * 2 // 3], "empty": b""}.get(how, _large(body))
            return self._unreadable(case, body, at)
        elif any(one.startswith("fields:") for one in scheme.covers) and (case.signed_at or case.signed_id):
            # What is signed stands in the body: the proof is for another one.
            proven = replace(case, delivery_id=case.signed_id or case.delivery_id)
            case = replace(case, signed_body=safe_body(scheme, proven, case.signed_at or at))
        made = build(scheme, case, self._secrets(case), body, at, url)
        if how == "query":
            made = replace(made, url=f"{made.url}{'&' if '?' in made.url else '?'}runbook=1")
        return made

    def _unreadable(self, case: Case, body: bytes, at: datetime) -> Delivery:
        """Signed where a signature over such a body can be made, else without one."""
        try:
            return build(self.scheme, case, self._secrets(case), body, at, self.url)
        except RunbookError:
            bare = replace(self.scheme, code="", headers={})
            return build(bare, replace(case, signed=False), None, body, at, self.url)

    def _secrets(self, case: Case) -> list[Secret] | None:
        return [self.keys.of(label) for label in case.secrets] if case.signed else None

    def _handshake(self, planned: Planned, case: Case, at: datetime) -> Made:
        one = next(one for one in (*self.scheme.probes, *self.scheme.abuse) if one.name == planned.part)
        needs = one.signed or self.scheme.kind == "url-token"
        secret = self.keys.of("new") if needs else None
        delivery = build_handshake(self.scheme, one, case, secret, at, self.url)
        known = self.keys.new if self.scheme.kind != "vendor-key" else None
        answer = expected(self.scheme, one, case, known, at)
        return Made(delivery, self._marked(delivery, case, at).markers, answer)

    def _marked(self, delivery: Delivery, case: Case, at: datetime) -> Made:
        """The words of body and headers that hold the delivery's id, or the UUID that stands for it."""
        text = "\n".join([delivery.body.decode("utf-8", "replace"), *(value for _, value in delivery.headers)])
        values = values_of(self.scheme, case, at)
        words: dict[str, None] = {}
        for name in ("id", "uuid"):
            near = re.finditer(rf"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{{0,40}}{re.escape(values[name])}[A-Za-z0-9_-]*", text)
            words |= dict.fromkeys(found.group() for found in near)
        return Made(delivery, tuple(word for word in words if len(word) <= MOST and word[0].isalnum())[:_MARKERS])

    def _tampered(self, case: Case, body: bytes, pointer: str) -> bytes:
        """`body` with one value changed: at `pointer`, or the first one that is neither event, id, scope nor marker."""
        if (case.content_type or self.scheme.content_type) == FORM:
            pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True)
            return urlencode([*pairs[:-1], (pairs[-1][0], f"{pairs[-1][1]}1")]).encode("ascii")
        data = json.loads(body)
        if not pointer:
            kept = [
                place.removeprefix("body:") for place in (self.scheme.event, self.scheme.scope, self.scheme.delivery_id)
            ]
            leaves = _leaves(data)
            if not leaves:
                raise RunbookError(
                    "the body holds no value", "give one with a value in it, to be changed after signing"
                )
            free = [one for one, value in leaves if one not in kept and case.delivery_id not in str(value)]
            pointer = free[0] if free else leaves[0][0]
        was = value_at(data, pointer)
        made = compact(changed(data, pointer, _other(was)))
        if made == body or value_at(json.loads(made), pointer) == was:
            raise AssertionError("the value was not changed")
        return made


def random_like(scheme: Scheme, secret: Secret | None) -> Secret:
    """A secret that nobody has, in the scheme's form, and of the same length as `secret` where that travels."""
    if scheme.key == "pem":
        return Secret(_pem(scheme.alg))
    if scheme.key in ("whsec", "whsk", "b64"):
        raw = base64.b64encode(secrets.token_bytes(32)).decode("ascii")
        prefix = {"whsec": "whsec_", "whsk": "whsk_"}.get(scheme.key, scheme.key_prefix)
        return Secret(prefix + raw)
    if scheme.key == "hex":
        return Secret(scheme.key_prefix + secrets.token_hex(32))
    length = len(secret.expose_bytes()) if secret is not None else 32
    return Secret((scheme.key_prefix + secrets.token_hex(max(32, length)))[: max(length, len(scheme.key_prefix) + 8)])


def _pem(alg: str) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    key: Any
    if alg == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    elif alg == "ecdsa-p256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(65537, 2048)
    plain = serialization.NoEncryption()
    text: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return text.decode("ascii")


def _foreign(scheme: Scheme, case: Case, at: datetime) -> str:
    """A project or account of nobody's, of the kind that the safe event shows."""
    event = scheme.variants[case.variant] if case.variant else scheme.safe_event
    place = event.scope or scheme.scope
    if place.startswith("body:"):
        body = safe_body(scheme, case, at)
        if (case.content_type or scheme.content_type) != FORM:
            with suppress(RunbookError):  # the safe event may not name one
                was = value_at(json.loads(body), place.removeprefix("body:"))
                return "987654321" if isinstance(was, int) else "runbook-foreign"
    return "runbook-foreign"


def _pretty(body: bytes) -> bytes:
    data = json.loads(body)
    if isinstance(data, dict):
        data = {**data, "runbook_note": _NOTE}
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _large(body: bytes) -> bytes:
    padding = b"x" * _LARGE
    return body[:-1] + b',"padding":"' + padding + b'"}' if body.endswith(b"}") else body + b"&padding=" + padding


def _leaves(data: Any, pointer: str = "") -> list[tuple[str, Any]]:
    if isinstance(data, dict):
        inner = [(f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", value) for name, value in data.items()]
    elif isinstance(data, list):
        inner = [(f"{pointer}/{index}", value) for index, value in enumerate(data)]
    else:
        return [(pointer, data)]
    return [leaf for place, value in inner for leaf in _leaves(value, place)]


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return f"{value}1" if isinstance(value, str) else "runbook"
