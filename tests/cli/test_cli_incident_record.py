"""`incident note`, `purge` and `verify` as an operator uses them, and every option that takes text."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from journeys.journey_kit import Machine, until
from runbook_tui.cli import runbook
from runbook_tui.foundation.clock import FakeClock
from runbook_tui.journal.store import Journal

SECRET = "ghp_" + "Z7QW3XN5RT2YB4MDz7qw3xn5"  # of the form of a GitHub token, made up
UNSHAPED = "correct horse 9Zx4Qw7Lm2Kp"  # a secret that no pattern knows
REFUSED = "looks like it holds a secret"
INCIDENT = "inc-20251120-7k3f"

# What becomes of each option and argument that takes text. A new one fails the test below until it stands here.
TEXTS = {
    "run": {
        "guarded": {"--input", "--provider", "--key-id", "--admin", "--answers"},
        "a name of ours": {"playbook", "--vault"},
        "opens with it": {"--finding"},  # its names become inputs: tests/conductor/test_conductor_guard.py
    },
    "incident note": {"guarded": {"text", "--at", "--attach"}, "a name of ours": {"incident"}},
    "incident purge": {"guarded": {"--reason"}, "a name of ours": {"incident", "events"}},
    "resume": {"a name of ours": {"incident", "--vault"}},
    "drill": {"a name of ours": {"playbook", "--scenario", "--seed"}},
}


def on_disk(machine: Machine) -> bytes:
    return b"".join(file.read_bytes() for file in machine.home.rglob("*") if file.is_file())


@pytest.fixture
def recorded(machine: Machine) -> Path:
    """An incident's journal, its writer gone."""
    path = machine.incidents / INCIDENT / "journal.db"
    journal = Journal.create(path, FakeClock(tick=0.01), lambda value: value)
    book = {"id": "x", "sha256": "0", "source": ""}
    journal.append("opened", {"incident": INCIDENT, "mode": "live", "title": "t", "target": 1, "playbook": book}, "ann")
    journal.append("note", {"text": f"they said {UNSHAPED}", "at": ""}, "ann")
    journal.append("note", {"text": f"hex {UNSHAPED.encode().hex()}", "at": ""}, "ann")
    journal.append("note", {"text": "nothing of it", "at": ""}, "ann")
    journal.close()
    return path


def verify(machine: Machine) -> tuple[int, str]:
    """`incident verify` in this process: exit code and output."""
    words = ["incident", "verify", INCIDENT]
    shown = CliRunner().invoke(runbook, words, env={"RUNBOOK_HOME": str(machine.home)}, standalone_mode=False)
    assert shown.exception is None, shown.exception
    return int(shown.return_value), shown.stdout


def event(path: Path, *kinds_and_data: tuple[str, dict]) -> None:
    journal = Journal.open(path, FakeClock(tick=0.01), lambda value: value)
    for kind, data in kinds_and_data:
        journal.append(kind, data, "ann")
    journal.close()


def test_every_text_option_of_a_command_that_records_is_known() -> None:
    """Promise: a new option that takes text on a command that writes a record cannot be forgotten by the guard."""
    for words, known in TEXTS.items():
        command: click.Command = runbook
        for word in words.split():
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), word)
            assert found is not None
            command = found
        takes = {
            max(one.opts, key=len)
            for one in command.params
            if not (isinstance(one, click.Option) and one.is_flag) and one.name != "help"
        }
        assert takes <= set().union(*known.values()), (words, takes)


@pytest.mark.parametrize("option", sorted(TEXTS["run"]["guarded"]))
def test_a_run_is_not_opened_with_a_secret(machine: Machine, option: str) -> None:
    """Promise: a secret in any option of `run`, or in its answers file, is refused before it is looked up, shown or
    written anywhere."""
    value = f"leaked={SECRET}" if option == "--input" else SECRET
    if option == "--answers":
        (machine.cwd / "answers.yaml").write_text(f"declare: {{how: it was {SECRET}}}\n")
        value = "answers.yaml"
    shown = machine.run("run", "api-key-leaked", "--vault", "session", "--headless", option, value)
    assert shown.returncode == 2, shown.stderr
    assert REFUSED in shown.stderr
    assert SECRET not in shown.stderr + shown.stdout
    assert SECRET.encode() not in on_disk(machine)
    assert not machine.incidents.is_dir() or not list(machine.incidents.iterdir())


def test_notes_and_files_with_a_secret_are_refused(machine: Machine, recorded: Path) -> None:
    """Promise: an argument, standard input, a time, a file and its name are looked at; the answer names the place, not
    the value, and a way on; nothing is recorded."""
    (machine.cwd / "log.txt").write_text(f"line one\nAuthorization: token {SECRET}\n")
    (machine.cwd / f"{SECRET}.txt").write_text("x")
    before = recorded.read_bytes()
    for words, stdin in (
        ([f"it was {SECRET}"], ""),
        (["-"], f"piped {SECRET}"),
        (["x", "--at", SECRET], ""),
        (["x", "--attach", "log.txt"], ""),
        (["--attach", f"{SECRET}.txt"], ""),
    ):
        shown = machine.run("incident", "note", INCIDENT, *words, stdin=stdin)
        assert shown.returncode == 2, words
        assert REFUSED in shown.stderr
        assert SECRET not in shown.stderr
    assert recorded.read_bytes() == before
    shown = machine.run("incident", "note", INCIDENT, "x", "--attach", "log.txt")
    assert "log.txt looks like it holds a secret (a GitHub token, characters 31 to" in shown.stderr
    assert "--digest-only" in shown.stderr
    assert machine.run("incident", "note", INCIDENT, "x", "--attach", "log.txt", "--digest-only").returncode == 0
    assert SECRET.encode() not in on_disk(machine)


def test_attached_files_are_in_the_report(machine: Machine, recorded: Path) -> None:
    """Promise: a text is recorded with its digest and shown as a block, anything else by its digest and why."""
    (machine.cwd / "evidence.json").write_text('{"status": 401, "by": "```"}\n')
    (machine.cwd / "shot.png").write_bytes(b"\x89PNG\r\n\x00\xff")
    (machine.cwd / "long.txt").write_text("word " * 5000)
    for name in ("evidence.json", "shot.png", "long.txt"):
        assert machine.run("incident", "note", INCIDENT, "--attach", name).returncode == 0
    attached = [one["data"]["attached"] for one in machine.events(INCIDENT) if one["data"].get("attached")]
    assert [one["text"] for one in attached] == ['{"status": 401, "by": "```"}\n', "", ""]
    assert [one["left_out"] for one in attached] == ["", "it is no text", "it has more than 20,000 characters"]
    digest = subprocess.run(["sha256sum", machine.cwd / "shot.png"], capture_output=True, text=True, check=True).stdout
    report = machine.run("report", INCIDENT).stdout
    for wanted in (digest.split()[0], "````text", '{"status": 401', "no text is recorded (it is no text)"):
        assert wanted in report
    for words in (["--attach", "nothing.txt"], ["--attach", "."], [], ["--digest-only"]):
        assert machine.run("incident", "note", INCIDENT, *words).returncode == 2, words


# -- purge


def test_a_secret_is_purged_and_the_record_verifies(machine: Machine, recorded: Path) -> None:
    """Promise: --matching takes the secret from standard input and masks it in every form; no file of the incident has
    it any more, the head from before still verifies, verify tells who purged what, and the report too."""
    head = json.loads(machine.run("incident", "verify", INCIDENT, "--json").stdout)["head"]
    export = machine.cwd / "report.md"
    assert machine.run("report", INCIDENT, "--output", str(export)).returncode == 0
    event(recorded, ("exported", {"path": str(export), "sha256": "0" * 64, "format": "markdown"}))
    (recorded.parent / "conductor.log").write_text(f"odd: {UNSHAPED}\n")
    shown = machine.run("incident", "purge", INCIDENT, "--matching", "--reason", "a pasted key", stdin=UNSHAPED + "\n")
    assert shown.returncode == 3, "a file outside the journal still has it"
    assert "the data of event 2, 3; recorded as event 6" in shown.stderr
    for file in (export, recorded.parent / "conductor.log"):
        assert f"STILL IN {file}" in shown.stderr
        file.unlink()
    for form in (UNSHAPED.encode(), UNSHAPED.encode().hex().encode()):
        assert form not in on_disk(machine)
    assert UNSHAPED not in shown.stderr
    checked = machine.run("incident", "verify", INCIDENT, "--head", f"{head['seq']}:{head['hash']}")
    assert checked.returncode == 0, checked.stdout
    assert "event 3: data purged by" in checked.stdout
    assert "(event 6): a pasted key" in checked.stdout
    told = json.loads(machine.run("incident", "verify", INCIDENT, "--json").stdout)
    assert [(one["seq"], one["event"], one["reason"]) for one in told["purged"]] == [
        (n, 6, "a pasted key") for n in (2, 3)
    ]
    assert "they said «purged»" in json.dumps(machine.events(INCIDENT), ensure_ascii=False)
    assert "Event 2: data purged by" in machine.run("report", INCIDENT).stdout
    again = machine.run("incident", "purge", INCIDENT, "--matching", "--reason", "r", stdin=UNSHAPED)
    assert (again.returncode, "no event holds it" in again.stderr) == (2, True)


def test_a_purge_by_number(machine: Machine, recorded: Path) -> None:
    """Promise: without the secret at hand its events are purged by number; a purge needs a reason, without a secret in
    it, and says what it was to do."""
    for words in (["2"], ["2", "--reason", SECRET], ["2", "--matching", "--reason", "r"], [], ["99", "--reason", "r"]):
        assert machine.run("incident", "purge", INCIDENT, *words).returncode == 2, words
    assert machine.run("incident", "purge", INCIDENT, "--matching", "--reason", "r", stdin="").returncode == 2
    assert UNSHAPED.encode() in on_disk(machine), "nothing was purged so far"
    shown = machine.run("incident", "purge", INCIDENT, "2", "3", "--reason", "r", "--json")
    assert shown.returncode == 0, shown.stderr
    document = json.loads(shown.stdout)
    assert document == {"incident": INCIDENT, "events": [2, 3], "recorded": 5, "clean": True, "still_in": [],
                        "not_searched": []}  # fmt: skip
    assert UNSHAPED.encode() not in on_disk(machine)
    assert machine.run("incident", "verify", INCIDENT).returncode == 0


def test_a_purge_that_was_cut_off_is_finished(machine: Machine, recorded: Path) -> None:
    """Promise: verify says when bytes may be left (exit 3), and the purge without arguments removes them."""
    child = os.fork()
    if child == 0:
        try:
            journal = Journal.open(recorded, FakeClock(), lambda value: value)

            def trace(statement: str) -> None:
                if statement.startswith("VACUUM"):
                    os.kill(os.getpid(), signal.SIGKILL)

            journal._live().set_trace_callback(trace)
            journal.purge([{"seq": 2, "data": {"text": "", "at": ""}}], "r", "kim")
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert UNSHAPED.encode() in on_disk(machine), "in the database's log"
    checked = machine.run("incident", "verify", INCIDENT)
    assert checked.returncode == 3
    assert "event 2: data purged by kim" in checked.stdout
    assert f"runbook incident purge {INCIDENT}" in checked.stdout
    finished = machine.run("incident", "purge", INCIDENT)
    assert (finished.returncode, finished.stderr) == (0, "the purge is finished\n")
    assert UNSHAPED.encode() not in on_disk(machine)
    assert machine.run("incident", "verify", INCIDENT).returncode == 0
    assert machine.run("incident", "purge", INCIDENT).returncode == 2


def test_purge_and_verify_beside_a_running_conductor(machine: Machine) -> None:
    """Promise: with a conductor alive the purge goes through it, by the driver alone, who is taken over from only when
    that is said; verify reads the running incident and finds no damage."""
    drill = subprocess.Popen(
        [sys.executable, "-m", "runbook_tui", "drill", "api-key-leaked", "--plain"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=machine.env, cwd=machine.cwd,
    )  # fmt: skip
    try:
        until(lambda: machine.incidents.is_dir() and list(machine.incidents.glob("*/socket")), "no conductor")
        incident = machine.only_incident()
        assert machine.run("incident", "note", incident, f"they said {UNSHAPED}").returncode == 0
        words = ("incident", "purge", incident, "--matching", "--reason", "pasted")
        refused = machine.run(*words, stdin=UNSHAPED)
        assert (refused.returncode, "--take-over" in refused.stderr) == (2, True), refused.stderr
        done = machine.run(*words, "--take-over", stdin=UNSHAPED)
        assert done.returncode == 0, done.stderr
        assert machine.conductor(incident), "the conductor goes on"
        assert UNSHAPED.encode() not in on_disk(machine)
        told = json.loads(machine.run("incident", "verify", incident, "--json").stdout)
        assert (told["whole"], told["running"], told["open"], len(told["purged"])) == (True, True, [], 1)
        drivers = [one for one in machine.events(incident) if one["kind"] == "driver"]
        assert drivers[-1]["data"]["took_over"]
    finally:
        assert drill.stdin is not None
        drill.stdin.close()
        drill.wait(30)


# -- verify


@pytest.mark.parametrize(
    ("last", "code", "said"),
    [
        ("intent", 3, "never sent: revoke it"),
        ("sending", 3, "outcome unknown: revoke it"),
        ("unknown", 3, "outcome unknown: revoke it"),
        ("cleared", 0, "the record is whole"),
        ("done", 0, "the record is whole"),
    ],
)
def test_open_calls_have_their_exit_code(machine: Machine, recorded: Path, last: str, code: int, said: str) -> None:
    """Promise: a whole record with a call that has no outcome is exit 3, and says which; nobody runs it here."""
    events = [("intent", {"op": "1", "step": "s", "operation": "revoke", "what": "revoke it"})]
    events += [("sending", {"op": "1"})] if last != "intent" else []
    events += [("outcome", {"op": "1", "result": "done"})] if last == "done" else []
    events += [("outcome", {"op": "1", "result": "unknown"})] if last in ("unknown", "cleared") else []
    events += [("cleared", {"op": "1", "as": "done", "by": "operator", "reason": "seen"})] if last == "cleared" else []
    event(recorded, *events)
    found, shown = verify(machine)
    assert (found, said in shown, "the record is whole" in shown) == (code, True, True), shown


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("DELETE FROM payloads WHERE seq=2", "the data of event 2 is missing"),
        ("DELETE FROM events WHERE seq=3", "before event 4, 1 are missing"),
        ("DELETE FROM events WHERE seq=4", "the end was cut off"),
        ("UPDATE events SET actor='eve' WHERE seq=2", "event 2 was changed"),
        ("UPDATE payloads SET data='{}' WHERE seq=2", "the data of event 2 was changed"),
        ("SELECT 1", "the guards against changes were removed"),
    ],
)
def test_damage_is_named(machine: Machine, recorded: Path, attack: str, said: str) -> None:
    """Promise: gaps, changes, a cut end, missing data without a purge and removed guards are exit 1, each by name."""
    with sqlite3.connect(recorded) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute(attack)
    found, shown = verify(machine)
    assert (found, said in shown) == (1, True), shown
