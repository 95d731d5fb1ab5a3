"""Files written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def make_private_dir(path: Path) -> Path:
    """Create `path` (and parents) readable by the owner only; an existing one keeps its mode."""
    for folder in [*reversed(path.parents), path]:  # mkdir(parents=True) would give the parents the usual mode
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    return path


def sync_dir(path: Path) -> None:
    """Make a new or renamed entry of the folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path` in one step: a reader sees the old content or the new, never a part.

    The temporary file stands beside the target and has `mode` before the first byte is written.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_dir(path.parent)


def write_new(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Like `write_atomic`, but FileExistsError when `path` is there already."""
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    write_atomic(temporary, content, mode)
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_dir(path.parent)
