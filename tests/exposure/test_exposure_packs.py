"""Packs and loose objects as git never writes them, and as other programs do: read, or left to git and named."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import subprocess
import threading
import time
import zlib
from array import array
from collections.abc import Iterable
from pathlib import Path

import pytest
from git_builder import VALUE, Repo, document, gaps, hits

from runbook_tui.exposure import packs, pool
from runbook_tui.exposure.model import ScanCancelled
from runbook_tui.foundation.errors import Exit, RunbookError

Stored = tuple[int, bytes, bytes, int]  # type, what stands before the data, data before deflating, size as stated


def name_of(kind: str, content: bytes) -> bytes:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).digest()


def header(kind: int, size: int) -> bytes:
    made, size = [kind << 4 | size & 15], size >> 4
    while size:
        made[-1] |= 128
        made.append(size & 127)
        size >>= 7
    return bytes(made)


def number(size: int) -> bytes:
    made = bytearray([size & 127])
    while size := size >> 7:
        made[-1] |= 128
        made.append(size & 127)
    return bytes(made)


def insert(base: int, content: bytes) -> bytes:
    """A delta that takes nothing from its base."""
    chunks = [content[at : at + 127] for at in range(0, len(content), 127)]
    return number(base) + number(len(content)) + b"".join(bytes([len(chunk)]) + chunk for chunk in chunks)


def write_pack(repo: Repo, entries: Iterable[tuple[bytes, bytes]], far: bool = False) -> Path:
    """A pack of (object name, header and data) with an index that fits it, whatever nonsense is in it."""
    entries = list(entries)
    body, rows = b"PACK" + struct.pack(">II", 2, len(entries)), []
    for name, stored in entries:
        rows.append((name, zlib.crc32(stored), len(body)))
        body += stored
    body += hashlib.sha1(body).digest()
    rows.sort()
    fan = [sum(row[0][0] <= first for row in rows) for first in range(256)]
    made = b"\xfftOc" + struct.pack(">I256I", 2, *fan) + b"".join(row[0] for row in rows)
    made += b"".join(struct.pack(">I", row[1]) for row in rows)
    if far:
        made += b"".join(struct.pack(">I", 1 << 31 | at) for at in range(len(rows)))
        made += b"".join(struct.pack(">Q", row[2]) for row in rows)
    else:
        made += b"".join(struct.pack(">I", row[2]) for row in rows)
    made += body[-20:]
    path = repo.path / f".git/objects/pack/pack-{hashlib.sha1(body).hexdigest()}.pack"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body)
    path.with_suffix(".idx").write_bytes(made + hashlib.sha1(made).digest())
    return path


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.commit({"README": "hello\n"}, "start")
    return made


def good(content: bytes) -> tuple[bytes, bytes]:
    return name_of("blob", content), header(3, len(content)) + zlib.compress(content)


BASE = b"base " * 20
FOUND = f"found {VALUE}".encode()


@pytest.mark.parametrize("far", [False, True])
def test_deltas_by_name_before_their_bases_and_far_offsets(repo: Repo, far: bool) -> None:
    """A REF_DELTA may stand before its base; an index may give offsets in eight bytes."""
    delta = insert(len(BASE), FOUND)
    entry = header(7, len(delta)) + name_of("blob", BASE) + zlib.compress(delta)
    write_pack(repo, [(name_of("blob", FOUND), entry), good(BASE)], far)
    assert [hit["object"] for hit in hits(repo)] == [name_of("blob", FOUND).hex()]
    assert gaps(repo.path) == ""


def test_many_packs_and_the_same_object_in_several(repo: Repo) -> None:
    """Each object is searched once, from whichever pack; a damaged copy is no loss where a whole one is."""
    write_pack(repo, [good(FOUND), good(BASE)])
    write_pack(repo, [good(b"other"), good(FOUND)])
    broken = (name_of("blob", FOUND), header(3, len(FOUND)) + b"\x78\x9c" + b"\xff" * 20)
    write_pack(repo, [broken, good(b"third")])
    assert len(hits(repo)) == 1
    assert gaps(repo.path) == ""


def circle() -> list[tuple[bytes, bytes]]:
    one, two = b"\x01" * 20, b"\x02" * 20
    delta = insert(5, b"xxxxx")
    return [
        (one, header(7, len(delta)) + two + zlib.compress(delta)),
        (two, header(7, len(delta)) + one + zlib.compress(delta)),
    ]


def nobody(size: int, delta: bytes, offset: bytes = b"") -> list[tuple[bytes, bytes]]:
    before = header(3, len(BASE)) + zlib.compress(BASE)
    return [
        (name_of("blob", BASE), before),
        (b"\x07" * 20, header(6, size) + (offset or bytes([len(before)])) + zlib.compress(delta)),
    ]


BOMB = number(len(BASE)) + number(1 << 40) + b"\xff\0\0\0\0\xff\xff\xff" * 1000
HOSTILE = {
    "circle of deltas": circle(),
    "itself as a base": [(b"\x03" * 20, header(7, 7) + b"\x03" * 20 + zlib.compress(insert(5, b"xxxxx")))],
    "base that is not there": [(b"\x04" * 20, header(7, 7) + b"\x05" * 20 + zlib.compress(insert(5, b"xxxxx")))],
    "size without end": [(b"\x06" * 20, b"\xb0" + b"\xff" * 30)],
    "size that lies": [(b"\x06" * 20, header(3, 1 << 45) + zlib.compress(b"short"))],
    "no size but data": [(b"\x06" * 20, header(3, 0) + zlib.compress(b"something"))],
    "more data than said": [(b"\x06" * 20, header(3, 9) + zlib.compress(bytes(200_000_000), 9))],
    "unknown type": [(b"\x06" * 20, header(5, 5) + zlib.compress(b"short"))],
    "no data": [(b"\x06" * 20, header(3, 5))],
    "delta bomb": nobody(len(BOMB), BOMB),
    "delta cut off": nobody(1, b"\x64"),
    "delta of another base": nobody(len(insert(7, b"x")), insert(7, b"x")),
    "delta beyond its base": nobody(8, number(len(BASE)) + number(50) + b"\xb1\xff\xff\x32"),
    "offset without end": nobody(9, insert(len(BASE), b"x"), b"\xff" * 16),
    "offset of nothing": nobody(9, insert(len(BASE), b"x"), b"\x03"),
    "offset before the pack": nobody(9, insert(len(BASE), b"x"), b"\xff\x7f"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_entries(repo: Repo, what: str) -> None:
    """One entry that makes no sense costs itself: it is named, and the rest of its pack is searched."""
    write_pack(repo, [*HOSTILE[what], good(FOUND)])
    assert [hit["object"] for hit in hits(repo)] == [name_of("blob", FOUND).hex()]
    assert "corrupt" in gaps(repo.path) or "part of the object store" in gaps(repo.path)


def test_hostile_indexes(repo: Repo) -> None:
    """Any damage to an index, and a pack that was cut, is named; the loose objects beside it are searched."""
    path = write_pack(repo, [good(BASE), good(b"other")])
    repo.blob(FOUND)
    index = path.with_suffix(".idx")
    whole, pack = index.read_bytes(), path.read_bytes()
    wrong_offset = bytearray(whole)
    wrong_offset[-44:-40] = b"\x7f\xff\xff\xff"
    far = bytearray(whole)
    far[-44:-40] = b"\xff\xff\xff\xff"
    fan = bytearray(whole)
    fan[8:12] = b"\xff\xff\xff\xff"
    for damaged in (
        b"",
        whole[:9],
        whole[:500],
        whole[:-30],
        bytes(wrong_offset),
        bytes(far),
        bytes(fan),
        b"\0" * 4000,
    ):
        index.write_bytes(damaged)
        assert gaps(repo.path), damaged[:20]
        assert len(hits(repo)) == 1
    index.write_bytes(whole)
    for cut in (b"", pack[:11], pack[:30], pack[:-21], pack + b"x"):
        path.write_bytes(cut)
        assert gaps(repo.path), len(cut)
        assert len(hits(repo)) == 1


def test_any_byte_of_a_pack_may_be_wrong(repo: Repo) -> None:
    """Flip bytes all over a real pack with deltas: the scan ends, and what is not found is covered by a gap."""
    for at in range(8):
        repo.commit({"f": "".join(f"{line} of many\n" for line in range(99)) + f"{at} {VALUE}\n"})
    repo.git("repack", "-q", "-a", "-d", "-f")
    path = next((repo.path / ".git/objects/pack").glob("*.pack"))
    whole = path.read_bytes()
    path.chmod(0o644)
    for at in range(0, len(whole), max(1, len(whole) // 25)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        found = document(repo.path)["repositories"][0]
        assert len(found["hits"]) == 8 or found["not_scanned"], at


def test_memory_of_a_chain_with_many_children_is_bounded(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bases that wait for their deltas are counted; when they are too many git reads the rest, and nothing is lost."""
    monkeypatch.setattr(packs, "_MAX_HELD", 200)
    content = [b"%d" % at + bytes(90) + VALUE.encode() for at in range(9)]
    entries = [good(content[0])]
    for at in range(1, 9):
        for one in (content[at], content[at] + b"sibling"):
            delta = insert(len(content[at - 1]), one)
            entry = header(7, len(delta)) + name_of("blob", content[at - 1]) + zlib.compress(delta)
            entries.append((name_of("blob", one), entry))
    path = write_pack(repo, entries)
    pack = packs.Pack(path, 20)
    failed = array("q")
    import numpy as np

    everything = np.arange(pack.count, dtype=np.int32)
    assert len(list(pack.rebuild(everything, everything.tolist(), failed))) + len(failed) == pack.count
    assert len(failed) > 0
    assert len(hits(repo)) == 17
    assert gaps(repo.path) == ""


def test_a_pack_that_is_cut_while_it_is_read(repo: Repo) -> None:
    """The process that touches the missing part dies; the scan says so and gives no answer."""
    content = [os.urandom(300_000) for _ in range(20)]
    path = write_pack(repo, [good(one) for one in content])
    program = (
        "import sys, os; from pathlib import Path; from runbook_tui.exposure import search\n"
        "from runbook_tui.exposure.scan import scan; from runbook_tui.secrets.secret import Secret\n"
        "old = search.Sweep.run\n"
        "def run(self): os.truncate(sys.argv[2], 5000); old(self)\n"
        "search.Sweep.run = run\n"
        "scan([('x', Secret(b'somethingelse'))], [Path(sys.argv[1])])\n"
    )
    import sys

    command = [sys.executable, "-c", program, str(repo.path), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "a process of the scan was ended from outside (SIGBUS)" in done.stderr


def test_a_killed_worker_is_an_error() -> None:
    """A worker that is killed from outside ends the job with a clear error; so does one that runs out of memory."""

    def die(job: int) -> int:
        if job == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return job

    with pytest.raises(RunbookError, match="SIGKILL") as caught:
        list(pool.each(die, range(8), lambda: False, 2))
    assert caught.value.exit_code == Exit.INCOMPLETE

    def hungry(job: int) -> int:
        return len(bytearray(pool._MEMORY + (1 << 20)))

    with pytest.raises(RunbookError, match="out of memory"):
        list(pool.each(hungry, range(2), lambda: False, 2))


def test_workers_do_every_job_once_and_errors_come_back() -> None:
    """The answers are those of all jobs; what a job raises is raised here, and nobody stays behind."""
    assert sorted(pool.each(lambda job: job * job, range(50), lambda: False, 3)) == [(n, n * n) for n in range(50)]
    assert list(pool.each(lambda job: job, [], lambda: False)) == []
    with pytest.raises(ZeroDivisionError):
        list(pool.each(lambda job: 1 // job, [1, 0, 1], lambda: False, 2))
    import multiprocessing

    assert multiprocessing.active_children() == []


def test_cancel_does_not_wait_for_a_job() -> None:
    """Workers in the middle of a long job are ended at once."""
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(ScanCancelled):
        list(pool.each(lambda job: time.sleep(600), range(4), stop.is_set, 2))


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"junk",
        zlib.compress(b"blob 3\0abcd"),
        zlib.compress(b"blob 9\0abcd"),
        zlib.compress(b"thing 4\0abcd"),
        zlib.compress(b"blob 4\0abcd")[:-3],
        zlib.compress(b"blob 4\0abcd") + b"more",
        zlib.compress(b"blob 99999999999999999999\0abcd"),
        zlib.compress(b"blob 4\0" + bytes(100_000_000), 9),
    ],
)
def test_damaged_loose_objects(repo: Repo, stored: bytes) -> None:
    """A loose object that is none is named, and the others are searched."""
    repo.blob(FOUND)
    folder = repo.path / ".git/objects/aa"
    folder.mkdir(exist_ok=True)
    (folder / ("a" * 38)).write_bytes(stored)
    assert [hit["object"] for hit in hits(repo)] == [name_of("blob", FOUND).hex()]
    # What git takes for an object all the same (it reads as many bytes as the object says it has) is searched.
    readable = not subprocess.run(["git", "cat-file", "blob", "aa" * 20], cwd=repo.path, capture_output=True).returncode
    assert readable or "aa" * 20 in gaps(repo.path)


def write_loose(repo: Repo, name: str, content: bytes) -> None:
    path = repo.path / f".git/objects/{name[:2]}/{name[2:]}"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(zlib.compress(b"blob %d\0" % len(content) + content))


def test_a_loose_copy_that_is_not_what_its_pack_says(tmp_path: Path) -> None:
    """Promise: of an object that is stored twice both copies are searched, whichever git would take."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": "clean\n"})
    repo.git("gc", "-q")
    name = repo.git("rev-parse", "HEAD:k")
    write_loose(repo, name, f"key {VALUE}\n".encode())
    assert [hit["paths"] for hit in hits(repo)] == [["k"]]
    repo.git("tag", "-a", "v1", "-m", "x")
    write_loose(repo, name, b"clean\n")  # an honest second copy changes nothing
    assert hits(repo) == []


def test_a_pack_with_two_objects_of_one_name(tmp_path: Path) -> None:
    """Promise: where a pack's index gives two entries one name, both are searched."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": "first\n"})
    name = bytes.fromhex(repo.git("rev-parse", "HEAD:k"))
    texts = [b"clean\n", f"key {VALUE}\n".encode()]
    for order in (texts, texts[::-1]):
        body, offsets = b"PACK" + struct.pack(">II", 2, 2), []
        for text in order:
            offsets.append(len(body))
            size = len(text)
            head = bytes([3 << 4 | size & 15 | (128 if size > 15 else 0)]) + (bytes([size >> 4]) if size > 15 else b"")
            body += head + zlib.compress(text)
        body += hashlib.sha1(body).digest()
        fan = b"".join(struct.pack(">I", 2 if at >= name[0] else 0) for at in range(256))
        index = b"\xfftOc\0\0\0\2" + fan + name * 2 + bytes(8) + struct.pack(">II", *offsets) + body[-20:]
        index += hashlib.sha1(index).digest()
        folder = repo.path / ".git/objects/pack"
        (folder / f"pack-{'1' * 40}.pack").write_bytes(body)
        (folder / f"pack-{'1' * 40}.idx").write_bytes(index)
        assert [hit["paths"] for hit in hits(repo)] == [["k"]]
