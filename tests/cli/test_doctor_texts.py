"""Promise: `doctor` reads the system's tables as they were written by real systems, odd and broken ones too."""

from __future__ import annotations

import struct

import pytest

from runbook_tui.cli.checks import linux
from runbook_tui.cli.checks.linux import CorePattern, Logind

VENDOR = "[Login]\n#NAutoVTs=6\n#KillUserProcesses=no\n#KillExcludeUsers=root\n"


@pytest.mark.parametrize(
    ("text", "areas"),
    [
        ("", []),
        ("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n", []),
        (
            "Filename Type Size Used Priority\n/dev/dm-1                               partition\t8388604\t0\t-2\n"
            "/swap\\040file                            file\t\t2097148\t0\t-3\n",
            [("/dev/dm-1", "partition"), ("/swap file", "file")],
        ),
        ("head\n/old\\040(deleted) file 1 0 -2\n", [("/old", "file")]),
        ("head\nbroken\n\n", []),
    ],
)
def test_swaps(text: str, areas: list[tuple[str, str]]) -> None:
    assert linux.swap_areas(text) == areas


@pytest.mark.parametrize(
    ("text", "uses_pid", "goes"),
    [
        ("core\n", "0", CorePattern("file", "core")),
        ("\n", "0\n", CorePattern("none")),
        ("\n", "1", CorePattern("file", "core")),
        ("/var/crash/core.%e.%p\n", "0", CorePattern("file", "/var/crash/core.%e.%p")),
        (
            "|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h\n",
            "0",
            CorePattern("program", "/usr/lib/systemd/systemd-coredump"),
        ),
        ("|/usr/share/apport/apport -p%p -s%s -c%c", "0", CorePattern("program", "/usr/share/apport/apport")),
        ("| /bin/false\n", "0", CorePattern("program", "/bin/false")),
        ("|\n", "0", CorePattern("program", "nothing")),
        ("@/run/systemd/coredump\n", "0", CorePattern("socket", "/run/systemd/coredump")),
        ("@@/run/coredump.sock\n", "0", CorePattern("socket", "/run/coredump.sock")),
    ],
)
def test_core_patterns(text: str, uses_pid: str, goes: CorePattern) -> None:
    assert linux.core_pattern(text, uses_pid) == goes


@pytest.mark.parametrize(
    ("texts", "user", "kills"),
    [
        ([VENDOR], "ada", None),
        ([VENDOR, "[Login]\nKillUserProcesses=yes\n"], "ada", True),
        (["[Login]\nKillUserProcesses = TRUE\n", "[Login]\nKillUserProcesses=off\n"], "ada", False),
        (["[Login]\nKillUserProcesses=yes\n"], "root", False),
        (["[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n"], "root", True),
        (["[Login]\nKillUserProcesses=yes\nKillExcludeUsers=ada ben\n"], "ada", False),
        (["[Login]\nKillUserProcesses=yes\nKillOnlyUsers=ben\n"], "ada", False),
        (["[Login]\nKillUserProcesses=yes\nKillOnlyUsers=ben \\\n ada\n"], "ada", True),
        (["[Manager]\nKillUserProcesses=yes\n"], "ada", None),
        (["KillUserProcesses=yes\n"], "ada", None),
        (["[Login]\n;KillUserProcesses=yes\n# KillUserProcesses=yes\n"], "ada", None),
        (["[Login]\nKillUserProcesses=yes\nKillUserProcesses=perhaps\n"], "ada", True),
        (["\x00\xff", "[Login"], "ada", None),
    ],
)
def test_logind_settings(texts: list[str], user: str, kills: bool | None) -> None:
    """The last word counts, root is excluded unless the list is emptied, a broken value leaves the one before."""
    assert linux.logind(texts).kills(user) is kills


def test_what_the_running_logind_says() -> None:
    assert linux.logind_by_bus('b true\nas 0\nas 1 "root"\n') == Logind(True, (), ("root",))
    assert linux.logind_by_bus('b false\nas 2 "ada" "ben"\nas 0\n') == Logind(False, ("ada", "ben"), ())
    for text in ("", "Failed to connect to bus", "b maybe\nas 0\nas 0\n", "b true\n"):
        assert linux.logind_by_bus(text) is None
    assert linux.logind_built_in(VENDOR) is False
    assert linux.logind_built_in("[Login]\n") is None


@pytest.mark.parametrize(
    ("text", "home"),
    [
        ("0::/user.slice/user-1000.slice/session-3.scope\n", "session"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-x.scope\n", "user manager"),
        ("0::/user.slice/user-1000.slice/user@1000.service/tmux-spawn-1.scope\n", "user manager"),
        ("12:pids:/user.slice/session-c1.scope\n1:name=systemd:/user.slice/session-c1.scope\n0::/\n", "session"),
        ("0::/system.slice/ssh.service\n", ""),
        ("0::/\n", ""),
        ("0::/docker/9f\n", ""),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_whose_process_it_is(text: str, home: str) -> None:
    assert linux.home_of_process(text) == home


def test_the_kernels_clock() -> None:
    """The fields of struct timex, at their places on a 64-bit Linux."""

    def timex(status: int, most: int, tai: int) -> bytes:
        head = struct.pack("=Iiqqqqi4x", 0, 0, 0, 0, most, 0, status)
        return head.ljust(160, b"\0") + struct.pack("=i", tai) + b"\0" * 48

    told = linux.kernel_clock(0, timex(0x2001, 12_500, 37))
    assert (told.synchronised, told.most_off, told.tai) == (True, 0.0125, 37)
    assert not linux.kernel_clock(0, timex(0x40, 16_000_000, 0)).synchronised
    assert not linux.kernel_clock(5, timex(0, 0, 0)).synchronised


@pytest.mark.parametrize(
    ("text", "version", "mended"),
    [
        ("git version 2.39.5 (Apple Git-154)\n", (2, 39, 5), True),
        ("git version 2.39.3\n", (2, 39, 3), False),
        ("git version 2.45.1.windows.1\n", (2, 45, 1), True),
        ("git version 2.45.0\n", (2, 45, 0), False),
        ("git version 2.50.0.rc1\n", (2, 50, 0), True),
        ("git version 3.0\n", (3, 0), True),
        ("git version 2\n", (2,), False),
        ("hub version 2.14\n", (), False),
    ],
)
def test_versions_of_git(text: str, version: tuple[int, ...], mended: bool) -> None:
    assert linux.git_version(text) == version
    assert linux.git_is_mended(version) is mended
