"""The model operator plays both scenarios to the end, on a clock that jumps, and says only what is so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def _drill(home: Path, *arguments: str) -> tuple[int, dict[str, object], str]:
    answer = subprocess.run(
        [sys.executable, "-m", "runbook_tui", "drill", "api-key-leaked", "--auto", "--json", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "RUNBOOK_HOME": str(home / "runbook")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,  # the promise is to end within a minute
    )
    return answer.returncode, json.loads(answer.stdout or "{}"), answer.stderr


@pytest.mark.parametrize("scenario", ["openai-key", "streampixel"])
def test_the_model_operator_contains_the_leak(tmp_path: Path, scenario: str) -> None:
    """Old key dead by refusal, new key and consumers live, report written; only the injected clock is waited on."""
    code, document, errors = _drill(tmp_path, "--scenario", scenario, "--seed", "4711")
    assert code == 0, errors
    assert document["mode"] == "drill"
    assert document["state"] == "contained"
    credential = document["credentials"][0]  # type: ignore[index]
    assert (credential["old"], credential["proof"], credential["new"]) == ("dead", "refused", "live")
    assert document["consumers"] == {"live": 2, "total": 2}
    report = Path(str(document["report"])).read_text()
    assert "DRILL" in report


def test_the_report_is_written_after_the_last_proof(tmp_path: Path) -> None:
    """streampixel's proof of death waits for its slot; the operator writes the report when it is there."""
    code, document, errors = _drill(tmp_path, "--scenario", "streampixel", "--seed", "1")
    assert code == 0, errors
    shown = subprocess.run(
        [sys.executable, "-m", "runbook_tui", "incident", "show", str(document["incident"])],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RUNBOOK_HOME": str(tmp_path / "runbook")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    kinds = [line.split() for line in shown.splitlines()]
    order = [words[4] for words in kinds if len(words) > 4 and words[4] in ("step_waiting", "exported", "verification")]
    assert order[-1] == "exported"
    assert "step_waiting" in order
