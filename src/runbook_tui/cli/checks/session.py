"""The machine around this program: its clock, what a logout ends, the terminal."""

from __future__ import annotations

import getpass
import locale
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from runbook_tui.cli.checks.finding import Finding, good, warn
from runbook_tui.cli.checks.linux import (
    Logind,
    home_of_process,
    kernel_clock,
    logind,
    logind_built_in,
    logind_by_bus,
)
from runbook_tui.foundation.places import Places

_FAR_OFF = 1.0  # seconds: two machines' records are put side by side to the second
# From the strongest to the weakest (logind.conf(5)).
_LOGIND = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
_SYSTEMD = Path("/run/systemd/system")  # there when systemd runs this machine (sd_booted(3))
_LINGER = Path("/var/lib/systemd/linger")
_SURVIVE = "loginctl enable-linger, then start it with: systemd-run --user --scope runbook …"


def clock(here: Places) -> Finding:
    """Whether the kernel says that its clock follows a time source, and how far off it may be."""
    hint = "start systemd-timesyncd, chrony or ntpd: the journal's times are evidence"
    if not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return warn("cannot tell whether it is synchronised on this system", hint)
    import ctypes

    buffer = ctypes.create_string_buffer(512)
    returned = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    if returned < 0:
        return warn(f"the kernel does not tell: {os.strerror(ctypes.get_errno())}", hint)
    told = kernel_clock(returned, buffer.raw)
    zone = f"here it is {_zone()}, records are in UTC"
    if not told.synchronised:
        return warn(f"is not synchronised with a time source; {zone}", hint)
    tai = f"TAI-UTC {told.tai} s" if told.tai else "TAI not set"
    detail = f"synchronised, at most {told.most_off:.3f} s off; {tai}; {zone}"
    return (
        warn(detail, "it may be more than a second off: look at its time source")
        if told.most_off > _FAR_OFF
        else good(detail)
    )


def _zone() -> str:
    import time

    local = time.localtime()
    sign, minutes = "-" if local.tm_gmtoff < 0 else "+", abs(local.tm_gmtoff) // 60
    return f"{local.tm_zone} (UTC{sign}{minutes // 60:02d}:{minutes % 60:02d})"


def logout(here: Places) -> Finding:
    """Whether the conductor outlives the session it is started from.

    A process of a session's scope is ended at logout when KillUserProcesses says so, lingering or not
    (logind.conf(5)). One below the user manager is ended with the user's last session, unless lingering is on.
    """
    if not _SYSTEMD.is_dir():
        return good("no systemd here that ends processes at logout")
    place = home_of_process(_read(Path("/proc/self/cgroup")))
    user = getpass.getuser()
    if not place:
        return good("this process belongs to no login session")
    if place == "user manager":
        if (_LINGER / user).exists():
            return good("your user manager goes on after logout (linger)")
        return warn(
            "this shell belongs to your user manager, which ends with your last session", "loginctl enable-linger"
        )
    kills = (_asked() or _configured()).kills(user)
    if kills is None:
        return warn("cannot tell whether processes are ended at logout", f"if KillUserProcesses is yes: {_SURVIVE}")
    if kills:
        return warn("KillUserProcesses ends an incident's conductor at logout, lingering or not", _SURVIVE)
    return good("a logout leaves your processes alone (KillUserProcesses)")


def _asked() -> Logind | None:
    """What the running systemd-logind says."""
    busctl = shutil.which("busctl")
    if busctl is None:
        return None
    manager = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
    wanted = ("KillUserProcesses", "KillOnlyUsers", "KillExcludeUsers")
    try:
        answer = subprocess.run(
            [busctl, "--timeout=2", "get-property", *manager, *wanted],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=3, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return logind_by_bus(answer.stdout)


def _configured() -> Logind:
    """What its files say: the first main file there is, then all drop-ins by name, one of a name hiding the others."""
    main = next((text for text in (_read(Path(root, "logind.conf")) for root in _LOGIND) if text), "")
    drop_ins: dict[str, Path] = {}
    for root in _LOGIND:
        for path in sorted(Path(root, "logind.conf.d").glob("*.conf")):
            drop_ins.setdefault(path.name, path)
    said = logind([main, *(_read(drop_ins[name]) for name in sorted(drop_ins))])
    return said if said.kill is not None else replace(said, kill=logind_built_in(main))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def terminal(here: Places) -> Finding:
    """Whether the full screen can be shown."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return warn("none here", "without one, questions come line by line (--plain) or from a file")
    name = os.environ.get("TERM", "")
    if name in ("", "dumb"):
        return warn(f"TERM is {name or 'not set'}", "questions come line by line (--plain)")
    size = shutil.get_terminal_size()
    detail = f"{name}, {size.columns}x{size.lines}, {_colours(name)}{_around()}"
    if size.columns < 80 or size.lines < 24:
        return warn(detail, "make it at least 80x24")
    encoding = locale.getencoding()
    if encoding.lower().replace("-", "") != "utf8":
        return warn(
            f"{detail}, {encoding}", "set LANG to a UTF-8 locale such as C.UTF-8: lines and marks are drawn with it"
        )
    return good(f"{detail}, UTF-8")


def _colours(name: str) -> str:
    if os.environ.get("NO_COLOR"):
        return "no colours (NO_COLOR)"
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return "16 million colours"
    return "256 colours" if "256" in name else "few colours"


def _around() -> str:
    inside = [
        word for word, name in (("tmux", "TMUX"), ("screen", "STY"), ("SSH", "SSH_CONNECTION")) if os.environ.get(name)
    ]
    return f", in {' over '.join(inside)}" if inside else ""
