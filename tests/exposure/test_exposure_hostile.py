"""A repository is foreign input: scanning it runs nothing, writes nothing into it, and ends."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from git_builder import VALUE, Repo, document, environment, gaps, hits

from runbook_tui.exposure import gitcall
from runbook_tui.exposure.child import run_child
from runbook_tui.exposure.model import ScanCancelled
from runbook_tui.exposure.scan import scan
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret


class Trap:
    """A repository with the value in its history, and a program that leaves a mark when anything runs it."""

    def __init__(self, folder: Path) -> None:
        self.repo = Repo(folder / "repo")
        self.repo.commit({"k": f"{VALUE}\n", "a.txt": "one\n"})
        self.repo.commit({"k": "clean\n", "a.txt": "two\n"})
        self.canary = folder / "canary"
        self.program = folder / "trap.sh"
        self.program.write_text(f"#!/bin/sh\necho ran >> {self.canary}\ncat\n")
        self.program.chmod(0o755)

    def config(self, *pairs: tuple[str, str]) -> None:
        for key, value in pairs:
            self.repo.git("config", key, value)

    def attributes(self, line: str) -> None:
        self.repo.write(".git/info/attributes", line + "\n")
        self.repo.write(".gitattributes", line + "\n")


def _include(trap: Trap) -> None:
    trap.repo.write("evil.cfg", f"[core]\n\tfsmonitor = {trap.program}\n\tpager = {trap.program}\n")
    trap.config(("include.path", "../evil.cfg"))


def _promisor(trap: Trap) -> None:
    name = trap.repo.git("rev-parse", "HEAD:a.txt")
    (trap.repo.path / ".git/objects" / name[:2] / name[2:]).unlink()
    trap.config(
        ("remote.origin.url", f"ext::{trap.program}"),
        ("remote.origin.promisor", "true"),
        ("extensions.partialClone", "origin"),
        ("protocol.ext.allow", "always"),
        ("core.repositoryformatversion", "1"),
    )


def _hooks(trap: Trap) -> None:
    for hook in ("post-index-change", "pre-auto-gc", "post-checkout", "reference-transaction"):
        path = trap.repo.path / ".git/hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(trap.program.read_bytes())
        path.chmod(0o755)


def _dot_git_file(trap: Trap) -> None:
    """The work tree's `.git` is a file that leads to a git directory with its own traps."""
    inner = trap.repo.path / ".git"
    inner.rename(trap.repo.path / "real.git")
    (trap.repo.path / ".git").write_text("gitdir: real.git\n")
    with (trap.repo.path / "real.git/config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {trap.program}\n\tsshCommand = {trap.program}\n")


TRAPS: dict[str, Callable[[Trap], None]] = {
    "fsmonitor": lambda trap: trap.config(("core.fsmonitor", str(trap.program))),
    "include": _include,
    "external diff": lambda trap: trap.config(("diff.external", str(trap.program))),
    "diff driver": lambda trap: (trap.attributes("* diff=evil"), trap.config(("diff.evil.command", str(trap.program))))[
        0
    ],
    "textconv": lambda trap: (trap.attributes("* diff=evil"), trap.config(("diff.evil.textconv", str(trap.program))))[
        0
    ],
    "filter": lambda trap: (
        trap.attributes("* filter=evil"),
        trap.config(
            ("filter.evil.clean", str(trap.program)),
            ("filter.evil.smudge", str(trap.program)),
            ("filter.evil.process", str(trap.program)),
        ),
    )[0],
    "gpg": lambda trap: trap.config(("gpg.program", str(trap.program)), ("log.showSignature", "true")),
    "promisor": _promisor,
    "hooks": _hooks,
    "hooks path": lambda trap: (_hooks(trap), trap.config(("core.hooksPath", str(trap.repo.path / ".git/hooks"))))[0],
    "ssh command": lambda trap: trap.config(
        ("core.sshCommand", str(trap.program)), ("core.gitProxy", str(trap.program))
    ),
    "pager and editor": lambda trap: trap.config(("core.pager", str(trap.program)), ("core.editor", str(trap.program))),
    "git file": _dot_git_file,
    "alternate refs": lambda trap: trap.config(("core.alternateRefsCommand", str(trap.program))),
}


@pytest.mark.parametrize("name", TRAPS)
def test_nothing_in_the_repository_is_run(tmp_path: Path, name: str) -> None:
    """Every known way for a repository to run a program: the value is found and the program is not run."""
    trap = Trap(tmp_path)
    TRAPS[name](trap)
    before = snapshot(trap.repo.path)
    trap.canary.unlink(missing_ok=True)  # git itself may have run it while the trap was set
    assert [hit["paths"] for hit in hits(trap.repo)] == [["k"]]
    assert not trap.canary.exists()
    assert snapshot(trap.repo.path) == before


def test_the_traps_work(tmp_path: Path) -> None:
    """With plain git at least one of the traps runs: the canary is worth its name."""
    trap = Trap(tmp_path)
    TRAPS["textconv"](trap)
    trap.repo.git("log", "-p")
    assert trap.canary.exists()


def snapshot(folder: Path) -> dict[str, tuple[str, float]]:
    """Content and change time of every file below a folder."""
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_environment_of_the_caller_does_not_reach_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that point git elsewhere, or make it run things, are not passed on."""
    trap = Trap(tmp_path)
    for name, value in {
        "GIT_DIR": "/nonexistent",
        "GIT_OBJECT_DIRECTORY": "/nonexistent",
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_EXTERNAL_DIFF": str(trap.program),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(trap.program),
        "GIT_REPLACE_REF_BASE": "refs/evil/",
    }.items():
        monkeypatch.setenv(name, value)
    assert [hit["paths"] for hit in hits(trap.repo)] == [["k"]]
    assert not trap.canary.exists()
    assert not (tmp_path / "trace").exists()


def test_the_value_is_in_no_argument_environment_or_file(tmp_path: Path) -> None:
    """While a scan runs, no process of it shows the value, and it leaves no file behind that has it."""
    repo = Repo(tmp_path / "repo")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for _ in range(60):
        repo.blob(os.urandom(200_000))
    repo.commit({"k": VALUE})
    seen: list[bytes] = []
    stop = threading.Event()

    def watch() -> None:
        me = os.getpid()
        while not stop.is_set():
            for process in Path("/proc").iterdir():
                if process.name.isdigit() and int(process.name) != me:
                    for name in ("cmdline", "environ"):
                        try:
                            content = (process / name).read_bytes()
                        except OSError:
                            continue
                        if str(tmp_path).encode() in content:
                            seen.append(content)
            for folder, _, files in os.walk(temporary):
                for name in files:
                    try:
                        seen.append((Path(folder) / name).read_bytes())
                    except OSError:
                        continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    old = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(temporary)
    try:
        result = run_child([("leaked", Secret(VALUE))], [repo.path])
    finally:
        if old is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = old
        stop.set()
        watcher.join()
    assert result["repositories"][0]["hits"]
    assert seen
    assert not any(VALUE.encode() in content for content in seen)
    assert list(temporary.iterdir()) == []


def test_foreign_text_is_made_safe(tmp_path: Path) -> None:
    """Author names, paths and ref names with control characters come out as plain text."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"a\x1b]52;c;x\x07\u202e": VALUE}, "x", "--author", "A\x1b[31m <a@example.com>")
    repo.git("update-ref", "refs/heads/b\u202e", "HEAD")
    text = str(document(repo.path))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\x07" not in text
    assert "<U+001B>" in text


def test_pipes_links_and_devices_in_the_git_directory(tmp_path: Path) -> None:
    """A pipe nobody writes to, a link to a file outside and a link to itself neither hang nor leak."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": "x"})
    outside = tmp_path / "outside"
    outside.write_text(VALUE)
    git_dir = repo.path / ".git"
    os.mkfifo(git_dir / "refs/heads/pipe")
    os.mkfifo(git_dir / "ORIG_HEAD")
    (git_dir / "description").unlink(missing_ok=True)
    (git_dir / "description").symlink_to(outside)
    (git_dir / "refs/heads/loop").symlink_to("loop")
    (git_dir / "logs/loop").symlink_to(git_dir)
    assert document(repo.path)["repositories"][0]["hits"] == []


def test_forged_circular_trees_and_commits(tmp_path: Path) -> None:
    """Objects under names that are not theirs can form circles; the scan ends and finds what is there."""
    repo = Repo(tmp_path / "repo")
    blob = repo.blob(VALUE.encode())

    def forge(name: str, kind: str, content: bytes) -> None:
        path = repo.path / ".git/objects" / name[:2] / name[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(f"{kind} {len(content)}\0".encode() + content))

    one, two = "a1" * 20, "b2" * 20
    leaf = b"100644 k\0" + bytes.fromhex(blob)
    forge(one, "tree", b"40000 t\0" + bytes.fromhex(two) + leaf)
    forge(two, "tree", b"40000 t\0" + bytes.fromhex(one))
    who = "A <a> 99999999999999999999 +0000"
    for name, parent in (("c3" * 20, "d4" * 20), ("d4" * 20, "c3" * 20)):
        forge(name, "commit", f"tree {one}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nx".encode())
    (repo.path / ".git/refs/heads/main").write_text("c3" * 20 + "\n")
    found = hits(repo)
    assert [hit["object"] for hit in found] == [blob]
    assert "k" in found[0]["paths"]


def test_malformed_objects(tmp_path: Path) -> None:
    """Commits without a tree, with absurd times, empty ones, and trees of garbage are read as far as they go."""
    repo = Repo(tmp_path / "repo")
    texts = (b"", b"tree zz\nparent zz\n", b"author\n\n" + VALUE.encode(), b"tree " + b"1" * 39 + b"\n\n\xff")
    for text in texts:
        repo.git("hash-object", "-t", "commit", "--literally", "-w", "--stdin", data=text)
        repo.git("hash-object", "-t", "tag", "--literally", "-w", "--stdin", data=text)
    repo.git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", data=b"100644 x\0cut " + VALUE.encode())
    assert {hit["type"] for hit in hits(repo)} == {"commit", "tag", "tree"}
    assert "malformed" in gaps(repo.path)


def test_cancel_stops_git(tmp_path: Path) -> None:
    """A cancelled scan raises at once and leaves neither a process nor a folder behind."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": VALUE})
    with pytest.raises(ScanCancelled):
        scan([("leaked", Secret(VALUE))], [repo.path], None, lambda: True)
    with pytest.raises(ScanCancelled):
        run_child([("leaked", Secret(VALUE))], [repo.path], None, lambda: True)


def hanging(folder: Path) -> Repo:
    """A repository whose alternate has a pipe where an object should be: whoever opens it waits for ever.

    A pack that is none makes the scan ask git, which follows alternates of its own accord.
    """
    base = Repo(folder / "base")
    base.commit({"k": VALUE})
    (base.path / ".git/objects/ff").mkdir(exist_ok=True)
    os.mkfifo(base.path / ".git/objects/ff" / ("f" * 38))
    repo = Repo(folder / "repo")
    repo.commit({"k": f"here {VALUE}"})
    repo.git("repack", "-q", "-a", "-d")
    (repo.path / ".git/objects/info/alternates").write_text(f"{base.path}/.git/objects\n")
    for kind in ("pack", "idx"):
        (repo.path / f".git/objects/pack/pack-{'0' * 40}.{kind}").write_bytes(b"garbage")
    return repo


def test_pipes_in_the_object_store(tmp_path: Path) -> None:
    """A store with a pipe in it is not handed to git, which would wait for it; packs that are no files are named."""
    repo = hanging(tmp_path)
    assert "a pipe or device" in gaps(tmp_path / "base")
    pack = next((repo.path / ".git/objects/pack").glob("*.pack"))
    pack.unlink()
    os.mkfifo(pack)
    (repo.path / ".git/objects/info/alternates").unlink()
    assert "a pipe or device" in gaps(repo.path)


def test_a_hanging_git_can_be_cancelled(tmp_path: Path) -> None:
    """When git hangs, a cancel ends the child and its git."""
    repo = hanging(tmp_path)
    start = time.monotonic()
    with pytest.raises(ScanCancelled):
        run_child([("leaked", Secret(VALUE))], [repo.path], None, lambda: time.monotonic() > start + 0.5)
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                assert str(repo.path).encode() not in (process / "environ").read_bytes()
            except OSError:
                continue


def test_a_silent_git_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When git says nothing for too long it is killed; what it had listed is searched, the rest is a gap."""
    monkeypatch.setattr(gitcall, "STALL", 0.3)
    assert "git could not list all of it" in gaps(hanging(tmp_path).path)


def test_missing_git_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git the scan says so."""
    repo = Repo(tmp_path / "repo")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunbookError, match="git is not installed"):
        document(repo.path)


def test_child_tells_progress_and_errors(tmp_path: Path) -> None:
    """The child's result is the library's; its errors come back as the same errors."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": VALUE})
    told: list[dict[str, object]] = []
    result = run_child([("leaked", Secret(VALUE))], [repo.path], told.append)
    mine = document(repo.path)
    assert result["credentials"] == mine["credentials"]
    assert result["repositories"][0]["hits"] == mine["repositories"][0]["hits"]
    assert {fact.get("phase") for fact in told} >= {"listing", "tracing", "done"}
    with pytest.raises(RunbookError, match="no such folder"):
        run_child([("leaked", Secret(VALUE))], [tmp_path / "gone"])


def test_child_with_a_bad_request(tmp_path: Path) -> None:
    """A request that makes no sense is refused without being repeated."""
    import sys

    for request in (b"", b"{}\n", b'{"values": [{"value": "' + VALUE.encode() + b'"}]}\n', b"nonsense\n"):
        done = subprocess.run(
            [sys.executable, "-m", "runbook_tui.exposure"],
            input=request,
            capture_output=True,
            env=environment(tmp_path),
            check=False,
        )
        assert done.returncode == 2
        assert b"not readable" in done.stdout
        assert VALUE.encode() not in done.stdout + done.stderr
