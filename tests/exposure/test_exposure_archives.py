"""Files that are archives are searched inside, bounded, and what is left out of them is said."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from typing import Any

import pytest
from git_builder import Repo, document

from runbook_tui.exposure import archives, expansion
from runbook_tui.exposure.archives import Left, expand, packed

SECRET = b"AKIAFAKE/secret+value=0123456789"
TEXT = b"some ordinary text, long enough to shrink\n" * 20 + b"key = " + SECRET + b"\n"


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, front: bytes = b"") -> bytes:
    out = io.BytesIO(front)
    out.seek(len(front))
    with zipfile.ZipFile(out, "a" if front else "w", method) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return out.getvalue()


def tarred(members: dict[str, bytes], style: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=style) as made:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return out.getvalue()


def holding(data: bytes) -> list[str]:
    """The names of the members in which the value stands."""
    assert packed(data)
    return [item[0] for item in expand(data) if not isinstance(item, Left) and SECRET in item[1]]


def left(data: bytes) -> list[Left]:
    return [item for item in expand(data) if isinstance(item, Left)]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (zipped({"a/b.txt": TEXT}), "a/b.txt"),
        (zipped({"a.txt": TEXT}, zipfile.ZIP_BZIP2), "a.txt"),
        (zipped({"a.txt": TEXT}, front=b"#!/bin/sh\nexec java -jar $0\n"), "a.txt"),
        (gzip.compress(TEXT), "content"),
        (gzip.compress(b"first") + gzip.compress(TEXT), "content"),
        (bz2.compress(b"first") + bz2.compress(TEXT), "content"),
        (lzma.compress(TEXT), "content"),
        (tarred({"d/x": b"1", "d/k": TEXT}), "d/k"),
        (gzip.compress(tarred({"x": b"1", "d/k": TEXT})), "d/k"),
        (bz2.compress(tarred({"n" * 200: TEXT}, tarfile.GNU_FORMAT)), "n" * 200),
        (lzma.compress(tarred({"p" * 150: TEXT})), "p" * 150),
        (zipped({"in.zip": zipped({"k": TEXT})}), "in.zip!k"),
        (zipped({"in.zip": zipped({"k": TEXT})}, zipfile.ZIP_STORED), "k"),
        (zipped({"in.tgz": gzip.compress(tarred({"k": TEXT}))}, zipfile.ZIP_STORED), "in.tgz!k"),
        (tarred({"one.zip": zipped({"two.gz": gzip.compress(TEXT)})}), "one.zip!two.gz!content"),
    ],
)
def test_found_inside(data: bytes, name: str) -> None:
    """Every format, archives behind a program, several streams in a row, archives in archives: found, by name."""
    assert name in holding(data)
    assert left(data) == []


def test_ordinary_files_are_not_archives() -> None:
    """Text, short files and a word that begins like a format are none."""
    for data in (b"", b"P", b"PK", b"BZhello", TEXT, b"\x1f\x8b", bytes(600), b"7z"):
        assert not packed(data)


@pytest.mark.parametrize(
    "head", [b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\x01", b"\x28\xb5\x2f\xfd", b"# v2 git bundle\n"]
)
def test_formats_that_are_not_opened_are_named(head: bytes) -> None:
    """A format nobody here can open is said to be one, never passed over."""
    said = left(zipped({"inner": head + bytes(40)}))
    assert [(one.what, "not opened" in one.why) for one in said] == [("inner", True)]


@pytest.mark.parametrize(
    "bomb",
    [
        lambda: gzip.compress(bytes(1 << 26), 9),
        lambda: bz2.compress(bytes(1 << 26)),
        lambda: lzma.compress(bytes(1 << 26)),
        lambda: zipped({"a": gzip.compress(bytes(1 << 26), 9)}),
        lambda: gzip.compress(tarred({"a": bytes(1 << 26)})),
    ],
)
def test_bombs_end(bomb: Callable[[], bytes]) -> None:
    """Output ends at a multiple of the input, memory stays at some windows, and the rest is named."""
    data = bomb()
    tracemalloc.start()
    total = 0
    said = []
    for item in expand(data):
        if isinstance(item, Left):
            said.append(item.why)
        else:
            total += len(item[1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert any("unpacks to more than" in why for why in said)
    assert total <= max(expansion.FREE, expansion.MAX_RATIO * len(data)) * 2
    assert peak < 6 * archives.WHOLE


def test_the_value_before_a_bomb_is_found() -> None:
    """What was unpacked before a limit was reached is searched."""
    data = gzip.compress(TEXT + bytes(1 << 25), 9)
    assert holding(data)
    assert left(data)


def test_a_bomb_inside_hides_nothing_around_it() -> None:
    """An archive inside an archive has a limit of its own: where it ends is named, and what stands behind is found."""
    data = zipped({"a.gz": gzip.compress(bytes(1 << 25), 9), "k": TEXT, "noise": random.Random(7).randbytes(1 << 18)})
    assert holding(data) == ["k"]
    assert [(one.what, one.why.split(":")[0]) for one in left(data)] == [
        ("a.gz!content", "unpacks to more than 16 MiB")
    ]


def test_many_small_bombs_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: five hundred small bombs in one repository (and some in its git directory) unpack to little together,
    which is named; an ordinary archive behind them is searched whole all the same."""
    monkeypatch.setattr(expansion, "_ALL_FREE", 1 << 24)
    taken = mmap(-1, 8)
    took = expansion.Account.take

    def counted(account: expansion.Account, count: int) -> bool:
        taken[:] = struct.pack("q", struct.unpack("q", taken[:])[0] + count)
        return took(account, count)

    monkeypatch.setattr(expansion.Account, "take", counted)
    repo = Repo(tmp_path / "repo")
    bomb = zipped({"a000": bytes(1 << 22)})
    bombs = {f"bomb{at}.zip": bomb.replace(b"a000", b"a%03d" % at) for at in range(500)}
    honest = {
        f"z{at}.jar": zipped({"k": TEXT * 20, "noise": bytes(random.Random(at).randbytes(9000))}) for at in range(5)
    }
    for name, data in {**bombs, **honest}.items():
        repo.write(name, data)
        if name.startswith(("bomb1", "z")):
            repo.write(f".git/lfs/objects/00/00/{name}", data)
    repo.git("add", "-A")
    repo.git("commit", "-q", "-m", "bombs")
    found = document(repo.path, value=SECRET)["repositories"][0]
    beside = {f".git/lfs/objects/00/00/z{at}.jar!k" for at in range(5)}
    assert {path for hit in found["hits"] for path in hit["paths"]} == {f"z{at}.jar!k" for at in range(5)} | beside
    stored = sum(map(len, (*bombs.values(), *honest.values())))
    assert struct.unpack("q", taken[:])[0] < 2 * ((1 << 24) + 60 * stored) < 0.4 * len(bombs) * (1 << 22)
    assert any("unpack to too much together" in gap["why"] for gap in found["not_scanned"])


def test_dictionary_bomb() -> None:
    """An xz stream that asks for more memory than it gets is named."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]
    data = lzma.compress(TEXT, filters=filters)
    assert ["memory" in one.why for one in left(data)] == [True]


def test_nested_too_deep() -> None:
    """Depth ends, and where is said; a stream that holds itself would never end otherwise."""
    data = TEXT
    for _ in range(5):
        data = gzip.compress(data)
    assert [one.why for one in left(data)] == ["nested deeper than 3"]
    assert left(data)[0].what == "content!content!content"


def test_overlapping_members_and_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip with a hundred thousand members, or whose members lie in each other, ends."""
    monkeypatch.setattr(expansion, "MAX_MEMBERS", 100)
    data = zipped({f"{i}": b"x" * 50 for i in range(300)})
    assert "more than 100 members" in left(data)[0].why
    header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 1, 8, 0, 0, 0, 9, 9, 1, 0)
    encrypted = (header + b"n") * 300
    assert len(left(encrypted)) <= 101


def test_many_short_members_cost_little() -> None:
    """Of an archive with tens of thousands of short streams not much more is read than is there."""
    taken = 0

    class Counted(bytes):
        def __getitem__(self, which: Any) -> Any:
            nonlocal taken
            found = super().__getitem__(which)
            taken += len(found) if isinstance(found, bytes) else 1
            return found

    header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, 2, 0, 1, 0) + b"n\x03\x00"
    data = Counted(header * 20_000 + zipped({"k": TEXT}))
    assert any(SECRET in item[1] for item in expand(data) if not isinstance(item, Left))
    assert taken < 50 * len(data)


def test_broken_or_missing_directory() -> None:
    """A zip cut before its directory still gives its members, and says that it is cut."""
    data = zipped({"a": b"1" * 99, "k": TEXT})
    cut = data[: data.index(b"PK\x01\x02")]
    assert holding(cut) == ["k"]
    assert [one.why for one in left(cut)] == ["the archive is cut short: it has no end"]
    broken = data.replace(b"PK\x01\x02", b"XX\x01\x02")
    assert holding(broken) == ["k"]


def test_member_that_the_directory_does_not_list() -> None:
    """A member deleted from the directory only is found; one that only the directory lists is named as missing."""
    data = zipped({"k": TEXT, "z": b"1" * 99})
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    assert "k" in holding(data[:first] + data[second:])
    hidden = data.replace(b"PK\x03\x04", b"PK\x00\x00", 2).replace(b"PK\x00\x00", b"PK\x03\x04", 1)
    assert any("1 members that its directory lists were not found" in one.why for one in left(hidden))


def test_lying_sizes() -> None:
    """Sizes in headers are not believed: too small, too large, zero."""
    data = bytearray(zipped({"a": b"1" * 99, "k": TEXT}))
    at = data.rindex(b"PK\x03\x04")
    for size in (0, 3, 1 << 31, 0xFFFFFFFF):
        struct.pack_into("<II", data, at + 18, size, size)
        assert holding(bytes(data)) == ["k"]
    stored = bytearray(zipped({"in.gz": gzip.compress(TEXT)}, zipfile.ZIP_STORED))
    for size in (0, 3, 1 << 31):
        struct.pack_into("<II", stored, 18, size, size)
        assert holding(bytes(stored)) == ["in.gz!content"]


def test_encrypted_unknown_and_damaged_members_are_named() -> None:
    """What cannot be opened is named and its neighbours are still searched."""
    data = bytearray(zipped({"a": b"1" * 99, "b": random.Random(1).randbytes(900), "k": TEXT}))
    data[6] |= 1
    second = data.index(b"PK\x03\x04", 4)
    struct.pack_into("<H", data, second + 8, 14)
    assert holding(bytes(data)) == ["k"]
    assert [(one.what, one.why.split(",")[0]) for one in left(bytes(data))] == [
        ("a", "encrypted"),
        ("b", "compressed by zip method 14"),
    ]
    cut = gzip.compress(random.Random(2).randbytes(5000) + TEXT)[:-400]
    assert [one.why for one in left(cut)] == ["cut short"]
    broken = bytearray(gzip.compress(TEXT + random.Random(3).randbytes(500_000)))
    broken[len(broken) // 2] ^= 0xFF
    assert holding(bytes(broken)) == ["content"]
    assert "damaged" in left(bytes(broken))[0].why


def test_damaged_member_hides_no_neighbour() -> None:
    """The members behind one whose compressed data is broken are found."""
    data = bytearray(zipped({"a": random.Random(4).randbytes(3000).hex().encode(), "k": TEXT}))
    data[200] ^= 0xFF
    assert "k" in holding(bytes(data))


def test_damaged_tar_is_searched_as_one_piece() -> None:
    """A tar header that makes no sense costs the names, not the contents."""
    data = bytearray(tarred({"a": b"1", "k": TEXT}))
    data[1024 + 148 : 1024 + 156] = b"garbage!"
    packed_up = gzip.compress(bytes(data))
    assert holding(packed_up) == ["(rest)"]
    assert "damaged tar header" in left(packed_up)[0].why


def test_links_and_names_inside() -> None:
    """Link targets and file names are text like any other: searched, never followed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        link = tarfile.TarInfo("innocent")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/" + SECRET.decode()
        made.addfile(link)
        made.addfile(tarfile.TarInfo(SECRET.decode()))
    assert holding(gzip.compress(out.getvalue())) == ["(names)"]
    target = zipfile.ZipInfo("link")
    target.external_attr = 0o120777 << 16
    target.compress_type = zipfile.ZIP_DEFLATED
    made_zip = io.BytesIO()
    with zipfile.ZipFile(made_zip, "w") as archive:
        archive.writestr(target, SECRET)
    assert holding(made_zip.getvalue()) == ["link"]


def test_absurd_names() -> None:
    """Names are only shown: paths upwards, control characters, no text at all, sixty thousand characters."""
    for name in ("../../../etc/passwd", "/abs", "a\x1b]0;x\x07b", "C:\\x", "x" * 60_000, ".", "\u202etxt"):
        found = holding(zipped({name: TEXT}))
        assert len(found) == 1
        assert len(found[0]) <= 256
    raw = zipped({"abcd": TEXT}).replace(b"abcd", b"\xff\xfe\0\x80")
    assert len(holding(raw)) == 1


def test_long_member_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member longer than a window is found across every edge; an archive of that length inside is named."""
    monkeypatch.setattr(archives, "WHOLE", 4096)
    monkeypatch.setattr("runbook_tui.exposure.streams.CHUNK", 1024)
    noise = random.Random(5)
    for shift in range(0, 9000, 391):
        data = zlib.compress(noise.randbytes(shift) + SECRET + bytes(500), wbits=31)
        assert [item for item in expand(data, 64) if not isinstance(item, Left) and SECRET in item[1]], shift
    inner = zipped({"k": noise.randbytes(9000)})
    assert "an archive inside, larger than" in next(
        item.why for item in expand(gzip.compress(inner), 64) if isinstance(item, Left)
    )


def test_any_bytes_end_well() -> None:
    """Archives with bytes turned at random never raise and never hang."""
    chance = random.Random(6)
    seeds = [
        zipped({"a": TEXT, "b.gz": gzip.compress(TEXT)}),
        gzip.compress(tarred({"a": TEXT, "z" * 150: TEXT})),
        lzma.compress(TEXT),
        bz2.compress(tarred({"a": TEXT})),
    ]
    for _ in range(1500):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        list(expand(bytes(data[: chance.randint(1, len(data))])))
