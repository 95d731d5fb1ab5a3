"""The planted repository that holds most places: histories, refs, messages, names, stashes, index, side files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from git_builder import VALUE, Repo
from planted_forms import written
from planted_kit import NAME, NAMED, TEXT, Import, Place, blob_place, text
from planted_work import work_places

MAIN = "refs/heads/main"
HISTORY = "refs/heads/history"
FORMS = "refs/heads/forms"
WHO = "A <a@example.com> 1700000000 +0000"


def main_places(root: Path) -> Iterator[Place]:
    """Build `root/main` and say what is where."""
    repo = Repo(root / "main")
    repo.git("config", "core.looseCompression", "1")
    graph = Import(repo)
    places = [
        *_forms(graph),
        *_histories(graph),
        *_merges(graph),
        *_side_refs(graph),
        *_messages(graph),
        *_paths(graph),
    ]
    graph.run()
    for place in places:
        place.first = [graph.names.get(mark, mark) for mark in place.first]
        place.last = [graph.names.get(mark, mark) for mark in place.last]
        place.object = graph.names.get(place.object, place.object)
    yield from places
    yield from _names(repo, graph)
    repo.git("update-ref", "-d", "refs/heads/doomed")
    repo.git("config", "remote.origin.url", "https://example.com/r.git")
    repo.git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    repo.git("read-tree", "HEAD")
    repo.git("checkout-index", "-a", "-f")
    yield from _objects(repo)
    yield from work_places(repo, root / "linked")


def _forms(graph: Import) -> Iterator[Place]:
    made = written()
    graph.commit("base", MAIN, {"README": b"hello\n", ".gitattributes": b"* -diff -text\n"}, message=b"start")
    graph.commit("second", MAIN, {"other": b"1\n"}, ("base",))
    graph.commit("third", MAIN, {"other": b"2\n"}, ("second",))
    graph.commit("forms", FORMS, {f"forms/{name}": one.content for name, one in made.items()}, ("base",))
    graph.commit("more", FORMS, {"other": b"3\n"}, ("forms",))
    graph.commit("clean", FORMS, {f"forms/{name}": None for name in made}, ("more",))
    for name, one in made.items():
        path = f"forms/{name}!{one.inner}" if one.inner else f"forms/{name}"
        facts = {"form": one.form, "line": one.line, "first": ["forms"], "last": ["more"], "refs": [FORMS]}
        place = blob_place(f"form {name}", one.content, path, **facts)
        place.kind = one.kind
        yield place


def _histories(graph: Import) -> Iterator[Place]:
    """One line of commits: removed, renamed, added again, copied, link, executable, reverted."""
    steps: list[tuple[str, dict[str, bytes | None], str]] = [
        ("in", {"removed/k": text("removed")}, "100644"),
        ("still", {"n": b"1"}, "100644"),
        ("out", {"removed/k": None, "a/renamed": text("renamed")}, "100644"),
        ("moved", {"a/renamed": None, "b/c/renamed": text("renamed")}, "100644"),
        ("gone", {"b/c/renamed": None, "again/k": text("again")}, "100644"),
        ("away", {"again/k": None}, "100644"),
        ("back", {"again/k": text("again")}, "100644"),
        ("away2", {"again/k": None, "p/one": text("copied"), "q/two": text("copied")}, "100644"),
        ("link", {"link": text("link")}, "120000"),
        ("program", {"run.sh": text("program")}, "100755"),
        ("deep", {"/".join("d" * 30) + "/k": text("deep")}, "100644"),
        ("reverted", {"revert/k": text("reverted")}, "100644"),
        ("revert", {"revert/k": None}, "100644"),
        ("tip", {"n": b"2"}, "100644"),
    ]
    before = "base"
    for mark, files, mode in steps:
        before = graph.commit(mark, HISTORY, files, (before,), mode=mode)

    def place(name: str, path: str | list[str], first: list[str], last: list[str]) -> Place:
        return blob_place(name, text(name), path, first=first, last=last, refs=[HISTORY])

    yield place("removed", "removed/k", ["in"], ["still"])
    yield place("renamed", ["a/renamed", "b/c/renamed"], ["out"], ["moved"])
    yield place("again", "again/k", ["gone", "back"], ["gone", "back"])
    yield place("copied", ["p/one", "q/two"], ["away2"], ["tip"])
    yield place("link", "link", ["link"], ["tip"])
    yield place("program", "run.sh", ["program"], ["tip"])
    yield place("deep", "/".join("d" * 30) + "/k", ["deep"], ["tip"])
    yield place("reverted", "revert/k", ["reverted"], ["reverted"])


def _merges(graph: Import) -> Iterator[Place]:
    def place(name: str, first: list[str], last: list[str], *refs: str) -> Place:
        return blob_place(name, text(name), f"{name}/k", first=first, last=last, refs=[f"refs/heads/{r}" for r in refs])

    def commit(mark: str, ref: str, parents: str, *, adds: str = "", drops: str = "") -> None:
        files: dict[str, bytes | None] = {f"{mark}.txt": mark.encode()}
        files |= {f"{adds}/k": text(adds)} if adds else {}
        files |= {f"{drops}/k": None} if drops else {}
        graph.commit(mark, f"refs/heads/{ref}", files, tuple(parents.split()))

    graph.commit("orphan-root", "refs/heads/pages", {"orphan/k": text("orphan")})
    yield place("orphan", ["orphan-root"], ["orphan-root"], "pages")
    commit("os", "tmp", "base", adds="ours")
    commit("om", "ours", "base")
    commit("oo", "ours", "om os")
    yield place("ours", ["os"], ["os"], "ours")
    commit("ea", "evil", "base")
    commit("eb", "tmp", "base")
    commit("ee", "evil", "ea eb", adds="evil")
    commit("ef", "evil", "ee", drops="evil")
    yield place("evil", ["ee"], ["ee"], "evil")
    for mark in ("o1", "o2", "o3", "o4"):
        commit(mark, "tmp", "base", adds="arm" if mark == "o3" else "")
    commit("of", "octopus", "o1 o2 o3 o4", adds="octopus")
    yield place("octopus", ["of"], ["of"], "octopus")
    yield place("arm", ["o3"], ["o3"], "octopus")  # fast-import starts from the first parent: the arm is dropped
    commit("c1", "tmp", "base", adds="criss")
    commit("c2", "tmp", "base")
    commit("c3", "criss", "c1 c2")
    commit("c4", "tmp", "c2 c1", adds="criss")
    commit("c5", "criss", "c3 c4")
    commit("c6", "criss", "c5", drops="criss")
    yield place("criss", ["c1"], ["c5"], "criss")
    commit("d0", "tmp", "base", adds="dropped")
    commit("d1", "drop", "d0")
    commit("d2", "tmp", "d0")
    commit("d3", "drop", "d1 d2", drops="dropped")
    yield place("dropped", ["d0"], ["d1", "d2"], "drop")
    commit("t1", "twin1", "base", adds="twin")
    commit("t2", "twin2", "base", adds="twin")
    yield place("twin", ["t1", "t2"], ["t1", "t2"], "twin1", "twin2")
    commit("tmp-end", "tmp", "base")  # nothing of the above hangs on this ref


def _side_refs(graph: Import) -> Iterator[Place]:
    for ref in (
        "refs/remotes/origin/feature",
        "refs/pull/7/head",
        "refs/pull/7/merge",
        "refs/merge-requests/3/head",
        "refs/changes/01/1/1",
        "refs/original/refs/heads/old",
        "refs/custom/x/y",
        "refs/bisect/bad",
        "refs/worktree/own",
        "refs/rewritten/label",
        "refs/keep-around/abc",
        "refs/tags/light",
        "refs/heads/with-ünicode",
    ):
        name = f"ref {ref}"
        graph.commit(name, ref, {"side/k": text(name)}, ("base",))
        remotes = ["origin"] if ref.startswith("refs/remotes/") else []
        yield blob_place(name, text(name), "side/k", first=[name], last=[name], refs=[ref], remotes=remotes)
    graph.commit("deleted branch", "refs/heads/doomed", {"gone/k": text("doomed")}, ("base",))
    yield blob_place(
        "deleted branch", text("doomed"), "gone/k", first=["deleted branch"], last=["deleted branch"], reachable="none"
    )


def _messages(graph: Import) -> Iterator[Place]:
    ref = "refs/heads/said"
    graph.commit("said", ref, {}, ("base",), f"subject\n\nuse {VALUE} for now\n".encode())
    graph.commit("said-merge", ref, {}, ("said", "base"), f"Merge branch 'x' with {VALUE}".encode())
    graph.commit("said-later", ref, {"z": b"z"}, ("said-merge",))
    for mark, at in (("said", 8), ("said-merge", 7)):
        yield Place(f"message {mark}", "must", "main", mark, "commit", line=at, first=[mark], last=[mark], refs=[ref])


def _paths(graph: Import) -> Iterator[Place]:
    ref = "refs/heads/paths"
    graph.commit("p1", ref, {f"dir/backup-{NAME}.txt": b"file name"}, ("base",))
    graph.commit("p2", ref, {f"dir/backup-{NAME}.txt": None, f"top-{NAME}/sub/x": b"folder name"}, ("p1",))
    graph.commit("p3", ref, {f"top-{NAME}/sub/x": None, f"split/{VALUE}": b"a name with a slash in it"}, ("p2",))
    return iter(())


def _names(repo: Repo, graph: Import) -> Iterator[Place]:
    refs = ["refs/heads/paths"]
    for name, mark, tree, path, line in (
        ("file name", "p1", "dir", f"dir/backup-«{NAMED}».txt", 1),
        ("folder name", "p2", "", f"top-«{NAMED}»", 3),
    ):
        top = repo.git("rev-parse", f"{graph.names[mark]}:{tree}")
        commit = [graph.names[mark]]
        facts = {"paths": [path], "first": commit, "last": commit, "refs": refs, "credential": NAMED}
        yield Place(name, "must", "main", top, "tree", line=line, **facts)  # type: ignore[arg-type]
    split = repo.git("rev-parse", f"{graph.names['p3']}:split")
    yield Place("name over a folder's border", "stretch", "main", split, "tree", paths=[f"split/«{TEXT}»"], refs=refs)


def _objects(repo: Repo) -> Iterator[Place]:
    """Objects that porcelain does not make: headers, people, tags on anything, replaced objects, strays."""
    base = repo.git("rev-list", "--max-parents=0", MAIN)
    tree = repo.git("rev-parse", f"{MAIN}^{{tree}}")

    def raw(kind: str, content: str) -> str:
        return repo.git("hash-object", "-t", kind, "-w", "--stdin", data=content.encode())

    def commit(name: str, header: str, message: str = "m") -> Place:
        made = raw("commit", f"tree {tree}\nparent {base}\n{header}\n\n{message}\n")
        ref = f"refs/heads/{name.replace(' ', '-')}"
        repo.git("update-ref", ref, made)
        line = f"tree\nparent\n{header}\n\n{message}".partition(VALUE)[0].count("\n") + 1
        return Place(name, "must", "main", made, "commit", line=line, first=[made], last=[made], refs=[ref])

    yield commit("author name", f"author {VALUE} <a@example.com> 1700000000 +0000\ncommitter {WHO}")
    yield commit("author address", f"author A <{VALUE}> 1700000000 +0000\ncommitter {WHO}")
    yield commit("committer name", f"author {WHO}\ncommitter {VALUE} <a@example.com> 1700000000 +0000")
    yield commit("unknown header", f"author {WHO}\ncommitter {WHO}\nx-deploy {VALUE}")
    yield commit("signature", f"author {WHO}\ncommitter {WHO}\ngpgsig -----BEGIN\n {VALUE}\n -----END")
    yield commit("encoding header", f"author {WHO}\ncommitter {WHO}\nencoding {VALUE}")
    yield commit("trailer", f"author {WHO}\ncommitter {WHO}", f"fix\n\nToken: {VALUE}")

    def tag(name: str, target: str, kind: str, message: str, who: str = WHO, ref: str = "") -> str:
        made = raw("tag", f"object {target}\ntype {kind}\ntag {name}\ntagger {who}\n\n{message}\n")
        repo.git("update-ref", ref or f"refs/tags/{name}", made)
        return made

    def tagged(name: str, made: str, refs: list[str], line: int = 6, reachable: str = "ref") -> Place:
        return Place(
            name, "must", "main", made, "tag", line=line, first=[made], last=[made], refs=refs, reachable=reachable
        )

    yield tagged("tag message", tag("said", base, "commit", VALUE), ["refs/tags/said"])
    made = tag("who", base, "commit", "m", f"{VALUE} <a@example.com> 1700000000 +0000")
    yield tagged("tagger name", made, ["refs/tags/who"], 4)
    inner = tag("inner", base, "commit", f"inner {VALUE}")
    tag("outer", inner, "tag", "outer")
    repo.git("update-ref", "-d", "refs/tags/inner")
    yield tagged("nested tag", inner, ["refs/tags/outer"])
    made = tag("deleted", base, "commit", f"deleted {VALUE}")
    repo.git("update-ref", "-d", "refs/tags/deleted")
    yield tagged("deleted tag's message", made, [], reachable="none")
    for kind in ("blob", "tree"):
        content = text(f"tag on {kind}")
        blob = repo.blob(content)
        on = blob if kind == "blob" else repo.git("mktree", data=f"100644 blob {blob}\tfile\n".encode())
        made = tag(f"on-{kind}", on, kind, "m")
        paths = ["file"] if kind == "tree" else []
        yield blob_place(f"tag on {kind}", content, paths, first=[made], last=[made], refs=[f"refs/tags/on-{kind}"])
        content = text(f"ref on {kind}")
        blob = repo.blob(content)
        on = blob if kind == "blob" else repo.git("mktree", data=f"100644 blob {blob}\tfile\n".encode())
        repo.git("update-ref", f"refs/plain/{kind}", on)
        yield blob_place(f"ref on {kind}", content, paths, refs=[f"refs/plain/{kind}"])
    hidden = repo.blob(text("hidden by replace"))
    repo.git("update-ref", f"refs/replace/{hidden}", repo.blob(b"harmless"))
    yield blob_place("hidden by replace", text("hidden by replace"), reachable="none")
    harmless = repo.blob(b"harmless too")
    repo.git("update-ref", f"refs/replace/{harmless}", repo.blob(text("replacement")))
    yield blob_place("replacement", text("replacement"), refs=[f"refs/replace/{harmless}"])
    repo.blob(text("unstaged"))
    yield blob_place("unstaged blob", text("unstaged"), reachable="none")
    stray = repo.blob(text("stray tree"))
    repo.git("mktree", data=f"100644 blob {stray}\tstray.txt\n".encode())
    yield blob_place("dangling tree", text("stray tree"), "stray.txt", reachable="none")
