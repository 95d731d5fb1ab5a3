"""Who may import whom, and what a command may load: start-up time and the floors of the house stay as designed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from servers.processes import plain_environment

_REPOSITORY = Path(__file__).resolve().parents[1]
_HEAVY = {"asyncio", "botocore", "cryptography", "git", "httpx", "keyring", "re2", "rich", "sqlite3", "textual"}
_ROOMS = sorted(
    folder.name for folder in (_REPOSITORY / "src" / "runbook_tui").iterdir() if (folder / "__init__.py").is_file()
)

_COMMAND = """
import json, sys
from runbook_tui.cli import main
sys.argv = ["runbook", *sys.argv[1:]]
try:
    main()
except SystemExit as exit:
    if exit.code not in (0, None):
        raise
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
_ROOM = """
import importlib, json, pkgutil, sys
room = importlib.import_module("runbook_tui." + sys.argv[1])
for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def _modules(program: str, *arguments: str, home: Path) -> set[str]:
    """The names in `sys.modules` after `program` ran in a process of its own."""
    answer = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=plain_environment(RUNBOOK_HOME=str(home)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    return set(json.loads(answer.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    ("command", "unwanted"),
    [
        pytest.param(["--help"], _HEAVY | {"yaml", "msgspec", "jmespath"}, id="--help"),
        pytest.param(["--version"], _HEAVY | {"yaml", "msgspec", "jmespath"}, id="--version"),
        pytest.param(["playbook", "list"], _HEAVY, id="playbook list"),
    ],
)
def test_a_light_command_loads_nothing_heavy(command: list[str], unwanted: set[str], tmp_path: Path) -> None:
    """`--help`, `--version` and `playbook list` answer at once: nothing heavy is imported for them."""
    assert not _modules(_COMMAND, *command, home=tmp_path) & unwanted


@pytest.mark.parametrize("room", [room for room in _ROOMS if room not in ("cli", "tui")])
def test_a_room_below_the_screens_runs_without_textual(room: str, tmp_path: Path) -> None:
    """Every module of the room can be imported, and neither Textual nor a front end comes along, however indirectly."""
    loaded = _modules(_ROOM, room, home=tmp_path)
    front_ends = {"runbook_tui.cli", "runbook_tui.tui", "runbook_tui.plain"} - {f"runbook_tui.{room}"}
    assert not loaded & (front_ends | {"textual", "rich"})


def test_the_import_contracts_hold() -> None:
    """import-linter's contracts in pyproject.toml: floors, Textual only in the tui, no drill in the conductor."""
    linter = Path(sys.executable).with_name("lint-imports")
    command = [str(linter), "--no-cache", "--no-logo"]
    answer = subprocess.run(command, cwd=_REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout
