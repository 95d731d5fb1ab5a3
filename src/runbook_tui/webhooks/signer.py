"""Makes deliveries. Pure: what is signed, when and for whom all come in as arguments.

The bytes that are signed are the bytes that are sent; nothing is parsed and written again on the way. (NOWPayments
signs a re-written form of the body by design; the body itself is still sent as it came in.)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.canonical import sorted_json
from runbook_tui.webhooks.keys import signing_key, travelling_text
from runbook_tui.webhooks.scheme import PROOF_TOKENS, Case, Delivery, Scheme, Template
from runbook_tui.webhooks.urls import with_token, without_token

_METHOD = "POST"
_NUMBERS = frozenset({"{ts}", "{ts_ms}"})
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_UUID_SPACE = uuid.UUID("5b0ee9ba-3f6c-5d0c-9d0e-6f2f0a1d7c11")  # ours alone, so that ids of two programs never meet


def build(scheme: Scheme, case: Case, secret: Secret | None, body: bytes, at: datetime, url: str) -> Delivery:
    """The request of one case. `at` is an aware time; `url` is the endpoint without a path token.

    An unsigned case needs no secret and leaves out every header, or the path part, that proves the sender.
    RunbookError when the secret has the wrong form (the message says which one is expected), when the scheme cannot be
    signed by anybody but the vendor, or when the body does not suit the scheme.
    """
    if not case.signed:
        values = _values(scheme, case, at)
        target = without_token(url) if scheme.kind == "url-token" else url
        return Delivery(_METHOD, target, _headers(scheme, case, values), body)
    if scheme.kind == "vendor-key":
        raise RunbookError(
            f"only {scheme.name} can sign its deliveries", "trigger a test delivery in the vendor's dashboard"
        )
    if secret is None:
        raise RunbookError("a signed delivery needs the secret")
    values = _values(scheme, case, at)
    if scheme.kind == "shared":
        values["sig"] = _signature(scheme, secret, body, values, url)
    else:
        values["secret"] = travelling_text(scheme, secret)
    target = with_token(url, values["secret"]) if scheme.kind == "url-token" else url
    return Delivery(_METHOD, target, _headers(scheme, case, values), body)


def safe_body(scheme: Scheme, case: Case, at: datetime) -> bytes:
    """The scheme's safe event as JSON: ASCII, compact, a fixed point of the usual JSON writers."""
    filled = _filled(scheme.safe_event.body, _values(scheme, case, at))
    return json.dumps(filled, separators=(",", ":")).encode("ascii")


def _values(scheme: Scheme, case: Case, at: datetime) -> dict[str, str]:
    if at.tzinfo is None:
        raise ValueError("the time of a delivery must be aware")
    return {
        "id": case.delivery_id,
        "uuid": str(uuid.uuid5(_UUID_SPACE, case.delivery_id)),
        "ts": str(int(at.timestamp())),
        "ts_ms": str(round(at.timestamp() * 1000)),
        "ts_iso": at.isoformat(timespec="seconds"),
        "event": case.event or scheme.safe_event.event,
    }


def _headers(scheme: Scheme, case: Case, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found = [("Content-Type", case.content_type or scheme.content_type)]
    for name, template in scheme.headers.items():
        if case.signed or not template.tokens & PROOF_TOKENS:
            found.append((name, template.text(values)))
    for name, value in found:
        if not _HEADER_VALUE.fullmatch(value):
            raise RunbookError(
                f"the header {name} would be empty or hold characters that do not belong in a header",
                "use printable ASCII for the id, the event and the content type",
            )
    return tuple(found)


def _signature(scheme: Scheme, secret: Secret, body: bytes, values: Mapping[str, str], url: str) -> str:
    key = signing_key(scheme, secret)
    content = _signed_content(scheme.signed, body, values, url)
    digest = hmac.digest(key, content, getattr(hashlib, scheme.alg.removeprefix("hmac-")))
    return digest.hex() if scheme.enc == "hex" else base64.b64encode(digest).decode("ascii")


def _signed_content(template: Template, body: bytes, values: Mapping[str, str], url: str) -> bytes:
    texts = {name: value.encode() for name, value in values.items()}
    texts |= {"url": url.encode(), "method": _METHOD.encode(), "body": body}
    if "body_sorted" in template.tokens:
        texts["body_sorted"] = sorted_json(body)
    if "url" in template.tokens and not url:
        raise RunbookError("this scheme signs the endpoint's URL too", "give the URL exactly as the vendor knows it")
    return template.data(texts)


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(inner, values) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values) for inner in value]
    if not isinstance(value, str):
        return value
    if value in _NUMBERS:
        return int(values[value[1:-1]])
    return Template.parse(value, tuple(values)).text(values)
