"""`runbook scan --fleet --rules`: what rules find in a fleet, by two worker processes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

from git_builder import Repo

from runbook_tui.exposure.fleet_merge import failed, merge
from runbook_tui.exposure.fleet_seal import Receiver, Sender
from runbook_tui.exposure.rulefile import Rule, spell_out
from runbook_tui.exposure.task import ByRules
from runbook_tui.foundation.errors import Exit
from runbook_tui.secrets.secret import Secret

SHARED, ALONE, KNOWN = (spell_out(text) for text in ("npm_<mix:36>", "npm_<mix:36><>", "npm_<mix:36><><>"))
OWN = """rules:
  - id: acme
    title: an Acme key
    pattern: 'acme_[a-z0-9]{20}'
    source: https://docs.example.com/keys
    examples: ['acme_<lower:20>']
    counterexamples: ['acme_<lower:4>']
"""
ACME = spell_out("acme_<lower:20><><>")


def start(tmp_path: Path, *options: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [*(sys.executable, "-P", "-m", "runbook_tui", "scan", "--fleet", str(tmp_path / "list"), "--workers", "2"),
         *("--rules", "--json", *options)],
        input=f"{KNOWN}\n", capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"RUNBOOK_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_rules_over_a_fleet(tmp_path: Path) -> None:
    """Promise: rules, the user's own too, go to every worker; a value that two repositories have is one finding with
    places in both; known values are searched for as well; a repository that cannot be read has its reason; no value
    stands in the output, the state or any other file that stays."""
    (tmp_path / "tmp").mkdir()
    texts = [f"a={SHARED}\n", f"b: {base64.b64encode(f'{SHARED} {ALONE}'.encode()).decode()}\n", "nothing\n",
             f"known={KNOWN}\nown={ACME}\n"]  # fmt: skip
    paths = []
    for at, text in enumerate(texts):
        repo = Repo(tmp_path / f"r{at}")
        repo.commit({"app.env": text})
        paths.append(str(repo.path))
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "list").write_text("\n".join([*paths, str(tmp_path / "gone")]))
    code, out, err = start(tmp_path, "--value-stdin", "--rules-file", str(tmp_path / "own.yaml"))
    assert code == Exit.BAD, err
    document = json.loads(out)
    findings = {one["credential"]: one["rule"] for one in document["findings"]}
    assert sorted(findings.values()) == ["acme", "npm", "npm"]
    assert all(one["traced"] for one in document["findings"])
    by_path = {one["path"]: {hit["credential"] for hit in one["hits"]} for one in document["repositories"]}
    assert list(by_path) == [*paths, str(tmp_path / "gone")]
    assert [len(names) for names in by_path.values()] == [1, 2, 0, 2, 0]
    assert by_path[paths[0]] < by_path[paths[1]] <= set(findings)
    assert "stdin:1" in by_path[paths[3]]
    assert {one["credential"] for one in document["credentials"]} == {"stdin:1", *findings}
    summary = next(one for one in document["credentials"] if one["credential"] in by_path[paths[0]])
    assert summary["earliest"] == "2023-11-14T22:14:20Z"
    assert "no such folder" in document["repositories"][4]["not_scanned"][0]["why"]
    assert document["repositories"][2]["not_scanned"] == []
    kept = [path for folder in ("home", "tmp") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    (state,) = (path for path in kept if path.suffix == ".jsonl")
    assert len(state.read_text().splitlines()) == 1 + 4
    contents = [out.encode(), err.encode(), *(path.read_bytes() for path in kept)]
    for value in (SHARED, ALONE, KNOWN, ACME):
        forms = (value.encode(), value.encode().hex().encode(), base64.b64encode(value.encode())[:40])
        assert not [form for form in forms for content in contents if form in content]
    assert not list((tmp_path / "tmp").iterdir())


def test_a_mistake_in_a_rule_file_starts_no_worker(tmp_path: Path) -> None:
    """Promise: a bad pattern is told with file, line and column before anything is searched."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "own.yaml").write_text(OWN.replace("acme_[a-z0-9]{20}'\n", "(?<=a)(b+)+$'\n"))
    (tmp_path / "list").write_text(str(tmp_path / "r"))
    code, out, err = start(tmp_path, "--rules-file", str(tmp_path / "own.yaml"))
    assert (code, out) == (Exit.USAGE, "")
    assert "own.yaml:4:5: error: not a regular expression" in err
    assert not (tmp_path / "home/state/fleet").exists()


def test_rules_and_their_key_are_sealed() -> None:
    """Promise: the rules and the fingerprints' key arrive whole; what travels holds neither."""
    rules = ByRules([Rule("acme", "an Acme key", "(acme_[a-z]{9})", prefixes=("acme_",), entropy=3.5)], b"k" * 32)
    sender, receiver = Sender([("a", Secret("fake-value"))], rules), Receiver()
    sender.admit(receiver.public.hex())
    sealed = sender.sealed()
    assert receiver.open(sealed) == ([("a", Secret("fake-value"))], rules)
    assert all(part not in json.dumps(sealed) for part in (rules.key.hex(), "acme", b"acme".hex()))


def test_findings_are_merged_by_fingerprint() -> None:
    """Promise: one finding a value; it counts as traced when it was traced wherever it was found; without any finding
    the document still says that rules were looked for."""

    def document(*findings: tuple[str, bool]) -> dict[str, object]:
        made = [{"credential": name, "rule": "r", "traced": traced} for name, traced in findings]
        return {"repositories": [], "credentials": [], "findings": made}

    merged = merge([document(("fp:1", True)), document(("fp:2", True), ("fp:1", False))], [], by_rules=True)
    assert [(one["credential"], one["traced"]) for one in merged["findings"]] == [("fp:1", False), ("fp:2", True)]
    assert merge([failed("p", "gone")], [], by_rules=True)["findings"] == []
    assert "findings" not in merge([failed("p", "gone")], [])
