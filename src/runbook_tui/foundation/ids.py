"""Identifiers: names an operator may choose, and names the program makes."""

from __future__ import annotations

import os
import re
from datetime import datetime

from runbook_tui.foundation.errors import RunbookError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # no 0/o, 1/i/l: read aloud on a bridge call


def check_name(text: str, what: str) -> str:
    """`text` if it is a safe name for files, YAML and the screen."""
    if not NAME.fullmatch(text):
        shown = text if len(text) <= 80 else f"{text[:40]}…"
        raise RunbookError(
            f"{what} {shown!r} is not a valid name",
            "use letters, digits, dot, dash and underscore, at most 80, starting with a letter or digit",
        )
    return text


def new_incident_id(now: datetime) -> str:
    """`inc-20261121-7k3f`: sorts by day, short enough to say."""
    import secrets

    return f"inc-{now:%Y%m%d}-" + "".join(secrets.choice(_ALPHABET) for _ in range(4))


def new_operation_id() -> str:
    """Names one attempt of one call; also the Idempotency-Key where a provider takes one."""
    return os.urandom(16).hex()
