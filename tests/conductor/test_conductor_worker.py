"""A step that is at work settles itself: nobody starts it again behind its back, whatever the journal does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conductor_kit import Disk, Stand, refusal


class Held:
    """A worker that is there and has not come to anything yet."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.work, self.over = work, False

    def join(self, timeout: float | None = None) -> None:
        """The time is over at once."""

    def is_alive(self) -> bool:
        return not self.over

    def go_on(self) -> None:
        self.work()
        self.over = True


def test_a_journal_that_fails_meanwhile_does_not_start_a_step_twice(tmp_path: Path) -> None:
    """Promise: after a refused note the running step goes on; asking for it again neither ends nor repeats it."""
    stand, workers = Stand(tmp_path), []

    def start(name: str, work: Callable[[], None]) -> Held:
        workers.append(Held(name, work))
        return workers[-1]

    client = stand.open().client()
    stand.conductor._steps._start = start
    answers = {"exposure": "public", "used_by_others": "no", "power": "ordinary"}
    assert refusal(client, "run", step="declare", answers=answers) == ""
    assert isinstance(stand.journal, Disk)
    stand.journal.fails = lambda kind: kind == "note"  # type: ignore[method-assign]
    assert "not recorded" in refusal(client, "note", text="seen")
    stand.journal.fails = lambda kind: False  # type: ignore[method-assign]
    assert "declare is running" in refusal(client, "run", step="declare", answers=answers)
    assert "step_failed" not in stand.kinds()
    [worker] = workers
    worker.go_on()
    assert stand.conductor.state.step("declare").status == "done"
    assert stand.kinds().count("step_started") == 1
