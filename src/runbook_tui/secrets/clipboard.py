"""The clipboard of a local desktop; nothing else, and never by terminal escapes.

A terminal's own clipboard sequence (OSC 52) passes the value through every multiplexer and log on the way, so it is not
used; over SSH the desktop's clipboard is not ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.secrets.secret import Secret

KEEP = 30.0  # seconds after which `clear` should be called


def why_not(environment: Mapping[str, str] = os.environ) -> str:
    """The reason why there is no clipboard to use here, or ""."""
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return "this terminal is reached over SSH: its clipboard is on another machine"
    if sys.platform.startswith("linux") and not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return "there is no desktop session here"
    return ""


def copy(secret: Secret, environment: Mapping[str, str] = os.environ) -> Callable[[], bool]:
    """Put the value on the clipboard; returns the function that takes it away again.

    Call the result after `KEEP` seconds: it empties the clipboard if our value is still there, and says whether it
    did. RunbookError where there is no local clipboard.
    """
    reason = why_not(environment)
    if reason:
        raise RunbookError(f"nothing was copied: {reason}", "paste from the vault where the value is needed instead")
    import pyperclip

    failed = False
    try:
        pyperclip.copy(secret.expose())
    except (pyperclip.PyperclipException, OSError):
        failed = True  # raised outside: the library's error must not come along
    if failed:
        hint = "on Linux install wl-clipboard or xclip"
        raise RunbookError("nothing was copied: no clipboard program works here", hint, exit_code=Exit.INCOMPLETE)

    def clear() -> bool:
        try:
            held = pyperclip.paste()
            if not held or Secret(held) != secret:
                return False
            pyperclip.copy("")
        except (pyperclip.PyperclipException, OSError, RunbookError):
            return False
        return True

    return clear
