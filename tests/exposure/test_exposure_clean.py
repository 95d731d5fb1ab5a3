"""Damage and strays that could make a scan look clean: each is searched, or named, and the rest is searched."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Any

import pytest
from git_builder import VALUE, Repo, document, gaps, hits

CONTENT = f"key = {VALUE}\n".encode()


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.commit({"README": "hello\n"})
    return made


def loose(repo: Repo, raw: bytes, name: str = "") -> Path:
    """Write a loose object as it stands, honest or not."""
    name = name or hashlib.sha1(raw, usedforsecurity=False).hexdigest()
    path = repo.path / ".git/objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(raw))
    return path


def files(repo: Repo) -> dict[str, Any]:
    found = document(repo.path)["repositories"][0]["hits"]
    return {hit["paths"][0]: hit for hit in found if hit["type"] == "file"}


def test_loose_object_that_is_longer_than_it_says(repo: Repo) -> None:
    """git calls it corrupt: it has to be found or named."""
    loose(repo, b"blob 5\0" + CONTENT)
    assert hits(repo) or gaps(repo.path)


@pytest.mark.parametrize("raw", [b"weird 9\0" + CONTENT, b"blob x\0" + CONTENT, b"", b"blob 99999999\0" + CONTENT])
def test_loose_object_that_makes_no_sense(repo: Repo, raw: bytes) -> None:
    """Named as corrupt, and the objects around it are searched."""
    loose(repo, raw, "ab" * 20)
    repo.commit({"k": VALUE})
    assert len(hits(repo)) >= 1
    assert "ab" * 20 in gaps(repo.path)


def test_object_under_a_wrong_name(repo: Repo) -> None:
    """Content is searched whether or not its name is its checksum."""
    loose(repo, b"blob %d\0" % len(CONTENT) + CONTENT, "cd" * 20)
    assert [hit["object"] for hit in hits(repo)] == ["cd" * 20]


def test_damaged_in_one_place_whole_in_another(repo: Repo) -> None:
    """An object that a pack has damaged and the store has once more loose is read from there."""
    noise = "".join(hashlib.sha256(b"%d" % number).hexdigest() for number in range(200))
    repo.commit({"k": noise + VALUE})
    name = repo.git("rev-parse", "HEAD:k")
    content = (repo.path / "k").read_bytes()
    repo.git("repack", "-q", "-a", "-d")
    pack = next((repo.path / ".git/objects/pack").glob("*.pack"))
    pack.chmod(0o644)
    listed = repo.git("verify-pack", "-v", str(pack.with_suffix(".idx"))).splitlines()
    at = next(int(line.split()[4]) for line in listed if line.startswith(name))
    data = bytearray(pack.read_bytes())
    data[at + 2000] ^= 0xFF
    pack.write_bytes(data)
    loose(repo, b"blob %d\0" % len(content) + content, name)
    assert [hit["object"] for hit in hits(repo)] == [name]


def test_pack_cut_short(repo: Repo) -> None:
    """The entries before the cut are searched, and the pack is named."""
    for number in range(30):
        repo.commit({f"f{number}": f"{number} {VALUE}\n" * (number + 1)})
    repo.git("repack", "-q", "-a", "-d")
    pack = next((repo.path / ".git/objects/pack").glob("*.pack"))
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes()[:-400])
    assert pack.name in gaps(repo.path)
    assert len(hits(repo)) >= 10


@pytest.mark.parametrize("place", ["info/note", "pack/notes.txt", "ab/backup~", "zz/x", "deep/er/k", "stray"])
def test_files_in_the_store_that_are_no_objects(repo: Repo, place: str) -> None:
    """Whatever somebody put beside the objects is searched as a file."""
    repo.write(f".git/objects/{place}", CONTENT)
    assert files(repo)[f".git/objects/{place}"]["form"] == "raw"


@pytest.mark.parametrize(
    "place", ["pack/pack-1.pack.old", "pack/tmp_pack_Ab", "pack/.tmp-7-pack-1.pack", "../backup.pack"]
)
def test_packs_that_git_does_not_list(repo: Repo, tmp_path: Path, place: str) -> None:
    """A pack somebody kept or an interrupted git left is named: its objects were not searched."""
    other = Repo(tmp_path / "other")
    other.commit({"k": VALUE})
    other.git("repack", "-q", "-a", "-d")
    pack = next((other.path / ".git/objects/pack").glob("*.pack"))
    repo.write(f".git/objects/{place}", pack.read_bytes())
    assert place.rpartition("/")[2] in gaps(repo.path)


def test_a_bundle_is_named(repo: Repo) -> None:
    """A git bundle in the git directory or in a commit is a repository of its own."""
    repo.git("bundle", "create", "-q", ".git/keep.bundle", "main")
    repo.commit({"kept.bundle": (repo.path / ".git/keep.bundle").read_bytes()})
    said = gaps(repo.path)
    assert ".git/keep.bundle: a git bundle: this format is not opened" in said
    assert said.count("a git bundle") == 2
