"""Promise: a mistake in any file is told with file:line:column and a hint, before anything begins."""

from __future__ import annotations

import json
import re

import pytest
from bad_input_kit import refused

from journeys.journey_kit import Machine

_START = ("--headless", "--vault=session", "--key-id=k", "--provider=stripe")
_INVENTORY = {
    "unknown field": ("credentials: {a: {provider: stripe, owned: kim}}\n", "owner"),
    "unknown section": ("credentails: {}\n", "credentials"),
    "unknown kind": ("consumers: {a: {kind: envfile}}\n", "env-file"),
    "wrong type": ("credentials: {a: {consumers: b}}\n", "must be a list"),
    "unknown consumer": ("credentials: {a: {consumers: [b]}}\n", "no consumer 'b'"),
    "no URL": ("endpoints: {a: {url: shop.example}}\n", "is not a URL"),
    "duplicate key": ("repositories: []\nrepositories: []\n", "stands here twice"),
    "alias": ("repositories: *x\n", "aliases"),
    "tag": ("repositories: !!python/object:x []\n", "is not allowed"),
    "bad name": ('credentials: {"../x": {}}\n', "is not a valid name"),
    "large": ("# " + "x" * 300_000 + "\n", "larger than 256 KiB"),
    "nested": ("repositories: " + "[" * 3000 + "]" * 3000 + "\n", "nested deeper"),
}


@pytest.mark.parametrize("mistake", _INVENTORY)
def test_a_mistake_in_the_inventory(machine: Machine, mistake: str) -> None:
    """No incident is opened on an inventory that says something else than was meant."""
    text, words = _INVENTORY[mistake]
    (machine.cwd / "inventory.yaml").write_text(f"inventory: 1\n{text}")
    done = machine.run("run", "api-key-leaked", *_START)
    refused(done, 2, words)
    assert re.search(r"inventory\.yaml:\d+:\d+: error: ", done.stderr)
    assert not list(machine.incidents.iterdir() if machine.incidents.is_dir() else ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("declre: {exposure: public}\n", "the playbook has no step 'declre'"),
        ("declare: public\n", "is not an answers file"),
        ("- declare\n", "is not an answers file"),
        ("waive: {x: y}\n", "a waiver has a name and a reason"),
        ("declare: {exposure: a, exposure: b}\n", "stands here twice"),
        (None, "cannot read answers.yaml"),
    ],
)
def test_a_mistake_in_the_answers(machine: Machine, text: str | None, words: str) -> None:
    """The file is read and checked before anything begins: no incident stays open because of a typing mistake."""
    if text is not None:
        (machine.cwd / "answers.yaml").write_text(text)
    refused(machine.run("run", "api-key-leaked", *_START, "--answers=answers.yaml"), 2, words)
    assert not list(machine.incidents.iterdir() if machine.incidents.is_dir() else ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("declare: {exposure: mars}\n", "exposure cannot be 'mars'"),
        ("declare: {detected_at: yesterday}\n", "not a time: 'yesterday'"),
        ("declare: {detected_at: 2026-11-21T10:00:00}\n", "has no offset"),
        ("declare: {bogus: 1}\n", "there is no question 'bogus'"),
    ],
)
def test_a_wrong_answer(machine: Machine, text: str, words: str) -> None:
    """A value a question does not take: exit code 2, the question's hint, and the incident stays, whole."""
    (machine.cwd / "answers.yaml").write_text(text)
    done = machine.run("run", "api-key-leaked", *_START, "--answers=answers.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "\n  hint: " in done.stderr
    assert f"runbook resume {machine.only_incident()}" in done.stderr
    assert machine.run("incident", "verify", machine.only_incident()).returncode == 0


def test_playbooks_and_manifests_are_checked(machine: Machine) -> None:
    """`playbook check` and `provider check`: every file, every mistake, one line and a hint each, or one JSON list."""
    (machine.cwd / "own.yaml").write_text("runbook: 1\nid: own\ntitle: 1\ntarget: 5m\nsteps: []\nextra: 2\n")
    done = machine.run("playbook", "check", "own.yaml", "absent.yaml")
    assert (done.returncode, done.stderr) == (2, "")
    assert re.findall(r"^(own\.yaml:\d:\d|absent\.yaml:0:0): error: ", done.stdout, re.MULTILINE)
    assert done.stdout.count("  hint: ") == 4
    listed = json.loads(machine.run("playbook", "check", "own.yaml", "--json").stdout)
    assert [(one["line"], one["level"]) for one in listed] == [(3, "error"), (5, "error"), (6, "error")]
    refused(machine.run("run", "own.yaml", *_START), 2, "own.yaml:3:1: error: ")
    (machine.cwd / "toy.yaml").write_text("provider: 1\nid: toy\nnme: Toy\n")
    done = machine.run("provider", "check", "toy.yaml")
    assert done.returncode == 2
    assert re.search(r"toy\.yaml:3:1: error: unknown field `nme`\n  hint: did you mean `name`\?", done.stdout)


@pytest.mark.parametrize("value", ["yesterday", "12:30", "2026-11-21T10:00:00", "1"])
def test_a_time_that_is_none(machine: Machine, value: str) -> None:
    """An input of type `time` takes an RFC 3339 time with its offset."""
    (machine.cwd / "own.yaml").write_text(
        "runbook: 1\nid: own\ntitle: Own\ntarget: 5m\ninputs:\n  since: {type: time, ask: Since when?}\n"
        "  how: {type: choice, ask: How?, options: [a, b], default: a}\n"
        "steps:\n  - {id: say, phase: close, title: Say, note: since $(since), target: 9s}\n"
    )
    start = ("run", "own.yaml", "--headless", "--vault=session", "--input")
    refused(machine.run(*start, f"since={value}"), 2, "2026-11-21T22:04:00Z" if "T" not in value else "offset")
    refused(machine.run(*start, "how=c", "--input", "since=2026-11-21T10:00:00Z"), 2, "one of a, b")
    refused(machine.run(*start, "how=a"), 2, "--input since=VALUE")
    assert machine.run(*start, "since=2026-11-21T10:00:00Z").returncode in (0, 3)
