"""Python's cycle collector, out of the way while a great many values are made that all stay."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def at_rest() -> Iterator[None]:
    """No collection within: it would walk everything that was made so far, again and again (measured: 60 % of a load).

    For the whole process, so for short spans. Nested and concurrent use leaves the collector as it was found.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
