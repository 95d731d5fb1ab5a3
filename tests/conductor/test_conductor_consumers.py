"""Consumers: env files changed in one place only, and what counts as a later use."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_tui.conductor import consumers
from runbook_tui.conductor.envfile import set_variable
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.inventory import Consumer
from runbook_tui.journal.store import JournalError
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential

FAKE = "not-a-secret-0123456789"


def deploy(path: Path, value: str = FAKE, sending: Any = lambda: None, variable: str = "TOKEN") -> dict[str, Any]:
    consumer = Consumer("web", "env-file", path=str(path), variable=variable)
    new = Credential("k-new", Secret(value), Binding(""))
    kit: Any = None  # an env file needs none of it
    return consumers.deploy(kit, consumer, new, "op", sending)


# -- the text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "TOKEN=new\n"),
        ("A=1", "A=1\nTOKEN=new\n"),
        ("A=1\n", "A=1\nTOKEN=new\n"),
        ("A=1\r\nB=2\r\n", "A=1\r\nB=2\r\nTOKEN=new\r\n"),
        ("A=1\r\nTOKEN=old\r\nB=2\r\n", "A=1\r\nTOKEN=new\r\nB=2\r\n"),
        ("TOKEN=old", "TOKEN=new"),
        ("export TOKEN=old\nA=1\n", "export TOKEN=new\nA=1\n"),
        ("  export  TOKEN=old  # the shop's key\n", "  export  TOKEN=new  # the shop's key\n"),
        ('TOKEN="old" # a "comment"\n', 'TOKEN="new" # a "comment"\n'),
        ("TOKEN='old'\n", "TOKEN='new'\n"),
        ("TOKEN = old\n", "TOKEN =new\n"),
        ("TOKEN=\nA=1\n", "TOKEN=new\nA=1\n"),
        ("TOKEN=a#b\n", "TOKEN=new\n"),
        ("TOKEN=one two\n", "TOKEN=new\n"),
        ("TOKEN=old\nTOKEN=older\n", "TOKEN=new\nTOKEN=new\n"),
        ("# TOKEN=old\nMY_TOKEN=1\nTOKEN_2=2\n", "# TOKEN=old\nMY_TOKEN=1\nTOKEN_2=2\nTOKEN=new\n"),
        ("PEM='-----\nTOKEN=inside\n'\nTOKEN=old\n", "PEM='-----\nTOKEN=inside\n'\nTOKEN=new\n"),
        ('TOKEN="one\ntwo"\nA=1\n', 'TOKEN="new"\nA=1\n'),
        ('TOKEN="a \\" b"\nA=1\n', 'TOKEN="new"\nA=1\n'),
        ("TOKEN=one\\\ntwo\nA=1\n", "TOKEN=new\nA=1\n"),
        ("SAY=it's\nTOKEN=old\n", "SAY=it's\nTOKEN=new\n"),
        ("\ufeffTOKEN=old\n", "\ufeffTOKEN=new\n"),
        ("# don't\n\n\nTOKEN=old", "# don't\n\n\nTOKEN=new"),
    ],
)
def test_only_the_value_changes(before: str, after: str) -> None:
    """Promise: comments, `export`, quotes, ends of lines and every other line stay as they were."""
    assert set_variable(before, "TOKEN", "new") == after


_names = st.sampled_from(["A", "B_2", "TOKEN", "TOKENS", "_T"])
_texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cc")), max_size=12)
_nasty = st.text(st.sampled_from("'\"\\$`#~!:= ;&|*?()<>\tab"), max_size=12)
_values = st.one_of(_texts, _nasty)


@st.composite
def lines(draw: st.DrawFn) -> str:
    """One line that a shell can read: a comment, nothing, or an assignment quoted in one of the usual ways."""
    kind = draw(st.sampled_from(["comment", "empty", "single", "double", "bare"]))
    name, word = draw(_names), draw(st.sampled_from(["", "export "]))
    value = draw(_values)
    if kind == "comment":
        return f"# {value}"
    if kind == "empty":
        return ""
    if kind == "single":
        shown = "'" + value.replace("'", "\n") + "'"
    elif kind == "double":
        shown = '"' + "".join(f"\\{char}" if char in '"\\$`' else char for char in value) + '"'
    else:
        shown = "".join(char for char in value if char.isascii() and char.isalnum())
    return f"{word}{name}={shown}" + draw(st.sampled_from(["", " # it's a comment", "  "]))


def in_a_shell(text: str, folder: Path) -> dict[str, str]:
    """What a POSIX shell has in its environment after reading the file."""
    path = folder / "env"
    path.write_bytes(text.encode())
    command = 'set -a; . "$1"; exec "$2" -0'
    env = {"PATH": "/nonexistent", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["/bin/sh", "-c", command, "sh", path, "/usr/bin/env"], env=env, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pairs = [one.partition("=") for one in done.stdout.decode().split("\0") if one]
    return {name: value for name, _, value in pairs if name not in ("PATH", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_")}


@settings(max_examples=120, deadline=None)
@given(told=st.lists(lines(), max_size=6), value=_values)
def test_a_shell_reads_the_new_value_and_the_old_others(
    tmp_path_factory: pytest.TempPathFactory, told: list[str], value: str
) -> None:
    """Promise: whatever characters a secret has, a shell that loads the file gets it, and all else as before."""
    folder = tmp_path_factory.getbasetemp()
    text = "".join(f"{line}\n" for line in told)
    before = in_a_shell(text, folder)
    after = in_a_shell(set_variable(text, "TOKEN", value), folder)
    assert after == {**before, "TOKEN": value}


@given(st.text(max_size=60), st.sampled_from(["x", "it's"]))
def test_any_text_can_be_changed(text: str, value: str) -> None:
    """Promise: no file makes the program fail; setting the same value again changes nothing more."""
    try:
        once = set_variable(text, "TOKEN", value)
    except RunbookError:
        assert set(text) & set("'\"\\")  # a quote that is never closed, or a last line that goes on
        return
    assert set_variable(once, "TOKEN", value) == once


# -- the file


def test_the_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    """Promise: mode 0600 whatever it was, no other file left beside it, `sending` before the change."""
    path = tmp_path / "web.env"
    path.write_text("A=1\nTOKEN=old\n")
    path.chmod(0o644)
    seen: list[str] = []
    reply = deploy(path, sending=lambda: seen.append(path.read_text()))
    assert (reply["result"], reply["stage"]) == ("done", "stored")
    assert seen == ["A=1\nTOKEN=old\n"]
    assert path.read_text() == f"A=1\nTOKEN={FAKE}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert FAKE not in str(reply)


def test_a_missing_file_is_made(tmp_path: Path) -> None:
    """Promise: a consumer without a file yet gets one."""
    assert deploy(tmp_path / "new.env")["result"] == "done"
    assert (tmp_path / "new.env").read_text() == f"TOKEN={FAKE}\n"


def test_ends_of_lines_survive_the_file(tmp_path: Path) -> None:
    """Promise: a file of another system keeps its ends of lines on the way through."""
    path = tmp_path / "web.env"
    path.write_bytes(b"A=1\r\nTOKEN=old\r\n")
    deploy(path)
    assert path.read_bytes() == f"A=1\r\nTOKEN={FAKE}\r\n".encode()


def test_a_symlink_stays_one(tmp_path: Path) -> None:
    """Promise: the file behind a link is changed, the link is kept; a broken or circular link is refused."""
    real, link = tmp_path / "real.env", tmp_path / "link.env"
    real.write_text("TOKEN=old\n")
    link.symlink_to(real)
    assert deploy(link)["result"] == "done"
    assert link.is_symlink()
    assert real.read_text() == f"TOKEN={FAKE}\n"
    broken, circle = tmp_path / "broken", tmp_path / "circle"
    broken.symlink_to(tmp_path / "nowhere")
    circle.symlink_to(circle)
    for path in (broken, circle):
        assert deploy(path)["result"] == "rejected"
        assert path.is_symlink()


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_a_value_of_several_lines_is_refused(tmp_path: Path, value: str) -> None:
    """Promise: what would not be read back as one value is not written."""
    reply = deploy(tmp_path / "web.env", value)
    assert (reply["result"], list(tmp_path.iterdir())) == ("rejected", [])


def test_what_is_no_env_file_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """Promise: a folder, a pipe, a huge file and other encodings are refused with a reason; nothing is touched."""
    huge, latin, pipe, folder = (tmp_path / name for name in ("huge", "latin", "pipe", "folder"))
    huge.write_bytes(b"A=1\n" * 300_000)
    latin.write_bytes(b"A=\xe9\n")
    os.mkfifo(pipe)
    folder.mkdir()
    sent: list[int] = []
    for path in (huge, latin, pipe, folder, tmp_path / "huge" / "below", Path("~nobody-of-this-name/web.env")):
        reply = deploy(path, sending=lambda: sent.append(1))
        assert (reply["result"], reply["stage"]) == ("rejected", "failed"), path
        assert reply["reason"]
    assert latin.read_bytes() == b"A=\xe9\n"
    assert len(sent) <= 2, "only where the file could not be told to be missing"


def test_a_file_that_cannot_be_written_keeps_its_content(tmp_path: Path) -> None:
    """Promise: a folder without write permission is a clear refusal."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    path = tmp_path / "web.env"
    path.write_text("TOKEN=old\n")
    tmp_path.chmod(0o500)
    reply = deploy(path)
    tmp_path.chmod(0o700)
    assert reply["result"] == "rejected"
    assert "Permission denied" in reply["reason"]
    assert path.read_text() == "TOKEN=old\n"


def test_the_owner_keeps_the_file(tmp_path: Path) -> None:
    """Promise: a file of another user is that user's still, so that its service can read it."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a file of another user")
    path = tmp_path / "web.env"
    path.write_text("TOKEN=old\n")
    os.chown(path, 12345, 12346)
    assert deploy(path)["result"] == "done"
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (12345, 12346, 0o600)


def test_without_a_journal_nothing_is_written(tmp_path: Path) -> None:
    """Promise: when `sending` cannot be recorded, the file stays as it is."""

    def broken() -> None:
        raise JournalError("disk full", "")

    path = tmp_path / "web.env"
    path.write_text("TOKEN=old\n")
    with pytest.raises(RunbookError):
        deploy(path, sending=broken)
    assert path.read_text() == "TOKEN=old\n"


def test_other_kinds_are_loaded_by_hand() -> None:
    """Promise: a consumer that only a person can reach is refused with that reason, not half done."""
    kit: Any = None
    reply = consumers.deploy(kit, Consumer("w"), Credential("k", Secret(FAKE), Binding("")), "op", lambda: None)
    assert (reply["result"], reply["reason"]) == ("rejected", "a manual consumer is loaded by hand")


# -- uses


@pytest.mark.parametrize(
    ("last", "since", "later"),
    [
        ("2026-03-01T12:00:06Z", "2026-03-01T12:00:05.900000Z", True),
        ("2026-03-01T12:00:05Z", "2026-03-01T12:00:05.900000Z", False),
        ("2026-03-01T12:00:05Z", "2026-03-01T12:00:05.000000Z", False),
        ("2026-03-01T12:00:05.950000Z", "2026-03-01T12:00:05.900000Z", True),
        ("2026-03-01T12:00:05.900000Z", "2026-03-01T12:00:05.900000Z", False),
        ("2026-03-01T13:00:06+01:00", "2026-03-01T12:00:05.900000Z", True),
        ("2026-03-01T13:00:05+01:00", "2026-03-01T12:00:05.900000Z", False),
        ("2026-03-02", "2026-03-01T12:00:05.900000Z", False),
        ("yesterday", "2026-03-01T12:00:05.900000Z", False),
        ("2026-03-01T12:00:06Z", "", False),
    ],
)
def test_a_use_counts_only_when_it_is_certainly_later(last: str, since: str, later: bool) -> None:
    """Promise: a whole second that may be the roll-out's own proves nothing; neither does a time without a zone."""
    assert consumers._later(last, since) is later
