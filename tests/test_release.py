"""Supply chain: what a release consists of, who wrote it, and that nothing is called audited that was not."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_REPOSITORY = Path(__file__).resolve().parents[1]
_NAMES = set(re.findall(r"(?m)^([A-Za-z0-9._-]+)==", (_REPOSITORY / "requirements.lock").read_text()))
# Licences that put no duty on a program that only uses the library.
_PERMISSIVE = {
    *("MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Apache-2.0", "PSF-2.0", "MPL-2.0", "Zlib", "CC0-1.0"),
}


def _release(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_REPOSITORY / "tools" / "release.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a release. The tool itself builds everything twice and refuses when the two differ."""
    out = tmp_path_factory.mktemp("dist")
    ran = _release("build", "--out", str(out))
    assert ran.returncode == 0, ran.stderr
    return out


def test_the_sums_fit(dist: Path) -> None:
    """Wheel, sdist and SBOM are there, each with its SHA-256."""
    lines = (dist / "SHA256SUMS").read_text().splitlines()
    for line in lines:
        expected, name = line.split("  ")
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == expected
    assert {Path(line.split("  ")[1]).suffix for line in lines} == {".whl", ".gz", ".json"}


def test_the_sdist_builds_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    """The source archive is whole: the wheel built from it alone, without a network, is the wheel beside it."""
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path)
        carried = {Path(name).parts[1] for name in packed.getnames()}
    assert {"src", "playbooks", "tests", "tools", "docs", "requirements.lock", "requirements-test.lock"} <= carried
    (unpacked,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "out")]
    with tarfile.open(archive) as packed:
        stamp = int(packed.getmembers()[0].mtime)
    subprocess.run(command, cwd=unpacked, env={"SOURCE_DATE_EPOCH": str(stamp)}, check=True, capture_output=True)
    (again,), (wheel,) = (tmp_path / "out").iterdir(), dist.glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()


def test_the_sbom_is_valid_and_whole(dist: Path) -> None:
    """Every package of the runtime lock with version, hashes and licence; every one is wanted by something."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (dist / "runbook-tui.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bom = json.loads(text)
    assert {part["name"] for part in bom["components"]} == _NAMES
    for part in bom["components"]:
        assert part["licenses"]
        assert any(note["name"] == "runbook:file-hash" for note in part["properties"])
    wanted = {name for entry in bom["dependencies"] for name in entry.get("dependsOn", ())}
    assert wanted == {part["bom-ref"] for part in bom["components"]}


def test_the_licence_page_is_current_and_permissive() -> None:
    """docs/licences.md names every package of the runtime lock; no licence asks more than a notice."""
    rows = re.findall(r"(?m)^\| ([\w.-]+) \| ([^|]+) \|", (_REPOSITORY / "docs" / "licences.md").read_text())
    listed = {name: set(said.strip().split(" OR ")) for name, said in rows if name != "package"}
    assert set(listed) == _NAMES, "run: .venv/bin/python tools/release.py licences"
    for name, choices in listed.items():
        assert any(set(choice.split(" AND ")) <= _PERMISSIVE for choice in choices), (name, choices)


def test_set_up_runs_no_downloaded_build() -> None:
    """Set-up installs wheels whose hash is locked, and builds only this checkout, with the locked back end."""
    script = (_REPOSITORY / "tools" / "venv").read_text()
    assert "--require-hashes --only-binary :all:" in script
    assert "--no-deps --no-build-isolation --editable ." in script


class _Advisories(http.server.BaseHTTPRequestHandler):
    """OSV's query interface: POST {package, version} -> {} or {"vulns": [...]}; `flawed` names the bad ones."""

    flawed: frozenset[str] = frozenset()
    status = 200

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer: dict[str, Any] = {}
        if asked["package"]["name"] in self.flawed:
            affected = [{"package": asked["package"], "ranges": [], "versions": [asked["version"]]}]
            answer = {"vulns": [{"id": "OSV-TEST-1", "affected": affected, "details": "made up", "summary": "made up"}]}
        body = json.dumps(answer).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def advisories() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Advisories)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("flawed", "status", "code", "said"),
    [
        ((), 200, 0, "0 known weaknesses"),
        (("click",), 200, 1, "KNOWN WEAKNESS: click"),
        ((), 503, 3, "NOT AUDITED"),
    ],
)
def test_an_audit_says_what_it_asked(
    advisories: str, monkeypatch: pytest.MonkeyPatch, flawed: tuple[str, ...], status: int, code: int, said: str
) -> None:
    """Clean, known weakness and no answer are three outcomes with three exit codes."""
    monkeypatch.setattr(_Advisories, "flawed", frozenset(flawed))
    monkeypatch.setattr(_Advisories, "status", status)
    ran = _release("audit", "--osv-url", advisories)
    assert (ran.returncode, said in ran.stderr) == (code, True), ran.stderr


def test_no_advisory_service_is_no_clean_audit() -> None:
    """Where nothing can be asked, nothing is called clean."""
    ran = _release("audit", "--osv-url", "http://127.0.0.1:1/v1/query")
    assert ran.returncode == 3
    assert ran.stderr.startswith("NOT AUDITED: ")
