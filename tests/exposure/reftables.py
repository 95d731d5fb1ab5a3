"""Writes reftables byte by byte, by git's description of the format, sound ones and (with options) broken ones."""

from __future__ import annotations

import itertools
import shutil
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from git_builder import Repo

Entry = tuple[bytes, bytes, bytes]  # old value, new value, message
Row = tuple[bytes, tuple[int, bytes]]  # name, the record's form and content


def number(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        value -= 1
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))


def named(name: bytes, before: bytes, form: int) -> bytes:
    """The start of a record: how much of the name is that of the one before, and the rest of it."""
    same = (a == b for a, b in zip(name, before, strict=False))
    common = sum(itertools.takewhile(bool, same))
    return number(common) + number((len(name) - common) << 3 | form) + name[common:]


def ref_record(value: bytes | str | tuple[bytes, bytes] | None) -> tuple[int, bytes]:
    """A value, a symbolic ref's target, a tag and what it stands on, or None: deleted."""
    if value is None:
        return 0, b""
    if isinstance(value, str):
        return 3, number(len(value.encode())) + value.encode()
    return (2, b"".join(value)) if isinstance(value, tuple) else (1, value)


def log_record(entry: Entry | None) -> tuple[int, bytes]:
    if entry is None:
        return 0, b""
    old, new, message = entry
    strings = [number(len(text)) + text for text in (b"Ada", b"ada@example.com", message)]
    return 1, old + new + strings[0] + strings[1] + number(1_700_000_000) + b"\0\0" + strings[2]


def records(rows: Iterable[Row], index: bytes = b"") -> bytes:
    """The inside of a block, restarts (one) included; `index` follows each name."""
    out, before = b"", b""
    for name, (form, content) in rows:
        out += named(name, before, form) + index + content
        before = name
    return out


def block(kind: bytes, content: bytes, place: int, header: int) -> bytes:
    """One block; `header` is the length of the file's, where this is its first."""
    first = header if place == header else 0
    inside = content + (first + 4).to_bytes(3, "big") + b"\0\1"
    length = (len(inside) + 4 + first).to_bytes(3, "big")
    return kind + length + (zlib.compress(inside) if kind == b"g" else inside)


def table(
    refs: Mapping[bytes, bytes | str | tuple[bytes, bytes] | None] | None = None,
    logs: Mapping[tuple[bytes, int], Entry | None] | None = None,
    *,
    sha256: bool = False,
    version: int = 0,
    block_size: int = 0,
    per_block: int = 100,
) -> bytes:
    """A table with these refs, and these reflog entries by ref and number. `block_size`: blocks are padded to it."""
    version = version or (2 if sha256 else 1)
    head = b"REFT" + struct.pack(">IQQ", version << 24 | block_size, 1, 1 << 32)
    head += (b"s256" if sha256 else b"sha1") if version == 2 else b""
    out = head
    rows = [(name, ref_record(value)) for name, value in sorted((refs or {}).items())]
    end = len(out)
    for some in _batches(rows, per_block):
        start = len(out) if len(out) > len(head) else 0
        out += block(b"r", records(some, number(5)), len(out), len(head))
        end = len(out)
        out += bytes(-(len(out) - start) % block_size) if block_size else b""
    out = out[:end]
    told = (logs or {}).items()
    entries = {name + b"\0" + (2**64 - 1 - at).to_bytes(8, "big"): log_record(one) for (name, at), one in told}
    place = len(out) if entries else 0
    for some in _batches(sorted(entries.items()), per_block):
        out += block(b"g", records(some), len(out), len(head))
    return out + footer(head, 0 if place == len(head) else place)


def footer(head: bytes, logs: int = 0) -> bytes:
    whole = head + bytes(24) + logs.to_bytes(8, "big") + bytes(8)
    return whole + zlib.crc32(whole).to_bytes(4, "big")


def _batches(rows: Sequence[Row], count: int) -> list[Sequence[Row]]:
    return [rows[at : at + count] for at in range(0, len(rows), count)]


def stack(folder: Path, *tables: bytes) -> Path:
    """A `reftable` folder with these, the oldest first."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"0x{at:012x}-0x{at:012x}-{at:08x}.ref" for at in range(1, len(tables) + 1)]
    for name, content in zip(names, tables, strict=True):
        (folder / name).write_bytes(content)
    (folder / "tables.list").write_text("".join(f"{name}\n" for name in names))
    return folder


def convert(repo: Repo, *, sha256: bool = False) -> None:
    """Move the refs and reflogs of a repository, and of its worktrees, from files to tables."""
    git_dir = repo.path / ".git"
    lines = repo.git("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    shared = {name.encode(): bytes.fromhex(value) for value, name in (line.split(" ") for line in lines)}
    for folder in (git_dir, *git_dir.glob("worktrees/*")):
        head = (folder / "HEAD").read_text().strip()
        symbolic = head.removeprefix("ref: ") if head.startswith("ref: ") else bytes.fromhex(head)
        refs = {b"HEAD": symbolic} | (shared if folder == git_dir else {})
        top = folder / "logs"
        logs: dict[tuple[bytes, int], Entry | None] = {}
        for path in (path for path in top.rglob("*") if path.is_file()):
            for line in path.read_bytes().splitlines():
                old, new, rest = line.split(b" ", 2)
                values = bytes.fromhex(old.decode()), bytes.fromhex(new.decode())
                logs[str(path.relative_to(top)).encode(), len(logs) + 1] = (*values, rest.partition(b"\t")[2] + b"\n")
        stack(folder / "reftable", table(refs, logs, sha256=sha256, block_size=4096, per_block=3))
    _clear(git_dir)
    repo.write(".git/config", (git_dir / "config").read_text() + "[extensions]\n\trefStorage = reftable\n")


def _clear(git_dir: Path) -> None:
    for folder in (git_dir, *git_dir.glob("worktrees/*")):
        for name in ("logs", "refs"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "packed-refs").unlink(missing_ok=True)
        (folder / "HEAD").write_text("ref: refs/heads/.invalid\n")
        (folder / "refs").mkdir()
        (folder / "refs/heads").write_text("this repository uses the reftable format\n")
