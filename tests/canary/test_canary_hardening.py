"""Promise: no process that may hold a secret can be read by the user's other programs, and none leaves a core."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from canaries import CANARIES
from canary_pty import Pty
from canary_site import RUNBOOK, Site, assert_clean, wait_for

Make = Callable[[], Site]
SRC = Path(__file__).parents[2] / "src"
NOBODY = 65534
# Each of these may hold a secret and waits here for its standard input: command -> what marks it.
HOLDERS = {
    "credential add": [*RUNBOOK, "credential", "add", "x", "--provider", "none", "--value-stdin", "--vault", "file"],
    "webhook sign": [*RUNBOOK, "webhook", "sign", "--scheme", "stripe", "--body", "/dev/null", "--secret-stdin"],
    "scan": [*RUNBOOK, "scan", ".", "--value-stdin"],
    "conductor": [*RUNBOOK, "conductor"],
    "keyring child": [sys.executable, "-m", "runbook_tui.secrets.keyring_child"],
    "scan child": [sys.executable, "-P", "-m", "runbook_tui.exposure"],
    "simulator": [sys.executable, "-m", "runbook_tui.drill.simulator"],
}


def as_nobody() -> list[str]:
    """Root may read everything: then both sides run as another user."""
    if os.getuid():
        return []
    return [
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
    ]


READ = """
import sys
def why(path):
    try:
        open(path, "rb").close()
    except OSError as error:
        return error.errno
    return 0
print(*(why(f"/proc/{sys.argv[1]}/{name}") for name in ("mem", "environ", "maps", "auxv")), flush=True)
"""
EACCES = 13


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[list[str]], subprocess.Popen[bytes]]]:
    """Start a program as the unprivileged user, its standard input open."""
    running: list[subprocess.Popen[bytes]] = []
    home = tmp_path / "home"
    home.mkdir()
    for folder in (home, *home.parents):
        if folder.stat().st_uid == os.getuid() and folder.is_relative_to(tmp_path.parents[1]):
            folder.chmod(0o755)
    if not os.getuid():
        os.chown(home, NOBODY, NOBODY)
    env = {**os.environ, "HOME": str(home), "RUNBOOK_HOME": str(home / "rb"), "PYTHONDONTWRITEBYTECODE": "1"}

    def begin(command: list[str]) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        running.append(
            subprocess.Popen([*as_nobody(), *command], env=env, cwd=home, stdin=pipe, stdout=pipe, stderr=pipe)
        )
        return running[-1]

    yield begin
    for one in running:
        one.kill()
        one.communicate()


def readable(pid: int) -> list[int]:
    """For mem, environ, maps, auxv: 0 when another process of the same user can open it, else the error."""
    asked = subprocess.run([*as_nobody(), sys.executable, "-S", "-c", READ, str(pid)], capture_output=True, check=True)
    return [int(word) for word in asked.stdout.split()]


def begun(pid: int) -> bool:
    """The program itself runs: what changes the user before it cannot be read either, and then is replaced."""
    return Path(f"/proc/{pid}/comm").read_text().strip() != "setpriv"


def hardened(pid: int) -> bool:
    """Not dumpable: /proc/PID then belongs to root, whoever runs it; and no core by limit."""
    facts = Path(f"/proc/{pid}/limits").read_text()
    core = next(line for line in facts.splitlines() if line.startswith("Max core file size")).split()
    if core[4:6] != ["0", "0"]:
        return False
    return EACCES in readable(pid) if not os.getuid() else Path(f"/proc/{pid}/environ").stat().st_uid == 0


@pytest.mark.parametrize("name", HOLDERS)
def test_no_other_process_of_the_user_can_read_it(
    name: str, start: Callable[[list[str]], subprocess.Popen[bytes]]
) -> None:
    """Memory, environment and maps of every process that may hold a secret are closed to the same user."""
    process = start(HOLDERS[name])
    wait_for(lambda: begun(process.pid) and readable(process.pid)[0] == EACCES, f"{name} can be read")
    assert readable(process.pid) == [EACCES] * 4
    assert process.poll() is None
    assert Path(f"/proc/{process.pid}/environ").stat().st_uid == 0
    assert hardened(process.pid)


def test_the_question_itself_is_right(start: Callable[[list[str]], subprocess.Popen[bytes]]) -> None:
    """An ordinary process of the same user can be read: so the refusals above are the program's doing."""
    process = start([sys.executable, "-c", "import time; time.sleep(30)"])
    wait_for(lambda: readable(process.pid) == [0, 0, 0, 0], "an ordinary process cannot be read either")


def test_commands_without_secrets_pay_nothing() -> None:
    """`--version` and `playbook list` load neither ctypes nor resource, and yet lose the variables that log."""
    for words in (["--version"], ["playbook", "list"]):
        program = (
            "import sys, os\nfrom runbook_tui.cli import main\n"
            f"sys.argv[1:] = {words!r}\n"
            "try:\n    main()\nexcept SystemExit:\n    pass\n"
            "print([name for name in ('ctypes', 'resource') if name in sys.modules], 'SSLKEYLOGFILE' in os.environ)"
        )
        env = {**os.environ, "SSLKEYLOGFILE": "/tmp/x"}
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "[] False", done.stderr


def test_every_other_command_is_hardened() -> None:
    """The commands that are let off are named, and no command that takes a secret is among them."""
    from runbook_tui.cli import _WITHOUT_SECRETS

    assert set(_WITHOUT_SECRETS) == {"--version", "--help", "-h", "playbook"}


def test_what_nobody_caught_tells_type_and_place() -> None:
    """The main thread, another thread, a destructor and an asyncio task: no message, no source line, no value."""
    program = (
        "import asyncio, threading, gc\nfrom runbook_tui.foundation.harden import harden\nharden()\n"
        "secret = 'sk_fake_CANARY'\n"
        "class Dying:\n    def __del__(self):\n        raise ValueError(secret)\n"
        "def explode():\n    raise ValueError(f'bad {secret}')\n"
        "thread = threading.Thread(target=explode)\nthread.start()\nthread.join()\n"
        "Dying()\ngc.collect()\nexplode()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.count("a fault in the program: ValueError") == 3
    assert "CANARY" not in done.stderr
    assert "Traceback" not in done.stderr


def _core_folder() -> Path | None:
    """Where this machine would write a core into the working folder of the process; None where it goes elsewhere."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    return None if pattern.startswith(("|", "/")) else Path(pattern)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_killed_front_end_and_conductor_leave_no_core(plain_site: Make, number: signal.Signals) -> None:
    """With core dumps allowed by the shell: SIGSEGV and SIGABRT leave no core file, and nothing of the secret."""
    site = plain_site()
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    opened = open_pasted(site)
    (conductor,) = site.processes("runbook_tui", "conductor")
    for pid in (opened.process.pid, conductor):
        assert hardened(pid)
        os.kill(pid, number)
    assert opened.ends() == -number
    wait_for(lambda: not site.processes("runbook_tui", "conductor"), "the conductor lives")
    if _core_folder() is not None and most == resource.RLIM_INFINITY:
        control = Pty([sys.executable, "-S", "-c", "import time; time.sleep(9)"], site.env, site.evidence)
        os.kill(control.process.pid, number)
        control.ends()
        assert list(site.evidence.glob("core*")), "a core is written by an ordinary process"
    assert not list(site.root.rglob("core*"))
    assert_clean(site)


def open_pasted(site: Site) -> Pty:
    """A live run on a pasted value, on the full screen; the session vault of its conductor holds the value."""
    opened = site.open("run", "api-key-leaked", "--vault", "session", "--provider", "acme")
    opened.wait_for("not shown")
    opened.send(CANARIES["pasted"] + "\r")
    opened.wait_for("Where is your Acme?")
    opened.send(site.vendor.url + "\r")
    opened.wait_for("NEXT")
    return opened


def test_dumpable_is_what_prctl_says() -> None:
    """The same fact from inside, by prctl(PR_GET_DUMPABLE)."""
    program = (
        "import ctypes, json\nfrom runbook_tui.foundation.harden import harden\n"
        "ask = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"
        "before = ask()\nharden()\nprint(json.dumps([before, ask()]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert json.loads(done.stdout) == [1, 0]
    assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) in (0, 1)
