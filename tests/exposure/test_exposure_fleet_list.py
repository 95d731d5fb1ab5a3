"""The list of a fleet, mirrors of URLs, sealed values, and what is kept between two sweeps."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from runbook_tui.exposure.fleet_list import Source, read_list
from runbook_tui.exposure.fleet_merge import failed, merge
from runbook_tui.exposure.fleet_mirror import mirror
from runbook_tui.exposure.fleet_seal import Receiver, Sender
from runbook_tui.exposure.fleet_state import FleetState, identity
from runbook_tui.exposure.model import ScanCancelled
from runbook_tui.foundation.errors import Exit, InputProblems, RunbookError
from runbook_tui.secrets.secret import Secret

VALUE = "AKIAFAKE/secret+value0123456789"
VALUES = [("leaked", Secret(VALUE))]
KEY = b"k" * 32


def git(folder: Path, *args: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *args]
    return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout


def commit(folder: Path, text: str) -> None:
    if not folder.exists():
        folder.mkdir()
        git(folder, "init", "-q", "-b", "main")
    (folder / "app.env").write_text(text)
    git(folder, "add", "app.env")
    git(folder, "commit", "-q", "-m", "change")


def never() -> bool:
    return False


@pytest.mark.parametrize(
    "line",
    [
        *("--upload-pack=touch x", "-oProxyCommand=x", "ext::sh -c touch% x", "fd::17", "testgit::https://h/r"),
        *("http://example.com/r.git", "git://example.com/r", "ftp://example.com/r", "ext://x/y", "HTTPS+x://h/r"),
        *("https://tok@example.com/r", "https://u:p@example.com/r", "ssh://u:p@example.com/r", "https://h/r?token=x"),
        *("ssh://-oProxyCommand=x/r", "ssh://u@-h/r", "ssh://-u@h/r", "https:///r", "https://h", "https://h:0/r"),
        *(
            "file://host/r",
            "file://r",
            "https://h/a b",
            "https://h/$(x)",
            "https://h/`x`",
            "https://[::1/r",
            "ssh://h/-x",
        ),
        *("u@h:a b", "https://h:99999/r"),
    ],
)
def test_an_address_that_could_run_something_is_refused(tmp_path: Path, line: str) -> None:
    """Promise: no line of the list becomes an option, a remote helper, a weak protocol or a password in argv."""
    (tmp_path / "list").write_text(f"# all\n\n{line}\n")
    with pytest.raises(InputProblems) as refused:
        read_list(tmp_path / "list")
    [problem] = refused.value.problems
    assert problem.line == 3
    assert problem.hint


def test_what_a_list_may_hold(tmp_path: Path) -> None:
    """Paths start at the list's folder; what stands twice is searched once."""
    urls = ["https://example.com/a.git", "ssh://git@example.com:22/a", "git@example.com:a/b.git", "file:///srv/a"]
    (tmp_path / "list").write_text("\n".join(["one", " one ", "./one", "/two", "a:b", *urls]))
    found = read_list(tmp_path / "list")
    paths = [str(tmp_path / "one"), "/two", str(tmp_path / "a:b")]
    assert found == [*(Source(path, path=path) for path in paths), *(Source(url, url) for url in urls)]
    for name, content in (("empty", "# nothing\n"), ("gone", None)):
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(RunbookError):
            read_list(tmp_path / name)


def test_a_mirror_has_every_ref_and_is_brought_up_to_date(tmp_path: Path) -> None:
    """Promise: every ref the server offers is fetched, what it drops later is kept, and the mirror has no hooks."""
    commit(tmp_path / "origin", "one\n")
    git(tmp_path / "origin", "update-ref", "refs/pull/7/head", "HEAD")
    url, cache = f"file://{tmp_path}/origin", tmp_path / "cache"
    made = mirror(url, cache, never)
    dropped = git(tmp_path / "origin", "rev-parse", "HEAD").strip()
    assert "refs/pull/7/head" in git(made, "for-each-ref")
    git(tmp_path / "origin", "update-ref", "-d", "refs/pull/7/head")
    (tmp_path / "origin/app.env").write_text("two\n")
    git(tmp_path / "origin", "commit", "-q", "-a", "--amend", "-m", "other")
    assert mirror(url, cache, never) == made
    assert "refs/pull" not in git(made, "for-each-ref")
    assert git(made, "rev-parse", "main") == git(tmp_path / "origin", "rev-parse", "main")
    assert git(made, "cat-file", "-t", dropped).strip() == "commit"
    assert not (made / "hooks").exists()
    assert sorted(one.suffix for one in cache.iterdir()) == [".git", ".lock"]


def test_settings_and_hooks_of_this_user_and_of_the_mirror_do_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: neither the environment, nor a global configuration, nor a changed mirror makes git run something."""
    canary = tmp_path / "canary"
    (tmp_path / ".gitconfig").write_text(f'[core]\n\tsshCommand = touch {canary}\n\thooksPath = {tmp_path}\n'
                                         f'[uploadpack]\n\tpackObjectsHook = touch {canary}; cat\n')  # fmt: skip
    hook = tmp_path / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
    hook.chmod(0o700)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("GIT_CONFIG_GLOBAL", "GIT_EXEC_PATH", "GIT_TEMPLATE_DIR", "GIT_DIR", "GIT_PROXY_COMMAND"):
        monkeypatch.setenv(name, str(tmp_path / ".gitconfig"))
    commit(tmp_path / "origin", "one\n")
    git(tmp_path / "origin", "config", "uploadpack.packObjectsHook", f"touch {canary}; cat")
    url, cache = f"file://{tmp_path}/origin", tmp_path / "cache"
    made = mirror(url, cache, never)
    (made / "hooks").mkdir()
    (made / "hooks/reference-transaction").write_bytes(hook.read_bytes())
    (made / "hooks/reference-transaction").chmod(0o700)
    with (made / "config").open("a") as config:
        config.write(f'[remote "origin"]\n\turl = ext::touch {canary}\n\tuploadpack = touch {canary}\n')
    commit(tmp_path / "origin", "two\n")
    mirror(url, cache, never)
    assert git(made, "rev-parse", "main") == git(tmp_path / "origin", "rev-parse", "main")
    assert not canary.exists()


def test_a_mirror_that_cannot_be_had(tmp_path: Path) -> None:
    """A reason in git's words and nothing left behind; others' folders are not trusted; the wish to stop counts."""
    cache = tmp_path / "cache"
    with pytest.raises(RunbookError, match="could not be fetched: fatal") as refused:
        mirror(f"file://{tmp_path}/gone", cache, never)
    assert refused.value.exit_code == Exit.INCOMPLETE
    assert [one.suffix for one in cache.iterdir()] == [".lock"]
    with pytest.raises(ScanCancelled):
        mirror(f"file://{tmp_path}/gone", cache, lambda: True)
    cache.chmod(0o777)
    with pytest.raises(RunbookError, match="others may write"):
        mirror(f"file://{tmp_path}/gone", cache, never)


def test_values_are_sealed_for_one_worker() -> None:
    """Promise: only an admitted worker opens the box; what travels has no value; a changed byte is refused."""
    sender, one, other = Sender(VALUES), Receiver(), Receiver()
    assert one.open(sender.sealed()) is None
    sender.admit(one.public.hex())
    sealed = sender.sealed()
    assert VALUE not in str(sealed)
    assert VALUE.encode().hex() not in str(sealed)
    assert one.open(sealed) == (VALUES, None)
    assert other.open(sealed) is None
    stolen = {**sealed, "keys": {other.public.hex(): sealed["keys"][one.public.hex()]}}
    changed = {**sealed, "box": sealed["box"][:-2] + ("00" if sealed["box"][-2:] != "00" else "01")}
    for receiver, bad in ((other, stolen), (one, changed), (one, {**sealed, "box": "zz"})):
        with pytest.raises(RunbookError, match="did not arrive whole"):
            receiver.open(bad)
    for bad_key in ("", "zz", "00" * 32):
        with pytest.raises(RunbookError):
            sender.admit(bad_key)


def test_what_is_done_is_kept(tmp_path: Path) -> None:
    """Promise: whole lines count, a torn one does not; nothing secret is in the file; other values are refused."""
    path, known = tmp_path / "deep/state.jsonl", identity(VALUES, KEY)
    with FleetState(path, known) as state:
        state.add("a", {"repositories": [], "credentials": []})
        with pytest.raises(RunbookError, match="another scan"):
            FleetState(path, known)
    begun = state.begun
    content = path.read_bytes()
    assert VALUE.encode() not in content
    assert path.stat().st_mode & 0o777 == 0o600
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        with FleetState(path, known) as state:
            assert list(state.done) == (["a"] if cut == len(content) else [])
    path.write_bytes(content + b'{"source": "b", "resu')
    with FleetState(path, known) as state:
        assert (list(state.done), state.begun) == (["a"], begun)
        state.add("c", {"repositories": [], "credentials": []})
    with FleetState(path, known) as state:
        assert list(state.done) == ["a", "c"]
    with pytest.raises(RunbookError, match="other values"):
        FleetState(path, identity([("leaked", Secret("another-fake-value"))], KEY))
    path.write_text("precious\n")
    with pytest.raises(RunbookError, match="no state of a fleet"):
        FleetState(path, known)
    assert path.read_text() == "precious\n"


def test_the_hash_of_values_is_theirs_alone() -> None:
    """Promise: a different key, name, value or split of them gives another identity."""
    many = [
        identity(VALUES, KEY),
        identity(VALUES, b"x" * 32),
        identity([("leake", Secret("d" + VALUE))], KEY),
        identity([*VALUES, *VALUES], KEY),
        identity(VALUES, KEY, "list"),
    ]
    assert len(set(many)) == len(many)


def test_merged_summaries() -> None:
    """Promise: earliest and latest over all; pushed is known only when it is known wherever the value was found."""

    def document(name: str, earliest: str | None, latest: str | None, pushed: bool | None, *, hit: bool) -> dict:  # type: ignore[type-arg]
        summary = {"credential": name, "earliest": earliest, "latest": latest, "pushed": pushed}
        hits = [{"credential": name}] if hit else []
        return {"repositories": [{"path": "p", "hits": hits, "not_scanned": []}], "credentials": [summary]}

    early, late = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"
    nothing, sent = document("k", None, None, None, hit=False), document("k", late, late, True, hit=True)
    kept, unsure = document("k", early, early, False, hit=True), document("k", None, None, None, hit=True)

    def summary(*documents: dict) -> tuple[object, ...]:  # type: ignore[type-arg]
        [one] = merge(documents, ["k"])["credentials"]
        return one["earliest"], one["latest"], one["pushed"]

    assert summary(nothing) == (None, None, None)
    assert summary(nothing, kept) == (early, early, False)
    assert summary(kept, sent) == (early, late, True)
    assert summary(kept, unsure) == (early, early, None)
    assert summary(failed("p", "gone"), kept) == (early, early, False)
    [entry] = failed("p\x1b", "why\n")["repositories"]
    assert entry["not_scanned"] == [{"what": "the repository", "why": "why"}]
    assert "\x1b" not in json.dumps(entry)
