"""Promise: docs/hostile-input.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_attack_names_a_test_that_exists() -> None:
    """Each row has one, and its file defines it."""
    rows = [line for line in (ROOT / "docs/hostile-input.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 40
    for row in rows:
        file, _, name = row.split("|")[3].strip().partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE), row
