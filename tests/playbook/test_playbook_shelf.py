"""The shelf says of each playbook what its loading says."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook_tui.foundation.places import shipped
from runbook_tui.playbook.loader import read_playbook
from runbook_tui.playbook.shelf import cover, list_playbooks


@pytest.mark.parametrize("path", list_playbooks([]), ids=lambda path: path.stem)
def test_a_shipped_cover_is_what_the_whole_file_says(path: Path) -> None:
    """The quick look at three lines and the strict loader agree on every shipped playbook."""
    book, seen = read_playbook(path), cover(path)
    assert (seen.id, seen.title, seen.target, seen.file) == (book.id, book.title, book.target, str(path))


def test_an_own_playbook_with_a_mistake_says_so(tmp_path: Path) -> None:
    """A list never hides that a file cannot be run, nor fails because of it."""
    whole = (shipped("playbooks") / "api-key-leaked.yaml").read_text()
    (tmp_path / "good.yaml").write_text(whole)
    (tmp_path / "bad.yaml").write_text(whole + "\nunknown: 1\n")
    assert cover(tmp_path / "good.yaml").title == "API key leaked"
    assert "has mistakes" in cover(tmp_path / "bad.yaml").title
