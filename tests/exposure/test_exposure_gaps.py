"""What a scan could not see is said, and everything else is still searched."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from git_builder import VALUE, Repo, commits, document, environment, gaps, hits, only_hit

from runbook_tui.exposure.repository import open_repository
from runbook_tui.foundation.errors import Exit, RunbookError


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.commit({"README": "hello\n"}, "start")
    return made


def clone(repo: Repo, target: Path, *options: str) -> Path:
    """Clone through a real transport, so that depth and filters are honoured."""
    repo.git("config", "uploadpack.allowFilter", "true")
    command = ["git", "clone", "-q", *options, f"file://{repo.path}", str(target)]
    subprocess.run(command, env=environment(repo.path), check=True, capture_output=True)
    return target


def loose(repo: Repo, name: str) -> Path:
    return repo.path / ".git/objects" / name[:2] / name[2:]


def damage(path: Path, position: int = -4) -> None:
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


def test_nothing_to_say_about_a_whole_repository(repo: Repo) -> None:
    """A repository without remotes that is all there has no gaps."""
    repo.commit({"k": "x"})
    assert gaps(repo.path) == ""


def test_shallow_clone(repo: Repo, tmp_path: Path) -> None:
    """The boundary is named, the commits that are there are traced, and nothing is called missing."""
    repo.commit({"old": VALUE})
    repo.commit({"old": None, "new": f"new {VALUE}"})
    repo.commit({"x": "1"})
    shallow = clone(repo, tmp_path / "shallow", "--depth=2")
    said = gaps(shallow)
    assert "history before 1 commits: a shallow clone" in said
    assert "missing" not in said
    found = only_hit(shallow)
    assert found["paths"] == ["new"]
    assert commits(found["first"]) == [repo.git("rev-parse", "HEAD~1")]


@pytest.mark.parametrize("blobs", ["blob:none", "tree:0"])
def test_partial_clone(repo: Repo, tmp_path: Path, blobs: str) -> None:
    """What was never fetched is counted, is not fetched now, and messages are searched."""
    repo.commit({"k": VALUE}, f"message {VALUE}")
    partial = clone(repo, tmp_path / "partial", f"--filter={blobs}", "--no-checkout")
    before = sorted(path.name for path in (partial / ".git/objects").rglob("*"))
    assert "objects: a partial clone: they were never fetched" in gaps(partial)
    assert [hit["type"] for hit in hits(partial)] == ["commit"]
    assert sorted(path.name for path in (partial / ".git/objects").rglob("*")) == before


def test_clone_says_what_it_does_not_hold(repo: Repo, tmp_path: Path) -> None:
    """Pull requests, forks and unfetched refs of a remote are named; what a remote-tracking ref holds was pushed."""
    repo.commit({"k": VALUE})
    cloned = clone(repo, tmp_path / "cloned")
    assert "remote origin: branches, pull requests and forks that were never fetched" in gaps(cloned)
    found = document(cloned)
    assert found["repositories"][0]["hits"][0]["remotes"] == ["origin"]
    assert found["credentials"][0]["pushed"] is True


def test_pushed_and_overwritten(repo: Repo, tmp_path: Path) -> None:
    """A pushed commit that was then force-pushed away is known to have been on the remote, by the remote's reflog."""
    repo.git("init", "-q", "--bare", str(tmp_path / "server.git"))
    repo.git("remote", "add", "origin", str(tmp_path / "server.git"))
    repo.commit({"k": VALUE})
    repo.git("push", "-q", "origin", "main")
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.git("push", "-q", "--force", "origin", "main")
    found = only_hit(repo)
    assert (found["reachable"], found["refs"], found["remotes"]) == ("reflog", [], ["origin"])
    assert document(repo.path)["credentials"][0]["pushed"] is True


def test_pushed_is_not_guessed(repo: Repo, tmp_path: Path) -> None:
    """Only on a local branch: not pushed. On nothing, in a clone with a remote: not determined."""
    repo.git("remote", "add", "origin", "https://example.com/r.git")
    repo.commit({"k": VALUE})
    assert document(repo.path)["credentials"][0]["pushed"] is False
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.forget_reflogs()
    assert document(repo.path)["credentials"][0]["pushed"] is None


def test_mirror_and_pull_requests_by_fetch_rule(repo: Repo) -> None:
    """Refs that a remote's own fetch rule writes are that remote's."""
    repo.git("config", "remote.up.url", "https://example.com/r.git")
    repo.git("config", "remote.up.fetch", "+refs/pull/*/head:refs/pull/*")
    repo.commit({"k": VALUE})
    repo.git("update-ref", "refs/pull/7", "HEAD")
    repo.git("reset", "-q", "--hard", "HEAD~1")
    assert only_hit(repo)["remotes"] == ["up"]


def test_corrupt_loose_objects(repo: Repo) -> None:
    """Broken objects are named and the rest is read: before, between and after them."""
    broken = []
    for number in range(12):
        name = repo.blob(os.urandom(3000))
        damage(loose(repo, name), -4 if number % 2 else 0)
        broken.append(name)
        repo.blob(f"{number} {VALUE}".encode())
    assert len(hits(repo)) == 12
    said = gaps(repo.path)
    assert sum(name in said for name in broken) >= 5
    assert "corrupt" in said


def test_corrupt_object_in_a_pack(repo: Repo) -> None:
    """A damaged place in a pack costs the objects that need it, not the scan."""
    for number in range(40):
        repo.commit({f"f{number}": os.urandom(500).hex(), f"k{number}": f"{number} {VALUE}"})
    repo.git("repack", "-q", "-a", "-d")
    pack = next((repo.path / ".git/objects/pack").glob("*.pack"))
    damage(pack, pack.stat().st_size // 2)
    found = hits(repo)
    assert len(found) >= 35
    assert "corrupt" in gaps(repo.path)


def test_corrupt_index_of_a_pack(repo: Repo) -> None:
    """A pack whose index is not readable is named."""
    repo.commit({"k": VALUE})
    repo.git("repack", "-q", "-a", "-d")
    index = next((repo.path / ".git/objects/pack").glob("*.idx"))
    index.chmod(0o644)
    index.write_bytes(b"garbage")
    assert "part of the object store" in gaps(repo.path)


def test_packs_that_lack_a_half(repo: Repo) -> None:
    """git passes over a pack without an index in silence; the scan says so."""
    repo.git("repack", "-q", "-a", "-d")
    next((repo.path / ".git/objects/pack").glob("*.idx")).unlink()
    assert "its index is missing" in gaps(repo.path)


def test_missing_objects(repo: Repo) -> None:
    """An object that a tree names and the store lacks is noticed in an ordinary repository."""
    repo.commit({"gone": "content"})
    loose(repo, repo.git("rev-parse", "HEAD:gone")).unlink()
    assert "1 objects: missing from the store (one is named by tree" in gaps(repo.path)


def test_missing_tree_in_the_middle(repo: Repo) -> None:
    """Without one tree the history around it is still traced."""
    first = repo.commit({"d/k": VALUE})
    repo.commit({"d/x": "1"})
    last = repo.commit({"d/x": "2"})
    loose(repo, repo.git("rev-parse", "HEAD~1^{tree}")).unlink()
    found = only_hit(repo)
    assert found["paths"] == ["d/k"]
    assert first in commits(found["first"])
    assert last in commits(found["last"])
    assert "missing from the store" in gaps(repo.path)


def test_ref_and_reflog_to_nothing(repo: Repo) -> None:
    """A ref that names an object the store lacks, one with garbage in it, a reflog of pruned commits."""
    (repo.path / ".git/refs/heads/lost").write_text("1" * 40 + "\n")
    (repo.path / ".git/refs/heads/garbage").write_text("what\n")
    repo.commit({"k": "1"})
    repo.git("reset", "-q", "--hard", "HEAD~1")
    (repo.path / ".git/logs/refs/heads/main").write_text(f"{'0' * 40} {'2' * 40} A <a> 1 +0000\tx\n")
    said = gaps(repo.path)
    assert "named by ref refs/heads/lost" in said
    assert "ref refs/heads/garbage: does not name an object" in said
    assert "1 objects that only reflogs name" in said


def test_unreadable_alternate(repo: Repo, tmp_path: Path) -> None:
    """An alternate that is not there is named."""
    (repo.path / ".git/objects/info/alternates").write_text(f"{tmp_path}/gone\n")
    assert f"{tmp_path}/gone (an alternate): no such file or directory" in gaps(repo.path)


def test_submodule_and_lfs(repo: Repo) -> None:
    """A submodule without its repository and large files without their content are named."""
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{'3' * 40},libs/sub")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4' * 64}\nsize 12\n"
    repo.commit({"big.bin": pointer})
    said = gaps(repo.path)
    assert "submodule sub: a repository of its own" in said
    assert "1 large files: kept by git LFS and not in this clone" in said
    kept = repo.path / ".git/lfs/objects/44/44"
    kept.mkdir(parents=True)
    (kept / ("4" * 64)).write_text(f"data {VALUE}")
    assert "LFS" not in gaps(repo.path)
    assert document(repo.path)["repositories"][0]["hits"][0]["paths"] == [f".git/lfs/objects/44/44/{'4' * 64}"]


def test_empty_repository(tmp_path: Path) -> None:
    """A repository without any commit is no clean bill: there was nothing to search."""
    Repo(tmp_path / "empty")
    assert "it has no objects: there was nothing to search" in gaps(tmp_path / "empty")


def test_other_ref_storage_is_said(repo: Repo) -> None:
    """Refs kept in a format that is not known are a gap, and what was pushed is not guessed."""
    repo.commit({"k": VALUE})
    repo.git("config", "extensions.refstorage", "ledger")
    assert "kept in the format ledger" in gaps(repo.path)


def test_damaged_index(repo: Repo) -> None:
    """An index that is cut or is no index is a gap."""
    index = repo.path / ".git/index"
    content = index.read_bytes()
    for damaged in (content[:40], b"nonsense", content[:8] + b"\xff\xff\xff\xff" + content[12:]):
        index.write_bytes(damaged)
        assert f"index {index}" in gaps(repo.path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "is not a git repository"),
        (lambda path: path.write_text("x"), "is a file, not a repository"),
        (lambda path: None, "there is no such folder"),
        (lambda path: (path / ".git").mkdir(parents=True), "the repository is damaged"),
        (lambda path: _dot_git(path, "nonsense"), "its .git file does not name a git directory"),
        (lambda path: _dot_git(path, "gitdir: ../gone"), "which is not there"),
    ],
)
def test_paths_that_are_no_repository(tmp_path: Path, make: object, message: str) -> None:
    """Each mistake is one clear line with a hint and exit code 2."""
    path = tmp_path / "here"
    assert callable(make)
    make(path)
    with pytest.raises(RunbookError) as caught:
        open_repository(path)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == Exit.USAGE


def _dot_git(path: Path, content: str) -> None:
    path.mkdir()
    (path / ".git").write_text(content)


def test_a_folder_inside_a_repository_names_it(repo: Repo) -> None:
    """Whoever names a subfolder is told which repository it belongs to."""
    (repo.path / "sub").mkdir()
    with pytest.raises(RunbookError) as caught:
        open_repository(repo.path / "sub")
    assert str(repo.path) in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root reads everything")
def test_unreadable_repository(repo: Repo) -> None:
    """A repository one may not read is one clear line; a folder of objects one may not read is a gap."""
    import sys

    program = (
        "import sys; from pathlib import Path; from runbook_tui.exposure.repository import *; "
        "from runbook_tui.exposure.model import Gaps\n"
        "gaps = Gaps(); opened = open_repository(Path(sys.argv[1])); stores(opened, gaps); print(gaps.all())"
    )
    loosen = [path for path in repo.path.parents if str(path).startswith("/tmp/")]
    modes = {path: path.stat().st_mode for path in loosen}
    for path in loosen:
        path.chmod(0o755)
    try:
        folder = next(path for path in (repo.path / ".git/objects").iterdir() if len(path.name) == 2)
        folder.chmod(0)
        become = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        command = [*become, sys.executable, "-c", program, str(repo.path)]
        part = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "permission denied" in part.stdout, part.stderr
        (repo.path / ".git/objects").chmod(0)
        whole = subprocess.run(command, capture_output=True, text=True, check=False)
        assert f"{repo.path} cannot be read: permission denied" in whole.stderr
    finally:
        (repo.path / ".git/objects").chmod(0o755)
        folder.chmod(0o755)
        for path, mode in modes.items():
            path.chmod(mode)
