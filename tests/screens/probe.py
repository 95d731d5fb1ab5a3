"""One widget on a safe app: what the contract tests look at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from textual.app import App, ComposeResult
from textual.widget import Widget

from runbook_tui.tui.safe_app import SafeApp


class Probe(SafeApp[None]):
    """One widget on a safe app; `boomed` counts the actions that foreign markup ran."""

    boomed = 0

    def __init__(self, make: Callable[[], Widget]) -> None:
        super().__init__()
        self._make = make

    def compose(self) -> ComposeResult:
        yield self._make()

    def action_boom(self) -> None:
        type(self).boomed += 1


def run_app(app: App[Any], scenario: Callable[[Any], Any]) -> None:
    async def run() -> None:
        async with app.run_test(size=(100, 20)) as pilot:
            await pilot.pause()
            await scenario(pilot)

    asyncio.run(run())


def segments(app: App[Any]) -> list[Any]:
    return [segment for line in app.screen._compositor.render_strips() for segment in line]
