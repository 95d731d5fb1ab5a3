"""What a lost answer means is judged by the clock that nobody can set, and an account is gone only by a proof."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from incident_world import START, Vendor, World, member_book

from runbook_tui.incident import effects as do


@dataclass
class SetClock(World):
    """At the first look somebody sets the wall clock."""

    by: timedelta = timedelta()
    wrong: timedelta = timedelta()

    def _probe(self, effect: do.Probe) -> dict[str, Any]:
        if not self.wrong:
            self.wrong = self.by
            self.now += self.by
            for slot in self.vendor.dead_at:
                self.vendor.dead_at[slot] += self.by  # the vendor's clock is not ours
        return super()._probe(effect)

    def _steady(self, effect: do.Steady) -> tuple[str, float]:
        return "boot", (self.now - self.wrong - START).total_seconds()


@pytest.mark.parametrize("hours", [-2, 2])
def test_setting_the_wall_clock_settles_nothing(hours: int) -> None:
    """Promise: a clock that is set while a lost answer is looked into never makes the call be sent again."""
    world = SetClock(vendor=Vendor(settle=900.0, delay=600.0), calls=["lost"], by=timedelta(hours=hours)).open()
    for name in ("declare", "capture", "decide"):
        world.record("step_done", {"step": name})
    world.record("decision", {"order": "replace_first", "rule": "O6"})
    for _ in range(20):
        if world.run("revoke").status == "done":
            break
        assert [op.cleared for op in world.state.operations.values()] == [""]
        world.now += timedelta(seconds=120)
    assert [op.cleared for op in world.state.operations.values()] == ["done"]
    assert len(world.vendor.executed) == 1


def test_an_account_is_not_gone_without_a_proof() -> None:
    """Promise: an answer that proves nothing does not end a membership, whatever it says."""
    world = World(book=member_book(), probe_reply={"state": "dead", "proof": "none"}).open_member(2)
    for name in ("capture", "sole-owner"):
        world.record("step_done", {"step": name})
    assert world.run("remove").status == "undetermined"
