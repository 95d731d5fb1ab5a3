"""PayPal: transmission id, time, webhook id and the CRC-32 of the body, joined by bars.

Source: PayPal-Python-SDK, paypalrestsdk/notifications.py at 0d704e7d. The webhook id takes the place of a secret: only
its receiver and PayPal know it; the signature is made with PayPal's own certificate.
"""

from __future__ import annotations

import zlib

from runbook_tui.webhooks.draft import Draft

FACTS = ("webhook_id",)


def content(draft: Draft) -> bytes:
    values = draft.values
    return f"{values['uuid']}|{values['ts_z']}|{values['webhook_id']}|{zlib.crc32(draft.body)}".encode()
