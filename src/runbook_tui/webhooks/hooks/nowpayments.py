"""NOWPayments: the body written again with sorted keys (canonical.py); the body itself is sent as it came in."""

from __future__ import annotations

from runbook_tui.webhooks.canonical import sorted_json
from runbook_tui.webhooks.draft import Draft


def content(draft: Draft) -> bytes:
    return sorted_json(draft.body)
