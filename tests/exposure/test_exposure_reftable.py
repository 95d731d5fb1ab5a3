"""Refs and reflogs kept as reftables are read like those kept as files, and a broken table is named, never believed."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from git_builder import VALUE, Repo, document, gaps, hits
from hypothesis import given, settings
from hypothesis import strategies as st
from reftables import block, convert, footer, number, records, ref_record, stack, table

from runbook_tui.exposure import reftable
from runbook_tui.exposure.archives import Left, expand
from runbook_tui.exposure.model import Gaps
from runbook_tui.exposure.refs import read_pointers
from runbook_tui.exposure.refstack import Stack, read_stack
from runbook_tui.exposure.reftable import Allowance, Log, Ref, TableDamaged, read_table
from runbook_tui.exposure.repository import open_repository

ONE, TWO, THREE = (bytes([at]) * 20 for at in (0x11, 0x22, 0x33))
NONE = bytes(20)
# Written by git 2.55: commits, an annotated tag, a symbolic ref, a deleted branch, two stashes, one of them dropped.
BY_GIT = base64.b64decode("""
UkVGVAEAEAAAAAAAAAAAAQAAAAAAAAAQcgABBgAjSEVBRAAPcmVmcy9oZWFkcy9tYWluAElPUklHX0hFQUQJrlYCM2noSDO8QneU
9GvJDoHVqZcAgANyZWZzL2hlYWRzL2FsaWFzDg9yZWZzL2hlYWRzL21haW4LIW1haW4ErlYCM2noSDO8QneU9GvJDoHVqZcLIXNp
ZGUPrlYCM2noSDO8QneU9GvJDoHVqZcFKXN0YXNoDXH8Y1BXFKl4jILnNx/EQj8b+NFyBTp0YWdzL3YxBc4YjiVku2UzUMS2hXZS
Es2qEHbtrlYCM2noSDO8QneU9GvJDoHVqZcAABwAADMAAFMAA2cABC142mPI9HB1dGH4DwGf1oUxGWe+8DDe41Q+5Uv2Sb7Gqyun
YxNjdkxJZE50qGi93jlbmoFBrCi1OLXESiE3vywzL12hJF8BZCoXD+cXahv4S/eQw4HG55e1kyZvOWP1V2uBXW1zJREG8iTn5+Zm
Ak1MVjAGGvP7yaWHtyK3HL9iwx6ymt2q5nXCtUtx2IzGbYwR0Jg/z8JO5J4p6Hoe/s3STfOR59KY35p/sRmN2xhDoDF/GbAAbEaj
GSMBMUZBIzMvsyQzMUfTSiEts6i4hIuhwbMoNa1YPyM1MaVYPzEnM7EYFsUfsNlFRAAycnFn5iZm5sHMoUpEiFMnIsSpExHi1I8I
7szizJRUWJi9JzPspZKKEvOSM6wUnItSE0tSUxTSivJzITmCtbC4JLE4A2bD5/s3sj8eafqlZrTQZfaqPOtXnfoGkYV/kgPCRVZW
9DQ9N5c/4mQv/eNiEZoNkuGeAQr5eQqgGLZSSEw1NTMwMgZHEQMDCwPjLQYmAHObq7ZSRUZUAQAQAAAAAAAAAAABAAAAAAAAABAA
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABBgAAAAAAAAAAmIFNhw==
""")


def read(folder: Path, size: int = 20) -> tuple[Stack, str]:
    """The stack, and what was said of it."""
    said = Gaps()
    found = read_stack(folder, size, said, "refs")
    return found, "\n".join(f"{gap.what}: {gap.why}" for gap in said.all())


def believed(data: bytes) -> list[Ref | Log]:
    return list(read_table(data, Allowance()))


def sealed(begin: bytes) -> bytes:
    """A table that begins like this, with a sound end."""
    return begin + footer(begin[:24])


def test_a_table_of_git(tmp_path: Path) -> None:
    """Promise: what git wrote is read: values, tags with what they stand on, symbolic refs, reflogs."""
    found, said = read(stack(tmp_path, BY_GIT))
    tip = bytes.fromhex("ae56023369e84833bc427794f46bc90e81d5a997")
    assert said == ""
    assert {name.decode(): (ref.value.hex()[:7], ref.target.decode()) for name, ref in found.refs.items()} == {
        "HEAD": ("", "refs/heads/main"), "ORIG_HEAD": ("ae56023", ""), "refs/heads/alias": ("", "refs/heads/main"),
        "refs/heads/main": ("ae56023", ""), "refs/heads/side": ("ae56023", ""), "refs/stash": ("71fc635", ""),
        "refs/tags/v1": ("ce188e2", ""),
    }  # fmt: skip
    assert found.logs[b"refs/heads/side"] == {tip}
    assert sorted(value.hex()[:7] for value in found.logs[b"HEAD"]) == ["2dc240c", "ae56023", "e4d2e1d", "e656c86"]
    texts = [record.text for record in believed(BY_GIT) if isinstance(record, Log)]
    assert b"Ada <a@x>\ncommit (initial): first\n" in texts


def test_the_same_answer_as_from_files(tmp_path: Path) -> None:
    """Promise: refs, reachability and marks of every hit are those of the same repository with its refs as files."""
    for options in ((), ("--object-format=sha256",)):
        repo = Repo(tmp_path / f"repo{len(options)}", *options)
        repo.commit({"k": f"{VALUE}\n"})
        repo.git("tag", "-a", "v1", "-m", f"tag {VALUE}")
        repo.commit({"k": "clean\n"})
        tips = repo.git("rev-parse", "HEAD", "HEAD~1").split()
        made = "".join(f"create refs/builds/{at} {tips[at % 2]}\n" for at in range(300))
        repo.git("update-ref", "--stdin", data=made.encode())
        repo.commit({"lost": f"x {VALUE}\n"})
        repo.git("reset", "-q", "--hard", "HEAD~1")
        repo.git("worktree", "add", "-q", "--detach", str(tmp_path / f"wt{len(options)}"), "HEAD~1")
        repo.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
        repo.write("k", f"stashed {VALUE}\n")
        repo.git("stash")
        before, said = hits(repo), gaps(repo.path)
        assert len(before) >= 4
        convert(repo, sha256=bool(options))
        after = hits(repo)
        # What a clone knows of pushes is asked of files alone.
        unlike = {"pushed"}
        assert [{k: v for k, v in hit.items() if k not in unlike} for hit in after] == [
            {k: v for k, v in hit.items() if k not in unlike} for hit in before
        ]
        assert {hit["reachable"] for hit in after} >= {"ref", "reflog"}
        assert gaps(repo.path) == said


def test_a_real_repository_of_a_newer_git(tmp_path: Path) -> None:
    """Promise: a repository that git itself keeps in tables is read without a gap, its worktree's tables too."""
    told = re.match(
        r"git version (\d+)\.(\d+)", subprocess.run(["git", "version"], capture_output=True, text=True).stdout
    )
    if told is None or (int(told[1]), int(told[2])) < (2, 45):
        pytest.skip("this git is older than 2.45: it has no reftables")
    repo = Repo(tmp_path / "repo", "--ref-format=reftable")
    first = repo.commit({"k": f"{VALUE}\n"})
    made = "".join(f"create refs/heads/topic/{at} {first}\n" for at in range(500))
    repo.git("update-ref", "--stdin", data=made.encode())
    repo.commit({"k": "clean\n"})
    repo.git("worktree", "add", "-q", "--detach", str(tmp_path / "wt"), first)
    repo.git("branch", "-D", "topic/7")
    said = Gaps()
    found = read_pointers(open_repository(repo.path), said)
    lines = repo.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    assert {name: value.hex() for name, value in found.refs.items() if name.startswith("refs/")} == dict(
        line.split(" ") for line in lines
    )
    assert found.refs["worktrees/wt/HEAD"].hex() == first
    assert {value.hex() for value in found.reflogs["HEAD"]} == {first, repo.git("rev-parse", "HEAD")}
    assert (said.all(), gaps(repo.path)) == ((), "")


def test_tables_of_dulwich(tmp_path: Path) -> None:
    """Promise: tables of another program that writes the format are read: values, deletions, symbolic refs."""
    writer = pytest.importorskip("dulwich.reftable", reason="dulwich is not installed")
    (tmp_path / "config").write_text("")
    refs = writer.ReftableRefsContainer(str(tmp_path))
    refs.set_symbolic_ref(b"HEAD", b"refs/heads/main")
    refs.set_if_equals(b"refs/heads/main", None, b"11" * 20)
    refs.set_if_equals(b"refs/heads/gone", None, b"22" * 20)
    refs.set_if_equals(b"refs/heads/main", b"11" * 20, b"33" * 20)
    refs.remove_if_equals(b"refs/heads/gone", b"22" * 20)
    found, said = read(tmp_path / "reftable")
    assert said == ""
    assert {name: ref.value or ref.target for name, ref in found.refs.items() if ref.value or ref.target} == {
        b"HEAD": b"refs/heads/main", b"refs/heads/main": THREE,
    }  # fmt: skip


def test_newer_tables_win(tmp_path: Path) -> None:
    """Promise: what a newer table says of a ref or of a reflog entry counts, a deletion too; the rest stays."""
    entry = (NONE, ONE, b"made")
    old = table(
        {b"a": ONE, b"b": ONE, b"c": ONE, b"d": None}, {(b"a", 1): entry, (b"a", 2): (ONE, TWO, b""), (b"b", 1): entry}
    )
    mid = table({b"a": None, b"b": TWO, b"d": ONE}, {(b"a", 2): None, (b"b", 1): (NONE, THREE, b"rewritten")})
    new = table({b"a": (THREE, ONE), b"e": "b"}, version=2)
    found, said = read(stack(tmp_path, old, mid, new, table()))
    assert said == ""
    assert {name: ref.value or ref.target for name, ref in found.refs.items()} == {
        b"a": THREE, b"b": TWO, b"c": ONE, b"d": ONE, b"e": b"b",
    }  # fmt: skip
    assert found.logs == {b"a": {ONE}, b"b": {THREE}}


@pytest.mark.parametrize("sha256", [False, True])
@pytest.mark.parametrize("block_size", [0, 512, 65536])
def test_every_layout(tmp_path: Path, sha256: bool, block_size: int) -> None:
    """Promise: aligned or not, one block or many, long names, logs alone or behind refs, either hash."""
    size = 32 if sha256 else 20
    refs: dict[bytes, Any] = {b"refs/heads/%d" % at: bytes([at + 1]) * size for at in range(40)}
    refs[b"refs/heads/" + b"n" * 300] = b"\1" * size
    logs = {(name, at): (bytes(size), value, b"m" * 200) for name, value in refs.items() for at in (1, 300)}
    for some in (refs, {}):
        data = table(some, logs, sha256=sha256, block_size=block_size, per_block=4)
        found, said = read(stack(tmp_path, data), size)
        assert said == ""
        assert {name: ref.value for name, ref in found.refs.items()} == some
        assert found.logs == {name: {value} for name, value in refs.items()}


def test_a_value_inside_a_table_is_found(tmp_path: Path) -> None:
    """Promise: in tables log messages are compressed and names told in part; a value is found there all the same, in
    tables that no list names any more too."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": "clean\n"})
    convert(repo)
    name = b"refs/heads/AKIAFAKE"
    data = table(
        {name: ONE, name + b"/secret": TWO, name + VALUE.encode()[8:]: ONE}, {(b"HEAD", 9): (NONE, ONE, VALUE.encode())}
    )
    assert VALUE.encode() not in data
    (repo.path / ".git/reftable/0x000000000007-0x000000000008-00000000.ref").write_bytes(data)
    [hit] = document(repo.path)["repositories"][0]["hits"]
    assert hit["paths"][0].endswith("-00000000.ref!refs and reflogs")
    assert [item[0] for item in expand(data) if VALUE.encode() in item[1]] == ["refs and reflogs"]  # type: ignore[operator]
    assert any(isinstance(item, Left) for item in expand(data[:-3]))
    flipped = [*expand(data[:-1] + b"\0")]
    assert VALUE.encode() in flipped[0][1]  # type: ignore[index]
    assert isinstance(flipped[1], Left)


def test_a_stack_that_cannot_be_read_is_a_gap(tmp_path: Path) -> None:
    """Promise: no list, a listed table that is missing, absurd, of another hash or broken: named; the others count."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": f"{VALUE}\n"})
    convert(repo)
    folder = repo.path / ".git/reftable"
    good = (folder / "tables.list").read_text()
    assert gaps(repo.path) == ""
    for more, why in (
        ("gone.ref\n", "it is missing"),
        ("../../k\n", "a name that git does not give"),
        ("short.ref\n", "not a reftable"),
        ("other.ref\n", "of another format than the repository's"),
        ("cut.ref\n", "makes no sense"),
        ("endless.ref\n", "it has no end"),
        ("flipped.ref\n", "its checksum is wrong"),
    ):
        (folder / "short.ref").write_bytes(b"REFT")
        (folder / "other.ref").write_bytes(table({b"x": bytes(32)}, sha256=True))
        (folder / "cut.ref").write_bytes(table({b"refs/heads/x": ONE})[:-1])
        (folder / "endless.ref").write_bytes(table({b"refs/heads/x": ONE})[:-68] + bytes(68))
        (folder / "flipped.ref").write_bytes(table({b"refs/heads/x": ONE})[:-1] + b"\0")
        (folder / "tables.list").write_text(good + more)
        assert why in gaps(repo.path), more
        assert hits(repo)[0]["refs"] == ["refs/heads/main"]
    (folder / "tables.list").write_text(good + good)
    assert "its list of tables cannot be read" in gaps(repo.path)
    (folder / "tables.list").unlink()
    assert "its list of tables cannot be read" in gaps(repo.path)
    assert hits(repo)[0]["reachable"] == "index"
    shutil.rmtree(folder)
    assert "its list of tables cannot be read" in gaps(repo.path)


def test_a_list_that_changes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: a git that merges tables while they are read costs no ref."""
    from runbook_tui.exposure import refstack

    folder = stack(tmp_path, table({b"a": ONE}), table({b"b": TWO}))
    names = (folder / "tables.list").read_text().split()
    (folder / names[0]).unlink()

    def merged(data: bytes, allowance: Allowance) -> Any:
        (folder / "merged.ref").write_bytes(table({b"a": ONE, b"b": TWO}))
        (folder / "tables.list").write_text("merged.ref\n")
        return read_table(data, allowance)

    monkeypatch.setattr(refstack, "read_table", merged)
    found, said = read(folder)
    assert (sorted(found.refs), said) == ([b"a", b"b"], "")


HEAD = table()[:24]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (sealed(HEAD + b"x\0\0\x20" + bytes(40)), "a block of it makes no sense"),
        (sealed(HEAD + b"r\0\0\0"), "a block of it makes no sense"),
        (sealed(HEAD + b"r\xff\xff\xff" + bytes(9)), "a block of it makes no sense"),
        (sealed(HEAD + block(b"r", number(0) + number(8 | 1), 24, 24)), "cut"),
        (sealed(HEAD + block(b"r", number(7) + number(8), 24, 24)), "absurd"),
        (sealed(HEAD + block(b"r", number(0) + number(8) + b"a" + b"\xff" * 12, 24, 24)), "a number in it"),
        (sealed(HEAD + block(b"r", number(0) + number(8 | 4) + b"a\0", 24, 24)), "not known"),
        (
            sealed(HEAD + block(b"r", records([(b"b", ref_record(ONE)), (b"a", ref_record(TWO))], b"\0"), 24, 24)),
            "order",
        ),
        (sealed(HEAD + block(b"r", records([(b"b", ref_record(ONE))] * 2, b"\0"), 24, 24)), "order"),
        (sealed(HEAD + b"r\0\0\x30" + bytes(18) + b"\xff\xff"), "makes no sense"),
        (sealed(HEAD + b"g\0\0\x40" + b"not compressed"), "inflated"),
        (sealed(HEAD + b"g\0\0\x40" + zlib.compress(bytes(1 << 20))), "not as long"),
        (sealed(HEAD + b"g\xff\xff\xff" + zlib.compress(bytes(99))), "not as long"),
        (sealed(HEAD + b"g\0\0\x40" + zlib.compress(bytes(36))[:-4]), "not as long|inflated"),
        (sealed(HEAD + block(b"g", number(0) + number(2 << 3) + b"ab", 24, 24)), "no name"),
        (HEAD + footer(HEAD, 77), "another place"),
        (HEAD + footer(HEAD[:-1] + b"\1"), "no end"),
        (b"REFT\3" + HEAD[5:] + footer(HEAD), "not a reftable"),
        (b"REFT\2" + HEAD[5:] + b"none" + footer(HEAD), "not known"),
    ],
)
def test_what_no_git_writes(data: bytes, why: str) -> None:
    """Promise: what does not fit is refused with its reason."""
    with pytest.raises(TableDamaged, match=why):
        believed(data)


def test_what_comes_out_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: neither long names told in few bytes nor blocks that inflate to much take more than a fixed amount."""
    monkeypatch.setattr(reftable, "_MOST", 1 << 20)
    names = [(b"n" * 60_000 + b"%06d" % at, ref_record(None)) for at in range(100)]
    bombs = [sealed(HEAD + block(b"r", records(names, b"\0"), 24, 24))]
    content = records(
        [(b"r" + b"\0" + bytes(8), (1, bytes(40) + number(0) * 3 + b"\0\0" + number(1 << 20) + bytes(1 << 20)))]
    )
    bombs.append(sealed(HEAD + block(b"g", content, 24, 24)))
    for bomb in bombs:
        assert len(bomb) < 70_000
        with pytest.raises(TableDamaged, match="comes to more than"):
            believed(bomb)
    assert any(isinstance(item, Left) for item in expand(bombs[0]))


SOUND = [
    BY_GIT,
    table(
        {b"a": ONE, b"ab": (ONE, TWO), b"abc": "HEAD", b"b": None},
        {(b"a", 3): (ONE, TWO, b"m"), (b"b", 1): None},
        block_size=256,
    ),
    table({b"x": b"\7" * 32}, {(b"x", 200): (bytes(32), b"\7" * 32, b"why")}, sha256=True),
]  # fmt: skip


@settings(max_examples=int(os.environ.get("RUNBOOK_FUZZ_ROUNDS", "400")), deadline=None, derandomize=True)
@given(
    st.sampled_from(SOUND), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6), st.booleans()
)
def test_broken_tables_are_refused_or_read(data: bytes, changes: list[tuple[int, int]], resealed: bool) -> None:
    """Promise: whatever its bytes are, a table is read or refused by the one error; nothing else comes out."""
    broken = bytearray(data)
    for at, value in changes:
        broken[at % len(broken)] = value
    if resealed:
        begin = 24 if data[4] == 1 else 28
        end = len(broken) - begin - 44
        broken[end : end + begin] = broken[:begin]
        broken[-4:] = zlib.crc32(bytes(broken[end:-4])).to_bytes(4, "big")
    try:
        for record in believed(bytes(broken)):
            assert record[0]
    except TableDamaged:
        assert bytes(broken) != data
    for item in expand(bytes(broken)) if broken[:4] == b"REFT" and broken[4] in (1, 2) else ():
        assert item


@settings(max_examples=int(os.environ.get("RUNBOOK_FUZZ_ROUNDS", "400")), deadline=None, derandomize=True)
@given(st.sampled_from([b"r", b"g"]), st.binary(max_size=120))
def test_any_block_is_refused_or_read(kind: bytes, content: bytes) -> None:
    """The same for a sound frame around anything."""
    data = HEAD + block(kind, content, 24, 24)
    with contextlib.suppress(TableDamaged):
        believed(data + footer(HEAD))
