"""Promise: files are written whole or not at all, and folders with journals are the owner's alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runbook_tui.foundation.files import make_private_dir, write_atomic, write_new


def test_private_folders_all_the_way(tmp_path: Path) -> None:
    """Parents that had to be made are private too; what was there keeps its mode."""
    tmp_path.chmod(0o755)
    old = os.umask(0o022)
    try:
        made = make_private_dir(tmp_path / "state" / "incidents")
    finally:
        os.umask(old)
    assert [folder.stat().st_mode & 0o777 for folder in (made, made.parent, tmp_path)] == [0o700, 0o700, 0o755]
    assert make_private_dir(made) == made


def test_write_atomic_replaces_and_sets_the_mode(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    target.chmod(0o644)
    write_atomic(target, b"new", 0o600)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_content_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):
        write_atomic(target, b"new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_write_new_never_overwrites(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_new(target, b"first")
    with pytest.raises(FileExistsError):
        write_new(target, b"second")
    assert target.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_as_target_is_replaced_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    link = tmp_path / "link"
    link.symlink_to(other)
    write_atomic(link, b"new")
    assert other.read_text() == "precious"
    assert not link.is_symlink()
