"""What a note consists of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.foundation.errors import RunbookError

_OF_A_FILE = ("name", "sha256", "text", "left_out")


def note_data(text: str, at: str, attached: Mapping[str, Any] | None) -> dict[str, Any]:
    """The data of a `note`; RunbookError when it says nothing, or `at` is no time. `attached`: see `events.KINDS`."""
    if not text.strip():
        raise RunbookError("it needs a text")
    said: dict[str, Any] = {"text": text, "at": iso(parse_instant(at)) if at else ""}
    if attached:
        size = int(attached["size"])
        said["attached"] = {"size": size, **{name: str(attached[name]) for name in _OF_A_FILE}}
    return said
