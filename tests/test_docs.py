"""The documents tell the truth about files, keys and commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runbook_tui.incident.actions import ACTIONS

ROOT = Path(__file__).resolve().parents[1]
KEYS = ROOT / "docs" / "keys.md"


def test_every_promise_names_a_test_that_exists() -> None:
    """A promise without its test is not listed."""
    text = (ROOT / "docs" / "promises.md").read_text()
    named = set(re.findall(r"`(tests/[^`]+)`", text))
    assert named
    for one in sorted(named):
        path, _, function = one.partition("::")
        assert (ROOT / path).exists(), one
        assert not function or f"def {function}(" in (ROOT / path).read_text(), one
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row[0].strip("| ")) for row in rows] == list(range(1, len(rows) + 1))
    assert all("`tests/" in row[-1] for row in rows)


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(f"docs/{one.name}" for one in (ROOT / "docs").glob("*.md"))]
)
def test_links_and_pictures_are_there(page: str) -> None:
    """A newcomer's first page has no dead picture or link."""
    targets = re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text())
    assert [one for one in targets if not ((ROOT / page).parent / one).exists()] == []


def test_the_page_of_keys_is_the_registry() -> None:
    """docs/keys.md is printed from the registry that the footer and the help read."""
    rows = "".join(f"| `{one.key}` | {one.word} | {one.help} |\n" for one in ACTIONS)
    assert rows in KEYS.read_text()
