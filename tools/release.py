"""Supply chain of a release: `.venv/bin/python tools/release.py build|licences|audit` (set-up: requirements-test.lock).

build     dist/: wheel and sdist, each built twice from two copies of the tracked files and compared; SHA256SUMS; and
          an SBOM (CycloneDX 1.6) of what requirements.lock installs. Exit 1 when the two builds differ.
licences  docs/licences.md: the licence of every package in requirements.lock, as the package itself states it.
audit     asks an advisory service about every package in requirements.lock. Exit 0 only when all of them were looked
          up and none has a known weakness, 1 for a known weakness, 3 when not everything could be looked up.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
LICENCES = ROOT / "docs" / "licences.md"
# Locked for other systems, so their own metadata is not here to be read.
ELSEWHERE = {"pywin32-ctypes": "BSD-3-Clause", "colorama": "BSD-3-Clause"}
# What classifiers and old `License` fields say, as SPDX identifiers.
SPDX = {
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


@dataclass(frozen=True)
class Locked:
    """One entry of a lock: `via` are the packages that want it ("runbook-tui" for our own wishes)."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    via: tuple[str, ...]

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(path: Path = LOCK) -> list[Locked]:
    """The entries of a lock, in its order."""
    found = []
    for entry in re.split(r"\n(?=[^\s#])", path.read_text(encoding="utf-8")):
        head = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)(?: ; ([^\\\n]+))?", entry)
        if head is None:
            raise SystemExit(f"{path.name}: no pinned requirement: {entry.splitlines()[0]}")
        _, _, via = entry.partition("# via")
        wanting = re.findall(r"^\s*#?\s*([A-Za-z0-9._-]+)", via, re.MULTILINE)
        hashes = tuple(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry))
        found.append(Locked(head[1], head[2], (head[3] or "").strip(), hashes, tuple(wanting)))
    return found


def licence(name: str) -> str:
    """The SPDX expression of an installed package's own metadata; SystemExit when it states none."""
    try:
        stated = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        if name in ELSEWHERE:
            return ELSEWHERE[name]
        raise SystemExit(f"{name} is not installed: sh tools/venv requirements-test.lock") from None
    classifiers = [line.split(" :: ")[-1] for line in stated.get_all("Classifier") or [] if line.startswith("License")]
    for said in (stated.get("License-Expression"), stated.get("License"), *classifiers):
        if said and "\n" not in said:
            return SPDX.get(said, said)
    raise SystemExit(f"{name} states no licence")


# --- build ------------------------------------------------------------------------------------------------------------


def build(out: Path) -> int:
    """Wheel, sdist, SBOM and SHA256SUMS in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory(suffix="-elsewhere") as other:
        first, second = build_once(Path(one)), build_once(Path(other))
        for name, content in first.items():
            if second.get(name) != content:
                print(f"NOT REPRODUCIBLE: {name}", file=sys.stderr)
                return 1
            (out / name).write_bytes(content)
    (out / "runbook-tui.cdx.json").write_text(sbom(), encoding="utf-8")
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" for file in sorted(out.iterdir())]
    (out / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="utf-8")
    print(*sums, sep="\n")
    return 0


def build_once(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of wheel and sdist, built by the locked back end from a copy of the tracked files."""
    copy = folder / "copy"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
            (copy / name).chmod((ROOT / name).stat().st_mode & 0o755)
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch())}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder / "dist")]
    subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True)
    return {file.name: file.read_bytes() for file in (folder / "dist").iterdir()}


def epoch() -> int:
    """The time a build carries: that of the last commit, or SOURCE_DATE_EPOCH (reproducible-builds.org)."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    return int(subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, capture_output=True).stdout)


def sbom() -> str:
    """CycloneDX 1.6 of the runtime lock: version, licence, hashes, who wants it. The same lock gives the same text."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    entries = read_lock()
    make = LicenseFactory().make_from_string
    own = Component(name="runbook-tui", version=_own_version(), type=ComponentType.APPLICATION, bom_ref="runbook-tui")
    own.licenses.add(make("MIT"))
    parts = {}
    for entry in entries:
        notes = [Property(name="runbook:file-hash", value=one) for one in entry.hashes]
        if entry.marker:
            notes.append(Property(name="runbook:installed-when", value=entry.marker))
        parts[entry.purl] = Component(
            name=entry.name,
            version=entry.version,
            bom_ref=entry.purl,
            purl=PackageURL.from_string(entry.purl),
            licenses=[make(licence(entry.name))],
            properties=notes,
        )
    bom = Bom(components=list(parts.values()))
    bom.metadata.component = own
    bom.metadata.timestamp = datetime.fromtimestamp(epoch(), UTC)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(LOCK.read_bytes()).hexdigest())
    for part in (own, *parts.values()):
        bom.register_dependency(part, [parts[entry.purl] for entry in entries if part.name in entry.via])
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _own_version() -> str:
    import tomllib

    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


# --- licences ---------------------------------------------------------------------------------------------------------


def licences() -> str:
    """The page: every package of the runtime lock with its licence and what wants it."""
    lines = [
        "# Licences",
        "",
        "What `requirements.lock` installs beside this program (MIT), as each package states it itself. Written by",
        "`.venv/bin/python tools/release.py licences`.",
        "",
        "| package | licence (SPDX) | wanted by |",
        "|---|---|---|",
    ]
    rows = [f"| {entry.name} | {licence(entry.name)} | {', '.join(entry.via)} |" for entry in read_lock()]
    return "\n".join([*lines, *dict.fromkeys(rows)]) + "\n"  # a version for each Python is one row


# --- audit ------------------------------------------------------------------------------------------------------------


def audit(osv_url: str | None) -> int:
    """What an advisory service knows about the runtime lock; a package that was not looked up is no clean one."""
    count = len(read_lock())
    where = ["--osv-url", osv_url] if osv_url else []
    command = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "-r", str(LOCK), "-f", "json",
               "--vulnerability-service", "osv", "--progress-spinner", "off", *where]  # fmt: skip
    ran = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    try:
        packages = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError):
        why = (ran.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"NOT AUDITED: {count} packages; no advisory service answered ({why[:200]})", file=sys.stderr)
        return 3
    known = [(one["name"], one["version"], flaw["id"]) for one in packages for flaw in one.get("vulns", ())]
    for name, version, flaw in known:
        print(f"KNOWN WEAKNESS: {name} {version}: {flaw}", file=sys.stderr)
    looked_up = {re.sub(r"[-_.]+", "-", one["name"]).lower() for one in packages if "skip_reason" not in one}
    # Entries whose marker is for another system are not asked about here; say so instead of counting them.
    missing = [entry.name for entry in read_lock() if entry.name not in looked_up and not entry.marker]
    if missing:
        print(f"NOT AUDITED: {', '.join(missing)}", file=sys.stderr)
    print(f"audited {len(looked_up)} of {count} packages, {len(known)} known weaknesses", file=sys.stderr)
    return 1 if known else 3 if missing else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build").add_argument("--out", type=Path, default=ROOT / "dist")
    commands.add_parser("licences")
    commands.add_parser("audit").add_argument("--osv-url", help="another OSV service than api.osv.dev")
    given = parser.parse_args()
    if given.command == "build":
        return build(given.out)
    if given.command == "audit":
        return audit(given.osv_url)
    LICENCES.write_text(licences(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
