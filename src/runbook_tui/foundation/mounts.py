"""Which file system a folder is on, and what that means for a journal kept there.

One list for everybody: the journal refuses what `runbook doctor` reports.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

# SQLite's write-ahead log needs memory that all its readers share, which another machine's disk cannot give
# (sqlite.org/wal.html), and a FUSE daemon may acknowledge a sync that it did not do.
_REMOTE = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|drvfs|afs|afpfs|coda|ceph|lustre|glusterfs|beegfs|gpfs|orangefs|pvfs2|panfs|wekafs|"
    r"gfs2|ocfs2|ncpfs|ncp|webdav|davfs|vboxsf|vmhgfs|prl_fs|virtiofs|fakeowner|fuse|fuse\..*|macfuse|osxfuse"
)
_LAYERED = frozenset({"overlay", "overlayfs", "aufs", "unionfs"})  # the writable layer of a container
_IN_MEMORY = frozenset({"tmpfs", "ramfs", "rootfs", "devtmpfs"})
_WITHOUT_MODES = frozenset({"vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "hfs"})


@dataclass(frozen=True)
class Mount:
    """Where a file system is attached; `options` as the system lists them (`rw`, `ro`, `noexec` …)."""

    point: str
    kind: str
    options: frozenset[str] = frozenset()

    @property
    def remote(self) -> bool:
        """On another machine, or behind a FUSE program: no journal is kept there."""
        return bool(_REMOTE.fullmatch(self.kind))

    @property
    def passing(self) -> str:
        """When what is written there is lost, "" when it lasts."""
        if self.kind in _LAYERED:
            return "the container is removed"
        return "the machine restarts" if self.kind in _IN_MEMORY else ""

    @property
    def without_modes(self) -> bool:
        """It keeps no owner and no permission bits, so files there cannot be private."""
        return self.kind in _WITHOUT_MODES


def mount_of(folder: Path, table: list[Mount]) -> Mount:
    """The mount `folder` (absolute, links resolved) lies on; of an empty kind when the table does not say."""
    best = Mount("", "")
    for one in table:
        inside = one.point == "/" or str(folder) == one.point or str(folder).startswith(one.point + "/")
        if inside and len(one.point) >= len(best.point):  # the later mount on one point hides the earlier
            best = one
    return best


def mounts() -> list[Mount]:
    """Everything mounted, as the system lists it. OSError when it does not tell."""
    try:
        return parse_mountinfo(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        try:
            listing = subprocess.run(["mount"], capture_output=True, timeout=5, check=False).stdout
        except subprocess.TimeoutExpired:
            raise TimeoutError("`mount` does not answer") from None
        return parse_mount_listing(listing.decode("utf-8", "replace"))


def parse_mountinfo(text: str) -> list[Mount]:
    """Linux (proc(5)): `36 35 98:0 /root /mount options optional… - type source …`, blanks in octal."""
    table = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) > 5 and rest[0]:
            table.append(Mount(unescape(fields[4]), rest[0], frozenset(fields[5].split(","))))
    return table


def unescape(text: str) -> str:
    """A path as the kernel's tables write it, with `\\040` for a blank."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda match: chr(int(match[1], 8)), text)


def parse_mount_listing(text: str) -> list[Mount]:
    """macOS and BSD: `source on /mount (type, options)`."""
    found = re.findall(r"^.* on (/.*) \((\w+)(?:, ([^)]*))?\)", text, re.MULTILINE)
    return [Mount(point, kind, frozenset(options.split(", "))) for point, kind, options in found]
