"""What a purge does to the story: nothing that was done is forgotten, and every report still tells it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from report_story import BOOK, START, Story, whole

from runbook_tui.conductor.purging import entries
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.board import sentence
from runbook_tui.incident.events import KINDS, Event
from runbook_tui.incident.purge import PURGED, _done, check, holding, named, without_purged
from runbook_tui.incident.state import fold
from runbook_tui.report.exports import document, timeline_csv
from runbook_tui.secrets.redaction import Redactor
from runbook_tui.secrets.secret import Secret

CANARY = "canary-9Zx4Qw7Lm2Kp"
_NO_EFFECT = frozenset({"purged"})


def after(story: Story, found: list[dict]) -> Story:
    story.add("purged", events=found, reason="pasted by mistake", actor="kim")
    story.events = without_purged(story.events)
    return story


def told(story: Story) -> str:
    """Every view of a record: reports and screen."""
    state, now = fold(story.events), START + timedelta(hours=1)
    shown = [story.report(), story.report(public=True), timeline_csv(story.events)]
    shown.append(json.dumps(document(BOOK, state, story.events, tool="t", now=now)))
    return "\n".join([*shown, *map(sentence, story.events)])


def real_events(t: str) -> Story:
    story = whole(t)
    story.events = [event for event in story.events if event.kind not in _NO_EFFECT]
    for number, event in enumerate(story.events, 1):  # numbered anew
        story.events[number - 1] = Event(
            number, event.ts, event.mono_ns, event.boot_id, "alice", event.kind, event.data
        )
    return story


def test_a_secret_in_every_field_of_every_kind_can_be_purged() -> None:
    """Promise: --matching masks the secret wherever it stands, in every kind of event; no view shows it afterwards, and
    what is known to be done stays the same."""
    story = real_events(f"it was {CANARY}, they said")
    before = fold(story.events)
    found = entries(story.events, (), Secret(CANARY))
    kinds = {event.kind for event in story.events for one in found if one["seq"] == event.seq}
    assert kinds >= set(KINDS) - {"clock_step", "sending", "resumed", "purged", "step_acted", "learned"}
    after(story, found)
    assert CANARY not in told(story)
    assert _done(fold(story.events)) == _done(before)
    assert "Event 1: data purged by kim" in story.report()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - _NO_EFFECT))
def test_an_event_of_any_kind_can_be_purged_by_its_number(kind: str) -> None:
    """Promise: a purge by number masks an event's free text; what was done is still told, and every view works."""
    story = real_events("a long enough text")
    seqs = [event.seq for event in story.events if event.kind == kind]
    before = fold(story.events)
    found = named(story.events, seqs)
    check(story.events, found)
    after(story, found)
    assert _done(fold(story.events)) == _done(before)
    assert told(story)
    if kind in ("note", "waiver", "attested", "tripwire", "facts", "cleared", "step_skipped", "closed", "recorded"):
        for seq in seqs:
            data = story.events[seq - 1].data
            said = [data.get(name) for name in ("text", "reason", "what", "name", "attached")]
            assert "a long enough text" not in str([*said, *data.get("values", {}).values()])
        assert PURGED in str(story.events[seqs[0] - 1].data)


def test_times_survive() -> None:
    """Promise: stated times are not taken for secrets: the report's numbers stay."""
    story = real_events("x")
    measures = story.report().split("## 2.", 1)[1].split("## 3.", 1)[0]
    seqs = [event.seq for event in story.events if event.kind == "facts"]
    after(story, named(story.events, seqs))
    assert story.report().split("## 2.", 1)[1].split("## 3.", 1)[0] == measures


def test_what_would_forget_something_done_is_refused() -> None:
    """Promise: nothing that tells what was done can be purged away, by whatever name it stands there."""
    story = real_events("x")
    redactor = Redactor()
    redactor.add(Secret("leaked-slot"), "purged")
    with pytest.raises(RunbookError, match="no event 900"):
        named(story.events, [900])
    lost = [{"seq": event.seq, "data": {}} for event in story.events if event.kind == "outcome"]
    with pytest.raises(RunbookError, match="what was done"):
        check(story.events, lost)
    # A name that is masked everywhere still tells which is which.
    check(story.events, holding(story.events, redactor.data))


def test_a_purged_event_is_not_purged_again() -> None:
    """Promise: the refusal says where what stands for it is."""
    story = Story().add("opened", incident="i", mode="live", title="t", target=300).add("note", text="one", at="")
    after(story, named(story.events, [2]))
    with pytest.raises(RunbookError, match=r"event 2: data purged by kim .* \(event 3\)") as refused:
        named(story.events, [2])
    assert "event 3" in refused.value.hint
    assert holding(story.events, lambda data: data) == []
    with pytest.raises(RunbookError, match="no event holds it"):
        entries(story.events, (), Secret(CANARY))


def test_a_name_cannot_be_purged() -> None:
    """Promise: who wrote an event is part of the chain; a secret there is told, and nothing half done."""
    story = Story().add("opened", incident="i", mode="live", title="t", target=300)
    story.add("note", text="x", at="", actor=f"{CANARY}")
    with pytest.raises(RunbookError, match="in the name of who wrote event 2"):
        entries(story.events, (), Secret(CANARY))
