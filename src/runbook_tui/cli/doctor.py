"""`runbook doctor`: what on this machine would get in the way of an incident, looked at before there is one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.cli.wiring import open_vault, places, vault_choice
from runbook_tui.foundation.errors import Exit
from runbook_tui.foundation.places import Places

_MIB = 1024 * 1024
_NEEDED = 8 * _MIB  # below this the journal may not take the outcome of a call
_COMFORT = 64 * _MIB
# SQLite's locks and its write-ahead log need a disk of this machine.
_REMOTE = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "fuse.sshfs",
    "fuse.s3fs",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `state` is ok, warn or bad."""

    check: str
    state: str
    detail: str
    hint: str = ""


@click.command("doctor")
@json_option
def command(*, as_json: bool) -> int:
    """Check this machine. Exit code: 0 nothing bad, 1 something is bad."""
    here = places()
    checks: tuple[Callable[[Places], Finding], ...] = (
        keyring,
        clock,
        disk,
        file_system,
        permissions,
        swap,
        cores,
        terminal,
    )
    findings = [check(here) for check in checks]
    if as_json:
        emit({"findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            click.echo(f"{finding.state:<5}{finding.check:<13}{finding.detail}")
            if finding.hint and finding.state != "ok":
                click.echo(f"{'':<18}hint: {finding.hint}")
    return Exit.BAD if any(finding.state == "bad" for finding in findings) else Exit.GOOD


def keyring(here: Places) -> Finding:
    """Whether a test value survives the way into the vault and back."""
    from runbook_tui.secrets.vault import VaultError

    if vault_choice(here) == "file":
        return Finding("keyring", "ok", "not used: the vault of this user is the encrypted file")
    vault = open_vault("keyring")
    try:
        vault.check()
    except VaultError as error:
        broken = error.reason in ("hanging", "null", "broken")
        return Finding("keyring", "bad" if broken else "warn", error.message, error.hint)
    return Finding("keyring", "ok", f"{vault.kind}: a test value was stored, read back and removed")


def clock(here: Places) -> Finding:
    """Whether the kernel says that its clock follows a time source (adjtimex, STA_UNSYNC)."""
    hint = "start systemd-timesyncd, chrony or ntpd: the journal's times are evidence"
    if not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return Finding("clock", "warn", "cannot tell whether it is synchronised on this system", hint)
    import ctypes

    # struct timex on 64-bit Linux: `modes` and padding, four longs, then the int `status`.
    buffer = ctypes.create_string_buffer(512)
    if ctypes.CDLL(None, use_errno=True).adjtimex(buffer) < 0:
        return Finding("clock", "warn", f"the kernel does not tell: {os.strerror(ctypes.get_errno())}", hint)
    status = int.from_bytes(buffer.raw[40:44], sys.byteorder)
    error_seconds = int.from_bytes(buffer.raw[24:32], sys.byteorder, signed=True) / 1e6
    if status & 0x40:
        return Finding("clock", "warn", "is not synchronised with a time source", hint)
    return Finding("clock", "ok", f"synchronised, at most {error_seconds:.3f} s off")


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def disk(here: Places) -> Finding:
    """Room and write access where the journal goes."""
    folder = _existing(here.state)
    free = shutil.disk_usage(folder).free
    detail = f"{free // _MIB} MiB free for {here.state}"
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return Finding("disk", "bad", f"{folder} cannot be written", "set RUNBOOK_HOME to a folder of yours")
    if free < _NEEDED:
        return Finding("disk", "bad", detail, "free some space: without a journal nothing is changed")
    return Finding("disk", "warn" if free < _COMFORT else "ok", detail, "free some space")


def file_system(here: Places) -> Finding:
    """Whether the journal would be on another machine's disk."""
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        return Finding(
            "file system", "warn", "cannot tell its type on this system", "keep RUNBOOK_HOME on a local disk"
        )
    kind, point = _mounted(mounts.read_text(encoding="utf-8", errors="replace"), _existing(here.state).resolve())
    if kind in _REMOTE:
        return Finding("file system", "bad", f"{point} is {kind}", "set RUNBOOK_HOME to a folder on a local disk")
    return Finding("file system", "ok", f"{kind} at {point}")


def _mounted(mountinfo: str, path: Path) -> tuple[str, str]:
    """Type and mount point of the file system that holds `path` (format: proc(5), mountinfo)."""
    best, kind = "", "unknown"
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4].replace("\\040", " ")
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind, best


def permissions(here: Places) -> Finding:
    """Whether others may read the journals."""
    if not here.state.exists():
        return Finding("permissions", "ok", f"{here.state} will be made for you alone")
    mode = here.state.stat().st_mode & 0o777
    if mode & 0o077:
        return Finding("permissions", "bad", f"{here.state} is open to others ({mode:o})", f"chmod 700 {here.state}")
    return Finding("permissions", "ok", f"{here.state} is yours alone")


def swap(here: Places) -> Finding:
    """Whether memory with secrets may be written to a disk in the clear."""
    table = Path("/proc/swaps")
    if not table.exists():
        return Finding("swap", "warn", "cannot tell whether it is encrypted on this system", "turn on disk encryption")
    clear = [
        line.split()[0]
        for line in table.read_text(encoding="utf-8").splitlines()[1:]
        if not _protected(line.split()[0])
    ]
    if clear:
        return Finding(
            "swap", "warn", f"not encrypted: {', '.join(clear)}", "secrets in memory may reach the disk: encrypt it"
        )
    return Finding("swap", "ok", "none, or encrypted, or in memory")


def _protected(device: str) -> bool:
    real = Path(device).resolve().name
    if real.startswith("zram"):
        return True
    uuid = Path("/sys/block") / real / "dm/uuid"
    return uuid.exists() and uuid.read_text(encoding="utf-8").startswith("CRYPT-")


def cores(here: Places) -> Finding:
    """Whether a crash would leave memory on the disk."""
    try:
        import resource
    except ImportError:
        return Finding("core dumps", "warn", "cannot tell on this system")
    soft, _ = resource.getrlimit(resource.RLIMIT_CORE)
    if soft == 0:
        return Finding("core dumps", "ok", "off")
    size = "of any size" if soft == resource.RLIM_INFINITY else f"up to {soft} bytes"
    return Finding(
        "core dumps", "warn", f"on in this shell, {size}", "ulimit -c 0: a crash would write memory to the disk"
    )


def terminal(here: Places) -> Finding:
    """Whether the full screen can be shown."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Finding(
            "terminal", "warn", "none here", "without one, questions come line by line (--plain) or from a file"
        )
    name = os.environ.get("TERM", "")
    if name in ("", "dumb"):
        return Finding("terminal", "warn", f"TERM is {name or 'not set'}", "questions come line by line (--plain)")
    size = shutil.get_terminal_size()
    detail = f"{name}, {size.columns}x{size.lines}"
    if size.columns < 80 or size.lines < 24:
        return Finding("terminal", "warn", detail, "make it at least 80x24")
    return Finding("terminal", "ok", detail)
