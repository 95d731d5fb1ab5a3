"""Promise: a name that is unknown, a path or an attack is refused in one line, with a hint and exit code 2."""

from __future__ import annotations

import json

import pytest
from bad_input_kit import refused

from journeys.journey_kit import Machine

WEIRD = ["../x", "x" * 500, "\x1b[31m\N{GRINNING FACE} two\n\u202elines"]
# Every argument that is a name; `{}` stands for it.
COMMANDS = [
    "run {} --headless",
    "drill {}",
    "drill api-key-leaked --scenario {}",
    "resume {}",
    "incident show {}",
    "incident verify {}",
    "incident note {} text",
    "report {}",
    "credential show {} --vault file",
    "credential check {} --vault file",
    "credential remove {} --vault file",
    "credential add {} --provider none --vault file --value-stdin",
    "credential add good --provider {} --vault file --value-stdin",
    "provider show {}",
    "provider call {} revoke --credential x --vault file",
    "provider call github {} --credential x --vault file",
    "provider check {}",
    "playbook show {}",
    "playbook new {}",
    "playbook new good --from {}",
    "webhook sign --body /dev/null --secret-stdin --scheme {}",
    "run api-key-leaked --headless --vault session --key-id k --provider {}",
    "run api-key-leaked --headless --vault session --input leaked={}",
    "run member-offboarded --headless --vault session --input member={}",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_weird_name_is_refused(machine: Machine, command: str) -> None:
    """Paths, blanks, emoji, 500 characters, control and direction characters: refused, never run, never echoed raw."""
    for name in WEIRD:
        done = machine.run(*(part.replace("{}", name) for part in command.split()), stdin="fake-value-of-a-test-000\n")
        refused(done)
        assert "\x1b" not in done.stderr
        assert "\u202e" not in done.stderr
    assert not list(machine.incidents.iterdir() if machine.incidents.is_dir() else ())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("rum api-key-leaked", "did you mean 'run'?"),
        ("run api-key-leakd", "did you mean api-key-leaked?"),
        ("drill api-key-leaked --scenario streampixl", "did you mean streampixel?"),
        ("provider show gihub", "did you mean github?"),
        ("provider call github revok --credential x", "known: "),
        ("webhook sign --scheme strip --body /dev/null --secret-stdin", "stripe"),
        ("incident show inc-20260101-aaaa", "`runbook incident list` shows them"),
        ("resume inc-20260101-aaaa", "`runbook incident list` shows them"),
        ("run api-key-leaked --headless --vault session --key-id k --provider stripe --input leeked=x", "it takes: "),
        ("run api-key-leaked --headless --vault session --input leaked", "NAME=VALUE"),
        ("run api-key-leaked --headless --vault session --input leaked=a --key-id k", "--key-id has nothing to do"),
        ("run member-offboarded --headless --vault session --key-id k", "takes no credential"),
        ("run api-key-leaked --headless --vault session --key-id k", "--provider NAME"),
        ("run api-key-leaked --plain --answers x.yaml", "--answers goes with --headless"),
        ("run api-key-leaked --vault cellar", "'cellar' is not one of"),
        ("run api-key-leaked --frobnicate", "No such option"),
        ("run", "Missing argument 'PLAYBOOK'"),
        ("drill api-key-leaked --seed many", "is not a valid integer"),
        ("report inc-20260101-aaaa --format pdf", "'pdf' is not one of"),
        ("conductor", "is started by"),
    ],
)
def test_an_unknown_word_is_told_what_is_known(machine: Machine, command: str, words: str) -> None:
    """Each with what is close to it, or what there is; the usage is that of `runbook`, however it was started."""
    refused(machine.run(*command.split()), 2, words)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.split()[1:2] != ["new"]])
def test_a_refusal_prints_no_document(machine: Machine, command: str) -> None:
    """With --json an error goes to standard error, and nothing to standard output."""
    if "check {}" in command or "note" in command or "credential add" in command or "remove" in command:
        return
    argv = command.replace("{}", "no-such-name").split()
    if argv[0] != "report":
        argv.append("--json")
    refused(machine.run(*argv, stdin="fake-value-of-a-test-000\n"))


def test_one_document_on_success(machine: Machine) -> None:
    """With --json standard output is one JSON document, whatever else is said on standard error."""
    for command in (
        "playbook list", "playbook show api-key-leaked", "playbook check", "provider list", "provider show aws",
        "webhook schemes", "incident list", "doctor", "credential list --vault file",
    ):  # fmt: skip
        done = machine.run(*command.split(), "--json")
        assert done.returncode in (0, 1), done.stderr
        json.loads(done.stdout)
    json.loads(machine.run("playbook", "schema").stdout)


def test_a_new_playbook_is_a_good_one(machine: Machine) -> None:
    """`playbook new` writes only what `playbook check` accepts, and never over a file that is there."""
    assert machine.run("playbook", "new", "ours").returncode == 0
    assert machine.run("playbook", "check", "ours.yaml").stdout.endswith("ours.yaml: good\n")
    refused(machine.run("playbook", "new", "ours"), 2, "is there already")
    refused(machine.run("playbook", "new", "Ours"), 2, "lower-case")
    refused(machine.run("playbook", "new", "x" * 60), 2, "lower-case")
    (machine.cwd / "broken.yaml").write_text("runbook: 1\n")
    refused(machine.run("playbook", "new", "copy", "--from", "broken.yaml"), 2, "broken.yaml:1:1")
    assert sorted(path.name for path in machine.cwd.iterdir()) == ["broken.yaml", "ours.yaml"]
