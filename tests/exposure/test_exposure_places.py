"""A known value is found wherever a repository can keep it, and the report says how to get there."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from git_builder import VALUE, Repo, commits, document, hits, only_hit


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.commit({"README": "hello\n"}, "start")
    return made


def test_a_removed_file_has_first_and_last_commit(repo: Repo) -> None:
    """First is the commit that brought the value in, last the last one that still had it; refs that contain it."""
    first = repo.commit({"conf/app.env": f"A=1\nKEY={VALUE}\n"})
    last = repo.commit({"other": "1"})
    repo.commit({"conf/app.env": None})
    repo.git("branch", "side")
    found = only_hit(repo)
    assert found["paths"] == ["conf/app.env"]
    assert (found["line"], found["form"], found["type"], found["reachable"]) == (2, "raw", "blob", "ref")
    assert found["first"] == [{"commit": first, "author": "Ada <ada@example.com>", "time": repo.time(2)}]
    assert found["last"] == [{"commit": last, "time": repo.time(3)}]
    assert found["refs"] == ["refs/heads/main", "refs/heads/side"]
    assert document(repo.path)["credentials"] == [
        {"credential": "leaked", "earliest": repo.time(2), "latest": repo.time(3), "pushed": False}
    ]


def test_a_branch_from_before_is_not_named(repo: Repo) -> None:
    """A ref that does not contain the value is not listed."""
    repo.git("branch", "old")
    repo.commit({"k": VALUE})
    assert only_hit(repo)["refs"] == ["refs/heads/main"]


def test_renamed_and_added_again(repo: Repo) -> None:
    """All paths are named, and each stretch of history has its own first and last commit."""
    one = repo.commit({"a": VALUE})
    two = repo.commit({"a": None, "dir/b": VALUE})
    repo.commit({"dir/b": None})
    three = repo.commit({"c": VALUE})
    found = only_hit(repo)
    assert found["paths"] == ["a", "c", "dir/b"]
    assert commits(found["first"]) == [one, three]
    assert commits(found["last"]) == [two, three]


def test_ordinary_merge(repo: Repo) -> None:
    """A merge that takes the value over is neither first nor, when work goes on, last."""
    repo.git("checkout", "-q", "-b", "side")
    first = repo.commit({"k": VALUE})
    repo.git("checkout", "-q", "main")
    repo.commit({"m": "1"})
    repo.clock += 60
    repo.git("merge", "-q", "--no-ff", "side", "-m", "merge")
    last = repo.commit({"n": "1"})
    repo.commit({"k": None})
    found = only_hit(repo)
    assert commits(found["first"]) == [first]
    assert commits(found["last"]) == [last]
    assert found["refs"] == ["refs/heads/main", "refs/heads/side"]


def test_merge_that_drops_it(repo: Repo) -> None:
    """`-s ours` leaves the value on the second parent: its last commit is there, yet main's history contains it."""
    repo.git("checkout", "-q", "-b", "side")
    side = repo.commit({"k": VALUE})
    repo.git("checkout", "-q", "main")
    repo.commit({"m": "1"})
    repo.git("merge", "-q", "-s", "ours", "side", "-m", "merge")
    found = only_hit(repo)
    assert commits(found["first"]) == commits(found["last"]) == [side]
    assert "refs/heads/main" in found["refs"]


def test_evil_merge(repo: Repo) -> None:
    """A value that no parent has, added in the merge itself."""
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"s": "1"})
    repo.git("checkout", "-q", "main")
    repo.commit({"m": "1"})
    repo.git("merge", "-q", "--no-commit", "--no-ff", "side")
    merge = repo.commit({"k": VALUE}, "merge")
    assert len(repo.git("rev-list", "--parents", "-1", merge).split()) == 3
    assert commits(only_hit(repo)["first"]) == [merge]


def test_octopus_merge(repo: Repo) -> None:
    """A merge of four parents that brings the value itself."""
    parents = [repo.git("rev-parse", "HEAD")]
    for name in "abc":
        repo.git("checkout", "-q", "-b", name, parents[0])
        parents.append(repo.commit({name: name}))
    tree_blob = repo.blob(VALUE.encode())
    tree = repo.git("mktree", data=f"100644 blob {tree_blob}\tk\n".encode())
    merge = repo.git("commit-tree", tree, *(part for parent in parents for part in ("-p", parent)), "-m", "octopus")
    repo.git("update-ref", "refs/heads/main", merge)
    found = only_hit(repo)
    assert commits(found["first"]) == [merge]
    assert found["refs"] == ["refs/heads/main"]


def test_orphan_root_and_the_very_first_commit(repo: Repo) -> None:
    """A second root commit is a first commit like any other."""
    repo.git("checkout", "-q", "--orphan", "pages")
    root = repo.commit({"k": VALUE})
    assert commits(only_hit(repo)["first"]) == [root]


def test_amended_away_is_in_the_reflog(repo: Repo) -> None:
    """A commit that was amended is found, with its own commit named, and only the reflog leads to it."""
    bad = repo.commit({"k": VALUE})
    repo.commit({"k": "clean"}, "clean", "--amend")
    found = only_hit(repo)
    assert (found["reachable"], found["refs"], commits(found["first"])) == ("reflog", [], [bad])
    assert found["paths"] == ["k"]


def test_unreachable_commit(repo: Repo) -> None:
    """Force-pushed away, reflogs gone: nothing leads to it and it is still found, with path and commit."""
    bad = repo.commit({"deep/er/k": VALUE})
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.forget_reflogs()
    found = only_hit(repo)
    assert (found["reachable"], found["refs"], found["paths"]) == ("none", [], ["deep/er/k"])
    assert commits(found["first"]) == commits(found["last"]) == [bad]


def test_unreachable_in_a_cruft_pack(repo: Repo) -> None:
    """gc moves what nothing leads to into a pack of its own; it is found there too."""
    repo.commit({"k": VALUE})
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.forget_reflogs()
    repo.git("gc", "-q", "--cruft", "--prune=never")
    assert only_hit(repo)["reachable"] == "none"


def test_deleted_branch_and_deleted_tag_message(repo: Repo) -> None:
    """A deleted branch's commits and a deleted tag's own text stay in the store until they are pruned."""
    repo.git("checkout", "-q", "-b", "gone")
    repo.commit({"k": VALUE})
    repo.git("tag", "-a", "v0", "-m", f"release with {VALUE}")
    repo.git("checkout", "-q", "main")
    repo.git("branch", "-q", "-D", "gone")
    repo.git("tag", "-d", "v0")
    repo.forget_reflogs()
    assert {(hit["type"], hit["reachable"]) for hit in hits(repo)} == {("blob", "none"), ("tag", "none")}


def test_stash_and_older_stash(repo: Repo) -> None:
    """The newest stash is a ref; older entries live in its reflog only; so do their untracked files."""
    repo.write("README", f"one {VALUE}")
    repo.git("stash", "push", "-q")
    assert only_hit(repo)["reachable"] == "ref"
    repo.write("README", "two")
    repo.git("stash", "push", "-q")
    assert only_hit(repo)["reachable"] == "reflog"
    repo.write("untracked", f"three {VALUE}")
    repo.git("stash", "push", "-q", "-u")
    assert sorted(hit["reachable"] for hit in hits(repo)) == ["ref", "reflog"]


def test_dropped_stash(repo: Repo) -> None:
    """A dropped stash is an unreachable commit."""
    repo.write("README", VALUE)
    repo.git("stash", "push", "-q")
    repo.git("stash", "drop", "-q")
    assert only_hit(repo)["reachable"] == "none"


def test_note_and_removed_note(repo: Repo) -> None:
    """Notes are commits of their own ref; a removed note is its history."""
    repo.git("notes", "add", "-m", f"see {VALUE}")
    assert only_hit(repo)["refs"] == ["refs/notes/commits"]
    repo.git("notes", "remove")
    assert only_hit(repo)["refs"] == ["refs/notes/commits"]


def test_messages_and_people(repo: Repo) -> None:
    """Commit messages, author names and headers, tag messages and tagger names are searched."""
    message = repo.commit({}, f"fix\n\nuse {VALUE}")
    author = repo.commit({}, "x", "--author", f"{VALUE.replace('/', '')} <a@example.com>")
    repo.git("tag", "-a", "v1", "-m", VALUE)
    assert {(hit["type"], hit["object"]) for hit in hits(repo)} == {
        ("commit", message),
        ("tag", repo.git("rev-parse", "v1")),
    }
    assert [hit["object"] for hit in hits(repo, VALUE.replace("/", ""))] == [author]
    tag = next(hit for hit in hits(repo) if hit["type"] == "tag")
    assert (tag["refs"], tag["reachable"]) == (["refs/tags/v1"], "ref")
    assert tag["first"][0]["author"] == "Ada <ada@example.com>"


def test_extra_commit_header(repo: Repo) -> None:
    """A header git itself does not know is part of the commit."""
    tree = repo.git("rev-parse", "HEAD^{tree}")
    who = "A <a@example.com> 1700000000 +0000"
    text = f"tree {tree}\nauthor {who}\ncommitter {who}\nx-deploy {VALUE}\n\nwork\n"
    name = repo.git("hash-object", "-t", "commit", "-w", "--stdin", data=text.encode())
    repo.git("update-ref", "refs/custom/x", name)
    assert only_hit(repo)["refs"] == ["refs/custom/x"]


def test_nested_tag(repo: Repo) -> None:
    """A tag on a tag: the ref on the outer one contains the inner one's message."""
    repo.git("tag", "-a", "inner", "-m", VALUE)
    repo.git("tag", "-a", "outer", "inner", "-m", "outer")
    repo.git("tag", "-d", "inner")
    assert only_hit(repo)["refs"] == ["refs/tags/outer"]


def test_tag_on_blob_and_tree(repo: Repo) -> None:
    """Tags and refs that stand on a blob or a tree, without any commit."""
    blob = repo.blob(VALUE.encode())
    repo.git("tag", "-a", "onblob", blob, "-m", "x")
    repo.git("update-ref", "refs/plain/blob", blob)
    tree = repo.git("mktree", data=f"100644 blob {blob}\tfile\n".encode())
    repo.git("tag", "-a", "ontree", tree, "-m", "x")
    repo.git("update-ref", "refs/plain/tree", tree)
    found = only_hit(repo)
    assert found["refs"] == ["refs/plain/blob", "refs/plain/tree", "refs/tags/onblob", "refs/tags/ontree"]
    assert found["paths"] == ["file"]


def test_file_and_folder_names(repo: Repo) -> None:
    """A value in a path is found; the path is shown with the value's name in its place."""
    name = VALUE.replace("/", "_")
    commit = repo.commit({f"a/{name}/b": "1", f"a/x-{name}.txt": "2"})
    found = only_hit(repo, name)
    assert found["type"] == "tree"
    assert found["paths"] == ["a/«leaked»", "a/x-«leaked».txt"]
    assert commits(found["first"]) == [commit]


def test_ref_name_config_and_hook(repo: Repo) -> None:
    """Files of the git directory that are not objects: remote URLs in the configuration, hooks, packed ref names."""
    name = VALUE.replace("/", "_")
    repo.git("config", "remote.origin.url", f"https://x:{name}@example.com/r.git")
    repo.write(".git/hooks/pre-push", f"#!/bin/sh\ncurl -H {name}\n")
    repo.git("branch", f"fix-{name}")
    repo.git("pack-refs", "--all")
    found = [hit for hit in document(repo.path, value=name)["repositories"][0]["hits"] if hit["type"] == "file"]
    paths = {hit["paths"][0] for hit in found}
    assert {".git/config", ".git/hooks/pre-push", ".git/packed-refs"} <= paths
    assert next(hit["line"] for hit in found if hit["paths"] == [".git/hooks/pre-push"]) == 2


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_index_only(repo: Repo, version: str) -> None:
    """A staged file that was never committed, in each version of the index."""
    repo.write("dir/staged", VALUE)
    repo.write("dir/stager", "x")
    repo.git("update-index", "--index-version", version)
    repo.git("add", "dir")
    if version == "3":
        repo.write("dir/later", "x")
        repo.git("add", "-N", "dir/later")
    found = only_hit(repo)
    assert (found["reachable"], found["paths"], found["first"]) == ("index", ["dir/staged"], [])


def test_resolved_conflict_kept_by_the_index(repo: Repo) -> None:
    """The index remembers the sides of a conflict that was resolved."""
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"README": f"side {VALUE}\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"README": "main\n"})
    repo.git("merge", "side", check=False)
    repo.write("README", "both\n")
    repo.git("add", "README")
    repo.git("branch", "-q", "-D", "side")
    (repo.path / ".git/MERGE_HEAD").unlink()
    repo.forget_reflogs()
    # The second is the merge with conflict marks that git wrote for itself.
    assert sorted(hit["reachable"] for hit in hits(repo)) == ["index", "none"]


def test_unstaged_blob(repo: Repo) -> None:
    """A file that was staged and unstaged again is a blob nothing leads to: no commit, no path, found."""
    repo.blob(VALUE.encode())
    found = only_hit(repo)
    assert (found["reachable"], found["paths"], found["first"], found["last"]) == ("none", [], [], [])


def test_linked_worktree(repo: Repo, tmp_path: Path) -> None:
    """A worktree's own detached HEAD, index and refs count, whichever of the folders is named."""
    linked = tmp_path / "linked"
    repo.git("worktree", "add", "-q", "--detach", str(linked))
    other = Repo.__new__(Repo)
    other.path, other.clock = linked, repo.clock
    other.commit({"k": f"1 {VALUE}"})
    other.write("staged", f"2 {VALUE}")
    other.git("add", "staged")
    for path in (repo.path, linked):
        found = {hit["paths"][0]: hit for hit in hits(path)}
        assert found["k"]["refs"] == ["worktrees/linked/HEAD"]
        assert found["staged"]["reachable"] == "index"


def test_two_worktrees_of_one_repository_are_scanned_once(repo: Repo, tmp_path: Path) -> None:
    """Naming both folders gives one repository."""
    repo.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    assert len(document(repo.path, tmp_path / "linked")["repositories"]) == 1


def test_detached_head(repo: Repo) -> None:
    """A detached HEAD is a ref; one that follows a branch is not listed beside it."""
    repo.git("checkout", "-q", "--detach")
    repo.commit({"k": VALUE})
    assert only_hit(repo)["refs"] == ["HEAD"]


def test_packed_with_deltas(repo: Repo) -> None:
    """Versions stored as differences: the value put in, and put together by removing what stood between."""
    lines = "".join(f"line {i} of a long file\n" for i in range(500))
    half = len(VALUE) // 2
    repo.commit({"f": lines})
    repo.commit({"f": lines + VALUE[:half] + "-----" + VALUE[half:]})
    joined = repo.commit({"f": lines + VALUE})
    repo.commit({"f": lines})
    repo.git("repack", "-q", "-a", "-d", "-f")
    repo.git("pack-refs", "--all")
    found = only_hit(repo)
    assert (commits(found["first"]), found["line"]) == ([joined], 501)
    assert found["refs"] == ["refs/heads/main"]


def test_kubernetes_secret_and_utf16(repo: Repo) -> None:
    """Base64 as a Kubernetes Secret has it, and a file written by a Windows editor."""
    encoded = base64.b64encode(VALUE.encode()).decode()
    repo.commit({"secret.yaml": f"kind: Secret\ndata:\n  key: {encoded}\n"})
    repo.commit({"env.ps1": b"\xff\xfe" + f"$a = 1\r\n$key = '{VALUE}'\r\n".encode("utf-16-le")})
    assert {(hit["paths"][0], hit["form"], hit["line"]) for hit in hits(repo)} == {
        ("secret.yaml", "base64", 3),
        ("env.ps1", "utf-16le", 2),
    }


def test_binary_attribute_and_replaced_object(repo: Repo) -> None:
    """Attributes, replace refs and scanners' allow marks hide nothing."""
    repo.write(".gitattributes", "* -diff -text\n")
    blob = repo.blob(f"x = '{VALUE}'  # gitleaks:allow\n".encode())
    commit = repo.commit({"k": f"x = '{VALUE}'  # gitleaks:allow\n"})
    repo.git("replace", blob, repo.blob(b"harmless"))
    assert commits(only_hit(repo)["first"]) == [commit]


def test_sha256_repository(tmp_path: Path) -> None:
    """A repository with long object names: reachable, dangling and staged values."""
    repo = Repo(tmp_path / "repo", "--object-format=sha256")
    first = repo.commit({"a/b/k": f"1 {VALUE}"})
    repo.blob(f"2 {VALUE}".encode())
    repo.write("s", f"3 {VALUE}")
    repo.git("add", "s")
    found = {hit["reachable"]: hit for hit in hits(repo)}
    assert set(found) == {"ref", "none", "index"}
    assert (commits(found["ref"]["first"]), found["ref"]["paths"]) == ([first], ["a/b/k"])


@pytest.mark.parametrize("name", ["store", "sto:re", 'sto"re'])
def test_alternates(tmp_path: Path, name: str) -> None:
    """Objects borrowed from another store are searched, dangling ones too, through a chain of relative alternates."""
    base = Repo(tmp_path / name)
    commit = base.commit({"k": f"1 {VALUE}"})
    base.blob(f"2 {VALUE}".encode())
    middle = Repo(tmp_path / "middle")
    middle.commit({"m": f"3 {VALUE}"})
    top = Repo(tmp_path / "top")
    (middle.path / ".git/objects/info/alternates").write_text(f"../../../{name}/.git/objects\n")
    (top.path / ".git/objects/info/alternates").write_text(f"# middle\n{middle.path}/.git/objects\n")
    top.git("update-ref", "refs/heads/main", commit)
    assert sorted(hit["reachable"] for hit in hits(top)) == ["none", "none", "ref"]


def test_bare_repository_and_git_directory(repo: Repo, tmp_path: Path) -> None:
    """A bare repository, and a git directory named itself, are repositories."""
    repo.commit({"k": VALUE})
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    assert only_hit(tmp_path / "bare.git")["refs"] == ["refs/heads/main"]
    assert only_hit(repo.path / ".git")["refs"] == ["refs/heads/main"]


def test_submodule_inside_the_git_directory(repo: Repo, tmp_path: Path) -> None:
    """A submodule's repository that lies in the clone is scanned as a repository of its own."""
    inner = Repo(tmp_path / "inner")
    inner.commit({"k": VALUE})
    repo.git("-c", "protocol.file.allow=always", "submodule", "-q", "add", str(inner.path), "libs/inner")
    repo.commit({}, "add submodule")
    found = document(repo.path)["repositories"]
    assert [bool(part["hits"]) for part in found] == [False, True]
    assert found[0]["not_scanned"] == []


def test_large_blob_in_windows(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blob larger than one window is found across every window's edge, with the right line."""
    from runbook_tui.exposure import objects

    monkeypatch.setattr(objects, "WINDOW", 4096)
    for shift in range(0, 4200, 97):
        repo.blob(b"12345678\n" * (900 + shift) + VALUE.encode() + b"\n" * 500)
    expected = sorted(901 + shift for shift in range(0, 4200, 97))
    assert sorted(hit["line"] for hit in hits(repo)) == expected


def test_a_value_that_is_not_text(repo: Repo) -> None:
    """A binary key is found as it is and in hexadecimal."""
    key = bytes(range(200, 232))
    repo.commit({"key.bin": b"\0\1" + key, "key.txt": key.hex()})
    assert {hit["form"] for hit in hits(repo, key)} == {"raw", "hex"}


def test_many_paths_of_one_blob_end(repo: Repo) -> None:
    """A tree that stands ten times in itself, ten levels deep, is a bomb for whoever walks paths; not here."""
    blob = repo.blob(VALUE.encode())
    tree = repo.git("mktree", data="".join(f"100644 blob {blob}\tf{i}\n" for i in range(10)).encode())
    for _ in range(10):
        tree = repo.git("mktree", data="".join(f"040000 tree {tree}\td{i}\n" for i in range(10)).encode())
    commit = repo.git("commit-tree", tree, "-m", "bomb")
    repo.git("update-ref", "refs/heads/bomb", commit)
    found = document(repo.path)["repositories"][0]
    assert len(found["hits"][0]["paths"]) + found["hits"][0]["paths_more"] == 1000
    assert "more than 1000" in found["not_scanned"][0]["why"]
