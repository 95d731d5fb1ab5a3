"""Promise: no front end shows, records or echoes what was pasted into it; a crash tells type and place, no value."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from canaries import CANARIES
from canary_pty import Pty
from canary_site import Site, assert_clean, wait_for

Make = Callable[[], Site]
PASTED, BYHAND, PHRASE = CANARIES["pasted"], CANARIES["byhand"], CANARIES["passphrase"]


def open_run(site: Site, *options: str, more: dict[str, str] | None = None) -> Pty:
    """A live run that starts from a pasted value, up to its first screen or question."""
    opened = site.open("run", "api-key-leaked", "--vault", "session", "--provider", "acme", *options, more=more)
    opened.wait_for("not shown")
    opened.send(PASTED + "\r")
    opened.wait_for("Where is your Acme?")
    opened.send(site.vendor.url + "\r")
    return opened


SAYS = {
    "Where could": "internal",
    "Any sign": "no",
    "What can it do": "ordinary",
    "by hand?": "looked at it",
    "order": "replace_first",
    "reason": "the worker must not stop",
}


def play(opened: Pty, says: dict[str, str], until: str, steps: int = 60) -> None:
    """Answer the line-by-line front end: `says` maps a piece of a question to its answer, else Enter."""
    for _ in range(steps):
        opened.wait_for("? ", ": ")
        asked = opened.shown_line()
        if until in asked:
            return
        opened.send(next((answer for piece, answer in says.items() if piece in asked), "") + "\r")
    raise AssertionError(f"{until!r} was not asked:\n{opened.text()[-3000:]}")


def test_a_secret_typed_and_pasted_into_the_screen(plain_site: Make) -> None:
    """Pasted at the prompt; on the screen typed, pasted, selected, copied, cut; note and report pages; quit."""
    site = plain_site()
    with site.watched():
        by_line = open_run(site, "--admin", "none", "--plain")
        play(by_line, SAYS, until="Paste")
        by_line.send("\x03")
        by_line.close()
        screen = site.open("resume")
        screen.wait_for("NEXT")
        screen.send("\r")
        screen.wait_for("paste it here", "Esc")
        while "paste it here" not in screen.text():
            screen.send("looked\r")
            screen.wait_for("Esc", "paste it here")
        for char in BYHAND:
            screen.send(char)
        screen.send("\x1b[1;2H\x18\x01\x0b")  # select to the start, cut, home, delete the rest
        screen.paste(BYHAND)
        screen.send("\x1b[1;2H\x1b[<0;20;12M\x1b[<0;20;12m\x1b[<0;20;12M\x1b[<0;60;12M\x1b[<0;60;12m\x18\x10")
        screen.settle()
        screen.send("\x1b")
        screen.settle()
        for key in ("p", "\x1b", "t", "\x1b", "?", "\x1b"):
            screen.send(key)
            screen.settle()
        screen.send("q")
        screen.wait_for("Leave?")
        screen.send("y")
        screen.ends()
        site.clean_up()
    assert_clean(site)


def test_the_file_vaults_passphrase_at_a_terminal(plain_site: Make) -> None:
    """Typed twice, then used; a wrong one; a value typed unseen; nothing of either is anywhere but in the vault."""
    site = plain_site()
    add = site.open("credential", "add", "byhand", "--provider", "none", "--vault", "file")
    show = ("credential", "show", "byhand", "--vault", "file")
    for opened, typed in ((add, [BYHAND, BYHAND, PHRASE, PHRASE]), (None, [PHRASE]), (None, [BYHAND])):
        opened = opened or site.open(*show)  # noqa: PLW2901
        for text in typed:
            opened.wait_for("not shown", "once more")
            opened.send(text + "\r")
        opened.ends()
    assert "stored byhand" in add.text()
    assert [one.process.returncode for one in site.terminals] == [0, 0, 3]
    assert (site.root / "rb" / "state" / "vault.json").exists()
    assert_clean(site)


BROKEN = {
    "a request": "runbook_tui.conductor.core:Conductor.handle",
    "a tick": "runbook_tui.conductor.steps:Steps.tick",
    "composing a screen": "runbook_tui.tui.incident:IncidentScreen.compose",
    "drawing a screen": "runbook_tui.tui.incident:IncidentScreen.draw",
    "the line-by-line front end": "runbook_tui.plain.front:_Front._command",
}


@pytest.mark.parametrize("where", BROKEN)
def test_a_fault_in_a_live_run_tells_no_value(plain_site: Make, where: str) -> None:
    """An error whose text and locals hold the secret, raised in a real run: type and place are told, and no more."""
    site = plain_site()
    value = site.evidence / "value"
    value.write_text(PASTED)
    more = {"CANARY_BREAK": BROKEN[where], "CANARY_VALUE": str(value)}
    plain = ["--plain"] if "line-by-line" in where else []
    opened = open_run(site, *plain, more=more)
    wait_for(lambda: _poke(opened) or value.with_name("value.hit").exists(), f"{where} was never broken", 20)
    opened.close()
    site.clean_up()
    assert_clean(site)


@pytest.mark.parametrize(
    "where",
    [
        "runbook_tui.providers.calls:Call.run",
        "runbook_tui.conductor.performer:Performer.perform",
        "runbook_tui.secrets.vault:SessionVault.get",
        "runbook_tui.journal.store:Journal.append",
        "runbook_tui.cli.launch:leave",
    ],
)
def test_a_fault_in_a_run_without_operator_tells_no_value(plain_site: Make, where: str) -> None:
    """The same in a provider call, a step, a vault, the journal and a command, where nobody looks on."""
    site = plain_site()
    value = site.evidence / "value"
    value.write_text(PASTED)
    more = {"CANARY_BREAK": where, "CANARY_VALUE": str(value)}
    code, _ = site.run("drill", "api-key-leaked", "--auto", "--seed", "7", more=more)
    assert value.with_name("value.hit").exists()
    assert code in (1, 3)
    assert_clean(site)


def _poke(opened: Pty) -> None:
    """Press Enter: a step is begun, its questions are answered."""
    if opened.process.poll() is None:
        opened.send("\r")
        opened.pause(0.4)


def test_the_home_screen_and_a_closed_terminal(plain_site: Make) -> None:
    """Home with an open incident on it; SIGTERM and SIGHUP while a secret stands in no field."""
    site = plain_site()
    run = open_run(site)
    run.wait_for("NEXT")
    os.kill(run.process.pid, signal.SIGTERM)
    assert run.ends() == 128 + signal.SIGTERM
    home = site.open()
    home.wait_for("API key leaked")
    home.close()
    site.clean_up()
    assert_clean(site)
