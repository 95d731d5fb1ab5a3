"""What cannot be done here is refused before anything is sent, with the way by hand, and is written down later."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acme_vendor import Acme, secret
from journey_kit import RUNBOOK, Hands, Machine, PlainOperator, kinds, until

from runbook_tui.foundation.errors import RunbookError
from servers.disks import small
from servers.terminal import Terminal

pytestmark = pytest.mark.network
Make = Callable[..., Machine]
OpenTerminal = Callable[..., Terminal]
DOCS = "https://acme.example/docs"
AT = "2026-11-21T22:04:00Z"


def _stored(machine: Machine, acme: Acme, *, admin: bool) -> None:
    """A workspace that knows the leaked key, with or without somebody who may delete it."""
    named = ", admin: shop-admin" if admin else ""
    acme.workspace(machine.cwd, f"inventory: 1\ncredentials:\n  shop: {{provider: acme{named}}}\n")
    for name, value, key_id in (("shop", secret("Leaked"), "ak_leaked"), ("shop-admin", secret("Admin"), "ak_admin")):
        options = ("--provider=acme", f"--key-id={key_id}", f"--origin=api={acme.url}", "--value-stdin")
        added = machine.run("credential", "add", name, *options, stdin=value + "\n")
        assert added.returncode == 0, added.stderr


def _opened(machine: Machine) -> Hands:
    """A live run at containment: evidence of use is stated, the key is captured."""
    left = machine.run("run", "api-key-leaked", "--input", "leaked=shop", "--plain", stdin="leave\n")
    assert left.returncode == 3, left.stderr
    hands = Hands(machine)
    hands.client.request("tripwire", reason="seen in a log")
    assert hands.do("capture", **hands.seen("capture")) == "done"
    return hands


def _note(machine: Machine) -> None:
    """What was done by hand is written down afterwards, with the time at which it happened."""
    incident = machine.only_incident()
    noted = machine.run("incident", "note", incident, "deleted ak_leaked in the dashboard", "--at", AT)
    assert noted.returncode == 0, noted.stderr
    (note,) = [event for event in machine.events() if event["kind"] == "note"]
    assert note["data"]["at"].startswith("2026-11-21T22:04:00")
    assert machine.run("incident", "verify", incident).returncode == 0


def test_without_an_admin_credential(
    machine: Make, terminal: OpenTerminal, acme: Acme, gnome_keyring: dict[str, str]
) -> None:
    """The step asks for no call: it gives link and clicks, and a named person says what was seen."""
    here = machine(gnome_keyring)
    _stored(here, acme, admin=False)
    _opened(here)
    heard = list(acme.heard)
    operator = PlainOperator(terminal([*RUNBOOK, "resume", "--plain"], env=here.env, cwd=here.cwd))
    assert "leave?" in operator.waits_with()
    operator.answer("drive")
    operator.waits_with()
    operator.answer("run")
    asked = operator.waits_with()
    assert "no call for `revoke` here" in asked
    assert DOCS in operator.text()
    assert "Delete the key: ak_leaked" in operator.text()
    operator.answer("")
    assert acme.heard == heard
    _note(here)


def test_with_the_vendor_down(machine: Make, terminal: OpenTerminal, acme: Acme, gnome_keyring: dict[str, str]) -> None:
    """Nothing reached the vendor, which is provable and said; the way by hand stands below it; the run stays open."""
    here = machine(gnome_keyring)
    _stored(here, acme, admin=True)
    hands = _opened(here)
    hands.client.close()
    acme.stop()
    operator = PlainOperator(terminal([*RUNBOOK, "resume", "--plain"], env=here.env, cwd=here.cwd))
    operator.play({}, stop_at="Type  ")
    operator.answer("ak_leaked")
    assert "leave?" in operator.waits_with()
    assert f"by hand: {DOCS}" in operator.text()
    assert "by hand: Delete the key: ak_leaked." in operator.text()
    events = here.events()
    outcomes = [event["data"]["result"] for event in events if event["kind"] == "outcome"]
    assert outcomes == ["not_sent"]
    assert "cleared" not in kinds(events)
    operator.answer("leave")
    assert operator.terminal.wait_exit() == 3
    _note(here)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 16 MB: the journal keeps a reserve of 8."""
    with small(tmp_path / "disk", "16m") as folder:
        yield folder


def _fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(b"x" * 1024)
    assert os.statvfs(folder).f_bavail == 0
    return filler


def test_with_a_full_disk_nothing_is_done(
    small_disk: Path, tmp_path: Path, acme: Acme, gnome_keyring: dict[str, str]
) -> None:
    """No journal, no action: nothing is sent on a full disk, nor on a nearly full one; later the run goes on."""
    here = Machine(small_disk / "home", tmp_path, gnome_keyring)
    try:
        _stored(here, acme, admin=True)
        hands = _opened(here)
        heard = list(acme.heard)
        filler = _fill(small_disk)
        with pytest.raises(RunbookError, match="no journal, no action") as refused:
            hands.do("revoke-now", confirm="ak_leaked")
        assert DOCS in refused.value.hint
        assert "Delete the key: ak_leaked." in refused.value.hint
        assert "incident note --at" in refused.value.hint
        assert acme.heard == heard

        with filler.open("r+b") as half:
            half.truncate(half.seek(0, 2) - (4 << 20))
        assert hands.do("revoke-now", confirm="ak_leaked") == "failed"
        one = hands.client.state.step("revoke-now")
        assert "no changing call may begin" in one.reason
        assert DOCS in one.manual
        assert acme.heard == heard

        filler.unlink()
        assert hands.do("revoke-now", confirm="ak_leaked") == "done"
        assert acme.heard.count("DELETE /keys/ak_leaked") == 1
        _note(here)
    finally:
        conductor = here.conductor()
        here.clean_up()
        until(lambda: not here.conductor(), f"conductor {conductor} does not end")


def test_with_a_read_only_folder_no_run_opens(
    small_disk: Path, tmp_path: Path, acme: Acme, gnome_keyring: dict[str, str]
) -> None:
    """One line that says what to do, exit code 2 or 3, nothing sent."""
    here = Machine(small_disk / "home", tmp_path, gnome_keyring)
    _stored(here, acme, admin=True)
    heard = list(acme.heard)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = here.run("run", "api-key-leaked", "--input", "leaked=shop", "--plain", stdin="run\n")
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr
    assert "Read-only file system" in done.stderr
    assert "hint: " in done.stderr
    assert acme.heard == heard
