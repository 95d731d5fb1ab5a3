"""Promise: an observer says acted, not acted, or that nobody can tell; it is bounded and keeps nothing but a number."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from endpoint_server import Endpoint, answer

from runbook_tui.foundation.clock import FakeClock, RealClock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Network
from runbook_tui.webhooks import observer_log
from runbook_tui.webhooks.observer import Sight, UrlObserver, Watch, found_in
from runbook_tui.webhooks.observer_command import CommandObserver
from runbook_tui.webhooks.observer_log import LogObserver

MARKER = "irtest_run7_p1"


def script(folder: Path, text: str) -> str:
    """A program of the operator's: a shell script with its own first line, so that no shell of ours runs."""
    path = folder / "look up.sh"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o700)
    return f"'{path}'"


@pytest.mark.parametrize(
    ("text", "seen", "count"),
    [
        ("", False, 0),
        ("nothing here\n", False, 0),
        (f"{MARKER}\n", True, 1),
        (f"got {MARKER}.\nagain {MARKER}\n", True, 2),
        (f'{{"id":"{MARKER}"}},{{"id":"{MARKER}"}}', True, None),
        (f"{MARKER}0 x{MARKER} {MARKER}_b {MARKER}-c\n", False, 0),
        (f" {MARKER} |     2\n(1 row)\n", True, 2),
        (f"{MARKER}|0\n", False, 0),
        (f'"{MARKER}": 3}}\n', True, 3),
        (f"{MARKER}\t1\n", True, 1),
        (f"POST /hook {MARKER} 200\n", True, 1),
        (f"{MARKER}: 12 ms\n", True, 1),
    ],
)
def test_what_a_text_says(text: str, seen: bool, count: int | None) -> None:
    """Whole markers only; a number behind the marker that ends the line is how often, and 0 is not at all."""
    sight = found_in(text.encode(), MARKER)
    assert (sight.seen, sight.count) == (seen, count)


def test_a_command_gets_the_marker_last_or_where_it_is_wanted(tmp_path: Path) -> None:
    last = CommandObserver(script(tmp_path, 'printf "%s\\n" "$#" "$2"\n') + " 'one word'")
    assert last.look(MARKER) == Sight(True, 1)
    within = CommandObserver(script(tmp_path, 'test $# = 1 && printf "%s\\n" "$1"\n') + " id={marker}")
    assert within.look(MARKER) == Sight(True, 1)


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    made = tmp_path / "made"
    observer = CommandObserver(f"echo ; touch {made} $(touch {made}) > {made}")
    assert observer.look(MARKER).seen is True
    assert not made.exists()


def test_the_environment_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "hidden-value")
    seen = tmp_path / "environment"
    CommandObserver(script(tmp_path, f"env > '{seen}'\n")).look(MARKER)
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert names <= {"HOME", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER", "LC_ALL", "PWD", "SHLVL", "_", "OLDPWD"}


@pytest.mark.parametrize(
    ("text", "sight"),
    [
        ("exit 1", Sight(False, 0)),
        ("echo no database >&2; exit 1", Sight(None, None, "the observer's command ended with 1")),
        ("exit 2", Sight(None, None, "the observer's command ended with 2")),
        ('echo "$1"; exit 3', Sight(True, None, "the observer's command ended with 3")),
        ("kill -9 $$", Sight(None, None, "the observer's command ended with -9")),
        ("echo warning >&2", Sight(False, 0)),
    ],
)
def test_a_command_that_failed_tells_nothing(tmp_path: Path, text: str, sight: Sight) -> None:
    """Else a database that is down would prove that nothing was acted on. Exit 1 without a word is grep's "no"."""
    assert CommandObserver(script(tmp_path, text)).look(MARKER) == sight


def test_a_command_is_bounded_in_seconds(tmp_path: Path) -> None:
    """A child that keeps the pipe open is ended too."""
    number = tmp_path / "number"
    observer = CommandObserver(script(tmp_path, f"sleep 600 & echo $! > '{number}'; echo $1\n"), seconds=0.5)
    sight = observer.look(MARKER)
    assert (sight.seen, sight.count) == (True, None)
    hangs = CommandObserver(script(tmp_path, f"echo $$ > '{number}.b'; sleep 600\n"), seconds=0.5)
    assert hangs.look(MARKER).seen is None
    for name in ("number", "number.b"):
        pid = int((tmp_path / name).read_text())
        assert _gone(pid)


def _gone(pid: int) -> bool:
    """Killed: no such process, or one that only waits to be reaped by whoever took it over."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_command_is_bounded_in_bytes(tmp_path: Path) -> None:
    sight = CommandObserver("yes").look(MARKER)
    assert sight == Sight(True, None, "the observer's command did not end in time, or printed too much")
    assert CommandObserver(script(tmp_path, "exec yes")).look(MARKER).seen is None


@pytest.mark.parametrize("command", ["", "  ", "grep 'open", "no-such-program-anywhere x", "{marker} x"])
def test_a_command_that_cannot_be_run_is_told_before_the_bench(command: str) -> None:
    with pytest.raises(RunbookError):
        CommandObserver(command)


@pytest.mark.parametrize(
    ("path", "reply", "seen"),
    [
        ("/seen?id={marker}", answer(200, MARKER.encode()), True),
        ("/seen?id={marker}", answer(200, b"[]"), False),
        ("/seen/{marker}", answer(404, MARKER.encode()), False),
        ("/seen?id={marker}", answer(404), None),
        ("/seen", answer(200, f"a\n{MARKER}: 0\n".encode()), False),
        ("/seen", answer(302, location="http://127.0.0.1:1/"), None),
        ("/seen", answer(500, MARKER.encode()), None),
        ("/seen", answer(200, b"x" * 10_000_000), None),
        ("/seen", b"HTTP/1.1 200 OK\r\nContent-", None),
    ],
)
def test_a_url_is_asked_for_the_marker(path: str, reply: bytes, seen: bool | None) -> None:
    """Only a 2xx answer is believed, and 404 when the marker is in the path."""
    with Endpoint(plain=reply) as endpoint:
        observer = UrlObserver(f"http://127.0.0.1:{endpoint.port}{path}", Network())
        assert observer.look(MARKER).seen is seen
    assert endpoint.seen == [f"GET {path.replace('{marker}', MARKER)} HTTP/1.1".encode()]


@pytest.mark.parametrize("url", ["http://seen.example/{marker}", "https://{marker}.example/", "nonsense", "file:///x"])
def test_a_url_that_may_not_be_asked_is_told_before_the_bench(url: str) -> None:
    with pytest.raises(RunbookError):
        UrlObserver(url, Network())


def test_a_url_that_gives_no_answer_tells_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sight = UrlObserver(f"http://127.0.0.1:{port}/x?key=hidden-value", Network()).look(MARKER)
    assert sight.seen is None
    assert "hidden-value" not in sight.why


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Path, LogObserver]]:
    path = tmp_path / "app.log"
    path.write_text(f"before {MARKER}\n")
    observer = LogObserver(path)
    yield path, observer
    observer.close()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_a_log_is_searched_from_where_it_ended(log: tuple[Path, LogObserver]) -> None:
    """What stood there before says nothing about this run."""
    path, observer = log
    assert observer.look(MARKER) == Sight(False, 0)
    append(path, f"acted on {MARKER}\n{MARKER}0\n")
    assert observer.look(MARKER) == Sight(True, 1)
    append(path, f"acted on {MARKER} {MARKER}")
    assert observer.look(MARKER) == Sight(True, 2)


@pytest.mark.parametrize("removed", [False, True])
def test_a_log_that_is_renamed_or_removed_loses_nothing(log: tuple[Path, LogObserver], removed: bool) -> None:
    path, observer = log
    append(path, f"one {MARKER}\n")
    if removed:
        path.unlink()
    else:
        path.rename(path.with_suffix(".1"))
    assert observer.look(MARKER) == Sight(True, 1)
    path.write_text(f"two {MARKER}\n")
    assert observer.look(MARKER) == Sight(True, 2)
    append(path, f"three {MARKER}\n")
    assert observer.look(MARKER) == Sight(True, 3)


def test_a_link_to_todays_log_is_followed(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_text("")
    (tmp_path / "log.2").write_text(f"{MARKER}\n")
    link = tmp_path / "current"
    link.symlink_to("log.1")
    observer = LogObserver(link)
    assert observer.look(MARKER).seen is False
    link.unlink()
    link.symlink_to("log.2")
    assert observer.look(MARKER).seen is True
    observer.close()


@pytest.mark.parametrize("after", ["", "short\n", "more bytes than there were before it was cut\n" * 9])
def test_a_log_that_was_cut_is_not_known_to_lack_the_marker(log: tuple[Path, LogObserver], after: str) -> None:
    """copytruncate: what was written and cut between two looks is gone; also when the log has outgrown its old size."""
    path, observer = log
    append(path, f"{MARKER}\n")
    path.write_text(after)
    assert observer.look(MARKER).seen is None
    append(path, f"{MARKER}\n")
    assert observer.look(MARKER) == Sight(True, None)


def test_a_log_without_end_is_bounded(log: tuple[Path, LogObserver], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer_log, "_BYTES", 10_000)
    path, observer = log
    append(path, "x\n" * 6_000)
    assert "grew" in observer.look(MARKER).why
    append(path, f"{MARKER}\n")
    assert observer.look(MARKER).seen is None


@pytest.mark.parametrize("at", range(0, 3000, 53))
def test_a_marker_is_found_wherever_a_chunk_ends(
    log: tuple[Path, LogObserver], monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(observer_log, "_CHUNK", 1000)
    path, observer = log
    append(path, "x" * at + f" {MARKER} " + "y" * (4000 - at) + f"\n{MARKER}\n")
    assert observer.look(MARKER).seen is True
    assert observer.look(MARKER[:-1] + "9").seen is False


def test_what_is_no_log_is_told_before_the_bench(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("absent", "pipe", "."):
        with pytest.raises(RunbookError):
            LogObserver(tmp_path / name)


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_an_observer_closes_what_it_opened(log: tuple[Path, LogObserver]) -> None:
    path, observer = log
    gc.collect()
    before = _open_files()
    path.rename(path.with_suffix(".1"))
    path.write_text("")
    observer.look(MARKER)
    observer.close()
    assert _open_files() == before - 1
    assert observer.look(MARKER).seen is None


class Scripted:
    """An observer of which each look says the next thing; the last one is said for ever."""

    kind = "test"

    def __init__(self, *sights: Sight) -> None:
        self.sights = list(sights)
        self.looks = 0

    def look(self, marker: str) -> Sight:
        self.looks += 1
        return self.sights.pop(0) if len(self.sights) > 1 else self.sights[0]

    def close(self) -> None:
        self.looks = -1


NO, YES, TWICE, UNKNOWN = Sight(False, 0), Sight(True, 1), Sight(True, 2), Sight(None, why="down")


@pytest.mark.parametrize(
    ("sights", "acted", "looks"),
    [
        ((YES,), True, 1),
        ((NO, NO, YES), True, 3),
        ((NO,), False, 11),
        ((UNKNOWN, YES), True, 2),
        ((UNKNOWN,), None, 11),
    ],
)
def test_waiting_is_bounded_on_the_given_clock(sights: tuple[Sight, ...], acted: bool | None, looks: int) -> None:
    """Late effects are waited for; "not acted" is said after the whole wait, and "unknown" stays unknown."""
    observer = Scripted(*sights)
    assert Watch(observer, FakeClock()).acted(MARKER) is acted
    assert observer.looks == looks


def test_counting_waits_for_the_second_time() -> None:
    """ "Acted exactly once" must not be said of the first of two."""
    assert Watch(Scripted(YES, TWICE), FakeClock()).count(MARKER, wait=2) == 2
    assert Watch(Scripted(YES, TWICE), FakeClock()).count(MARKER) == 1
    assert Watch(Scripted(UNKNOWN), FakeClock()).count(MARKER) is None


def test_many_markers_share_one_wait() -> None:
    clock = FakeClock()
    found = Watch(Scripted(NO), clock).acted_all([f"{MARKER}_{n}" for n in range(20)])
    assert set(found.values()) == {False}
    assert clock.mono_ns() == 5_000_000_000
    assert Watch(Scripted(YES), clock).acted_all([MARKER]) == {MARKER: True}
    assert clock.mono_ns() == 5_000_000_000


def test_an_observer_that_is_down_is_not_asked_for_each_marker() -> None:
    """Each look may take ten seconds: fifty of them would hold up a bench that is done."""
    clock = FakeClock()

    class Down(Scripted):
        def look(self, marker: str) -> Sight:
            clock.sleep(10)
            return super().look(marker)

    observer = Down(UNKNOWN)
    found = Watch(observer, clock).acted_all([f"{MARKER}_{n}" for n in range(50)])
    assert (set(found.values()), len(found), observer.looks) == ({None}, 50, 3)


@pytest.mark.parametrize("marker", ["", "short", "-rf_everything", "a b c d e f", "../../etc", "x" * 129, "marker\n1"])
def test_only_a_marker_becomes_an_argument(marker: str) -> None:
    with pytest.raises(ValueError):
        Watch(Scripted(NO), FakeClock()).acted(marker)


def test_a_real_log_is_watched_while_it_is_written(log: tuple[Path, LogObserver]) -> None:
    """The effect comes from another thread while the watch waits."""
    path, observer = log
    timer = threading.Timer(0.2, append, (path, f"{MARKER}\n"))
    timer.start()
    assert Watch(observer, RealClock(), wait=20, every=0.05).acted(MARKER) is True
    timer.join()
