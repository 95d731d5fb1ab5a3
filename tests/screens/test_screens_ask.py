"""The dialog: typed confirmation, secrets, choices, times and reasons."""

from __future__ import annotations

from typing import Any

import pytest
from driving import SIZES, drive, settle
from grid import check, grid
from recorded import RecordedClient, Recording, halfway, left_unknown, opened

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.tui.app import IncidentApp
from runbook_tui.tui.ask import Ask

CANARY = "sk_test_CANARY_0123456789abcdef"


def at_revoke(mode: str = "live") -> Recording:
    """The next step is the revocation, with a typed confirmation."""
    told = left_unknown(mode).say("cleared", 1, op="op-2", by="operator", reason="looked", **{"as": "not_done"})
    return told.say("step_reopened", 1, step="revoke", reason="once more")


async def _open(pilot: Any) -> None:
    await pilot.press("enter")
    await settle(pilot, lambda: isinstance(pilot.app.screen, Ask))


@pytest.mark.parametrize("size", SIZES)
def test_a_typed_confirmation_shows_what_it_does(size: str) -> None:
    """Method, host, path, target and that it cannot be undone stand in the dialog; the clock stays in sight."""

    async def look(pilot: Any) -> None:
        await _open(pilot)
        await settle(pilot, lambda: "type 12 more" in grid(pilot.app))
        shown = check(pilot.app, f"confirm-{size}")
        for told in ("THIS CANNOT BE UNDONE", "DELETE", "api.stripe.com", "/v1/api_keys/rk_live_7Q2x", "rk_live_7Q2x"):
            assert told in shown
        assert "2:28 left" in shown

    drive(IncidentApp(RecordedClient(at_revoke())), size, look)


def test_enter_is_dead_until_the_target_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """At first no key is taken, Enter does nothing before the text matches, and then it runs the step once."""
    monkeypatch.setattr("runbook_tui.tui.ask.QUIET", 3.0)
    client = RecordedClient(at_revoke())

    async def confirm(pilot: Any) -> None:
        await _open(pilot)
        await pilot.press("enter", *"rk", "enter")  # still in the quiet time
        assert isinstance(pilot.app.screen, Ask)
        assert "read first" in grid(pilot.app)
        await settle(pilot, lambda: "type 12 more" in grid(pilot.app))
        await pilot.press("enter", *"rk_live_7Q2", "enter", "enter")
        assert isinstance(pilot.app.screen, Ask)
        assert "type 1 more" in grid(pilot.app)
        await pilot.press("y", "enter")
        await pilot.pause()
        assert "that is not the target" in grid(pilot.app)
        await pilot.press("backspace", "x", "enter")
        await settle(pilot, lambda: len(client.asked) == 2)

    drive(IncidentApp(client), "narrow", confirm)
    assert client.asked[-1] == ("run", {"step": "revoke", "answers": {"confirm": "rk_live_7Q2x"}})


def test_escape_does_nothing() -> None:
    """Esc goes back at any time, the first 400 ms included, and nothing is requested."""
    client = RecordedClient(at_revoke())

    async def go_back(pilot: Any) -> None:
        await _open(pilot)
        await pilot.press("escape")
        await settle(pilot, lambda: not isinstance(pilot.app.screen, Ask))

    drive(IncidentApp(client), "narrow", go_back)
    assert [name for name, _ in client.asked] == ["prompts"]


@pytest.mark.parametrize("size", SIZES)
def test_many_alike_are_one_frozen_batch(size: str) -> None:
    """A batch is listed in its order in the dialog, scrolls with PgDn, and the typing stays in sight."""
    client = RecordedClient(at_revoke())
    client.batch = [f"github/acme/kim-{number}" for number in range(1, 31)]

    async def look(pilot: Any) -> None:
        await _open(pilot)
        await settle(pilot, lambda: "type 12 more" in grid(pilot.app))
        assert "Batch   30 in this order, fixed now:" in check(pilot.app, f"batch-{size}")
        for _ in range(12):
            await pilot.press("pagedown")
        await pilot.pause()
        assert "30  github/acme/kim-30" in grid(pilot.app)
        assert "Esc go back" in grid(pilot.app)

    drive(IncidentApp(client), size, look)


def test_a_secret_shows_nowhere() -> None:
    """A pasted secret is in no text, clipboard or picture; copy and cut ring the bell; the field empties."""
    client = RecordedClient(halfway(can="manual"))
    app = IncidentApp(client)
    bells: list[int] = []
    app.bell = lambda: bells.append(1)  # type: ignore[method-assign]

    async def paste(pilot: Any) -> None:
        from textual import events

        await _open(pilot)
        field = app.focused
        assert field is not None
        field.post_message(events.Paste(CANARY))
        await settle(pilot, lambda: len(field.value) == len(CANARY))  # type: ignore[attr-defined]
        assert CANARY not in grid(app)
        with pytest.raises(RunbookError, match="no picture"):
            app.export_screenshot()
        await pilot.press("home", "shift+end", "ctrl+x", "super+c", "ctrl+insert")
        field.action_copy()  # type: ignore[attr-defined]
        assert bells
        assert app.clipboard == ""
        assert field.value == CANARY  # type: ignore[attr-defined]
        assert CANARY not in repr(field)
        await pilot.press("enter")
        await settle(pilot, lambda: len(client.asked) == 2)
        assert field.value == ""  # type: ignore[attr-defined]
        assert CANARY not in grid(app)

    drive(app, "narrow", paste)
    assert client.asked[-1][1]["answers"] == {"new_secret": CANARY}


def test_going_back_empties_the_secret_field() -> None:
    """Esc forgets what was pasted."""
    app = IncidentApp(RecordedClient(halfway(can="manual")))

    async def go_back(pilot: Any) -> None:
        await _open(pilot)
        field: Any = app.focused
        field.value = CANARY
        await pilot.press("escape")
        await pilot.pause()
        assert field.value == ""

    drive(app, "wide", go_back)


@pytest.mark.parametrize("size", SIZES)
def test_the_facts_of_an_incident(size: str) -> None:
    """Choices by number, letter or arrows, a time of day as the last such UTC time, defaults where nothing is said."""
    client = RecordedClient(opened())

    async def answer(pilot: Any) -> None:
        await _open(pilot)
        check(pilot.app, f"facts-{size}")
        await pilot.press("1", "enter", "n", "enter", "up", "enter", *"21:58", "enter", "enter")
        await settle(pilot, lambda: len(client.asked) == 2)

    drive(IncidentApp(client), size, answer)
    assert client.asked[-1][1]["answers"] == {
        "exposure": "public",
        "used_by_others": "no",
        "power": "personal data",
        "detected_at": "2026-11-21T21:58:00.000000Z",
    }


def test_a_wrong_answer_is_said_and_can_be_mended() -> None:
    """A time that is none keeps the dialog open with the reason in words."""
    client = RecordedClient(halfway())

    async def answer(pilot: Any) -> None:
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press(*"told", "enter", *"25:99", "enter")
        await pilot.pause()
        assert "not a time of day: '25:99'" in grid(pilot.app)
        await pilot.press(*("backspace",) * 5, "enter")
        await settle(pilot, lambda: client.asked)

    drive(IncidentApp(client), "narrow", answer)
    assert client.asked == [("note", {"text": "told"})]


def test_a_reason_is_required() -> None:
    """Skipping without a reason is refused in the dialog."""
    client = RecordedClient(halfway())

    async def answer(pilot: Any) -> None:
        await pilot.press("s")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("enter")
        await pilot.pause()
        assert "reason is not answered" in grid(pilot.app)
        await pilot.press(*"later", "enter")
        await settle(pilot, lambda: client.asked)

    drive(IncidentApp(client), "narrow", answer)
    assert client.asked == [("skip", {"step": "create", "reason": "later"})]


@pytest.mark.parametrize("size", SIZES)
def test_closing_with_open_lines_is_abandoning(size: str) -> None:
    """The close dialog lists every open line, and with one left it can only abandon, with a reason."""
    client = RecordedClient(halfway("live"))

    async def close(pilot: Any) -> None:
        await pilot.press("X")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.pause()
        shown = check(pilot.app, f"close-{size}")
        assert "ABANDON" in shown
        assert "stripe-live dead: still works" in shown
        await pilot.press(*"no use", "enter")
        await settle(pilot, lambda: client.asked)

    drive(IncidentApp(client), size, close)
    assert client.asked == [("close", {"abandon": True, "reason": "no use"})]


def test_waiving_names_who_and_why() -> None:
    """A waiver takes the line, a name and a reason; the driver's name is offered."""
    client = RecordedClient(halfway())

    async def waive(pilot: Any) -> None:
        await pilot.press("w")
        await settle(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("down", "enter", "enter", *"retired", "enter")
        await settle(pilot, lambda: client.asked)

    drive(IncidentApp(client), "wide", waive)
    assert client.asked == [("waive", {"line": "consumer:checkout", "name": "kim", "reason": "retired"})]


def test_keys_that_arrive_in_a_burst_reach_their_own_fields() -> None:
    """Over a slow line keys come together: each is given to the field that is focused when its turn comes."""
    from textual import events

    client = RecordedClient(opened())

    async def burst(pilot: Any) -> None:
        await _open(pilot)
        for key in ("1", "\r", "n", "\r", "m", "\r", *"21:58", "\r", *"20:00", "\r"):
            pilot.app.post_message(events.Key("enter" if key == "\r" else key, key))
        await settle(pilot, lambda: len(client.asked) == 2)

    drive(IncidentApp(client), "narrow", burst)
    assert client.asked[-1][1]["answers"] == {
        "exposure": "public",
        "used_by_others": "no",
        "power": "money",
        "detected_at": "2026-11-21T21:58:00.000000Z",
        "exposed_since": "2026-11-21T20:00:00.000000Z",
    }


def test_a_second_enter_is_no_second_step() -> None:
    """While the conductor is asked, another Enter asks nothing."""
    import threading

    client = RecordedClient(halfway())
    gate, request = threading.Event(), client.request

    def slow(method: str, **params: Any) -> dict[str, Any]:
        gate.wait(10)
        return request(method, **params)

    client.request = slow  # type: ignore[method-assign]

    async def press(pilot: Any) -> None:
        await pilot.press("enter", "enter", "enter")
        assert "prompts is under way" in grid(pilot.app)
        gate.set()
        await settle(pilot, lambda: len(client.asked) == 2)
        await pilot.pause(0.2)

    drive(IncidentApp(client), "narrow", press)
    assert [name for name, _ in client.asked] == ["prompts", "run"]
