"""Planted repositories that are special as a whole: packs, SHA-256, borrowed stores, partial, shallow, damaged."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from git_builder import VALUE, Repo, environment
from planted_kit import Import, Place, blob_name, blob_place, text

MAIN = "refs/heads/main"


def store_places(root: Path) -> Iterator[Place]:
    """Build them below `root`, each a folder of its own."""
    yield from _packs(root)
    yield from _cruft(root)
    yield from _long_names(root)
    yield from _alternates(root)
    yield from _submodule(root)
    yield from _mirror(root)
    yield from _partial_and_shallow(root)
    yield from _corrupt(root)
    yield from _lfs(root)


def _lines(name: str) -> bytes:
    chance = random.Random(name)
    return b"".join(b"%s line %d %d\n" % (name.encode(), i, chance.randrange(1 << 40)) for i in range(400))


def _pairs() -> dict[str, tuple[bytes, bytes]]:
    """Name -> (a base that git prefers because it is longer, the version with the value as a difference to it)."""
    raw, tail = VALUE.encode(), b"tail that only the base has\n" * 40
    made = {}
    for name in ("insert", "seam", "typo", "joined", "ref-delta", "index-v1", "64-bit", "keep", "also-loose", "last"):
        lines = _lines(name)
        old = {"seam": raw[:16], "typo": raw[:9] + b"X" + raw[10:], "joined": raw[:16] + b"-----" + raw[16:]}.get(
            name, b""
        )
        made[name] = (lines + old + b"\nend\n" + tail, lines + raw + b"\nend\n")
    return made


def _packs(root: Path) -> Iterator[Place]:
    """Each pair in a pack of its own: thus ten packs, with every kind of index and difference."""
    repo = Repo(root / "packs")
    graph = Import(repo)
    graph.commit("start", MAIN, {"README": b"hello\n"})
    before = "start"
    pairs = _pairs()
    for name, (base, version) in pairs.items():
        old = graph.commit(f"{name} base", MAIN, {name: base}, (before,))
        before = graph.commit(name, MAIN, {name: version}, (old,))
    before = graph.commit("end", MAIN, dict.fromkeys(pairs), (before,))
    names = graph.run()
    folder = repo.path / ".git/objects/pack"
    for name, (base, version) in pairs.items():
        options = {
            "ref-delta": [],
            "index-v1": ["--index-version=1"],
            "64-bit": ["--delta-base-offset", "--index-version=2,0x20"],
        }.get(name, ["--delta-base-offset"])
        listed = f"{blob_name(base)}\n{blob_name(version)}\n".encode()
        digest = repo.git("pack-objects", "-q", "--window=10", *options, str(folder / "pack"), data=listed)
        shown = repo.git("verify-pack", "-v", str(folder / f"pack-{digest}.idx"))
        stored = next(line.split() for line in shown.splitlines() if line.startswith(blob_name(version)))
        assert len(stored) == 7, f"{name} was not stored as a difference"
        if name == "keep":
            (folder / f"pack-{digest}.keep").touch()
        if name != "also-loose":
            for blob in (base, version):
                path = repo.path / ".git/objects" / blob_name(blob)[:2] / blob_name(blob)[2:]
                path.unlink()
    for name, (_, version) in pairs.items():
        marks = {"first": [names[name]], "last": [names[list(pairs)[-1]]], "refs": [MAIN]}  # removed all together
        yield blob_place(f"pack: {name}", version, name, "packs", line=401, **marks)


def _cruft(root: Path) -> Iterator[Place]:
    repo = Repo(root / "cruft")
    repo.commit({"README": "hello\n"})
    bad = repo.commit({"k": text("cruft")})
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.forget_reflogs()
    repo.git("gc", "-q", "--cruft", "--prune=never")
    assert list((repo.path / ".git/objects/pack").glob("*.mtimes"))
    yield blob_place("cruft pack", text("cruft"), "k", "cruft", first=[bad], last=[bad], reachable="none")


def _long_names(root: Path) -> Iterator[Place]:
    repo = Repo(root / "sha256", "--object-format=sha256")
    commit = repo.commit({"a/k": text("long")})
    repo.blob(text("long, dangling"))
    repo.write("s", text("long, staged"))
    repo.git("add", "s")

    def place(name: str, **facts: object) -> Place:
        return Place(f"sha256: {name}", "must", "sha256", blob_name(text(name), "sha256"), **facts)  # type: ignore[arg-type]

    yield place("long", paths=["a/k"], first=[commit], last=[commit], refs=[MAIN])
    yield place("long, dangling", reachable="none")
    yield place("long, staged", paths=["s"], reachable="index")


def _alternates(root: Path) -> Iterator[Place]:
    far, near, repo = Repo(root / "far"), Repo(root / "near"), Repo(root / "borrower")
    commit = far.commit({"k": text("borrowed")})
    near.blob(text("borrowed, dangling"))
    repo.write(".git/objects/info/alternates", "../../../near/.git/objects\n")
    near.write(".git/objects/info/alternates", f"{far.path}/.git/objects\n")
    repo.git("update-ref", MAIN, commit)
    content = text("borrowed")
    yield blob_place("alternate", content, "k", "borrower", first=[commit], last=[commit], refs=[MAIN])
    yield blob_place("dangling in an alternate", text("borrowed, dangling"), "", "borrower", reachable="none")


def _submodule(root: Path) -> Iterator[Place]:
    inner, outer = Repo(root / "library"), Repo(root / "outer")
    commit = inner.commit({"k": text("submodule")})
    outer.git("-c", "protocol.file.allow=always", "submodule", "-q", "add", str(inner.path), "libs/inner")
    outer.commit({}, "add submodule")
    refs = ["refs/heads/main", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]
    facts = {"first": [commit], "last": [commit], "refs": refs, "remotes": ["origin"]}
    yield blob_place("submodule's store", text("submodule"), "k", "outer/.git/modules/libs/inner", **facts)
    outer.git("update-index", "--add", "--cacheinfo", f"160000,{'3' * 40},libs/elsewhere")
    yield Place("submodule not cloned", "absent", "outer", gap="submodule elsewhere: a repository of its own")


def _mirror(root: Path) -> Iterator[Place]:
    """A bare mirror of a server that keeps pull requests: every ref in it is the remote's."""
    server = Repo(root / "server")
    base = server.commit({"README": "hello\n"})
    graph = Import(server)
    graph.commit("start", "refs/heads/x", {"r": b"1"})
    graph.commit("pull", "refs/pull/9/head", {"k": text("mirrored pull request")}, ("start",))
    made = graph.run()["pull"]
    assert base
    _git(server.path, "clone", "-q", "--mirror", f"file://{server.path}", str(root / "mirror"))
    facts = {"first": [made], "last": [made], "refs": ["refs/pull/9/head"], "remotes": ["origin"]}
    yield blob_place("pull request in a mirror", text("mirrored pull request"), "k", "mirror", **facts)


def _partial_and_shallow(root: Path) -> Iterator[Place]:
    server = Repo(root / "origin")
    server.git("config", "uploadpack.allowFilter", "true")
    server.commit({"old/k": text("below the boundary")})
    made = server.commit({"old/k": None, "k": text("partial")}, f"use {VALUE}")
    url = f"file://{server.path}"
    _git(server.path, "clone", "-q", "--filter=blob:none", "--no-checkout", url, str(root / "partial"))
    _git(server.path, "clone", "-q", "--depth=1", url, str(root / "shallow"))
    refs = ["refs/heads/main", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]
    facts = {"type": "commit", "first": [made], "last": [made], "refs": refs, "remotes": ["origin"]}
    yield Place("message in a partial clone", "must", "partial", made, line=6, **facts)  # type: ignore[arg-type]
    yield Place("blob of a partial clone", "absent", "partial", gap="a partial clone: they were never fetched")
    yield Place("message in a shallow clone", "must", "shallow", made, line=6, **facts)  # type: ignore[arg-type]
    marks = {name: value for name, value in facts.items() if name != "type"}
    yield blob_place("file in a shallow clone", text("partial"), "k", "shallow", **marks)
    yield Place(
        "below a shallow boundary", "absent", "shallow", gap="a shallow clone: older commits were never fetched"
    )
    yield Place("pull requests of a remote", "absent", "shallow", gap="pull requests and forks that were never fetched")


def _corrupt(root: Path) -> Iterator[Place]:
    """One broken loose object beside the value, and one broken entry of a pack."""
    repo = Repo(root / "corrupt")
    commit = repo.commit({"k": text("beside a broken object")})
    broken = repo.blob(b"lost" + bytes(5000))
    path = repo.path / ".git/objects" / broken[:2] / broken[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-6])
    content = text("beside a broken object")
    yield blob_place("beside a broken object", content, "k", "corrupt", first=[commit], last=[commit], refs=[MAIN])
    yield Place("broken object", "absent", "corrupt", gap=f"object {broken}: corrupt")
    repo.write(".git/objects/info/alternates", f"{root}/not-there\n")
    yield Place("unreadable alternate", "absent", "corrupt", gap="not-there (an alternate): no such file or directory")
    repo.write(".git/objects/pack/tmp_pack_x1", os.urandom(64))
    yield Place("unfinished pack", "absent", "corrupt", gap="left by a git that was interrupted")


def _lfs(root: Path) -> Iterator[Place]:
    repo = Repo(root / "lfs")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4' * 64}\nsize 12\n"
    repo.commit({"big.bin": pointer, "k": text("beside a pointer")})
    commit = repo.git("rev-parse", "HEAD")
    content = text("beside a pointer")
    yield blob_place("beside an LFS pointer", content, "k", "lfs", first=[commit], last=[commit], refs=[MAIN])
    yield Place("large file kept by LFS elsewhere", "absent", "lfs", gap="kept by git LFS and not in this clone")


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, env=environment(folder), check=True, capture_output=True)
