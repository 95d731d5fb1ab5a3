"""What working in a repository leaves: notes, amended and reset commits, stashes, indexes, worktrees, side files."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from git_builder import VALUE, Repo
from planted_kit import NAME, NAMED, Place, blob_place, text

MAIN = "refs/heads/main"


def work_places(repo: Repo, linked: Path) -> Iterator[Place]:
    """Goes on in the main repository; `linked` becomes a worktree of it."""
    yield from _notes(repo)
    yield from _undone(repo)
    yield from _stashes(repo)
    repo.write("staged/k", text("staged"))
    repo.git("update-index", "--index-version", "4")
    repo.git("add", "staged/k")
    yield blob_place("index only", text("staged"), "staged/k", reachable="index")
    base = repo.git("rev-list", "--max-parents=0", MAIN)
    yield from _worktree(repo, linked, base)
    yield from _files(repo, base)


def _notes(repo: Repo) -> Iterator[Place]:
    """A note that is there, and one that was removed: it stays in the notes' own history."""
    ref = "refs/notes/commits"
    made = {}
    for name in ("note", "removed note"):
        repo.clock += 60
        target = f"{MAIN}~1" if name == "note" else f"{MAIN}~2"
        repo.git("notes", "add", "-C", repo.blob(text(name)), target)
        made[name] = (repo.git("rev-parse", ref), repo.git("rev-parse", target))
    repo.clock += 60
    repo.git("notes", "remove", f"{MAIN}~2")
    first, path = made["note"]
    yield blob_place("note", text("note"), path, first=[first], last=[repo.git("rev-parse", ref)], refs=[ref])
    first, path = made["removed note"]
    yield blob_place("removed note", text("removed note"), path, first=[first], last=[first], refs=[ref])


def _undone(repo: Repo) -> Iterator[Place]:
    bad = repo.commit({"amend/k": text("amended away")})
    repo.commit({"amend/k": b"clean\n"}, "clean", "--amend")
    yield blob_place("amended away", text("amended away"), "amend/k", first=[bad], last=[bad], reachable="reflog")
    bad = repo.commit({"reset/k": text("reset away")})
    repo.git("reset", "-q", "--hard", "HEAD~1")
    yield blob_place("reset away", text("reset away"), "reset/k", first=[bad], last=[bad], reachable="reflog")


def _stashes(repo: Repo) -> Iterator[Place]:
    """A dropped one, an older and the newest: each with its staged, changed and untracked part."""
    for name, reachable in (("dropped", "none"), ("older", "reflog"), ("newest", "ref")):
        repo.clock += 60
        repo.write("README", text(f"{name} stash, index"))
        repo.git("add", "README")
        repo.write("README", text(f"{name} stash, worktree"))
        repo.write(f"new-{name}", text(f"{name} stash, untracked"))
        repo.git("stash", "push", "-q", "-u", "-m", name)
        parts = {"worktree": "stash@{0}", "index": "stash@{0}^2", "untracked": "stash@{0}^3"}
        commits = {part: repo.git("rev-parse", what) for part, what in parts.items()}
        if name == "dropped":
            repo.git("stash", "drop", "-q")
        for part, commit in commits.items():
            path = f"new-{name}" if part == "untracked" else "README"
            full = f"{name} stash, {part}"
            refs = ["refs/stash"] if reachable == "ref" else []
            yield blob_place(full, text(full), path, first=[commit], last=[commit], refs=refs, reachable=reachable)


def _worktree(repo: Repo, linked: Path, base: str) -> Iterator[Place]:
    """A linked worktree: its detached HEAD, what its own reflog keeps, its own refs, its index."""
    repo.git("worktree", "add", "-q", "--detach", str(linked), base)
    other = Repo.__new__(Repo)
    other.path, other.clock = linked, repo.clock
    lost = other.commit({"lost/k": text("worktree's reflog")})
    other.git("reset", "-q", "--hard", "HEAD~1")
    own = other.commit({"own/k": text("worktree's own ref")})
    other.git("update-ref", "refs/worktree/mine", own)
    other.git("reset", "-q", "--hard", "HEAD~1")
    head = other.commit({"head/k": text("worktree's HEAD")})
    other.write("linked/k", text("worktree's index"))
    other.git("add", "linked/k")
    prefix = "worktrees/linked/"
    marks = {"first": [lost], "last": [lost]}
    yield blob_place("worktree's reflog", text("worktree's reflog"), "lost/k", reachable="reflog", **marks)
    marks = {"first": [own], "last": [own], "refs": [f"{prefix}refs/worktree/mine"]}
    yield blob_place("worktree's own ref", text("worktree's own ref"), "own/k", **marks)
    marks = {"first": [head], "last": [head], "refs": [f"{prefix}HEAD"]}
    yield blob_place("worktree's HEAD", text("worktree's HEAD"), "head/k", **marks)
    yield blob_place("worktree's index", text("worktree's index"), "linked/k", reachable="index")


def _files(repo: Repo, base: str) -> Iterator[Place]:
    """Files of the git directory that are not objects, and names that are only names of files there."""
    repo.git("update-ref", f"refs/heads/fix-{NAME}", base)
    yield _file("branch name", f"refs/heads/fix-«{NAMED}»", "must", credential=NAMED)
    repo.git("update-ref", "-m", f"deploy: with {VALUE}", "--create-reflog", "refs/heads/log", base)
    yield _file("reflog text", "logs/refs/heads/log")
    repo.git("config", "http.extraheader", f"Authorization: {VALUE}")
    yield _file("configuration", "config")
    large = b"a large file, kept elsewhere\n" + text("large")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("data/k.env", b"text that shrinks\n" * 50 + text("large, packed"))
    for name, content, inner in (("LFS object", large, ""), ("archive kept by LFS", archive.getvalue(), "!data/k.env")):
        digest = hashlib.sha256(content).hexdigest()
        path = f"lfs/objects/{digest[:2]}/{digest[2:4]}/{digest}"
        repo.write(f".git/{path}", content)
        yield _file(name, path + inner)
    for name, path in (
        ("hook", "hooks/pre-push"),
        ("rerere", "rr-cache/0123/preimage"),
        ("commit message in the editor", "COMMIT_EDITMSG"),
        ("FETCH_HEAD", "FETCH_HEAD"),
        ("hook of a worktree", "worktrees/linked/COMMIT_EDITMSG"),
        ("annexed file", "annex/objects/Xx/Yy/SHA256E-s1--0.env/SHA256E-s1--0.env"),
        ("a file somebody left", "config.bak"),
    ):
        repo.write(f".git/{path}", text(name))
        yield _file(name, path)


def _file(name: str, path: str, kind: str = "stretch", **facts: str) -> Place:
    return Place(name, kind, "main", type="file", paths=[f".git/{path}"], **facts)  # type: ignore[arg-type]
