"""The paste guard and the purge in a running conductor: no way in is forgotten, and a way out is there."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conductor_kit import NEW, OLD, Stand, on_disk, refusal

from runbook_tui.conductor import protocol
from runbook_tui.conductor.core import _NO_TEXT, Conductor
from runbook_tui.conductor.opening import Opening, open_incident
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.purge import PURGED, purges

SECRET = "ghp_" + "Z7QW3XN5RT2YB4MDz7qw3xn5"  # of the form of a GitHub token, made up
UNSHAPED = "correct horse 9Zx4Qw7Lm2Kp"  # a secret that no pattern knows
REFUSED = "looks like it holds a secret"


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


def methods(conductor: Conductor) -> dict[str, set[str]]:
    """Every method of the protocol with the names of its parameters: from its description and from what is called."""
    found: dict[str, set[str]] = {}
    for line in re.findall(r"^    (\w+ .*)$", protocol.__doc__ or "", re.MULTILINE):
        name, told = line.split(maxsplit=1)[0], line.split("->")[0].split(maxsplit=1)[1:]
        found[name] = set(re.findall(r"\w+", re.sub(r"[:{].*?(?=,|$)", "", told[0]))) if told else set()
    for name, called in {**conductor._methods, "note": conductor._note}.items():
        found.setdefault(name, set()).update(inspect.signature(called).parameters)
    return found


def test_every_text_of_every_request_passes_the_guard(stand: Stand) -> None:
    """Promise: whatever a terminal can send, under any parameter, however deep, is refused when it has the shape of a
    secret, before anything is looked up by it or recorded; the refusal does not repeat it."""
    client = stand.open().client()
    known = methods(stand.conductor)
    assert set(known) >= {"note", "skip", "run", "attest", "waive", "tripwire", "clear", "reopen", "close", "purge"}
    before, walked = list(stand.conductor.events), 0
    for method, names in known.items():
        for name in [*names, "anything"]:
            if _NO_TEXT.get(method) == name:
                continue
            for value in (f"it was {SECRET}.", [SECRET], {"a": {"b": SECRET}}, {SECRET: 1}):
                said = refusal(client, method, **{name: value})
                assert REFUSED in said, (method, name, value)
                assert SECRET not in said
                walked += 1
    assert walked > 150
    assert REFUSED in refusal(client, "close", **{SECRET: 1})
    assert REFUSED in refusal(client, "note", text="x", attached={"name": "a", "text": f"key\n{SECRET}"})
    assert stand.conductor.events == before
    assert set(_NO_TEXT) == {"run", "purge"}, "a new way past the guard needs a test of its own"


def test_every_answer_but_a_secret_one_passes_the_guard(stand: Stand, tmp_path: Path) -> None:
    """Promise: each question of each step refuses a secret as an answer, but the one that asks for it: that goes to the
    vault and is found nowhere else."""
    client = stand.open(consumers="web").client()
    asked: set[str] = set()
    for step in ("declare", "capture", "decide", "revoke-now", "create", "roll-out"):
        for prompt in client.request("prompts", step=step)["prompts"]:
            asked.add(prompt["kind"])
            if prompt["kind"] != "secret":
                assert REFUSED in refusal(client, "run", step=step, answers={prompt["name"]: SECRET}), prompt
        assert REFUSED in refusal(client, "run", step=step, answers={"nobody asked": SECRET}), step
        stand.run(client, step)
        if step == "create":
            client.request("attest", line="new:leaked", what="a delivery came through")
            stand.run(client, step)
    assert asked >= {"text", "choice", "time", "secret"}
    written = on_disk(tmp_path).replace((tmp_path / "web.env").read_bytes(), b"")
    for secret in (SECRET, OLD, NEW):
        assert secret.encode() not in written


@pytest.mark.parametrize("where", ["inputs", "admin", "commander", "facts"])
def test_an_incident_is_not_opened_with_a_secret(stand: Stand, where: str) -> None:
    """Promise: a secret given as an input, a name or a fact opens nothing, and the refusal does not repeat it."""
    more: dict[str, Any] = {"inputs": {"leaked": "hook"}}
    more[where] = {"leaked" if where == "inputs" else "how": SECRET} if where in ("inputs", "facts") else SECRET
    with pytest.raises(RunbookError, match=REFUSED) as refused:
        open_incident(stand.conductor, Opening("inc-1", "drill", **more))
    assert SECRET not in str(refused.value)
    assert stand.kinds() == []


def test_what_the_inventory_says_passes_the_guard(stand: Stand) -> None:
    """Promise: a secret in the inventory (a consumer's title) is refused before the incident has a record."""
    known = stand.kit.inventory.consumers["web"]
    stand.kit.inventory.consumers["web"] = replace(known, title=f"web {SECRET}")
    with pytest.raises(RunbookError, match=REFUSED):
        stand.open(consumers="web")
    assert stand.kinds() == []


def test_a_terminal_cannot_bring_a_secret_by_its_name(stand: Stand) -> None:
    """Promise: a terminal that calls itself by a secret is recorded under no name."""
    stand.open().client(f"kim {SECRET}")
    assert stand.conductor.events[-1].data["name"] == "a terminal"
    assert all(SECRET not in json.dumps(one.fields()) for one in stand.conductor.events)


def test_a_known_secret_is_replaced_in_whatever_form(stand: Stand, tmp_path: Path) -> None:
    """Promise: what the vault holds is kept out of notes even where no pattern knows it, encoded too."""
    client = stand.open().client()
    stand.kit.credential("hook")
    client.request("note", text=f"old {OLD}, hex {OLD.encode().hex()}", attached={
        "name": "log.txt", "size": 3, "sha256": "0" * 64, "text": f"GET /?k={OLD}", "left_out": ""})  # fmt: skip
    data = stand.conductor.events[-1].data
    assert data["text"] == "old «hook», hex «hook»"
    assert data["attached"]["text"] == "GET /?k=«hook»"
    assert OLD.encode() not in on_disk(tmp_path)


# -- purge


def test_a_purge_through_the_conductor(stand: Stand, tmp_path: Path) -> None:
    """Promise: the driver purges what matches: it is gone from the journal, the conductor, every terminal that watches
    and what later ones are told; the run goes on, and who writes the secret again writes a label."""
    driver, watcher = stand.open(consumers="web").client("one"), stand.client("two", "watch")
    for step in ("declare", "capture", "decide"):
        assert stand.run(driver, step) == "done", step
    watcher.request("note", text=f"the vendor says {UNSHAPED}")
    assert stand.run(driver, "revoke-now", seen=f"revoked {UNSHAPED}") == "done"
    assert UNSHAPED.encode() in on_disk(tmp_path)
    before = driver.state
    done = driver.request("purge", reason=f"pasted {UNSHAPED}", secret=UNSHAPED)
    assert done["clean"]
    assert len(done["events"]) >= 3
    assert UNSHAPED.encode() not in on_disk(tmp_path)
    for client in (driver, watcher, stand.client("three", "watch")):
        assert UNSHAPED not in json.dumps([one.fields() for one in client.events])
        assert client.state == stand.conductor.state
        assert {one.seq for one in purges(client.events)} == set(done["events"])
    assert UNSHAPED not in stand.conductor._markdown()
    assert (driver.state.steps.keys(), driver.state.order) == (before.steps.keys(), before.order)
    assert stand.conductor.events[-1].data["reason"] == f"pasted {PURGED}"
    watcher.request("note", text=f"again: {UNSHAPED}")
    assert stand.conductor.events[-1].data["text"] == f"again: {PURGED}"
    assert stand.journal.verify() == []
    assert stand.run(driver, "create") == "undetermined", "the run goes on"


def test_only_the_driver_purges(stand: Stand) -> None:
    """Promise: a purge is an act: who watches cannot, a reason is needed, and nothing is purged while a step runs."""
    driver, watcher = stand.open().client("one"), stand.client("two", "watch")
    driver.request("note", text=UNSHAPED)
    last = stand.conductor.events[-1].seq
    assert "drives this incident" in refusal(watcher, "purge", reason="r", secret=UNSHAPED)
    assert "needs a reason" in refusal(driver, "purge", reason=" ", events=[last])
    assert "no event 99" in refusal(driver, "purge", reason="r", events=[99])
    stand.conductor.record("step_started", {"step": "declare", "answers": {}, "attempt": 1})
    assert "a step is running" in refusal(driver, "purge", reason="r", events=[last])
    stand.conductor.record("step_failed", {"step": "declare", "status": "failed", "reason": "", "manual": []})
    assert driver.request("purge", reason="r", events=[last])["events"] == [last]
    assert driver.events[last - 1].data["text"] == PURGED


def test_a_restarted_conductor_reads_what_stands_for_it(stand: Stand, tmp_path: Path) -> None:
    """Promise: after a purge the incident is taken up as before."""
    client = stand.open().client()
    stand.run(client, "declare")
    client.request("note", text=UNSHAPED)
    client.request("purge", reason="r", secret=UNSHAPED)
    state = stand.conductor.state
    stand.journal.close()
    again = Stand(tmp_path)
    assert again.conductor.state == state
    again.conductor.recover()
    assert again.run(again.client(), "capture") == "done"
