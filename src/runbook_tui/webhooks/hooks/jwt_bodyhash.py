"""A JSON Web Token that holds the hash of the body, as LiveKit sends it in the Authorization header.

Source: livekit-server-sdk and livekit-api (WebhookReceiver): HS256, `iss` is the API key, `sha256` the base64 hash.
"""

from __future__ import annotations

import base64
import hashlib

from runbook_tui.webhooks.draft import Draft, compact
from runbook_tui.webhooks.proofs import encoded

FACTS = ("api_key",)
_LIFETIME = 300  # seconds
_HEADER = {"alg": "HS256", "typ": "JWT"}


def content(draft: Draft) -> bytes:
    now = int(draft.values["ts"])
    claims = {
        "iss": draft.values["api_key"],
        "nbf": now,
        "exp": now + _LIFETIME,
        "sha256": base64.b64encode(hashlib.sha256(draft.body).digest()).decode("ascii"),
    }
    return ".".join(encoded(compact(part), "b64url") for part in (_HEADER, claims)).encode()


def proof(draft: Draft, signature: str) -> str:
    return f"{content(draft).decode()}.{signature}"
