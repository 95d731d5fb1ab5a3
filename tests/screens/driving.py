"""Runs an app on a screen of a given size and hands it to a scenario."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

SIZES = {"wide": (120, 40), "narrow": (80, 24)}


def drive(app: Any, size: str, scenario: Callable[[Any], Awaitable[None]]) -> Any:
    """Run `scenario(pilot)`; gives the app as it ended."""

    os.environ["TZ"] = "UTC"  # the head shows the local time too
    time.tzset()

    async def run() -> None:
        async with app.run_test(size=SIZES[size]) as pilot:
            await pilot.pause()
            await scenario(pilot)

    asyncio.run(run())
    return app


async def settle(pilot: Any, until: Callable[[], Any], limit: float = 10) -> None:
    """Wait until something holds: requests are answered on another thread."""
    for _ in range(int(limit / 0.02)):
        await pilot.pause(0.02)
        if until():
            return
    raise AssertionError("it did not come about")
