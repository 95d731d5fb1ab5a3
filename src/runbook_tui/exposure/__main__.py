"""`python -m runbook_tui.exposure`: the scan's own process (see `child`)."""

from __future__ import annotations

import contextlib
import os
import sys

from runbook_tui.exposure.child import serve

# numpy would start threads for algebra that is not done here; the workers of a scan are forked.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if __name__ == "__main__":
    # A parent that went away needs no answer.
    with contextlib.suppress(BrokenPipeError):
        sys.exit(serve(sys.stdin.buffer, sys.stdout.buffer))
