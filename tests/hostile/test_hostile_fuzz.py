"""Promise: each fuzz target runs, and finds nothing, for a few seconds here; `python -m tests.fuzz` runs for longer."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = ("yaml", "documents", "substitution", "redactor", "packs", "headers", "env", "url")


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed: it has wheels for x86-64 Linux only"
)
@pytest.mark.parametrize("target", TARGETS)
def test_a_few_seconds_find_nothing(tmp_path: Path, target: str) -> None:
    """A fresh corpus of our own seeds, three seconds, a fixed start: no exception, no hang, no memory above 2 GiB."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", target, "--seconds", "3", "--seed", "1", "--corpus", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert not list((tmp_path / "found" / target).iterdir())
