"""A fleet of repositories, searched by real worker processes: complete, secret, and not stopped by what goes wrong."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

from runbook_tui.exposure import fleet
from runbook_tui.exposure.child import run_child
from runbook_tui.exposure.fleet import Cluster, sweep
from runbook_tui.exposure.fleet_list import Source
from runbook_tui.exposure.fleet_state import FleetState, identity
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.secrets.secret import Secret

VALUE = "AKIAFAKE/secret+value0123456789"
VALUES = [("stdin:1", Secret(VALUE))]
ALONE = ["", base64.b64encode(VALUE.encode()).decode(), VALUE.encode().hex()]


def git(folder: Path, *args: str) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *args]
    subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)


def repository(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    (path / "app.env").write_text(text)
    git(path, "add", "app.env")
    git(path, "commit", "-q", "-m", "start")
    return path


@pytest.fixture
def repositories(tmp_path: Path) -> list[Path]:
    """Two that hold the value, three that do not."""
    texts = [f"KEY={VALUE}\n", "nothing\n", "other\n", f"\n{ALONE[1]}\n", "more\n"]
    return [repository(tmp_path / f"repositories/r{at}", text) for at, text in enumerate(texts)]


def start(tmp_path: Path, listed: list[str], **environment: str) -> subprocess.Popen[str]:
    """`runbook scan --fleet` with two workers; the value is sent on standard input."""
    (tmp_path / "list").write_text("\n".join(listed))
    (tmp_path / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [*(sys.executable, "-P", "-m", "runbook_tui", "scan", "--fleet", str(tmp_path / "list")),
         *("--workers", "2", "--value-stdin", "--json")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"RUNBOOK_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), **environment},
        cwd=environment.get("PWD"),
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(VALUE + "\n")
    process.stdin.close()
    process.stdin = None
    return process


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def slow_git(tmp_path: Path) -> tuple[str, Path]:
    """A PATH whose git does nothing for long the first time it clones, and the file that then names who called it."""
    folder, said, real = tmp_path / "bin", tmp_path / "slow", shutil.which("git")
    folder.mkdir()
    script = folder / "git"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *" clone "*) if mkdir {tmp_path}/once 2>/dev/null; then\n'
        f"echo $PPID $$ > {said}.new; mv {said}.new {said}; exec sleep 120; fi;; esac\n"
        f'exec {real} "$@"\n'
    )
    script.chmod(0o700)
    return f"{folder}{os.pathsep}{os.environ['PATH']}", said


def wait_for(what: Callable[[], Any], limit: float = 60) -> None:
    for _ in range(int(limit / 0.05)):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text() if Path("/proc/self").exists() else ""
        os.kill(pid, 0)
    except (ProcessLookupError, FileNotFoundError):
        return True
    return ") Z " in state  # nobody has asked for its end yet


def holds(content: bytes) -> bool:
    return any(form.encode() in content for form in (VALUE, *ALONE[1:]))


class Watch:
    """Looks, while a sweep runs, at what others of this machine could: arguments, environments, files."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders, self._over = folders, threading.Event()
        self.leaks: set[str] = set()
        self.seen = 0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for one in Path("/proc").glob("[0-9]*") if Path("/proc/self").exists() else ():
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        self._check(one / name)
            for folder in self._folders:
                for here, _, files in os.walk(folder):
                    for name in files:
                        with contextlib.suppress(OSError):
                            self._check(Path(here, name))

    def _check(self, path: Path) -> None:
        if path.is_file() and path.stat().st_size < 1 << 20:
            self.seen += 1
            if holds(path.read_bytes()):
                self.leaks.add(str(path))


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    for one in document["repositories"]:
        del one["seconds"]
    return document


def test_the_merged_answer_of_two_workers(tmp_path: Path, repositories: list[Path]) -> None:
    """Promise: the answer is that of a scan of all; a bad repository has its reason and stops nothing; settings of
    dask from the environment and modules of the current folder are not run; the value is in no argument, environment,
    file or output, and no temporary file stays."""
    trap, canary = tmp_path / "trap", tmp_path / "canary"
    trap.mkdir()
    bad = f"open({str(canary)!r}, 'w')\n"
    for module in ("trap_module", "multiprocessing", "dask", "distributed", "msgpack"):
        (trap / f"{module}.py").write_text(bad)
    preload = "distributed: {worker: {preload: [trap_module]}, nanny: {preload: [trap_module]}, " \
              "scheduler: {preload: [trap_module]}, client: {preload: [trap_module]}}\n"  # fmt: skip
    (trap / "x.yaml").write_text(preload)
    (tmp_path / "user/.config/dask").mkdir(parents=True)
    (tmp_path / "user/.config/dask/x.yaml").write_text(preload)
    url = f"file://{repositories[0]}"
    listed = [*map(str, repositories), url, str(tmp_path / "gone"), str(tmp_path / "list")]
    with Watch([tmp_path / "tmp", tmp_path / "home"]) as watch:
        process = start(
            tmp_path, listed, DASK_CONFIG=str(trap), DASK_ROOT_CONFIG=str(trap), HOME=str(tmp_path / "user"),
            DASK_DISTRIBUTED__WORKER__PRELOAD=f"['{trap}/trap_module.py']", PWD=str(trap),
            DASK_LOGGING_FILE_CONFIG=str(trap / "x.yaml"),
        )  # fmt: skip
        code, out, err = ended(process)
    assert (watch.leaks, canary.exists()) == (set(), False)
    assert watch.seen
    assert code == Exit.BAD, err
    assert not holds((out + err).encode())
    assert "5 done, 2 failed" in err or "6 done, 2 failed" in err
    document = without_times(json.loads(out))
    parts = document["repositories"]
    assert [one["path"] for one in parts] == listed
    alone = without_times(run_child(VALUES, repositories))
    assert parts[:5] == alone["repositories"]
    assert parts[5]["hits"] == [{**hit, "remotes": ["origin"]} for hit in parts[0]["hits"]], "a server has it"
    assert [len(one["hits"]) for one in parts] == [1, 0, 0, 1, 0, 1, 0, 0]
    assert [one["not_scanned"][0]["what"] for one in parts[6:]] == ["the repository"] * 2
    assert "no such folder" in parts[6]["not_scanned"][0]["why"]
    [summary], [expected] = document["credentials"], alone["credentials"]
    assert summary == {**expected, "pushed": True}
    assert list((tmp_path / "tmp").iterdir()) == []
    [state] = (tmp_path / "home/state/fleet").iterdir()
    assert len(state.read_bytes().splitlines()) == 1 + 6, "failures are tried again"


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(tmp_path: Path, repositories: list[Path]) -> None:
    """Promise: after Ctrl-C all that was started is gone; what was searched is kept and is not searched again."""
    path, said = slow_git(tmp_path)
    listed = [*map(str, repositories), f"file://{repositories[0]}"]
    process = start(tmp_path, listed, PATH=path)
    folder = tmp_path / "home/state/fleet"

    def results() -> int:
        return sum(one.read_bytes().count(b"\n") - 1 for one in folder.glob("*"))

    wait_for(lambda: said.exists() and results() == 5)
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert (code, out) == (Exit.INTERRUPTED, ""), err
    assert "5 results are kept" in err
    worker, slow = map(int, said.read_text().split())
    wait_for(lambda: gone(worker) and gone(slow))
    assert list((tmp_path / "tmp").iterdir()) == []
    shutil.rmtree(repositories[3])  # it is not looked at again
    code, out, err = ended(start(tmp_path, listed, PATH=path))
    assert code == Exit.BAD, err
    assert "5 of 6 repositories were searched since" in err
    assert [len(one["hits"]) for one in json.loads(out)["repositories"]] == [1, 0, 0, 1, 0, 1]
    assert list(folder.iterdir()) == [], "all is done: the next sweep is a new one"


def test_a_killed_workers_repository_is_done_by_another(
    tmp_path: Path, repositories: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: a worker that is killed in the middle costs nothing but time."""
    path, said = slow_git(tmp_path)
    monkeypatch.setenv("PATH", path)
    urls = [f"file://{one}" for one in repositories]

    def kill() -> None:
        wait_for(said.exists)
        os.kill(int(said.read_text().split()[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    told: list[dict[str, Any]] = []
    try:
        with FleetState(tmp_path / "state", "x") as state:
            sources = [Source(url, url) for url in urls]
            found = sweep(VALUES, sources, state, Cluster(workers=2), str(tmp_path / "cache"), told.append)
    finally:
        killer.join()
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(said.read_text().split()[1]), signal.SIGKILL)
    assert [len(one["hits"]) for one in found["repositories"]] == [1, 0, 0, 1, 0]
    assert [one["path"] for one in found["repositories"]] == urls
    assert (told[-1]["done"], told[-1]["failed"], told[-1]["left"]) == (5, 0, 0)
    assert told[-1]["objects"] == sum(one["objects"] for one in found["repositories"])


@contextlib.contextmanager
def own_scheduler() -> Iterator[tuple[str, list[bytes]]]:
    """Somebody's cluster: its address, and all that its scheduler was given, said and kept."""
    import pickle

    from distributed import LocalCluster, SchedulerPlugin

    kept: list[bytes] = []

    class Spy(SchedulerPlugin):
        def transition(self, key: Any, start: str, finish: str, *args: Any, **more: Any) -> None:
            task = cluster.scheduler.tasks.get(key)
            kept.append(repr((key, start, finish, more, task)).encode())
            if task is not None and task.run_spec is not None:
                kept.append(repr(task.run_spec).encode() + pickle.dumps(task.run_spec))

        def log_event(self, topic: str, msg: Any) -> None:
            kept.append(repr((topic, msg)).encode())

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=None, silence_logs=50,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0", "dashboard": False},
    ) as cluster:  # fmt: skip
        cluster.scheduler.add_plugin(Spy())
        yield cluster.scheduler_address, kept


def test_a_scheduler_never_has_the_values(tmp_path: Path, repositories: list[Path]) -> None:
    """Promise: tasks, their names and what a scheduler keeps of them hold no value and no path, and a worker keeps no
    value after its task."""

    def secrets() -> int:
        gc.collect()
        return sum(type(one) is Secret for one in gc.get_objects())

    with own_scheduler() as (address, kept), FleetState(tmp_path / "state", "x") as state:
        before = secrets()
        # So many that a task has several, a bad one among them.
        paths = [*repositories[:2], tmp_path / "gone", *repositories[2:]] * 3
        sources = [Source(f"{at}", path=str(one)) for at, one in enumerate(paths)]
        found = sweep(VALUES, sources, state, Cluster(scheduler=address))
        assert secrets() == before
    assert [len(one["hits"]) for one in found["repositories"]] == [1, 0, 0, 0, 1, 0] * 3
    assert [at for at, one in enumerate(found["repositories"]) if one["not_scanned"]] == [2, 8, 14]
    assert any(b"runbook-" in one for one in kept)
    assert not any(holds(one) for one in kept)
    names = [one for one in kept if one.startswith(b"('runbook-")]
    assert names
    assert not any(b"repositories/r" in one for one in names)


def test_what_a_cluster_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad addresses, certificates and counts are refused with a hint; so is plain tcp to another machine, unless an
    option says that the network is trusted."""
    for name in ("ca.pem", "cert.pem"):
        (tmp_path / name).write_text("x")
    for cluster in (
        Cluster(scheduler="host:8786"), Cluster(scheduler="ucx://host:1"), Cluster(scheduler="tcp://-x:1"),
        Cluster(scheduler="tls://host:1"), Cluster(scheduler="tcp://host:1", tls=str(tmp_path)),
        Cluster(scheduler="tls://host:1", tls=str(tmp_path)), Cluster(tls=str(tmp_path)), Cluster(workers=-1),
        Cluster(plain_tcp=True), Cluster(scheduler="tls://host:1", tls=str(tmp_path), plain_tcp=True),
    ):  # fmt: skip
        with pytest.raises(RunbookError) as refused:
            cluster.check()
        assert refused.value.hint
    for host in ("build.example", "10.0.0.7", "[2001:db8::1]", "127.example", "0.0.0.0"):
        with pytest.raises(RunbookError, match="nobody's identity") as open_network:
            Cluster(scheduler=f"tcp://{host}:8786").check()
        assert "--plain-tcp" in open_network.value.hint
        Cluster(scheduler=f"tcp://{host}:8786", plain_tcp=True).check()
    for host in ("127.0.0.1", "127.1.2.3", "localhost", "[::1]"):
        Cluster(scheduler=f"tcp://{host}:8786").check()
    monkeypatch.setattr(fleet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunbookError) as absent:
        Cluster().check()
    assert "runbook-tui[cluster]" in absent.value.hint


def test_a_scheduler_that_is_not_there(tmp_path: Path) -> None:
    """One line with a hint and 3, and what was done before stays."""
    with FleetState(tmp_path / "state", identity(VALUES, b"k")) as state:
        with pytest.raises(RunbookError, match="cannot be reached") as refused:
            sweep(VALUES, [Source("/x", path="/x")], state, Cluster(scheduler="tcp://127.0.0.1:9"))
        assert refused.value.exit_code == Exit.INCOMPLETE
    assert (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "Missing argument"),
        (["--workers", "2", "repo"], "--workers: it goes with --fleet"),
        (["--scheduler", "tcp://127.0.0.1:1", "repo"], "--scheduler: it goes with --fleet"),
        (["--plain-tcp", "repo"], "--plain-tcp: it goes with --fleet"),
        (["--fleet", "list", "--scheduler", "tcp://build.example:8786"], "proves nobody's identity"),
        (["--fleet", "list", "repo"], "not both"),
        (["--fleet", "list", "--rules-file", "x"], "--rules-file goes with --rules"),
        (["--fleet", "list", "--scheduler", "nowhere"], "--scheduler is no address"),
    ],
)
def test_options_that_do_not_go_together(given: list[str], said: str) -> None:
    """Promise: an option that would be without effect is refused, before a value is asked for."""
    done = subprocess.run(
        [sys.executable, "-m", "runbook_tui", "scan", *given], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == Exit.USAGE
    assert said in done.stderr
