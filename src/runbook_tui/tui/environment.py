"""What the surroundings may not do to the screen. Call `scrub` before Textual is imported."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from runbook_tui.foundation.harden import scrub as without_logs


def scrub(environment: MutableMapping[str, str] = os.environ) -> None:
    """Take away what writes the screen, the keystrokes or the TLS session keys to a file, and what freezes its size.

    An exported COLUMNS or LINES would freeze the screen at that size.
    """
    without_logs(environment)
    for name in ("COLUMNS", "LINES"):
        environment.pop(name, None)
