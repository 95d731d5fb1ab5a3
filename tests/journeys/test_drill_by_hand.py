"""A person rehearses with the keyboard alone, told by the screen what to do, up to a closed and contained incident."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from journey_kit import RUNBOOK, Machine, PlainOperator, ScreenOperator, brisk

from servers.terminal import Terminal

Make = Callable[..., Machine]
OpenTerminal = Callable[..., Terminal]

SAYS = {
    "Where could it be read": "public",
    "Any sign that somebody else": "no",
    "What can it do": "ordinary",
    "What was reversed": "nothing foreign",
    "What do you see": "it shows one key",
    "Which consumers are ready": "both",
}
LEFTOVER = re.compile(r"curl -X POST (http://127\.0\.0\.1:\d+/dashboard/[0-9a-f]+/create)")


def _steps(machine: Machine) -> list[str]:
    return [event["data"]["step"] for event in machine.events() if event["kind"] == "step_done"]


def _check_contained(machine: Machine) -> None:
    """The journal and the simulated provider say so, not only the screen."""
    events = machine.events()
    (closed,) = [event["data"] for event in events if event["kind"] == "closed"]
    assert closed["state"] == "contained"
    assert {"declare", "capture", "decide", "create", "roll-out", "prove-used", "prove-dead"} < set(_steps(machine))
    assert {"audit", "search", "webhook", "clean-up", "report"} < set(_steps(machine))
    states = {key["role"]: key["state"] for key in machine.simulator_keys()}
    assert (states["leaked"], states["created"]) == ("dead", "alive")
    assert "DRILL" in (machine.folder() / "report.md").read_text()


def test_the_default_drill_line_by_line(machine: Make, terminal: OpenTerminal) -> None:
    """On a terminal that cannot draw: every question answered by keys, the clock and the loop in sight throughout."""
    here = machine()
    opened = terminal([*RUNBOOK, "drill", "api-key-leaked", "--plain"], env=here.env, cwd=here.cwd)
    operator = PlainOperator(opened)
    operator.play(SAYS)
    assert opened.wait_exit() == 0, operator.text()
    said = operator.text()
    assert said.startswith("DRILL: ")
    heads = re.findall(r"\d+:\d\d of 5:00, \d+:\d\d left\. (\d of 1 dead, \d of 2 live)", said)
    assert (heads[0], heads[-1]) == ("0 of 1 dead, 0 of 2 live", "1 of 1 dead, 2 of 2 live")
    assert "login.failed" in said, "the entries that have to be judged are shown"
    assert "base64 in deploy/secret.yaml" in said
    assert "closed: contained. Report: " in said
    _check_contained(here)


def test_a_wrong_answer_is_asked_again_and_changes_nothing(machine: Make, terminal: OpenTerminal) -> None:
    """A typing error costs one line; a wrong confirmation sends nothing; an empty one leads back."""
    here = machine()
    opened = terminal([*RUNBOOK, "drill", "api-key-leaked", "--plain"], env=here.env, cwd=here.cwd)
    operator = PlainOperator(opened)
    assert "leave?" in operator.waits_with()
    operator.answer("")
    assert "Where could it be read" in operator.waits_with()
    operator.answer("everywhere")
    assert "Where could it be read" in operator.waits_with()
    assert "one of public, internal, unknown" in operator.text()
    operator.play({**SAYS, "What can it do": "money"}, stop_at="Type  ")
    operator.answer("no")
    assert "Type  " in operator.waits_with()
    assert "nothing was done" in operator.text()
    operator.answer("")
    assert "leave?" in operator.waits_with()
    operator.answer("leave")
    assert opened.wait_exit() == 3
    assert "intent" not in [event["kind"] for event in here.events()]
    assert "runbook resume" in operator.text()


def test_the_streampixel_drill_line_by_line(machine: Make, terminal: OpenTerminal) -> None:
    """The screen leads to the dashboard with the new key; it is pasted unseen; the old one is proven by itself."""
    here = machine()
    command = [*RUNBOOK, "drill", "api-key-leaked", "--scenario", "streampixel", "--plain"]
    opened = terminal(command, env=here.env, cwd=here.cwd)
    operator = PlainOperator(opened)
    pasted: list[str] = []

    def from_the_dashboard() -> str:
        said = LEFTOVER.search(operator.text())
        assert said, f"nobody told the newcomer where the key is:\n{operator.text()}"
        pasted.append(httpx.post(said[1], trust_env=False).raise_for_status().text.strip())
        return pasted[-1]

    operator.play({**SAYS, "Paste the new secret": from_the_dashboard})
    assert opened.wait_exit() == 0, operator.text()
    said = operator.text()
    assert len(pasted) == 1
    assert pasted[0] not in said
    steps = _steps(here)
    assert steps.index("stage") < steps.index("create") < steps.index("roll-out")
    # One request in two minutes: the proof waited for the provider's limit while the other steps went on.
    assert steps.index("audit") < steps.index("prove-dead")
    assert "waits until" in said
    _check_contained(here)


KEYS = {
    "State what is known": ("p", "Enter", "n", "Enter", "o", "Enter", "Enter", "Enter"),
    "advises": ("Enter", "Enter"),
    "lose the incident": ("Enter",),
}


@pytest.mark.parametrize(("columns", "rows"), [(120, 40), (80, 24)])
def test_the_default_drill_on_the_full_screen(machine: Make, terminal: OpenTerminal, columns: int, rows: int) -> None:
    """Enter, a few letters and one typed confirmation lead from the first step to the closed incident."""
    here = machine()
    command = [*RUNBOOK, "drill", "api-key-leaked", "--scenario", brisk(here, "openai-key")]
    opened = terminal(command, env=here.env, cwd=here.cwd, columns=columns, rows=rows)
    operator = ScreenOperator(opened)
    operator.play(KEYS)
    assert opened.wait_exit() == 0, opened.screen()
    for screen in (one for one in operator.seen if "═" in one):
        assert all(word in screen for word in ("DRILL", "of 5:00", "of 1 dead", "of 2 live")), screen
    assert any("THIS CANNOT BE UNDONE" in screen and "DELETE" in screen for screen in operator.seen)
    _check_contained(here)


def test_the_streampixel_key_on_the_full_screen(machine: Make, terminal: OpenTerminal) -> None:
    """At 80x24 the dialog leads to the dashboard; the key pasted there is not shown, and the provider accepts it."""
    here = machine()
    command = [*RUNBOOK, "drill", "api-key-leaked", "--scenario", "streampixel"]
    opened = terminal(command, env=here.env, cwd=here.cwd, columns=80, rows=24)
    operator = ScreenOperator(opened)
    operator.play(KEYS, stop_at="aste the new secret")
    words = re.sub(r"[\s║▌▐]+", "", opened.screen())
    said = re.search(r"curl-XPOST(http://127\.0\.0\.1:\d+/dashboard/[0-9a-f]+/create)", words)
    assert said, f"nobody told the newcomer where the key is:\n{opened.screen()}"
    key = httpx.post(said[1], trust_env=False).raise_for_status().text.strip()
    opened.paste(key)
    opened.wait_gone("paste it here")
    assert key not in opened.screen()
    opened.send("Enter")
    opened.wait_for("Give the new key to every consumer")
    assert key not in opened.screen()
    states = {one["role"]: one["state"] for one in here.simulator_keys()}
    assert (states["leaked"], states["created"]) == ("dead", "alive")
