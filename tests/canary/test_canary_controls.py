"""The canary suite proves itself: a leak planted in each kind of sink, in each form, is found there."""

from __future__ import annotations

import base64
import html
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from canaries import CANARIES, bodies, forms
from canary_search import finds, sequences
from canary_site import Site, wait_for

OLD = CANARIES["old"]
Make = Callable[[], Site]


@pytest.mark.parametrize("name", CANARIES)
def test_every_form_of_every_canary_is_found(name: str) -> None:
    """In the middle of other bytes; and nothing is found in what is none of them."""
    for body in bodies(CANARIES[name]):
        for form, text, _ in forms(body):
            assert name in {one.canary for one in finds("x", b"\x00before " + text + b" after\n")}, form
    assert not finds("x", os.urandom(50_000))
    assert not finds("x", b"acme_live_ whsec_ -----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize("name", ["old", "odd", "long", "hook"])
def test_pieces_and_wraps_are_found(name: str) -> None:
    """Twelve characters of it, a mask's worth not; broken by lines, by colours, by base64's own lines."""
    body = bodies(CANARIES[name])[0]
    raw = body.encode()
    for piece in (raw[:12], raw[-12:], raw[5:17]):
        assert finds("x", b"key " + piece + b" .")
    assert not finds("x", raw[:8] + b"..." + raw[-4:])
    coloured = b"\x1b[1;31m".join(raw[at : at + 3] for at in range(0, len(raw), 3))
    assert finds("x", coloured)
    for broken in (b"\n".join, b"\r\n    ".join, b"=\r\n".join, b"\\\n".join):
        assert finds("x", broken([raw[at : at + 7] for at in range(0, len(raw), 7)]))
    for lead in ("", "x", "xy", "Authorization: Bearer "):
        assert finds("x", base64.encodebytes((lead + CANARIES[name]).encode() + b" tail" * 20))
        assert finds("x", base64.urlsafe_b64encode((lead + CANARIES[name]).encode()))


def test_the_libraries_own_escapes_are_found() -> None:
    """What json, repr, html, urllib and textwrap make of a value full of characters that have to be escaped."""
    odd = CANARIES["odd"]
    for text in (
        json.dumps({odd: 1}),
        json.dumps(json.dumps([odd])),
        repr([odd]),
        repr(odd.encode()),
        html.escape(odd),
        urllib.parse.quote(odd, safe=""),
        urllib.parse.urlencode({"key": odd}),
        textwrap.fill(CANARIES["long"], 30),
        str(ValueError(odd)),
        odd.encode().hex(":"),
    ):
        assert finds("x", text.encode()), text


def test_a_leak_in_every_kind_of_sink_is_found(plain_site: Make) -> None:
    """A file, a file's name, a symlink, a journal's freed page and WAL, a screenshot, a log, standard output, a
    terminal, a command line, an environment, a clipboard's argument, a terminal sequence."""
    site = plain_site()
    (site.root / "rb" / "file").write_text(OLD)
    (site.root / "tmp" / f"name-{OLD}").touch()
    (site.root / "cache" / "link").symlink_to(f"/{OLD}")
    (site.logs / "shot.svg").write_text(f"<text>{html.escape(CANARIES['odd'])}</text>")
    (site.logs / "debug").write_text(f"DEBUG {CANARIES['admin']!r}")
    with sqlite3.connect(site.root / "state" / "freed.db", isolation_level=None) as freed:
        freed.execute("pragma secure_delete = off")
        freed.execute("create table t (x)")
        freed.execute("insert into t values (?)", (CANARIES["new"],))
        freed.execute("delete from t")
    kept = sqlite3.connect(site.root / "state" / "wal.db", isolation_level=None)
    kept.execute("pragma journal_mode=wal")
    kept.execute("create table t (x)")
    kept.execute("insert into t values (?)", (CANARIES["hook"],))
    site.streams.append(("stdout of a leak", json.dumps({"a": CANARIES["odd"]}).encode()))
    said = f"print('\\x1b[1m{OLD[:20]}\\x1b[0m{OLD[20:]}', '\\x1b]52;c;eA==\\x07')"
    shown = site.open("-c", said, program=[sys.executable])
    shown.ends()
    sleep = "import time,sys; time.sleep(2)"
    with site.watched():
        spawn = f"import subprocess,sys; subprocess.run([sys.executable, '-c', {sleep!r}, {CANARIES['pasted']!r}])"
        one = subprocess.Popen([sys.executable, "-c", spawn], env=site.env, cwd=site.desk)
        two = subprocess.Popen([sys.executable, "-c", sleep], env={**site.env, "KEY": CANARIES["byhand"]})
        wait_for(lambda: _seen(site, "watched") >= {"pasted", "byhand"}, "the witness saw nothing")
        wait_for(lambda: "pasted" in _seen(site, "spawned"), "the process did not tell what it started")
        one.kill()
        two.kill()
        one.wait()
        two.wait()
    subprocess.run(["xclip", f"--text={CANARIES['pem']}"], env=site.env, stdin=subprocess.DEVNULL, check=True)
    found = {(Path(one.sink).name if "/" in one.sink else one.sink, one.canary) for one in site.leaks()}
    kept.close()
    wanted = {
        ("file", "old"), ("link", "old"), (f"name-{OLD}", "old"), ("shot.svg", "odd"), ("debug", "admin"),
        ("freed.db", "new"), ("wal.db-wal", "hook"), ("stdout of a leak", "odd"), ("processes, spawned", "pasted"),
        ("processes, watched", "pasted"), ("processes, watched", "byhand"), ("clipboard arguments", "pem"),
    }  # fmt: skip
    assert wanted <= found, wanted - found
    assert {one.form for one in site.leaks() if one.sink.startswith("terminal of")} >= {"raw", "OSC 52"}


def _seen(site: Site, witness: str) -> set[str]:
    return {one.canary for one in finds("x", site.processes_seen()[witness])}


def test_terminal_sequences_are_told_apart() -> None:
    """Clipboard, title, link and device strings are found; colours, modes and the question for a mode are not."""
    assert sequences(b"a\x1b]52;c;eA==\x07") == ["OSC 52"]
    assert sequences(b"a\x1b]0;title\x07") == sequences(b"\x1b]2;t\x1b\\") == sequences(b"\x1bkname\x1b\\") == ["title"]
    assert sequences(b"\x1b]8;;https://evil.example\x1b\\x") == ["link"]
    assert sequences(b"\x1bPtmux;x\x1b\\") == ["device string"]
    assert sequences(b"\x1b[?1049h\x1b[2J\x1b[1;31mred\x1b[0m\x1b[?2026$p") == []
