"""Microsoft Graph: nothing is signed; each entry of `value` holds the clientState that the subscriber once chose."""

from __future__ import annotations

from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.webhooks.draft import Draft


def place(draft: Draft, proof: str) -> Draft:
    data = draft.json()
    entries: Any = data.get("value")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RunbookError("the body has no list `value`", "a change notification is a list of entries")
    return draft.with_json({**data, "value": [{**entry, "clientState": proof} for entry in entries]})
