"""Adyen payments: eight fields of the notification item, joined by colons; the signature stands inside the item.

Source: adyen-python-api-library, Adyen/util.py at b6f49792. Colons and backslashes in a field are not escaped.
"""

from __future__ import annotations

from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.webhooks.draft import Draft
from runbook_tui.webhooks.pointers import changed, value_at

_ITEM = "/notificationItems/0/NotificationRequestItem"
_SIGNED = (
    "pspReference", "originalReference", "merchantAccountCode", "merchantReference", "amount/value", "amount/currency",
    "eventCode", "success",
)  # fmt: skip


def content(draft: Draft) -> bytes:
    item = value_at(draft.json(), _ITEM)
    return ":".join(_text(item, name) for name in _SIGNED).encode()


def place(draft: Draft, proof: str) -> Draft:
    return draft.with_json(changed(draft.json(), f"{_ITEM}/additionalData/hmacSignature", proof))


def _text(item: Any, name: str) -> str:
    try:
        value = value_at(item, f"/{name}")
    except RunbookError:
        if name == "originalReference":  # only modifications have one
            return ""
        raise
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
