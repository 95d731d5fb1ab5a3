"""`runbook scan` as an operator runs it: what it prints, and what its exit code says."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from runbook_tui.foundation.errors import RunbookError

VALUE = "AKIAFAKE/secret+value0123456789"


def git(folder: Path, *args: str) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *args]
    subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "app.env").write_text(f"A=1\nKEY={VALUE}\n")
    git(path, "add", "app.env")
    git(path, "commit", "-q", "-m", "start")
    return path


def runbook(home: Path, *args: str, data: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runbook_tui", "scan", *args],
        input=data,
        capture_output=True,
        text=True,
        env=os.environ | {"RUNBOOK_HOME": str(home / "home")},
        check=False,
    )


@pytest.mark.parametrize("fleet", [False, True])
def test_progress_is_one_line_of_a_terminal(repo: Path, tmp_path: Path, fleet: bool) -> None:
    """Promise: on a terminal progress is one line that is drawn anew, and gone at the end; a name in it cannot act."""
    if fleet:
        pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    odd = repo.rename(Path(tempfile.mkdtemp(prefix="rb")) / "re\x1b[2Jpo")
    (tmp_path / "list").write_text(f"{tmp_path / 'gone'}\n")
    what = ["--fleet", str(tmp_path / "list"), "--workers", "1"] if fleet else [str(odd)]
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runbook_tui", "scan", *what, "--value-stdin", "--json"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=end,
        env=os.environ | {"RUNBOOK_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    os.close(end)
    assert process.stdin is not None
    process.stdin.write(f"{VALUE}\n".encode())
    process.stdin.close()
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal ends whose last writer is gone
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    assert process.wait() == (3 if fleet else 1)
    lines = shown.split(b"\r\x1b[K")
    assert lines[0] == b""
    assert (b"0 done, 1 failed" if fleet else b"/re<U+") in b"".join(lines[1:-1])
    assert b"\x1b" not in b"".join(lines)
    assert b"<U+000D>" not in shown
    assert b"done" not in lines[-1]


def test_found(repo: Path, tmp_path: Path) -> None:
    """A found value ends with 1; the text names path, line, commit and ref and does not show the value."""
    done = runbook(tmp_path, str(repo), "--value-stdin", data=VALUE + "\n")
    assert done.returncode == 1
    assert "line 2, as raw: app.env" in done.stdout
    assert "refs/heads/main" in done.stdout
    assert "Ada <ada@example.com>" in done.stdout
    assert VALUE not in done.stdout + done.stderr


def test_json_is_the_only_thing_on_standard_output(repo: Path, tmp_path: Path) -> None:
    """`--json` prints the documented shape; values are named by their line, empty lines counted."""
    done = runbook(tmp_path, str(repo), "--value-stdin", "--json", data=f"not-there-at-all\n\n{VALUE}\r\n")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert [entry["credential"] for entry in document["credentials"]] == ["stdin:1", "stdin:3"]
    assert document["credentials"][0] == {"credential": "stdin:1", "earliest": None, "latest": None, "pushed": None}
    part = document["repositories"][0]
    assert set(part) == {"path", "objects", "bytes", "seconds", "not_scanned", "hits"}
    assert set(part["hits"][0]) == {
        *("credential", "rule", "form", "object", "type", "paths", "line"),
        *("first", "last", "refs", "remotes", "reachable"),
    }
    assert part["hits"][0]["credential"] == "stdin:3"
    assert part["objects"] == 3
    assert done.stderr == ""


def test_clean(repo: Path, tmp_path: Path) -> None:
    """Nothing found and everything seen ends with 0."""
    done = runbook(tmp_path, str(repo), "--value-stdin", data="another-fake-value\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "stdin:1: not found" in done.stdout


def test_clean_as_far_as_can_be_seen(repo: Path, tmp_path: Path) -> None:
    """Nothing found, but not everything could be looked at: 3, and what was left out."""
    git(repo, "remote", "add", "origin", "https://example.com/r.git")
    done = runbook(tmp_path, str(repo), "--value-stdin", data="another-fake-value\n")
    assert done.returncode == 3
    assert "not searched:" in done.stdout
    assert "remote origin" in done.stdout


def test_several_repositories(repo: Path, tmp_path: Path) -> None:
    """Every repository is listed; one hit anywhere is a hit."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    done = runbook(tmp_path, str(other), str(repo), "--value-stdin", "--json", data=VALUE)
    assert done.returncode == 1
    assert [len(part["hits"]) for part in json.loads(done.stdout)["repositories"]] == [0, 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "standard input holds no value"),
        ("\n\n", "standard input holds no value"),
        ("long-enough-value\nabc\n", "the value on line 2 of standard input is shorter than 6 bytes"),
        ("x" * (1 << 20) + "\n", "larger than 1 MiB"),
    ],
)
def test_bad_values(repo: Path, tmp_path: Path, data: str, message: str) -> None:
    """A value that cannot be searched for is one clear line and 2, without the value."""
    done = runbook(tmp_path, str(repo), "--value-stdin", data=data)
    assert done.returncode == 2
    assert message in done.stderr
    assert "abc" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("kind", ["nothing", "folder", "file", "damaged"])
def test_bad_repositories(tmp_path: Path, kind: str) -> None:
    """A path that is no repository is one clear line with a hint and 2; no traceback."""
    path = tmp_path / "here"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("x")
    elif kind == "damaged":
        (path / ".git").mkdir(parents=True)
    done = runbook(tmp_path, str(path), "--value-stdin", data=VALUE)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {path}")
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_credential_of_the_vault(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--credential` searches for what the vault holds under that name; a name with only a key id is refused."""
    from click.testing import CliRunner

    from runbook_tui.cli import runbook as group
    from runbook_tui.cli import wiring
    from runbook_tui.secrets.secret import Secret
    from runbook_tui.secrets.vault import Binding, Credential, SessionVault

    vault = SessionVault()
    vault.put(Credential("deploy-key", Secret(VALUE), Binding("", {})))
    vault.put(Credential("known-by-id", None, Binding("", {}, key_id="k1")))
    monkeypatch.setattr(wiring, "open_vault", lambda choice=None, *, wait=None: vault)
    done = CliRunner().invoke(group, ["scan", str(repo), "--credential", "deploy-key"], standalone_mode=False)
    assert done.return_value == 1
    assert "deploy-key in blob" in done.output
    assert VALUE not in done.output
    for name in ("known-by-id", "unknown"):
        done = CliRunner().invoke(group, ["scan", str(repo), "--credential", name], standalone_mode=False)
        assert isinstance(done.exception, RunbookError)


def test_no_value_and_no_terminal(repo: Path, tmp_path: Path) -> None:
    """Without a value and without a terminal to ask at, the way to send one is named."""
    command = [sys.executable, "-m", "runbook_tui", "scan", str(repo)]
    env = os.environ | {"RUNBOOK_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, start_new_session=True, check=False
    )
    assert done.returncode in (2, 3)
    assert "--value-stdin" in done.stderr


def test_no_repository_named(tmp_path: Path) -> None:
    """Usage errors end with 2."""
    assert runbook(tmp_path, "--value-stdin", data=VALUE).returncode == 2
