"""What a repository brings: index, configuration, trees, commits, tags. Read, or named as damaged."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from runbook_tui.exposure.config import parse_config
from runbook_tui.exposure.graph import parse_node
from runbook_tui.exposure.index import IndexDamaged, read_index
from runbook_tui.exposure.search import _LFS_POINTER
from runbook_tui.exposure.trees import entries


def index(version: int, *paths: bytes) -> bytes:
    """A small index of that version."""
    made = b"DIRC" + struct.pack(">II", version, len(paths))
    for path in paths:
        entry = struct.pack(">6I", 1, 2, 3, 4, 5, 6) + struct.pack(">4I", 0o100644, 0, 0, 9) + b"\x11" * 20
        entry += struct.pack(">H", len(path))
        entry += b"\0" + path + b"\0" if version == 4 else path + b"\0" * (8 - (62 + len(path)) % 8)
        made += entry
    return made + b"REUC" + struct.pack(">I", 32) + b"p\x00100644\x000\x000\x00" + b"\x22" * 20 + b"\0" * 20


WHO = b"Ada <ada@example.com> 1700000000 +0000"
COMMIT = b"tree " + b"1" * 40 + b"\nparent " + b"2" * 40 + b"\nauthor " + WHO + b"\ncommitter " + WHO + b"\n\ntext\n"
CONFIG = (
    b'[core]\n\tbare = true\n[remote "o\\"x"]\n\turl = x ; c\n\tfetch = +refs/heads/*:refs/remotes/o/*\n\tpromisor\n'
)


def seeds() -> Iterator[bytes]:
    yield from (b"i" + index(2, b"a", b"dir/b"), b"i" + index(3, b"a"), b"i" + index(4, b"a", b"ab"))
    yield b"c" + CONFIG
    yield b"t" + b"100644 a\0" + b"\x11" * 20 + b"40000 d\0" + b"\x22" * 20
    yield b"g" + COMMIT
    yield b"a" + b"object " + b"1" * 40 + b"\ntype commit\ntag v1\ntagger " + WHO + b"\n\nx"
    yield b"l" + b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 1\n"


def one(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    if kind == b"i":
        try:
            found = list(read_index(rest, 20))
        except IndexDamaged:
            return
        assert sum(len(entry.path) for entry in found) <= 16 * len(rest)
    elif kind == b"c":
        parse_config(rest)
    elif kind == b"t":
        for size in (20, 32):
            found_entries = entries(rest, size)
            joined = b"".join(mode + b" " + name + b"\0" + child for mode, name, child in found_entries or ())
            assert found_entries is None or joined == rest
    elif kind == b"l":
        _LFS_POINTER.match(rest[:1024])
    else:
        parse_node("commit" if kind == b"g" else "tag", rest).mark(b"\x33" * 20)
