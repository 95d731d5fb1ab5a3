"""What Linux's own tables and settings say, read from their text alone."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from runbook_tui.foundation.mounts import unescape


def swap_areas(text: str) -> list[tuple[str, str]]:
    """(path, `partition` or `file`) of /proc/swaps, blanks in octal; a deleted swap file is still swapped to."""
    areas = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 2:
            areas.append((unescape(fields[0]).removesuffix(" (deleted)"), fields[1]))
    return areas


@dataclass(frozen=True)
class CorePattern:
    """Where the kernel puts a core dump (core(5)): `kind` is none, file, program or socket."""

    kind: str
    target: str = ""


def core_pattern(text: str, uses_pid: str = "1") -> CorePattern:
    """/proc/sys/kernel/core_pattern. An empty one without core_uses_pid means that no dump is written."""
    pattern = text.strip("\n")
    if pattern.startswith("|"):
        return CorePattern("program", (pattern[1:].split() or ["nothing"])[0])
    if pattern.startswith("@"):
        return CorePattern("socket", pattern.lstrip("@"))
    if not pattern.strip() and uses_pid.strip() == "0":
        return CorePattern("none")
    return CorePattern("file", pattern.strip() or "core")


@dataclass(frozen=True)
class KernelClock:
    """What adjtimex(2) tells; times in seconds. `tai` 0 means that nobody told the kernel."""

    synchronised: bool
    most_off: float
    tai: int


def kernel_clock(returned: int, timex: bytes) -> KernelClock:
    """From adjtimex's result and its `struct timex` on 64-bit Linux (linux/timex.h)."""

    def number(start: int, size: int) -> int:
        return int.from_bytes(timex[start : start + size], sys.byteorder, signed=True)

    unsynchronised = returned == 5 or bool(number(40, 4) & 0x40)  # TIME_ERROR, STA_UNSYNC
    return KernelClock(not unsynchronised, number(24, 8) / 1e6, number(160, 4))


@dataclass(frozen=True)
class Logind:
    """The settings of systemd-logind that decide about processes at logout (logind.conf(5))."""

    kill: bool | None = None  # None: not said, so as the distribution built it
    only: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ("root",)

    def kills(self, user: str) -> bool | None:
        """Whether `user`'s session processes are ended at logout; None when that cannot be told."""
        if user in self.excluded:
            return False
        if self.only and user not in self.only:
            return False
        return self.kill


def logind(texts: Iterable[str]) -> Logind:
    """The settings in `texts`, the main file first and its drop-ins in their order: the last word counts."""
    kill: bool | None = None
    lists: dict[str, tuple[str, ...]] = {"KillOnlyUsers": (), "KillExcludeUsers": ("root",)}
    for text in texts:
        section = ""
        for line in re.sub(r"\\\n", " ", text).splitlines():
            said = line.strip()
            if said.startswith(("#", ";")):
                continue
            if said.startswith("["):
                section = said
            name, equals, value = (part.strip() for part in said.partition("="))
            if section != "[Login]" or not equals:
                continue
            if name == "KillUserProcesses":
                kill = {"1": True, "yes": True, "y": True, "true": True, "t": True, "on": True}.get(value.lower(), kill)
                kill = False if value.lower() in ("0", "no", "n", "false", "f", "off") else kill
            elif name in lists:
                lists[name] = (*lists[name], *value.split()) if value else ()
    return Logind(kill, lists["KillOnlyUsers"], lists["KillExcludeUsers"])


def logind_built_in(text: str) -> bool | None:
    """The distribution's own choice, which the shipped logind.conf shows as a comment."""
    found = re.search(r"^#\s*KillUserProcesses=(yes|no)\s*$", text, re.MULTILINE)
    return found[1] == "yes" if found else None


def logind_by_bus(text: str) -> Logind | None:
    """From `busctl get-property … KillUserProcesses KillOnlyUsers KillExcludeUsers`: `b false`, `as 1 "root"`."""
    lines = text.splitlines()
    if len(lines) != 3 or lines[0] not in ("b true", "b false"):
        return None
    only, excluded = (tuple(re.findall(r'"([^"]*)"', line)) for line in lines[1:])
    return Logind(lines[0] == "b true", only, excluded)


def home_of_process(cgroup: str) -> str:
    """Who ends a process at logout, from /proc/self/cgroup: `session`, `user manager`, or "" for neither."""
    paths = [line.split(":", 2)[2] for line in cgroup.splitlines() if line.count(":") >= 2]
    if any(re.search(r"/user@\d+\.service(/|$)", path) for path in paths):
        return "user manager"
    return "session" if any(re.search(r"/session-[^/]+\.scope(/|$)", path) for path in paths) else ""


def git_version(text: str) -> tuple[int, ...]:
    """`git version 2.39.5 (Apple Git-154)` -> (2, 39, 5); () when it is none."""
    found = re.match(r"git version (\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


# The maintenance releases of 14 May 2024, which closed ways by which a repository ran code while it was cloned.
_MENDED = {(2, 39): 4, (2, 40): 2, (2, 41): 1, (2, 42): 2, (2, 43): 4, (2, 44): 1, (2, 45): 1}


def git_is_mended(version: tuple[int, ...]) -> bool:
    """Whether this git has the security fixes of May 2024; a distribution may have added them to an older one."""
    series, patch = version[:2], (version[2] if len(version) > 2 else 0)
    return version >= (2, 46) or patch >= _MENDED.get((series[0], series[1]) if len(series) > 1 else (0, 0), 1 << 30)
