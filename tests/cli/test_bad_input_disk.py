"""Promise: on a full, read-only or impossible disk nothing is half done, the reason is told, the record whole."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_input_kit import refused, whole

from journeys.journey_kit import Machine
from servers.disks import small
from servers.processes import plain_environment


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own (tmpfs, 24 MB) that a test may fill or make read-only."""
    with small(tmp_path / "disk", "24m") as folder:
        yield folder


@pytest.fixture
def there(disk: Path) -> Iterator[Machine]:
    """A machine whose home is on that disk, with one finished drill."""
    (disk / "here").mkdir()
    made = Machine(disk / "home", disk / "here", plain_environment())
    assert made.run("drill", "api-key-leaked", "--auto").returncode == 0
    yield made
    made.clean_up()


def _fill(disk: Path) -> Path:
    ballast = disk / "filled"
    with ballast.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            return ballast


def test_a_full_disk(there: Machine, disk: Path) -> None:
    """Nothing new begins, nothing is recorded by halves, all that was recorded can be read; with room it goes on."""
    incident = there.only_incident()
    filled = _fill(disk)
    refused(there.run("drill", "api-key-leaked"), 3)
    refused(there.run("drill", "api-key-leaked", "--auto", "--json"), 3)
    refused(there.run("run", "api-key-leaked", "--headless", "--vault=session", "--key-id=k", "--provider=stripe"), 3)
    refused(there.run("incident", "note", incident, "is it kept?"), 3, "disk")
    refused(there.run("report", incident, "--output", str(disk / "report.md")), 2, "No space left")
    refused(there.run("init", str(disk / "workspace")), 2, "No space left")
    refused(there.run("playbook", "new", "ours"), 2, "No space left")
    assert there.run("doctor").returncode == 1
    assert "is it kept?" not in there.run("incident", "show", incident).stdout
    assert [path.name for path in there.incidents.iterdir()] == [incident]
    whole(there)
    filled.unlink()
    assert there.run("incident", "note", incident, "now it is").returncode == 0
    assert there.run("drill", "api-key-leaked", "--auto").returncode == 0
    whole(there)


def test_a_read_only_disk(there: Machine, disk: Path) -> None:
    """Everything can be read; whatever writes says that it cannot, and why."""
    incident = there.only_incident()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for command in ("incident list", "incident show", "report"):
        assert there.run(*command.split(), *([incident] if "list" not in command else [])).returncode == 0
    whole(there)
    refused(there.run("incident", "note", incident, "x"), 3)
    refused(there.run("drill", "api-key-leaked", "--auto"), 3)
    refused(there.run("run", "api-key-leaked", "--headless", "--vault=session", "--key-id=k", "--provider=stripe"), 3)
    refused(there.run("report", incident, "--output", "report.md"), 2, "Read-only")
    refused(there.run("playbook", "new", "ours"), 2, "Read-only")


def test_a_home_that_is_a_file(machine: Machine) -> None:
    """RUNBOOK_HOME that can be no folder: told with the variable to set, by every command that needs it."""
    machine.home.write_text("a file\n")
    for command in ("incident list", "resume", "drill api-key-leaked", "drill api-key-leaked --auto", "report x"):
        refused(machine.run(*command.split()), 2, "set RUNBOOK_HOME")
    for command in ("credential list", "scan . --credential x", "run api-key-leaked --headless --input leaked=x"):
        refused(machine.run(*command.split()), 2)
    assert machine.run("playbook", "list").returncode == 0


def test_an_env_file_on_a_full_disk(there: Machine, disk: Path) -> None:
    """A consumer's file that cannot be written keeps its old content, whole; the step fails and says why."""
    from runbook_tui.conductor.consumers import deploy
    from runbook_tui.foundation.inventory import Consumer
    from runbook_tui.secrets.secret import Secret
    from runbook_tui.secrets.vault import Binding, Credential

    target = disk / "shop.env"
    target.write_text("# settings\nKEY=old-fake-value\nPORT=1\n")
    before, sent = target.read_bytes(), []
    consumer = Consumer("shop", "env-file", path=str(target), variable="KEY")
    new = Credential("new", Secret("new-fake-value-" + "x" * 6000), Binding("stripe", {}))
    filled = _fill(disk)
    told = deploy(None, consumer, new, "op", lambda: sent.append(1))  # type: ignore[arg-type]
    assert (told["result"], sent) == ("rejected", [1])
    assert "No space left" in told["reason"]
    assert target.read_bytes() == before
    filled.unlink()
    assert deploy(None, consumer, new, "op", lambda: None)["result"] == "done"  # type: ignore[arg-type]
    assert sorted(path.name for path in disk.iterdir()) == ["here", "home", "shop.env"]
    assert target.stat().st_mode & 0o777 == 0o600
