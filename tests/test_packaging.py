"""What a user installs: the wheel is complete and reproducible, and the locks name hashes instead of addresses."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

_REPOSITORY = Path(__file__).resolve().parents[1]
_LOCKS = ("requirements.lock", "requirements-test.lock")
_PACKED_FROM = ("src", "playbooks", "pyproject.toml", "README.md", "LICENSE", ".gitignore")


def _build(checkout: Path, out: Path) -> Path:
    """One wheel from `checkout`, built by the locked back end without any network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=checkout,
        env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"},
        check=True,
        capture_output=True,
    )
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(_REPOSITORY, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are those of this environment, without the checkout."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    (own,) = home.glob("lib/python*/site-packages")
    # A path in a .pth file adds that folder only: the editable install of the checkout, itself a .pth file there,
    # is not followed.
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = str(home / "bin" / "python")
    # The environment under test may lack pip (tools/venv makes it so); its base interpreter has it.
    base = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
    pip = [base, "-m", "pip", "--python", python, "--isolated", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-qq", "--no-index", "--no-deps", "--ignore-installed", str(wheel)], check=True)
    return home


def _run(home: Path, *command: str) -> str:
    answer = subprocess.run(
        [str(home / "bin" / command[0]), *command[1:]],
        cwd=home,
        env={"PATH": os.defpath, "HOME": str(home), "RUNBOOK_HOME": str(home / "runbook"), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_wheel_works_outside_the_checkout(installed: Path) -> None:
    """`runbook playbook list` names every shipped playbook, read from the installed package."""
    where = _run(installed, "python", "-c", "import runbook_tui; print(runbook_tui.__file__)")
    assert where.startswith(str(installed))
    listed = _run(installed, "runbook", "playbook", "list")
    for playbook in (_REPOSITORY / "playbooks").glob("*.yaml"):
        assert playbook.stem in listed


def test_the_wheel_carries_every_data_file(wheel: Path) -> None:
    """Playbooks, provider manifests and webhook schemes: whatever stands in the checkout is in the wheel."""
    names = set(zipfile.ZipFile(wheel).namelist())
    package = _REPOSITORY / "src" / "runbook_tui"
    data = {
        f"runbook_tui/{file.relative_to(package).as_posix()}"
        for file in package.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    playbooks = {f"runbook_tui/playbooks/{file.name}" for file in (_REPOSITORY / "playbooks").glob("*.yaml")}
    assert data | playbooks <= names
    for folder in ("playbooks", "providers/catalog", "webhooks/schemes"):
        assert any(name.startswith(f"runbook_tui/{folder}/") and name.endswith(".yaml") for name in names), folder
    assert "runbook_tui/py.typed" in names


def test_two_builds_are_equal_byte_for_byte(wheel: Path, tmp_path: Path) -> None:
    """A second build from a copy at another place, with other file times, is the same file."""
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for name in _PACKED_FROM:
        source = _REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, copy_function=shutil.copy)
        else:
            shutil.copy(source, copy / name)
    again = _build(copy, tmp_path / "out")
    assert again.name == wheel.name
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(wheel.read_bytes()).digest()


def _locked(lock: str) -> dict[str, tuple[Version, str]]:
    """Requirement name -> version and its whole entry (with hashes) in a lock."""
    entries = re.split(r"\n(?=[^\s#])", (_REPOSITORY / lock).read_text())
    found = {}
    for entry in entries:
        requirement = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", entry)
        assert requirement is not None, f"{lock}: no pinned requirement: {entry.splitlines()[0]}"
        found[_canonical(requirement[1])] = (Version(requirement[2]), entry)
    return found


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", _LOCKS)
def test_a_lock_has_hashes_and_no_address(lock: str) -> None:
    """Where a package comes from is the installing machine's choice; what it must be is the lock's."""
    assert "://" not in (_REPOSITORY / lock).read_text()
    for name, (_, entry) in _locked(lock).items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), name


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", ("aws", "build", "scan")),
        ("requirements-test.lock", ("aws", "build", "cluster", "scan", "test")),
    ],
)
def test_the_lock_satisfies_pyproject(lock: str, extras: tuple[str, ...]) -> None:
    """A dependency added to or raised in pyproject.toml without `tools/lock` is noticed here."""
    project = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    locked = _locked(lock)
    for requirement in map(Requirement, wanted):
        version = locked[_canonical(requirement.name)][0]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


def test_the_test_lock_has_the_same_runtime_versions() -> None:
    """What is tested is what is installed."""
    runtime, testing = _locked("requirements.lock"), _locked("requirements-test.lock")
    assert {name: entry[0] for name, entry in runtime.items()} == {name: testing[name][0] for name in runtime}
