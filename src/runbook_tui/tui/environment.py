"""What the surroundings may not do to the screen. Call `scrub` before Textual is imported."""

from __future__ import annotations

import os
from collections.abc import MutableMapping


def scrub(environment: MutableMapping[str, str] = os.environ) -> None:
    """Take away the variables that write the screen, the keystrokes or the TLS session keys to a file.

    TEXTUAL_LOG holds every keystroke, TEXTUAL_SCREENSHOT* and TEXTUAL_PRESS drive the program from outside, and
    SSLKEYLOGFILE lets anybody decrypt what was sent. An exported COLUMNS or LINES would freeze the screen at that size.
    """
    unwanted = ("SSLKEYLOGFILE", "COLUMNS", "LINES")
    for name in [name for name in environment if name.startswith("TEXTUAL") or name in unwanted]:
        del environment[name]
