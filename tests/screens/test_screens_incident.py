"""The incident screen: what is always visible, what each key does, and what arrives from the conductor."""

from __future__ import annotations

from typing import Any

import pytest
from driving import SIZES, drive, settle
from grid import check, grid
from recorded import RecordedClient, halfway, left_unknown, opened

from runbook_tui.incident.actions import ACTIONS, why_disallowed
from runbook_tui.tui.app import IncidentApp
from runbook_tui.tui.ask import Ask
from runbook_tui.tui.drawing import key_name
from runbook_tui.tui.leave import Leave
from runbook_tui.tui.page import PageScreen


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["live", "drill", "dry-run"])
def test_the_screen_of_a_running_incident(size: str, mode: str) -> None:
    """Mode, clock against target, closed-loop count and NEXT box are visible, and the modes differ in shape."""

    async def look(pilot: Any) -> None:
        shown = check(pilot.app, f"incident-{mode}-{size}")
        assert f"▐{mode.upper()}▌" in shown.splitlines()[0]
        for always in ("of 5:00", "3:58 left", "0 of 1 dead, 0 of 2 live", "NEXT", "5. Make a new key", "step 5 of 14"):
            assert always in shown
        assert {"live": "┏━ NEXT", "drill": "╔═ NEXT", "dry-run": "┏╍ NEXT"}[mode] in shown

    drive(IncidentApp(RecordedClient(halfway(mode))), size, look)


def test_a_terminal_that_is_too_small_still_shows_the_clock() -> None:
    """Below 60 x 16 there is the mode, the clock and a request to enlarge."""

    async def look(pilot: Any) -> None:
        await pilot.resize_terminal(50, 12)
        await pilot.pause()
        shown = grid(pilot.app)
        assert "▐LIVE▌ 1:02 of 5:00" in shown
        assert "please enlarge" in shown
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "NEXT" in grid(pilot.app)

    drive(IncidentApp(RecordedClient(halfway("live"))), "narrow", look)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("action", ACTIONS, ids=lambda one: one.name)
@pytest.mark.parametrize("driving", [True, False], ids=["driving", "watching"])
def test_every_key_does_something_or_says_why_not(action: Any, size: str, driving: bool) -> None:
    """A dead key says why: each key of the registry asks, opens, requests, or names its reason."""
    client = RecordedClient(halfway("live"), driving=driving)
    why = why_disallowed(client.book, client.state, action.name, client.clock.now(), driving=driving)

    async def press(pilot: Any) -> None:
        before = pilot.app.screen
        await pilot.press(action.key)
        if why:
            await pilot.pause()
            assert f"{key_name(action.key)}: {why}" in grid(pilot.app)
            assert not client.asked
            assert pilot.app.screen is before
        else:
            await settle(pilot, lambda: client.asked or pilot.app.screen is not before)
            expected: dict[str, type] = {
                "steps": PageScreen,
                "timeline": PageScreen,
                "report": PageScreen,
                "quit": Leave,
            }
            if action.asks:
                expected[action.name] = Ask
            await settle(pilot, lambda: isinstance(pilot.app.screen, expected.get(action.name, type(before))))

    drive(IncidentApp(client), size, press)


def test_enter_runs_a_step_without_questions_at_once() -> None:
    """A step that asks nothing runs on Enter; the conductor is asked for its questions first."""
    client = RecordedClient(halfway())

    async def press(pilot: Any) -> None:
        await pilot.press("enter")
        await settle(pilot, lambda: len(client.asked) == 2)

    drive(IncidentApp(client), "narrow", press)
    assert client.asked == [("prompts", {"step": "create"}), ("run", {"step": "create", "answers": {}})]


def test_a_refusal_is_shown_in_words() -> None:
    """What the conductor refuses stands above the keys, with its hint, until the next key."""
    client = RecordedClient(halfway())
    client.refuse = "no journal, no action: the disk is full"

    async def press(pilot: Any) -> None:
        await pilot.press("enter")
        await settle(pilot, lambda: "refused: no journal, no action" in grid(pilot.app))
        assert "(try again)" in grid(pilot.app)

    drive(IncidentApp(client), "wide", press)


@pytest.mark.parametrize("size", SIZES)
def test_what_happens_is_drawn_as_it_arrives(size: str) -> None:
    """Pushed events move the steps, the loop and the timeline; progress and the stop key show while a step runs."""
    client = RecordedClient(halfway())

    async def watch(pilot: Any) -> None:
        client.push("step_started", step="create", answers={}, attempt=1)
        client.tell({"progress": {"text": "waiting for the provider's rate limit"}})
        await settle(pilot, lambda: "waiting for the provider's rate limit" in grid(pilot.app))
        assert "step create is running" in grid(pilot.app)
        assert "x  stop waiting" in grid(pilot.app)
        client.tell({"progress": {"found": "raw in app.env\x1b[2J"}})
        await settle(pilot, lambda: "found: raw in app.env" in grid(pilot.app))
        client.push("step_done", step="create", reason="one new key")
        await settle(pilot, lambda: "create: done: one new key" in grid(pilot.app))
        assert "6. Give the new key to every consumer" in grid(pilot.app)
        assert "rate limit" not in grid(pilot.app)
        assert "found: raw" not in grid(pilot.app)

    drive(IncidentApp(client), size, watch)


def test_a_burst_of_events_reaches_the_screen_in_few_messages() -> None:
    """A thousand pushes are gathered: one message per push would freeze the screen."""
    client = RecordedClient(halfway())
    app = IncidentApp(client)
    taken: list[int] = []
    take = app._take
    app._take = lambda pushes: (taken.append(len(pushes)), take(pushes))[1]  # type: ignore[method-assign]

    async def burst(pilot: Any) -> None:
        for number in range(1000):
            client.push("note", text=f"note number {number}", at="")
        await settle(pilot, lambda: "note number 999" in grid(pilot.app))

    drive(app, "wide", burst)
    assert sum(taken) == 1000
    assert len(taken) <= 5


def test_a_refused_step_shows_the_way_by_hand() -> None:
    """The manual path of a failed step stands in the NEXT box."""
    told = halfway("live")
    told.say("step_started", 1, step="create", answers={}, attempt=1)
    told.say("step_failed", 1, step="create", status="failed", reason="no admin credential is known",
             manual=["https://dashboard.example/keys", "Press Create key"])  # fmt: skip

    async def look(pilot: Any) -> None:
        shown = grid(pilot.app)
        assert "failed: no admin credential is known" in shown
        assert "By hand https://dashboard.example/keys" in shown
        assert "Press Create key" in shown

    drive(IncidentApp(RecordedClient(told)), "narrow", look)


def test_an_unknown_outcome_is_shown_before_anything_else() -> None:
    """Coming back to an attempt nobody knows the end of: it is named, and Enter only goes on to the screen."""
    client = RecordedClient(left_unknown())

    async def come_back(pilot: Any) -> None:
        assert "UNKNOWN OUTCOME  revoke stripe-live" in check(pilot.app, "resume-narrow")
        await pilot.press("enter")
        await pilot.pause()
        assert "NEXT" in grid(pilot.app)
        assert "UNKNOWN OUTCOME" in grid(pilot.app)
        assert not client.asked

    drive(IncidentApp(client), "narrow", come_back)


def test_settling_an_unknown_outcome_from_the_resume_view() -> None:
    """`k` asks what was seen and clears the attempt as the operator says."""
    client = RecordedClient(left_unknown())

    async def settle_it(pilot: Any) -> None:
        await pilot.press("k")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("enter", "right", "enter", *"gone", "enter")
        await settle(pilot, lambda: client.asked)

    drive(IncidentApp(client), "narrow", settle_it)
    assert client.asked == [("clear", {"op": "op-2", "as": "not_done", "reason": "gone"})]


def test_a_second_terminal_watches_takes_notes_and_takes_over() -> None:
    """A watching terminal says who drives; notes are allowed, other keys are not, and D takes over."""
    client = RecordedClient(halfway(), driving=False)

    async def watch(pilot: Any) -> None:
        assert "watching: kim drives" in check(pilot.app, "watching-narrow")
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press(*"seen", "enter", "enter")
        await settle(pilot, lambda: client.asked)
        await pilot.press("D")
        await settle(pilot, lambda: len(client.asked) == 2)
        client.driving = True
        client.tell({"driving": True})
        await settle(pilot, lambda: "you drive" in grid(pilot.app))

    drive(IncidentApp(client), "narrow", watch)
    assert client.asked == [("note", {"text": "seen"}), ("take_over", {})]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("key", "page"), [("tab", "steps"), ("t", "timeline"), ("f1", "keys"), ("p", "report")])
def test_pages_open_scroll_and_close(key: str, page: str, size: str) -> None:
    """Each page keeps mode, clock, loop and NEXT above its lines, scrolls by keys, and Esc comes back."""

    async def read(pilot: Any) -> None:
        await pilot.press(key)
        await settle(pilot, lambda: isinstance(pilot.app.screen, PageScreen) and "Esc" in grid(pilot.app))
        await pilot.pause(0.1)
        shown = check(pilot.app, f"{page}-{size}")
        for always in ("▐LIVE▌", "of 5:00", "0 of 1 dead", "NEXT"):
            assert always in shown
        await pilot.press("G", "k", "g")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert "┏━ NEXT" in grid(pilot.app)

    drive(IncidentApp(RecordedClient(halfway("live"))), size, read)


def test_leaving_asks_and_the_incident_stays_open() -> None:
    """q and ctrl+c ask first; Esc stays, Enter leaves, and an open incident ends with 3."""

    async def leave(pilot: Any) -> None:
        await pilot.press("ctrl+c")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Leave))
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(pilot.app.screen, Leave)
        await pilot.press("q")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Leave))
        await pilot.press("enter")

    client = RecordedClient(halfway())
    assert drive(IncidentApp(client), "narrow", leave).exit_status() == 3
    assert not client.asked


@pytest.mark.parametrize(("state", "status"), [("contained", 0), ("complete_except", 3), ("abandoned", 3)])
def test_a_closed_incident_is_left_without_a_question(state: str, status: int) -> None:
    """The exit code says whether it was contained."""

    async def leave(pilot: Any) -> None:
        assert "CLOSED" in grid(pilot.app)
        await pilot.press("q")

    told = halfway().say("closed", 1, state=state, reason="done")
    assert drive(IncidentApp(RecordedClient(told)), "wide", leave).exit_status() == status


def test_resizing_keeps_screen_and_focus() -> None:
    """Between the two sizes the layout changes, and keys and the focused field stay as they were."""

    async def resize(pilot: Any) -> None:
        await pilot.press("enter")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("enter", "enter", "enter", "2")
        focused = pilot.app.focused
        for width, height in ((120, 40), (80, 24), (120, 40)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            assert pilot.app.focused is focused
        await pilot.press("escape")
        await pilot.pause()
        assert "CLOSED LOOP" in grid(pilot.app)
        assert "DECLARE" in grid(pilot.app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "CLOSED LOOP" not in grid(pilot.app)
        assert "DECLARE" not in grid(pilot.app)
        assert "Enter  do it      s  skip it, with a reason" in grid(pilot.app)
        await pilot.press("x")
        await pilot.pause()
        assert "x: nothing is running" in grid(pilot.app)

    drive(IncidentApp(RecordedClient(opened())), "narrow", resize)


def test_a_click_on_a_key_is_the_key() -> None:
    """The line of keys can be clicked."""

    async def click(pilot: Any) -> None:
        column = grid(pilot.app).splitlines()[-1].index("n note")
        await pilot.click(offset=(column, 39))
        await settle(pilot, lambda: isinstance(pilot.app.screen, Ask))

    drive(IncidentApp(RecordedClient(halfway())), "wide", click)


def test_a_lost_conductor_is_said() -> None:
    """When the conductor is gone the screen says so and what to do."""
    client = RecordedClient(halfway())

    async def lose(pilot: Any) -> None:
        client.tell({"lost": "the conductor ended"})
        await settle(pilot, lambda: "the conductor is gone" in grid(pilot.app))
        assert "runbook resume" in grid(pilot.app)

    drive(IncidentApp(client), "narrow", lose)
