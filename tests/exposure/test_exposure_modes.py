"""Whatever compiled helpers are installed, and whoever reads the store, the answer is the same."""

from __future__ import annotations

import gzip
import io
import random
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from git_builder import VALUE, Repo, document

from runbook_tui.exposure import inflate, packs

MODES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {}


def mode(change: Callable[[pytest.MonkeyPatch], None]) -> Callable[[pytest.MonkeyPatch], None]:
    MODES[change.__name__] = change
    return change


@mode
def without_hyperscan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hyperscan", None)


@mode
def without_deflate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deflate", None)
    slower = inflate._chosen()
    assert slower is inflate._by_zlib
    monkeypatch.setattr(packs, "inflate", slower)


@mode
def by_git_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As without numpy or dulwich."""
    monkeypatch.setitem(sys.modules, "runbook_tui.exposure.packobjects", None)


def answer(path: Path) -> dict[str, Any]:
    found = document(path)
    for repository in found["repositories"]:
        del repository["seconds"]
    return found


def archive(chance: random.Random) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("inner/.env", f"K={VALUE}\n" * chance.randrange(1, 3))
    return packed.getvalue() if chance.random() < 0.5 else gzip.compress(f"x\n{VALUE}".encode(), mtime=0)


def generated(path: Path, seed: int) -> Repo:
    """Hundreds of objects: long files that change a little, merges, tags, notes, dangling ones, loose and packed."""
    chance = random.Random(seed)
    repo = Repo(path, *(["--object-format=sha256"] if seed % 3 == 2 else []))
    lines = [f"line {number} of a long file\n" for number in range(300)]
    repo.commit({"README": "start\n"})
    for number in range(40):
        lines[chance.randrange(len(lines))] = f"{chance.random()}\n"
        text = "".join(lines)
        if chance.random() < 0.3:
            text += chance.choice(
                [VALUE, VALUE.encode().hex(), VALUE[:9] + "\n" + VALUE[9:], VALUE.replace("/", "%2F")]
            )
        files: dict[str, str | bytes | None] = {f"d{number % 7}/long": text}
        if chance.random() < 0.1:
            files[f"a{number}"] = archive(chance)
        if chance.random() < 0.1:
            files[f"e/{VALUE.encode().hex()}{number}"] = f"{number}"
        repo.commit(files, VALUE if chance.random() < 0.05 else f"work {number}")
        if chance.random() < 0.2:
            repo.git("branch", f"b{number}")
        if chance.random() < 0.1:
            repo.git("checkout", "-q", "-B", f"s{number}", f"HEAD~{chance.randrange(1, 3)}", check=False)
            repo.commit({f"side{number}": VALUE if chance.random() < 0.5 else "x"})
            repo.git("merge", "-q", "-m", "merge", "main", check=False)
            repo.git("checkout", "-q", "-f", "main")
        if chance.random() < 0.1:
            repo.git("tag", "-a", f"t{number}", "-m", chance.choice([VALUE, "release"]))
        if chance.random() < 0.05:
            repo.git("notes", "add", "-f", "-m", VALUE)
        if chance.random() < 0.1:
            repo.blob(f"{number} {VALUE}".encode())
        if number in (15, 30):
            options = [] if chance.random() < 0.5 else ["-f", "--window=50", "--depth=100"]
            repo.git("-c", f"pack.indexVersion={1 + seed % 2}", "repack", "-q", "-d", *options, *["-a"][: number % 2])
    repo.git("reset", "-q", "--hard", "HEAD~2")
    return repo


@pytest.mark.parametrize("seed", range(3))
def test_the_answer_is_the_same_in_every_mode(tmp_path: Path, seed: int) -> None:
    """Hits, paths, first and last commits, refs and gaps of a generated history agree, and git read all objects."""
    repo = generated(tmp_path / "repo", seed)
    expected = answer(repo.path)
    assert expected["repositories"][0]["hits"]
    assert {hit["type"] for hit in expected["repositories"][0]["hits"]} >= {"blob", "tree"}
    listed = repo.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert expected["repositories"][0]["objects"] == len(listed)
    for change in MODES.values():
        with pytest.MonkeyPatch.context() as monkeypatch:
            change(monkeypatch)
            assert answer(repo.path) == expected, change.__name__
