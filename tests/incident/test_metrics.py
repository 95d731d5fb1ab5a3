"""The numbers of an incident: the worked example, ranges, grades, and the rule that nothing is guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runbook_tui.foundation.clock import iso
from runbook_tui.incident.events import Event
from runbook_tui.incident.metrics import Measures, measure
from runbook_tui.playbook.model import Playbook, Step

DAY = datetime(2025, 11, 20, tzinfo=UTC)


class Log:
    """Events at stated times of one day."""

    def __init__(self, boot: str = "b1") -> None:
        self.events: list[Event] = []
        self.boot = boot

    def at(self, clock: str, kind: str, /, **data: Any) -> Log:
        hours, minutes, seconds = map(int, clock.split(":"))
        since = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        mono = int(since.total_seconds() * 1e9)
        self.events.append(Event(len(self.events) + 1, iso(DAY + since), mono, self.boot, "op", kind, data))
        return self

    def opened(self, clock: str = "9:13:10") -> Log:
        return self.at(clock, "opened", incident="inc-1", mode="live", title="t", target=300)

    def credential(self, slot: str = "leaked", **more: Any) -> Log:
        fields = {"slot": slot, "kind": "credential", "name": f"{slot}-key", "overlap": "parallel", **more}
        return self.at("9:13:11", "subject", **fields)

    def dead(self, clock: str, slot: str = "leaked", proof: str = "refused", verdict: str = "dead") -> Log:
        data = {"step": "prove", "slot": slot, "side": "old", "verdict": verdict, "proof": proof, "reason": ""}
        return self.at(clock, "verification", **data)

    def measured(self, book: Playbook | None = None) -> Measures:
        return measure(book, self.events)


def example() -> Log:
    log = Log().opened().credential()
    facts = {
        "exposed_since": "2025-11-20T08:40:00Z",
        "exposed_latest": "2025-11-20T09:02:11Z",
        "detected_at": "2025-11-20T09:12:30Z",
    }
    log.at("9:13:30", "facts", values=facts)
    log.at("9:14:01", "intent", op="1", step="restrict", operation="restrict", subject="leaked", what="restrict it")
    log.at("9:14:02", "sending", op="1").at("9:14:03", "outcome", op="1", result="done")
    log.at("9:17:00", "new_credential", slot="leaked", name="leaked-2", key_id="k2")
    log.at("9:17:05", "verification", slot="leaked", side="new", verdict="alive", proof="none", step="create")
    log.at("9:21:09", "intent", op="2", step="revoke", operation="revoke", subject="leaked", what="revoke it")
    log.at("9:21:10", "sending", op="2").at("9:21:15", "outcome", op="2", result="done")
    log.dead("9:21:20", verdict="alive", proof="none").dead("9:21:40")
    return log


def test_the_worked_example() -> None:
    """Promise: the formulas give the published worked example, ranges included."""
    measured = example().measured()
    seconds = {figure.id: figure.seconds for figure in measured.figures}
    assert seconds["exposure"] == (19 * 60 + 29, 41 * 60 + 40)
    assert seconds["detect"] == (10 * 60 + 19, 32 * 60 + 30)
    assert seconds["acknowledge"] == (40, 40)
    assert seconds["first_action"] == (52, 52)
    assert seconds["contain"] == (550, 550)
    assert seconds["contain_from_ack"] == (510, 510)
    assert seconds["overlap:leaked"] == (275, 275)
    assert seconds["lag:leaked"] == (30, 30)
    assert measured.figure("contain").verdict() == measured.figure("contain_from_ack").verdict() == "missed"


def test_nothing_known_is_not_zero() -> None:
    """Promise: a missing anchor gives no value, and says what is missing."""
    measured = Log().opened().credential().measured()
    for name in ("exposure", "detect", "acknowledge", "contain", "roll_out", "eradicate", "recover", "dwell"):
        figure = measured.figure(name)
        assert figure.seconds is None, name
        assert "missing" in figure.how, name
    assert measured.figure("contain").verdict() == "not determined"
    assert measure(None, []).anchors == {}


def test_contained_is_the_last_of_all() -> None:
    """Promise: contained needs every credential seen dead; one more affected key opens it again."""
    log = Log().opened().credential().credential("second").dead("9:15:00")
    assert "contained" not in log.measured().anchors
    assert log.measured().figure("dead").count == (1, 2)
    log.dead("9:16:10", "second")
    assert log.measured().figure("contain_from_ack").seconds == (180, 180)


def test_death_counts_from_the_first_sight_without_a_later_sign_of_life() -> None:
    """Promise: a later `alive` takes back a death; repeated proofs do not move it; a proof of grade none is none."""
    log = Log().opened().credential().dead("9:14:00", proof="none")
    assert log.measured().lives[0].dead is None
    log.dead("9:14:10").dead("9:14:20", verdict="alive").dead("9:15:10", proof="listed").dead("9:16:00")
    assert log.measured().figure("contain_from_ack").seconds == (120, 120)
    assert log.measured().lives[0].proof == "listed"
    log.at("9:17:00", "verification", slot="leaked", side="old", verdict="undetermined", proof="none", step="x")
    assert log.measured().figure("contain_from_ack").seconds == (120, 120)


def test_no_earliest_bound() -> None:
    """Promise: without an earliest bound the longest exposure is not known, the shortest is."""
    log = Log().opened().credential().at("9:13:20", "facts", values={"detected_at": "2025-11-20T09:12:30Z"})
    log.dead("9:15:00")
    assert log.measured().figure("exposure").seconds == (150, None)
    assert log.measured().figure("contain").verdict() == "met"


def test_a_commit_is_a_weak_earliest_bound() -> None:
    """Promise: a scan's first commit bounds the exposure, unless it was never pushed."""
    for pushed, expected in ((True, (150, 5400)), (None, (150, 5400)), (False, (150, None))):
        log = Log().opened().credential().at("9:13:20", "facts", values={"detected_at": "2025-11-20T09:12:30Z"})
        found = {"credential": "leaked-key", "earliest": "2025-11-20T07:45:00Z", "latest": None, "pushed": pushed}
        log.at("9:14:00", "scan", step="search", result={"repositories": [], "credentials": [found]})
        log.dead("9:15:00")
        assert log.measured().figure("exposure").seconds == expected


def test_exposure_of_the_incident_is_a_union() -> None:
    """Promise: two keys exposed at once count once."""
    log = Log().opened().credential().credential("second")
    log.at("9:13:20", "facts", values={"exposed_since": "2025-11-20T09:00:00Z", "detected_at": "2025-11-20T09:10:00Z"})
    log.dead("9:15:00").dead("9:20:00", "second")
    assert log.measured().figure("exposure").seconds == (600, 1200)


def test_negative_durations_are_kept() -> None:
    """Promise: an outage gap (old dead before the new one lived) shows as a negative overlap."""
    log = Log().opened().credential().dead("9:15:00")
    log.at("9:16:00", "verification", slot="leaked", side="new", verdict="alive", proof="none", step="create")
    figure = log.measured().figure("overlap:leaked")
    assert figure.seconds == (-60, -60)
    assert figure.negative()


def test_durations_within_a_boot_ignore_the_wall_clock() -> None:
    """Promise: a stepped wall clock does not change a duration between two events of one boot."""
    log = Log().opened().credential().dead("9:15:10")
    event = log.events[-1]
    stepped = iso(DAY + timedelta(hours=4))
    log.events[-1] = Event(event.seq, stepped, event.mono_ns, event.boot_id, "op", event.kind, event.data)
    assert log.measured().figure("contain_from_ack").seconds == (120, 120)
    log.events[-1] = Event(event.seq, event.ts, 5, "another boot", "op", event.kind, event.data)
    assert log.measured().figure("contain_from_ack").seconds == (120, 120)


@pytest.mark.parametrize(
    ("items", "text", "seconds"),
    [
        ([], "none seen", None),
        ([{"time": "2025-11-20T09:00:00Z", "ours": True}], "none seen", None),
        ([{"time": "2025-11-20T09:00:00Z"}], "", None),
        ([{"time": "2025-11-20T09:05:00Z", "ours": False}, {"created": 1763629200, "ours": False}], "", (900, 900)),
    ],
)
def test_dwell(items: list[Any], text: str, seconds: Any) -> None:
    """Promise: dwell runs from the first entry that is not ours; `none seen` needs a log with every entry judged."""
    log = Log().opened().credential().dead("9:15:00")
    log.at("9:16:00", "audit", step="audit", since="", until="", items=items)
    figure = log.measured().figure("dwell")
    assert (figure.text, figure.seconds) == (text, seconds)


def test_roll_out_needs_every_consumer_used() -> None:
    """Promise: rolled out is the last consumer's proof; stored is not used."""
    log = Log().opened().credential()
    log.at("9:14:00", "verification", slot="leaked", side="new", verdict="alive", proof="none", step="create")
    for name in ("web", "cron"):
        log.at("9:14:01", "consumer", id=name, kind="env", title=name, credential="leaked", where="/x", proof="health")
    log.at("9:15:00", "consumer_state", consumer="web", stage="used", proof="health")
    log.at("9:15:01", "consumer_state", consumer="cron", stage="stored", proof="none")
    assert log.measured().figure("roll_out").seconds is None
    log.at("9:15:30", "consumer_state", consumer="cron", stage="used", proof="health")
    assert log.measured().figure("roll_out").seconds == (90, 90)
    assert log.measured().figure("live").count == (2, 2)


def test_steps_against_their_targets() -> None:
    """Promise: the hit rate counts finished steps that have a target; the hold time is shown beside."""
    book = Playbook("p", "P", 300, (Step("a", "audit", "A", target=30), Step("b", "search", "B", target=30)))
    log = Log().opened()
    log.at("9:14:00", "step_started", step="a").at("9:14:20", "step_done", step="a", reason="")
    log.at("9:15:00", "step_started", step="b")
    assert log.measured(book).figure("steps").count == (1, 1)
    log.at("9:15:10", "step_waiting", step="b", until="2025-11-20T09:20:00Z", reason="rate limit")
    log.at("9:16:10", "step_started", step="b").at("9:16:20", "step_done", step="b", reason="")
    measured = log.measured(book)
    assert measured.figure("steps").count == (1, 2)
    assert measured.figure("held").seconds == (60, 60)
    assert "eradicated" in measured.anchors


def test_the_document_is_json() -> None:
    """Promise: the figures go into `--json` as they are; null means not determined."""
    document = example().measured().document()
    assert document["contain"]["seconds"] == [550, 550]
    assert document["roll_out"]["seconds"] is None
