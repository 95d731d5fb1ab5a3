"""Disks of a test's own that can be full, read-only, or lose power; gone when the test ends, however it ends."""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.processes import needs

_SHUTDOWN, _WITHOUT_LOG = 0x8004587D, 2  # FS_IOC_SHUTDOWN, FS_SHUTDOWN_FLAGS_NOLOGFLUSH (linux/fs.h)


@contextlib.contextmanager
def mounted(point: Path, *what: str) -> Iterator[Path]:
    """`mount WHAT POINT` for as long as the block lasts; skips when this machine does not let us mount."""
    point.mkdir(exist_ok=True)
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("mounting a disk of its own takes root on Linux")
    done = subprocess.run([needs("mount", "mount"), *what, str(point)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine does not let us mount: {done.stderr.strip()}")
    atexit.register(unmount, point)  # a test run that is interrupted leaves its `finally` clauses out
    try:
        yield point
    finally:
        unmount(point)
        atexit.unregister(unmount)


def unmount(point: Path) -> None:
    """Unmount everything there; lazily, as a test that failed may still hold a file open."""
    while os.path.ismount(point):
        if subprocess.run(["umount", "-l", str(point)], capture_output=True).returncode:
            return


def small(point: Path, size: str) -> contextlib.AbstractContextManager[Path]:
    """A tmpfs of that size, such as `2m`."""
    return mounted(point, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")


def fill(folder: Path, leave: int = 0) -> Path:
    """Fill the disk up to its last byte but `leave`; the file that takes the room."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as stream:
        for size in (1 << 16, 1 << 10, 1):
            with contextlib.suppress(OSError):
                while True:
                    stream.write(b"x" * size)
        stream.truncate(max(0, stream.tell() - leave))
    return filler


class PowerDisk:
    """An ext4 file system in a file, whose power can be cut: what was not synced is gone then."""

    def __init__(self, folder: Path) -> None:
        self.image, self.point = folder / "disk.img", folder / "disk"
        self.point.mkdir()
        with self.image.open("wb") as stream:
            stream.truncate(48 << 20)
        subprocess.run([needs("mkfs.ext4", "e2fsprogs"), "-q", "-F", "-m0", str(self.image)], check=True)
        self._now = contextlib.ExitStack()

    def __enter__(self) -> PowerDisk:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self._now.close()

    def up(self) -> None:
        """Mount it."""
        self._now.enter_context(mounted(self.point, "-o", "loop", str(self.image)))

    def cut(self) -> None:
        """Cut the power in the kernel: from here on nothing reaches the disk. Unmount with `down`."""
        handle = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _WITHOUT_LOG))
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EPERM, errno.EOPNOTSUPP):
                pytest.skip(f"this kernel does not cut the power of a file system: {error}")
            raise
        finally:
            os.close(handle)

    def down(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", str(self.point)], check=True)
        self._now.close()
