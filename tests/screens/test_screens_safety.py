"""What a screen may never do: run foreign text, leak on a crash, write files for the environment, ignore a signal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import drive, settle
from grid import grid
from recorded import RecordedClient, halfway, opened

from runbook_tui.tui.app import IncidentApp
from runbook_tui.tui.environment import scrub
from runbook_tui.tui.home import HomeData, IncidentRow, PlaybookRow, Ready
from runbook_tui.tui.home_screen import HomeApp
from servers.processes import plain_environment
from servers.terminal import Terminal

HOSTILE = [
    "[@click=app.exit]press me[/] [bold red]x[/]",
    "a\x1b]52;c;aGVsbG8=\x07b\x1b[31mred",
    "safe\u202egnp.exe\u200b end",
    "line one\nline two\r\x08\x9b31m",
    "[link=https://evil.example]x[/link] $text-error",
]


def _hostile(text: str) -> RecordedClient:
    told = halfway()
    told.say("note", 1, text=text, at="")
    told.say("subject", 1, slot="other", kind="credential", name=text, provider="x", provider_name=text, key_id=text)
    told.say("step_started", 1, step="create", answers={}, attempt=1)
    told.say("step_failed", 1, step="create", status="failed", reason=text, manual=[text])
    client = RecordedClient(told)
    client.markdown = f"# {text}\n\n{text}"
    return client


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_inert(text: str) -> None:
    """Markup stays characters, nothing is clickable, and no control or direction character reaches the terminal."""
    client = _hostile(text)

    async def look(pilot: Any) -> None:
        seen = ""
        for key in ("f12", "t", "p", "tab", "w"):
            await pilot.press(key)
            await pilot.pause(0.15)
            shown = grid(pilot.app)
            seen += shown
            assert not any(char in shown for char in "\x1b\x07\x9b\u202e\u200b\x08\r")
            for segment in (s for line in pilot.app.screen._compositor.render_strips() for s in line):
                assert segment.style is None or not segment.style.meta.get("@click")
                assert segment.style is None or segment.style.link is None
            if key not in ("f12", "w"):
                await pilot.press("escape")
                await pilot.pause()
        if text.startswith("["):
            assert seen.count(text[:20]) >= 4
        await pilot.press("escape")

    drive(IncidentApp(client), "wide", look)


def test_the_last_door_takes_control_characters_out() -> None:
    """Even text that nobody made safe loses its control characters in front of the terminal."""
    app = IncidentApp(RecordedClient(opened()))

    async def look(pilot: Any) -> None:
        from textual.content import Content

        from runbook_tui.tui.block import Block

        block = app.screen.query_one("#log", Block)
        raw = Content("x\u202ey")
        raw._text = "x\x1b]52;c;aGVsbG8=\x07\u202ey"
        block.show([raw])
        await pilot.pause()
        shown = "".join(s.text for line in app.screen._compositor.render_strips() for s in line)
        assert not any(char in shown for char in "\x1b\x07\u202e")

    drive(app, "narrow", look)


def test_a_crash_tells_type_and_place_only(capsys: pytest.CaptureFixture[str]) -> None:
    """An error in the screen prints no values, no source lines, no locals."""
    client = RecordedClient(halfway())
    app = IncidentApp(client)

    def explode(**params: Any) -> dict[str, Any]:
        secret = "sk_test_CANARY"
        raise ValueError(f"bad {secret}")

    client.request = lambda method, **params: explode(**params)  # type: ignore[method-assign, assignment]

    async def press(pilot: Any) -> None:
        await pilot.press("enter")
        await settle(pilot, lambda: app._exception is not None)

    with pytest.raises(ValueError, match="CANARY"):  # the test pilot raises it again; the operator sees stderr
        drive(app, "narrow", press)
    told = "".join(map(str, app._exit_renderables)) + capsys.readouterr().err
    assert "the screen failed: ValueError at host.py:" in told
    assert "CANARY" not in told
    assert app.exit_status() == 1


def test_the_environment_cannot_make_the_screen_write_files() -> None:
    """Variables that log keystrokes, save pictures or write TLS keys are gone before Textual is imported."""
    environment = {
        "TEXTUAL_LOG": "x",
        "TEXTUAL_SCREENSHOT": "1",
        "SSLKEYLOGFILE": "y",
        "COLUMNS": "80",
        "HOME": "/root",
    }
    scrub(environment)
    assert environment == {"HOME": "/root"}
    program = "import runbook_tui.tui.start, runbook_tui.tui.home, sys; print('textual' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.strip() == "False"


def test_there_is_no_palette_and_no_way_to_save_the_screen() -> None:
    """ctrl+p opens nothing, and only our own keys are bound."""

    async def press(pilot: Any) -> None:
        before = pilot.app.screen
        await pilot.press("ctrl+p", "ctrl+backslash", "f5")
        await pilot.pause()
        assert pilot.app.screen is before

    drive(IncidentApp(RecordedClient(halfway())), "narrow", press)


_SCREEN = """
import sys
sys.path.insert(0, {folder!r})
from recorded import RecordedClient, halfway
from runbook_tui.tui.start import run_incident
sys.exit(run_incident(RecordedClient(halfway())))
"""


def test_no_colour_and_no_animation(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR leaves only grey; every word and mark is still there."""
    monkeypatch.setenv("NO_COLOR", "1")

    async def look(pilot: Any) -> None:
        assert "▐DRILL▌" in grid(pilot.app)
        for strip in pilot.app.screen._compositor.render_strips():
            for segment in strip:
                for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                    assert colour is None or colour.triplet is None or len(set(colour.triplet)) == 1
        assert pilot.app.animation_level == "none"

    drive(IncidentApp(RecordedClient(halfway())), "wide", look)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_screen_in_order(number: signal.Signals) -> None:
    """SIGTERM and SIGHUP end the app with 128 + n instead of killing it on the spot."""
    app = IncidentApp(RecordedClient(halfway()))

    async def run() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            app._driver.exit_event = asyncio.Event()  # type: ignore[union-attr]
            os.kill(os.getpid(), number)
            await pilot.pause(0.2)

    asyncio.run(run())
    assert app.exit_status() == 128 + number


def test_a_closed_terminal_ends_the_screen(tmp_path: Path) -> None:
    """A real terminal that is killed takes the screen with it; a terminated screen gives the terminal back."""
    program = [sys.executable, "-c", _SCREEN.format(folder=str(Path(__file__).parent))]
    terminal = Terminal(program, env=plain_environment(), columns=80, rows=24)
    try:
        terminal.wait_for("NEXT")
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait_exit() == 128 + signal.SIGTERM
    finally:
        terminal.close()
    other = Terminal(program, env=plain_environment(), columns=120, rows=40)
    other.wait_for("CLOSED LOOP")
    pid = other.pid
    other.close()
    asyncio.run(_until(lambda: not Path(f"/proc/{pid}").exists()))


def test_ctrl_z_goes_to_the_shell_and_comes_back() -> None:
    """ctrl+z stops the process as a shell expects, and after `fg` the screen is drawn again."""
    program = [sys.executable, "-c", _SCREEN.format(folder=str(Path(__file__).parent))]
    terminal = Terminal(program, env=plain_environment(), columns=80, rows=24)
    try:
        terminal.wait_for("NEXT")
        terminal.send("C-z")
        terminal.wait_gone("NEXT")
        status = Path(f"/proc/{terminal.pid}/stat")
        asyncio.run(_until(lambda: status.read_text().rsplit(")", 1)[1].split()[0] == "T"))
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.wait_for("NEXT")
    finally:
        terminal.close()


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(100):
        if holds():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come about")


def test_the_home_screen_shows_foreign_titles_as_they_are() -> None:
    """Titles of playbooks and incidents are plain text on the home screen too."""
    data = HomeData(
        (PlaybookRow("x", HOSTILE[0], "5 m"),),
        (IncidentRow("i-1", HOSTILE[1], "LIVE", "22:01", HOSTILE[2]),),
        (Ready("vault", HOSTILE[4]),),
    )

    async def look(pilot: Any) -> None:
        shown = grid(pilot.app)
        assert "[@click=app.exit]" in shown
        assert not any(char in shown for char in "\x1b\x07\u202e")

    drive(HomeApp(data), "wide", look)
