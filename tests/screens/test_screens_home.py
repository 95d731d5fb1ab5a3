"""The home screen: what is open, what can be started, whether the machine is ready; it only gives a choice back."""

from __future__ import annotations

from typing import Any

import pytest
from driving import SIZES, drive, settle
from grid import check, grid

from runbook_tui.tui.ask import Ask
from runbook_tui.tui.home import HomeData, IncidentRow, PlaybookRow, Ready
from runbook_tui.tui.home_screen import HomeApp

DATA = HomeData(
    playbooks=(
        PlaybookRow("api-key-leaked", "API key leaked", "5:00", "12 days ago, 4:31"),
        PlaybookRow("member-offboarded", "A member has left", "15:00"),
    ),
    incidents=(IncidentRow("2026-11-21-a", "API key leaked", "LIVE", "22:01 UTC", "step 8 of 14, UNKNOWN OUTCOME"),),
    readiness=(
        Ready("vault", "keyring (SecretService), unlocked"),
        Ready("clock", "synchronised"),
        Ready("disk", "212 MB free where the journal is written", good=False),
    ),
    version="runbook 0.1.0",
)


@pytest.mark.parametrize("size", SIZES)
def test_the_home_screen(size: str) -> None:
    """Open incidents come first, then playbooks with their targets and last drill, then readiness in words."""

    async def look(pilot: Any) -> None:
        shown = check(pilot.app, f"home-{size}")
        assert shown.index("OPEN INCIDENTS") < shown.index("PLAYBOOKS") < shown.index("READINESS")
        assert "! disk" in shown

    drive(HomeApp(DATA), size, look)


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        (["enter"], ("resume", "2026-11-21-a")),
        (["down", "d"], ("drill", "api-key-leaked")),
        (["j", "j", "r"], ("run", "member-offboarded")),
        (["up", "d"], ("drill", "member-offboarded")),
        (["q"], None),
    ],
)
def test_a_choice_is_given_back(keys: list[str], chosen: tuple[str, str] | None) -> None:
    """Nothing is started here: the command line gets what was chosen."""

    async def choose(pilot: Any) -> None:
        await pilot.press(*keys)

    assert drive(HomeApp(DATA), "narrow", choose).return_value == chosen


@pytest.mark.parametrize(("more", "chosen"), [([], "drill"), (["down"], "run")])
def test_opening_a_playbook_asks_drill_or_live(more: list[str], chosen: str) -> None:
    """Enter on a playbook asks; the harmless answer is the default."""

    async def choose(pilot: Any) -> None:
        await pilot.press("down", "enter")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press(*more, "enter")

    assert drive(HomeApp(DATA), "narrow", choose).return_value == (chosen, "api-key-leaked")


def test_a_dead_key_says_why() -> None:
    """d and r on an open incident say that a playbook is needed."""

    async def choose(pilot: Any) -> None:
        await pilot.press("d")
        await pilot.pause()
        assert "d: choose a playbook first" in grid(pilot.app)

    drive(HomeApp(DATA), "narrow", choose)


def test_an_empty_home() -> None:
    """Without a playbook there is nothing to open, and no key fails."""

    async def choose(pilot: Any) -> None:
        await pilot.press("enter", "down", "d", "r")
        await pilot.pause()
        assert "READINESS" in grid(pilot.app)

    drive(HomeApp(HomeData(())), "narrow", choose)
