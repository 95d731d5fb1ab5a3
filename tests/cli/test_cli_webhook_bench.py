"""`runbook webhook bench`: the plan before anything is sent, one question, a table, exit codes; bad input is named."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from runbook_tui.cli import runbook
from runbook_tui.drill.endpoint.setup import Setup
from runbook_tui.drill.receiver import ReferenceReceiver
from runbook_tui.foundation import clock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.webhooks import probing
from runbook_tui.webhooks.registry import Schemes

NEW = "9f3a4c1ee21b4f2c8d76b0a3e9f128cc4a1b7d9e5f0c2a83"
OLD = "1b0d5c7e42a9f3866ec0217d9a54be38f7c6120d85e3b94a"
SECRETS = json.dumps({"new": NEW, "old": OLD})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acts.log").write_text("")
    return tmp_path


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses pass on a clock of their own: nothing is waited for."""
    now = clock.RealClock().now()
    monkeypatch.setattr(clock, "RealClock", lambda: clock.FakeClock(now))
    monkeypatch.setattr(probing, "_ANSWER_SECONDS", 0.5)


@pytest.fixture
def served(home: Path, request: pytest.FixtureRequest) -> Iterator[ReferenceReceiver]:
    faults = frozenset(getattr(request, "param", ()))
    setup = Setup(Schemes.load().get("streampixel"), NEW, old=OLD, scope="p1", faults=faults)
    with ReferenceReceiver(setup, log=home / "acts.log") as receiver:
        yield receiver


def bench(url: str, *args: str, stdin: str = SECRETS, scheme: str = "streampixel") -> Result:
    command = ["webhook", "bench", url, "--scheme", scheme, "--secrets-stdin", *args]
    return CliRunner().invoke(runbook, command, input=stdin, standalone_mode=False)


def test_a_dry_run_shows_the_plan_and_sends_nothing(served: ReferenceReceiver) -> None:
    """Each case with its secret or the reason why it is left out, the first body, and no secret."""
    shown = bench(served.url, "--dry-run")
    data = json.loads(bench(served.url, "--dry-run", "--json").output)
    assert shown.return_value == 0
    assert "left out: nothing is signed" in shown.output
    assert '"event":"webhook.test"' in shown.output
    assert {one["id"] for one in data["plan"]} >= {"P1", "P2", "N1", "N3-base", "N15"}
    assert NEW not in shown.output + json.dumps(data)
    assert served.arrivals == []


def test_sending_wants_a_confirmation(served: ReferenceReceiver) -> None:
    """Without a terminal and without --yes nothing is sent."""
    done = bench(served.url, "--json")
    assert isinstance(done.exception, RunbookError)
    assert "--yes" in str(done.exception)
    assert served.arrivals == []


@pytest.mark.usefixtures("swift")
def test_a_good_endpoint_ends_with_0_and_a_document(served: ReferenceReceiver) -> None:
    """`--json` is one document: cases as the design says, with transport, diagnosis, proven, open."""
    done = bench(served.url, "--scope", "p1", "--observe-log", "acts.log", "--yes", "--json")
    data = json.loads(done.output)
    assert done.return_value == 0
    assert data["verdict"] == "pass"
    assert {"scheme", "url", "cases", "verdict", "transport", "diagnosis", "proven", "open"} <= data.keys()
    case = {"id", "title", "verdict", "status", "acted", "milliseconds", "reason"}
    assert all(case <= one.keys() for one in data["cases"])
    assert "the old secret is refused" in data["proven"]
    assert NEW not in done.output
    assert data["secrets"]["new"].startswith("fp:")


@pytest.mark.usefixtures("swift")
@pytest.mark.parametrize("served", [["old_secret_valid"]], indirect=True)
def test_a_failure_ends_with_1_and_a_table(served: ReferenceReceiver) -> None:
    """Lines as the cases tick, then all of them with the likely cause and what to do."""
    done = bench(served.url, "--scope", "p1", "--observe-log", "acts.log", "--yes")
    assert done.return_value == 1
    assert "fail           N1 200" in done.output
    assert "remove it from what the endpoint verifies with" in done.output
    assert "verdict: fail" in done.output
    assert NEW not in done.output


@pytest.mark.usefixtures("swift")
def test_what_stays_open_ends_with_3(served: ReferenceReceiver) -> None:
    done = bench(served.url, "--scope", "p1", "--yes")
    assert done.return_value == 3
    assert "a status code cannot tell" in done.output


@pytest.mark.usefixtures("swift")
@pytest.mark.parametrize(
    ("served", "verdict", "said"),
    [
        (["accepts_all", "acknowledges_bad"], 1, "answered 200 where a refusal was expected"),
        (["cuts_off"], 3, "no answer"),
        (["huge_answer"], 1, "no answer"),
    ],
    indirect=["served"],
)
def test_answers_that_are_none(served: ReferenceReceiver, verdict: int, said: str) -> None:
    """200 to everything, an answer that dies half-way, one of 10 MB."""
    done = bench(served.url, "--yes")
    assert done.return_value == verdict
    assert said in done.output


@pytest.mark.usefixtures("swift")
def test_nobody_listening_and_no_such_name() -> None:
    """Nothing is sent, and the way to the endpoint says why."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = bench(f"http://127.0.0.1:{port}/h", "--yes")
    assert done.return_value == 1
    assert "start the endpoint" in done.output
    done = bench("https://endpoint.invalid/h", "--yes")
    assert done.return_value == 1
    assert "correct the URL or the DNS record" in done.output


@pytest.mark.parametrize(
    ("url", "scheme", "stdin", "args", "said"),
    [
        ("not a url", "github", SECRETS, [], "not an http(s) URL"),
        ("ftp://example.com/h", "github", SECRETS, [], "not an http(s) URL"),
        ("http://192.0.2.1/h", "streampixel", SECRETS, [], "not https"),
        ("https://example.com/h", "fastpix", json.dumps({"new": "not base64!"}), [], "b64"),
        ("https://example.com/h", "standard-webhooks", json.dumps({"new": "fake"}), [], "whsec_"),
        ("https://example.com/h", "github", "{", [], "--secrets-stdin"),
        ("https://example.com/h", "github", json.dumps({"new": 1}), [], "--secrets-stdin"),
        ("https://example.com/h", "github", json.dumps({"new": NEW, "old": NEW}), [], "the same"),
        ("https://example.com/h", "github", SECRETS, ["--body", "body.txt"], "not JSON"),
        ("https://example.com/h", "github", SECRETS, ["--observe-log", "nowhere"], "nowhere"),
        ("https://example.com/h", "paypal", SECRETS, ["--fact", "a=b"], "webhook_id"),
        ("https://example.com/h", "meta", SECRETS, ["--fact", "verify_token=x"], "is a secret"),
        ("https://example.com/h", "meta", json.dumps({"new": NEW, "facts": [1]}), [], "--secrets-stdin"),
        ("https://example.com/h", "nobody", SECRETS, [], "unknown webhook scheme"),
        ("https://example.com/h", "github", SECRETS, ["--new", "x"], "cannot be combined"),
    ],
)
def test_bad_input_is_named(home: Path, url: str, scheme: str, stdin: str, args: list[str], said: str) -> None:
    """Before anything is sent, with the form of the secret that was expected, and without repeating a value."""
    (home / "body.txt").write_text("no JSON")
    done = bench(url, "--yes", *args, stdin=stdin, scheme=scheme)
    assert done.exception is not None
    assert said in str(getattr(done.exception, "message", "")) + str(done.exception)
    assert NEW not in str(done.exception)


def test_ctrl_c_leaves_a_partial_table(served: ReferenceReceiver) -> None:
    """Exit code 130, what was seen by then, and the rest as not sent."""
    command = [sys.executable, "-m", "runbook_tui", "webhook", "bench", served.url, "--scheme", "streampixel"]
    process: Any = subprocess.Popen(
        [*command, "--secrets-stdin", "--yes"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdin.write(SECRETS)
    process.stdin.close()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "P1 200" in line:
            process.send_signal(signal.SIGINT)
            break
    rest = process.stdout.read()
    assert process.wait(30) == 130
    assert "stopped: interrupted" in rest
    assert "P1 200" in rest
    assert "not sent: interrupted" in rest
