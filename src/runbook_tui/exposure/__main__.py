"""`python -m runbook_tui.exposure`: the scan's own process (see `child`)."""

from __future__ import annotations

import contextlib
import sys

from runbook_tui.exposure.child import serve

if __name__ == "__main__":
    # A parent that went away needs no answer.
    with contextlib.suppress(BrokenPipeError):
        sys.exit(serve(sys.stdin.buffer, sys.stdout.buffer))
