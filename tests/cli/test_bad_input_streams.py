"""Promise: closed streams, a reader that leaves, Ctrl-C, odd terminals and locales: a clear word, nothing is lost.

The real command, each in a process of its own.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from bad_input_kit import refused, whole

from journeys.journey_kit import RUNBOOK, Machine
from servers.terminal import Terminal

_HEAVY = {"asyncio", "botocore", "cryptography", "git", "httpx", "keyring", "re2", "rich", "sqlite3", "textual"}
# Reads and writes of every kind; `{}` is an incident.
_COMMANDS = [
    "", "--help", "playbook list", "playbook schema", "provider list --json", "incident list", "incident show {}",
    "incident verify {}", "report {}", "webhook schemes", "doctor", "credential list --vault file",
]  # fmt: skip


def _shell(machine: Machine, command: str, redirections: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command with the shell's redirections around it; `$?` of the command itself is printed last."""
    line = f'{" ".join(RUNBOOK)} {command} {redirections}; echo "ended ${{PIPESTATUS[0]}}" >&2'
    done = subprocess.run(
        ["bash", "-c", line], env={**machine.env, **env}, cwd=machine.cwd, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "fault in the program" not in done.stderr
    return done


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with one finished drill."""
    root = tmp_path_factory.mktemp("drilled")
    (root / "here").mkdir()
    machine = Machine(root / "home", root / "here")
    assert machine.run("drill", "api-key-leaked", "--auto").returncode == 0
    return machine


@pytest.mark.parametrize(
    ("redirections", "code"),
    [
        pytest.param("</dev/null >/dev/full", "3", id="the output's disk is full"),
        pytest.param("</dev/null | true", "3", id="the reader is gone"),
    ],
)
def test_an_output_that_cannot_be_written(drilled: Machine, redirections: str, code: str) -> None:
    """Incomplete (3), never 1: that would read as a bad finding. No traceback, not even at the very end."""
    for command in _COMMANDS[1:]:
        done = _shell(drilled, command.format(drilled.only_incident()), redirections)
        # A short text may still fit into a pipe before its reader leaves.
        assert done.stderr.endswith((f"ended {code}\n", "ended 0\n")), (command, done.stderr)
        if "full" in redirections:
            assert done.stderr.endswith("ended 3\n"), (command, done.stderr)
            assert "error: No space left on device\n  hint: " in done.stderr


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(drilled: Machine, streams: str) -> None:
    """What the caller closed is nobody's: no file of ours takes its place, the record stays whole."""
    incident = drilled.only_incident()
    for command in ("incident show {}", "incident note {} closed", "doctor"):
        line = f"{' '.join(RUNBOOK)} {command.format(incident)} {streams}"
        done = subprocess.run(["bash", "-c", line], env=drilled.env, cwd=drilled.cwd, capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        assert "Traceback" not in done.stderr
    whole(drilled)


@pytest.mark.parametrize(
    "command",
    [
        "run api-key-leaked", "run api-key-leaked --plain --vault session", "scan .", "scan . --value-stdin",
        "credential add x --provider none --vault file", "credential add x --provider none --vault file --value-stdin",
        "webhook sign --scheme stripe --body /dev/null", "webhook sign --scheme stripe --body /dev/null --secret-stdin",
        "credential remove x --vault file", "incident note nothing -",
    ],
)  # fmt: skip
@pytest.mark.parametrize("stdin", ["</dev/null", "<&-"])
def test_nobody_there_to_answer(machine: Machine, command: str, stdin: str) -> None:
    """Without a terminal nothing waits for an answer: what would be asked is told, with the way to say it."""
    done = _shell(machine, command, stdin)
    assert done.stderr.endswith("ended 2\n"), done.stderr
    done.returncode, done.stderr = 2, done.stderr.removesuffix("ended 2\n")
    refused(done)


def test_without_a_terminal_the_help_is_printed(machine: Machine) -> None:
    """`runbook` alone: the help, named `runbook` however it was started, with completion and exit codes."""
    done = machine.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: runbook [OPTIONS]")
    for words in ("runbook drill api-key-leaked", "_RUNBOOK_COMPLETE=bash_source runbook", "Exit codes: 0 good"):
        assert words in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_words_complete_without_loading_anything_heavy(machine: Machine, shell: str) -> None:
    """Completion is asked at every TAB: it lists commands and options, and imports no library for it."""
    script = _completion(machine, f"{shell}_source", "")
    assert "_RUNBOOK_COMPLETE" in script[0]
    for words, wanted in (("", "incident"), ("incident ", "verify"), ("run --he", "--headless")):
        listed, modules = _completion(machine, f"{shell}_complete", words)
        assert wanted in listed
        assert not modules & _HEAVY


def _completion(machine: Machine, instruction: str, words: str) -> tuple[str, set[str]]:
    program = (
        "import json, sys, atexit\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        "from runbook_tui.cli import main\nmain()\n"
    )
    line = f"runbook {words}"
    env = {
        **machine.env,
        "_RUNBOOK_COMPLETE": instruction,
        "COMP_WORDS": line,
        "COMP_CWORD": line.rsplit(maxsplit=1)[-1] if instruction.startswith("fish") and words[-1:].strip() else
        ("" if instruction.startswith("fish") else str(len(line.split(" ")) - 1)),
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], env=env, cwd=machine.cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "command",
    ["drill api-key-leaked --auto --json", "scan . --value-stdin", "doctor", "incident note {} -", "playbook check"],
)
def test_ctrl_c_at_any_moment(drilled: Machine, machine: Machine, command: str) -> None:
    """SIGINT while a command is loading or working: 130 (or it was through), no traceback, every record whole."""
    place = drilled if "{}" in command else machine
    for delay in (0.12, 0.2, 0.35, 0.8):
        process = subprocess.Popen(
            [*RUNBOOK, *command.replace("{}", drilled.only_incident()).split()],
            env=place.env,
            cwd=place.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1].decode()
        assert process.returncode in (0, 1, 2, 3, 130, -signal.SIGINT), said
        assert "Traceback" not in said
    whole(place)


@pytest.mark.parametrize("terminal_type", ["dumb", "", "xterm-256color"])
def test_ctrl_c_at_a_question(machine: Machine, terminal: Callable[..., Terminal], terminal_type: str) -> None:
    """In the middle of a question of the line-by-line front end: 130, the incident stays open, resume finds it."""
    argv = [*RUNBOOK, "drill", "api-key-leaked", "--plain"]
    opened = terminal(argv, env={**machine.env, "TERM": terminal_type}, columns=80, rows=24, cwd=machine.cwd)
    opened.wait_for("leave?", 60)
    opened.send("C-c")
    assert opened.wait_exit() == 130
    assert f"runbook resume {machine.only_incident()}" in opened.history()
    whole(machine)
    assert json.loads(machine.run("incident", "list", "--json").stdout)["incidents"][0]["state"] == "open"


@pytest.mark.parametrize(
    ("command", "question"),
    [
        ("credential add x --provider none --vault file", "not shown"),
        ("run api-key-leaked --vault session", "not shown"),
        ("scan .", "not shown"),
    ],
)
def test_ctrl_c_at_a_secret(machine: Machine, terminal: Callable[..., Terminal], command: str, question: str) -> None:
    """At a no-echo prompt: 130, and nothing was stored or opened."""
    opened = terminal([*RUNBOOK, *command.split()], env=machine.env, columns=80, rows=24, cwd=machine.cwd)
    opened.wait_for(question)
    opened.send("C-c")
    assert opened.wait_exit() == 130
    assert "interrupted" in opened.history()
    assert "Traceback" not in opened.history()
    assert not list(machine.home.rglob("journal.db"))
    assert not list(machine.home.rglob("vault*"))


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "COLUMNS": "20"}])
def test_poor_terminals(drilled: Machine, env: dict[str, str]) -> None:
    """A locale without UTF-8, 20 columns, no abilities: everything is still said, nothing breaks."""
    incident = drilled.only_incident()
    for command in _COMMANDS:
        done = subprocess.run(
            [*RUNBOOK, *command.format(incident).split()],
            env={**drilled.env, **env}, cwd=drilled.cwd, stdin=subprocess.DEVNULL, capture_output=True,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        assert done.stdout
        assert b"Traceback" not in done.stderr


def test_two_runs_at_once(machine: Machine) -> None:
    """Two drills begun in the same second are two incidents, each with a whole record; a third command lists both."""
    both = [
        subprocess.Popen(
            [*RUNBOOK, "drill", "api-key-leaked", "--auto", "--json"],
            env=machine.env, cwd=machine.cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    results = [json.loads(one.communicate(timeout=120)[0]) for one in both]
    assert [one["state"] for one in results] == ["contained", "contained"]
    assert len({one["incident"] for one in results}) == 2
    whole(machine)


def test_two_notes_at_once_on_one_incident(drilled: Machine) -> None:
    """Two writers of one journal: each note is recorded, or refused in one line; the record stays whole."""
    incident = drilled.only_incident()
    both = [
        subprocess.Popen([*RUNBOOK, "incident", "note", incident, f"note {n}"], env=drilled.env, stderr=subprocess.PIPE)
        for n in range(3)
    ]
    told = [(one.wait(60), one.stderr.read().decode() if one.stderr else "") for one in both]
    recorded = drilled.run("incident", "show", incident).stdout
    for number, (code, said) in enumerate(told):
        assert "Traceback" not in said
        assert (f"note {number}" in recorded) is (code == 0), said
    whole(drilled)


def test_a_second_terminal_on_an_incident_only_watches(machine: Machine, terminal: Callable[..., Terminal]) -> None:
    """`resume` of an incident that somebody drives starts no second conductor."""
    first = terminal([*RUNBOOK, "drill", "api-key-leaked", "--plain"], env=machine.env, cwd=machine.cwd)
    first.wait_for("leave?", 60)
    pid = machine.conductor()
    second = machine.run("resume", machine.only_incident())
    assert second.returncode == 3, second.stderr
    assert "drive" in second.stderr
    assert machine.conductor() == pid
    first.send("C-c")
    assert first.wait_exit() == 130
    whole(machine)
