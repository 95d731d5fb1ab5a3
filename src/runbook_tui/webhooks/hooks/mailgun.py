"""Mailgun: time and a one-time token are signed, the event is not; all three stand in the body's `signature`.

Source: the anymail verifier. The token comes from the delivery id, so that a replay guard sees a new one each time.
"""

from __future__ import annotations

import hashlib

from runbook_tui.webhooks.draft import Draft
from runbook_tui.webhooks.pointers import changed


def content(draft: Draft) -> bytes:
    return (draft.values["ts"] + _token(draft)).encode()


def place(draft: Draft, proof: str) -> Draft:
    signed = {"timestamp": draft.values["ts"], "token": _token(draft), "signature": proof}
    return draft.with_json(changed(draft.json(), "/signature", signed))


def _token(draft: Draft) -> str:
    """50 hexadecimal digits, as the vendor's tokens are long; from the id, so that the same case gives the same."""
    return hashlib.sha256(draft.values["id"].encode()).hexdigest()[:50]
