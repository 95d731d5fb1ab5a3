"""The webhook receiver of a drill: takes deliveries that prove the current secret and nothing else.

Verifies with the standard library alone, so that it is a second opinion on the signer and not an echo of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime

from runbook_tui.drill.estate import Receiver

_SECONDS = re.compile(r"[0-9]{1,12}")
_TOLERANCE = 300  # seconds, Standard Webhooks specification


def judge(receiver: Receiver, rest: str, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[int, str]:
    """Status and reason for one delivery. `rest` is the path after the endpoint's own, header names are lower case."""
    if receiver.scheme == "streampixel":
        known = hmac.compare_digest(rest.encode(), receiver.secret.encode())
        return (200, "accepted") if known else (404, "not found")
    if rest:
        return 404, "not found"
    if receiver.scheme == "fastpix":
        return _fastpix(receiver.secret, headers, body)
    return _standard(receiver.secret, headers, body, now)


def _fastpix(secret: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    expected = base64.b64encode(hmac.digest(base64.b64decode(secret), body, hashlib.sha256)).decode()
    given = headers.get("fastpix-signature", "")
    return (200, "accepted") if _same(expected, given) else (400, "invalid signature")


def _standard(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[int, str]:
    message, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message or not _SECONDS.fullmatch(stamp) or "webhook-signature" not in headers:
        return 401, "a signature is missing"
    if abs(now.timestamp() - int(stamp)) > _TOLERANCE:
        return 401, "the timestamp is outside of the tolerance"
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return 500, "the receiver's secret is damaged"
    digest = hmac.digest(key, f"{message}.{stamp}.".encode() + body, hashlib.sha256)
    expected = f"v1,{base64.b64encode(digest).decode()}"
    known = any(_same(expected, one) for one in headers["webhook-signature"].split(" "))
    return (200, "accepted") if known else (401, "invalid signature")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
