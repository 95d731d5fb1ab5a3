"""Promise: the journal and `doctor` know the same file systems on which no journal is safe, in every form of table."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook_tui.foundation.mounts import Mount, mount_of, parse_mount_listing, parse_mountinfo

# As kernels wrote them: a desktop, a container on overlayfs, WSL 2, and lines with odd blanks and optional fields.
DESKTOP = """\
25 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
30 25 0:28 / /tmp rw,nosuid,nodev shared:9 - tmpfs tmpfs rw,size=8g
41 25 0:52 / /home rw,relatime shared:21 - nfs4 filer:/home rw,vers=4.2
44 41 0:60 / /home/ada/remote\\040disk rw - fuse.sshfs ada@far:/ rw
45 25 8:17 / /media/stick rw,nosuid - vfat /dev/sdb1 rw
46 45 8:33 / /media/stick ro,nosuid - ext4 /dev/sdc1 rw
"""
CONTAINER = """\
1204 1101 0:212 / / rw,relatime master:300 - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/u,workdir=/w
1300 1204 0:88 / /data rw,relatime - 9p drvfs rw
1301 1204 254:1 /volumes/x/_data /home/app rw,relatime master:12 - ext4 /dev/vda1 rw
"""


@pytest.mark.parametrize(
    ("table", "folder", "kind", "remote", "passing"),
    [
        (DESKTOP, "/var/lib/x", "ext4", False, ""),
        (DESKTOP, "/home/ada/.local/state/runbook", "nfs4", True, ""),
        (DESKTOP, "/home/ada/remote disk/x", "fuse.sshfs", True, ""),
        (DESKTOP, "/homestead", "ext4", False, ""),
        (DESKTOP, "/tmp/x", "tmpfs", False, "the machine restarts"),
        (DESKTOP, "/media/stick", "ext4", False, ""),
        (CONTAINER, "/root/.local", "overlay", False, "the container is removed"),
        (CONTAINER, "/data", "9p", True, ""),
        (CONTAINER, "/home/app/x", "ext4", False, ""),
    ],
)
def test_what_a_folder_lies_on(table: str, folder: str, kind: str, remote: bool, passing: str) -> None:
    """The longest mount point counts, and of several on one point the last."""
    found = mount_of(Path(folder), parse_mountinfo(table))
    assert (found.kind, found.remote, found.passing) == (kind, remote, passing)


def test_the_remote_kinds() -> None:
    remote = "nfs nfs4 cifs smb3 smbfs 9p ceph lustre fuse fuse.sshfs fuse.s3fs fuse.glusterfs virtiofs davfs macfuse"
    assert all(Mount("/", kind).remote for kind in remote.split())
    local = "ext4 xfs btrfs zfs apfs overlay tmpfs fuseblk bcachefs"
    assert not any(Mount("/", kind).remote for kind in local.split())
    assert Mount("/", "fuseblk").without_modes


@pytest.mark.parametrize("text", ["", "\n\n", "garbage", "1 2 3 - ", "a b c d e f", "1 2 3 4 /x rw - "])
def test_a_table_that_says_nothing(text: str) -> None:
    assert parse_mountinfo(text) == []
    assert mount_of(Path("/x"), parse_mountinfo(text)).kind == ""


def test_the_listing_of_other_systems() -> None:
    mac = "/dev/disk1s1 on / (apfs, journaled)\nserver:/x on /Volumes/my share (smbfs, nodev)\nmap on /net (autofs)\n"
    table = parse_mount_listing(mac)
    kinds = [(one.point, one.kind) for one in table]
    assert kinds == [
        ("/", "apfs"),
        ("/Volumes/my share", "smbfs"),
        ("/net", "autofs"),
    ]
    assert "journaled" in table[0].options
    assert mount_of(Path("/Volumes/my share/x"), table).remote
