"""Whether what is in this program's memory can end on a disk or in another program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from runbook_tui.cli.checks.finding import Finding, good, warn
from runbook_tui.cli.checks.linux import core_pattern, swap_areas
from runbook_tui.foundation.places import Places

_BLOCK = Path("/sys/block")


def swap(here: Places) -> Finding:
    """Whether memory with secrets may be written to a disk in the clear."""
    table = Path("/proc/swaps")
    if not table.exists():
        return warn("cannot tell whether it is encrypted on this system", "turn on disk encryption")
    areas = swap_areas(table.read_text(encoding="utf-8", errors="replace"))
    clear = [path for path, kind in areas if not _encrypted(path, kind)]
    if clear:
        return warn(
            f"not known to be encrypted: {', '.join(clear)}", "secrets in memory may reach the disk: encrypt it"
        )
    return good("encrypted, or in memory" if areas else "none")


def _encrypted(path: str, kind: str) -> bool:
    if kind == "file":  # the disk below the file system that holds it
        number = Path(path).stat().st_dev
        device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
        return device.exists() and _block_is_safe(device.resolve())
    return _block_is_safe(_BLOCK / Path(path).resolve().name)


def _block_is_safe(device: Path) -> bool:
    """Compressed memory without a disk behind it, dm-crypt, or made of nothing but such devices."""
    if device.name.startswith("zram"):
        behind = device / "backing_dev"
        return not behind.exists() or behind.read_text(encoding="utf-8").strip() == "none"
    uuid = device / "dm/uuid"
    if uuid.exists() and uuid.read_text(encoding="utf-8").startswith("CRYPT-"):
        return True
    below = list((device / "slaves").iterdir()) if (device / "slaves").is_dir() else []
    return bool(below) and all(_block_is_safe(one.resolve()) for one in below)


def cores(here: Places) -> Finding:
    """Whether a crash would leave memory on the disk.

    A limit of 0 is not enough: the kernel does not apply it when dumps go to a program or a socket (core(5)).
    systemd-coredump reads it and stores nothing then (systemd-coredump(8)); apport keeps a report all the same. A
    process that is not dumpable is never dumped (prctl(2)).
    """
    try:
        import resource
    except ImportError:
        return warn("cannot tell on this system")
    soft, _ = resource.getrlimit(resource.RLIMIT_CORE)
    shown = "of any size" if soft == resource.RLIM_INFINITY else f"up to {soft} bytes"
    if not sys.platform.startswith("linux"):
        return good("off for this program") if soft == 0 else warn(f"on, {shown}", "ulimit -c 0")
    goes = core_pattern(_setting("core_pattern"), _setting("core_uses_pid"))
    where = {"program": f"go to {goes.target}", "socket": f"go to the socket {goes.target}"}.get(
        goes.kind, "go to files"
    )
    where = "are written nowhere" if goes.kind == "none" else where
    if _undumpable():
        return good(f"never of this program; those of other programs {where}")
    if goes.kind in ("program", "socket"):
        return warn(f"this system lets no process forbid them, and they {where}",
                    "what takes them may keep them whatever `ulimit -c` says: look at its settings")  # fmt: skip
    if soft == 0 or goes.kind == "none":
        return good("off for this program by its limit")
    return warn(f"on, {shown}", "ulimit -c 0: a crash would write memory to the disk")


def debuggers(here: Places) -> Finding:
    """Whether other programs of this user may read this program's memory."""
    if not sys.platform.startswith("linux"):
        return warn("cannot tell who may read this program's memory", "run no program you do not trust as this user")
    yama = Path("/proc/sys/kernel/yama/ptrace_scope")
    scope = yama.read_text(encoding="ascii").strip() if yama.exists() else "none"
    if _undumpable():
        return good(
            f"kept out by this program itself (yama ptrace_scope: {scope}); the keyring's own is its program's affair"
        )
    if scope in ("0", "none"):
        return warn("any program of this user may read this program's memory", "sysctl kernel.yama.ptrace_scope=1")
    return good(f"kept out by yama ptrace_scope {scope}")


def _setting(name: str) -> str:
    return Path("/proc/sys/kernel", name).read_text(encoding="utf-8", errors="replace")


def _undumpable() -> bool:
    """Whether the kernel took this program's word that it is not to be dumped or traced (PR_GET_DUMPABLE)."""
    import ctypes

    return bool(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0)
