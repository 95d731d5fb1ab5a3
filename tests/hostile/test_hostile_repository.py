"""Promise: a repository of anybody's making is searched or a gap is named: no crash, no hang, nothing run."""

from __future__ import annotations

import hashlib
import os
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "exposure"))
from git_builder import VALUE, Repo, document, gaps, hits

from runbook_tui.exposure.config import parse_config
from runbook_tui.exposure.graph import parse_node
from runbook_tui.exposure.index import IndexDamaged, read_index
from runbook_tui.exposure.trees import entries
from runbook_tui.foundation.errors import RunbookError


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.commit({"k": VALUE, "dir/a.txt": "one\n"})
    return made


def loose(repo: Repo, kind: str, content: bytes, raw: bytes | None = None) -> str:
    """Write an object under its right name; `raw` replaces what is compressed."""
    whole = f"{kind} {len(content)}\0".encode() + content
    name = hashlib.sha1(whole).hexdigest()
    path = repo.path / ".git/objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(whole if raw is None else raw))
    return name


def test_a_tree_without_a_nul_is_read_once(repo: Repo) -> None:
    """A megabyte that looks like the start of an entry at every eighth byte is malformed at the first look."""
    loose(repo, "tree", b"100644 a" * 130_000)
    assert "malformed" in gaps(repo.path)
    assert [hit["paths"] for hit in hits(repo)] == [["k"]]


@pytest.mark.parametrize("pointer", ["gitdir: x\0y\n", "gitdir: \udcff\n", "gitdir: " + "a/" * 8_000, "gitdir:\n"])
def test_a_git_file_that_names_what_cannot_be(tmp_path: Path, pointer: str) -> None:
    """NUL, bytes that are no text, a path of 16 KB, nothing: one clear line."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / ".git").write_bytes(pointer.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunbookError):
        document(folder)


def test_alternates_that_cannot_be(repo: Repo) -> None:
    """A NUL, a circle, a device, 2,000 names that are not there: gaps, and the rest is searched."""
    objects = repo.path / ".git/objects"
    lines = [b"x\0y", os.fsencode(objects), b"/dev/null", *(b"/nonexistent/%d" % n for n in range(2_000))]
    (objects / "info").mkdir(exist_ok=True)
    (objects / "info/alternates").write_bytes(b"\n".join(lines) + b"\n")
    assert "cannot exist" in gaps(repo.path)
    assert [hit["paths"] for hit in hits(repo)] == [["k"]]


@pytest.mark.parametrize("name", ["evil", "sha1 --upload-pack=x", "sha1\\0", "\\u202e"])
def test_an_object_format_that_is_none(repo: Repo, name: str) -> None:
    """The format goes to git on its command line: only the two that exist get there."""
    with (repo.path / ".git/config").open("ab") as config:
        config.write(b'[extensions]\n\tobjectFormat = "' + name.replace("\\0", "\0").encode() + b'"\n')
    with pytest.raises(RunbookError, match="not known"):
        document(repo.path)


def test_folders_deeper_than_calls_can_be(repo: Repo) -> None:
    """1,500 folders inside each other, in refs and in modules: read, without running out of stack."""
    for top in ("refs/heads", "modules"):
        folder = repo.path / ".git" / top
        folder.mkdir(exist_ok=True)
        deep = str(folder) + "/d" * 1_500
        subprocess.run(["mkdir", "-p", deep], check=True)
    (Path(deep.replace("modules", "refs/heads")) / "x").write_text("nonsense")
    assert "does not name an object" in gaps(repo.path)
    assert [hit["paths"] for hit in hits(repo)] == [["k"]]
    # Shells and test runners fail at paths like these, so they go away here.
    subprocess.run(["rm", "-rf", f"{repo.path}/.git/refs/heads/d", f"{repo.path}/.git/modules"], check=True)


def test_huge_and_hostile_names_of_refs(repo: Repo) -> None:
    """packed-refs with a name of a megabyte, control characters, no name, and 50,000 refs."""
    head = repo.git("rev-parse", "HEAD")
    lines = [
        f"{head} refs/heads/{'x' * 1_000_000}",
        f"{head} refs/heads/\x1b]0;x\u202e",
        f"{head} ",
        "zz refs/heads/y",
        "^",
    ]
    lines += [f"{head} refs/tags/t{number}" for number in range(50_000)]
    (repo.path / ".git/packed-refs").write_text("\n".join(lines))
    found = document(repo.path)
    assert not set(str(found)) & set("\x1b\u202e")
    (hit,) = found["repositories"][0]["hits"]
    assert len(hit["refs"]) + hit["refs_more"] == 50_003
    assert any(name.startswith("refs/tags/t") for name in hit["refs"])


def test_thousands_of_fetch_rules(repo: Repo) -> None:
    """Each fetch rule is tried on each ref: 20,000 rules full of stars do not make the scan hang."""
    with (repo.path / ".git/config").open("a") as config:
        for number in range(20_000):
            config.write(f'[remote "r{number}"]\n\tfetch = +x:refs/*a*a*a*a*a*b{number}\n')
    repo.git("update-ref", "refs/heads/" + "a" * 200, "HEAD")
    assert [hit["paths"] for hit in hits(repo)] == [["k"]]


def test_submodules_with_hostile_names(repo: Repo) -> None:
    """Names that lead out of the folder or hide text are shown as text, and nothing outside is opened."""
    outside = Repo(repo.path.parent / "outside")
    outside.commit({"o": VALUE})
    for name in ("up/up/outside", "a\x1b[2J\u202e"):
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{name}")
    (repo.path / ".git/modules").mkdir()
    (repo.path / ".git/modules/evil").symlink_to(outside.path / ".git")
    repo.git("commit", "-q", "-m", "gitlinks")
    shown = document(repo.path)
    assert len(shown["repositories"]) == 1
    assert not set(str(shown)) & set("\x1b\u202e")


def test_a_bomb_of_zeros_is_searched_in_windows(repo: Repo) -> None:
    """96 MB in 100 KB: searched piece by piece; the value behind it is found."""
    repo.git("hash-object", "-w", "--stdin", data=b"\0" * (96 << 20) + VALUE.encode())
    assert len(hits(repo)) == 2


def test_an_object_that_says_more_than_it_holds(repo: Repo) -> None:
    """A header that promises a terabyte, or a negative size, is a broken object."""
    for size in (1 << 40, -1, 10**30):
        loose(repo, "blob", str(size).encode(), f"blob {size}\0x".encode())
    assert "object" in gaps(repo.path)
    assert [hit["paths"] for hit in hits(repo)] == [["k"]]


def test_an_index_whose_paths_outgrow_it() -> None:
    """Version 4 shares the start of a path with the one before: a megabyte must not become gigabytes."""
    entry = b"\0" * 24 + struct.pack(">I", 0o100644) + b"\0" * 12 + b"\x11" * 20 + b"\0\0" + b"\0a\0"
    content = b"DIRC" + struct.pack(">II", 4, 20_000) + entry * 20_000
    with pytest.raises(IndexDamaged, match="absurdly long"):
        list(read_index(content, 20))


def _mutated(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(data)) if data else 0
        action = chance.randrange(4)
        if action == 0 and data:
            data[at] ^= 1 << chance.randrange(8)
        elif action == 1:
            del data[at : at + chance.randint(1, 64)]
        elif action == 2:
            data[at:at] = chance.randbytes(chance.randint(1, 16))
        elif data:
            data[at] = chance.choice((0, 0xFF))
    return bytes(data)


def test_damaged_files_of_a_real_repository(tmp_path: Path) -> None:
    """Packs, pack indexes, loose objects, the index, refs and the configuration, mutated: a result or a clear line."""
    chance = random.Random(20261121)
    repo = Repo(tmp_path / "repo")
    for number in range(4):
        repo.commit({"k": f"{VALUE} {number}\n" * 30, f"f{number}": "text\n" * 50})
    repo.git("repack", "-q", "-a", "-d")
    repo.commit({"loose": VALUE})
    git_dir = repo.path / ".git"
    kept = {
        path: path.read_bytes()
        for path in sorted(git_dir.rglob("*"))
        if path.is_file()
        and ("objects" in path.parts or path.name in ("index", "HEAD", "main", "config", "packed-refs"))
    }
    for _ in range(40):
        broken = chance.sample(sorted(kept), chance.randint(1, 3))
        for path in broken:
            path.chmod(0o644)
            path.write_bytes(_mutated(kept[path], chance))
        try:
            found = document(repo.path)["repositories"][0]
        except RunbookError:
            pass
        else:
            if any("pack" in path.suffix for path in broken):
                assert found["hits"] or found["not_scanned"]
        for path in broken:
            path.write_bytes(kept[path])
    assert document(repo.path)["repositories"][0]["hits"]


@settings(max_examples=150)
@given(st.binary(max_size=300), st.integers(0, 255))
def test_the_parsers_take_any_bytes(content: bytes, seed: int) -> None:
    """Configuration, tree, commit, tag and index: any bytes are read as far as they make sense."""
    parse_config(content)
    parse_config(b'[remote "a"]\nfetch=' + content)
    for size in (20, 32):
        entries(content, size)
        entries(b"100644 x\0" + content, size)
    for kind in ("commit", "tag"):
        parse_node(kind, b"author " + content).mark(bytes(20))
    try:
        list(read_index(b"DIRC" + struct.pack(">II", 2 + seed % 3, seed) + content, 20))
    except IndexDamaged:
        return
