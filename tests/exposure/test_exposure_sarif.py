"""SARIF 2.1.0: what code hosts ask of a file, checked on the answer about a repository with awkward names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from git_builder import VALUE, Repo

from runbook_tui.exposure.sarif import MAX_RESULTS, sarif

NAME = VALUE.replace("/", "-")
LEVELS = {"none", "note", "warning", "error"}


def command(repo: Path, *options: str, value: str = VALUE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runbook_tui", "scan", str(repo), "--value-stdin", *options],
        input=f"{value}\n{NAME}\n",
        capture_output=True,
        text=True,
        env=os.environ | {"RUNBOOK_HOME": str(repo / "home")},
        check=False,
    )


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    made = Repo(tmp_path_factory.mktemp("sarif") / "repo")
    names = ["a b/ä%41#?.env", "c:d", "x{0}[y](z)", "copy", f"n-{NAME}"]
    made.commit(dict.fromkeys(names, f"1\n2\nk={VALUE}\n"), f"message {VALUE}", "--author={0} <[a](b)@example.com>")
    made.blob(f"dangling {VALUE}".encode())
    made.git("tag", "-a", "v1", "-m", VALUE)
    made.git("remote", "add", "origin", "https://example.com/r.git")
    return made


def valid(log: dict[str, Any]) -> None:
    """The rules of the published schema and of code hosts that a log of this shape can break."""
    assert log["version"] == "2.1.0"
    assert urlsplit(log["$schema"]).path.endswith("sarif-schema-2.1.0.json")
    assert set(log) == {"$schema", "version", "runs"}
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        assert driver["name"]
        assert driver["version"]
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(set(ids)) == len(ids)
        for rule in driver["rules"]:
            assert rule["shortDescription"]["text"]
            assert rule["help"]["text"]
            assert rule["defaultConfiguration"]["level"] in LEVELS
            assert 0 < float(rule["properties"]["security-severity"]) <= 10
        for invocation in run["invocations"]:
            assert isinstance(invocation["executionSuccessful"], bool)
            for note in invocation["toolExecutionNotifications"]:
                assert note["level"] in LEVELS
                assert note["message"]["text"]
                assert driver["notifications"][note["descriptor"]["index"]]["id"] == note["descriptor"]["id"]
        assert len(run["results"]) <= MAX_RESULTS
        for result in run["results"]:
            assert ids[result["ruleIndex"]] == result["ruleId"]
            assert result["level"] in LEVELS
            assert not re.search(r"(?<!\{)\{\d+\}(?!\})", result["message"]["text"])
            assert all(isinstance(one, str) for one in result["partialFingerprints"].values())
            assert len(result["locations"]) == 1
            for place in [*result["locations"], *result.get("relatedLocations", [])]:
                location = place["physicalLocation"]
                assert location["region"]["startLine"] >= 1
                parts = urlsplit(location["artifactLocation"]["uri"])
                assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
                assert parts.path.isascii()
                assert not parts.path.startswith("/")
                assert ".." not in parts.path.split("/")
                assert location["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]


def test_the_answer_as_sarif(repo: Repo) -> None:
    """Each place is a result with a location and a stable fingerprint; gaps are warnings; no value stands in it."""
    done = command(repo.path, "--format", "sarif")
    assert (done.returncode, done.stderr) == (1, "")
    assert VALUE not in done.stdout
    assert NAME not in done.stdout
    log = json.loads(done.stdout)
    valid(log)
    run = log["runs"][0]
    document = json.loads(command(repo.path, "--json").stdout)
    assert len(run["results"]) == len(document["repositories"][0]["hits"])
    uris = {
        unquote(place["physicalLocation"]["artifactLocation"]["uri"])
        for result in run["results"]
        for place in [*result["locations"], *result.get("relatedLocations", [])]
    }
    assert {"a b/ä%41#?.env", "c:d", "x{0}[y](z)", "copy", "n-«stdin:2»"} <= uris
    lines = {result["locations"][0]["physicalLocation"]["region"]["startLine"] for result in run["results"]}
    assert 3 in lines
    assert run["invocations"][0]["executionSuccessful"] is False
    assert "remote origin" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    again = json.loads(command(repo.path, "--format", "sarif").stdout)["runs"][0]["results"]
    prints = [result["partialFingerprints"] for result in run["results"]]
    assert prints == [result["partialFingerprints"] for result in again]
    assert len({one["place/v1"] for one in prints}) == len(prints)


def test_nothing_found(tmp_path: Path) -> None:
    """A clean answer is a valid log with no result that was successful; one with gaps was not."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": "x"})
    done = command(repo.path, "--format", "sarif", value="another-fake-value")
    log = json.loads(done.stdout)
    valid(log)
    assert (done.returncode, log["runs"][0]["results"]) == (0, [])
    assert log["runs"][0]["invocations"][0]["executionSuccessful"] is True
    repo.git("remote", "add", "origin", "https://example.com/r.git")
    done = command(repo.path, "--format", "sarif", value="another-fake-value")
    assert done.returncode == 3
    assert json.loads(done.stdout)["runs"][0]["invocations"][0]["executionSuccessful"] is False


def test_rules_findings_and_too_many_results() -> None:
    """A rule that found something is a rule of the log; what does not fit is said to be left out."""
    hit = {
        **{"credential": "fp:0123", "rule": "vendor-token", "form": "raw", "object": "a" * 40, "type": "blob"},
        **{"paths": ["/../../etc/passwd"], "line": 0, "first": [], "last": [], "refs": [], "remotes": []},
        "reachable": "none",
    }
    repository = {"path": "r", "objects": 1, "bytes": 1, "seconds": 0.1, "not_scanned": []}
    document = {
        "repositories": [{**repository, "hits": [hit] * (MAX_RESULTS + 1)}],
        "credentials": [],
        "findings": [{"credential": "fp:0123", "rule": "vendor-token", "title": "a vendor's token", "provider": None}],
    }
    log = sarif(document)
    valid(log)
    run = log["runs"][0]
    assert run["tool"]["driver"]["rules"][0]["shortDescription"]["text"] == "a vendor's token"
    assert run["invocations"][0]["executionSuccessful"] is False
    assert "1 more places" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_two_formats_at_once(tmp_path: Path) -> None:
    """Asking for two formats is a usage error."""
    assert command(tmp_path, "--json", "--format", "sarif").returncode == 2
