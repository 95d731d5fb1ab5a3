"""Folding a whole record in one go and applying its events one by one are the same thing."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_tui.incident.events import KINDS, Event
from runbook_tui.incident.state import IncidentState, apply, fold

# Few names, so that events meet: the same slot, step, item or attempt comes again.
SLOT, STEP, ITEM, OP = (st.sampled_from(names) for names in (["a", "b"], ["s", "t"], ["", "x", "y"], ["1", "2", "3"]))
SIDE, WHO, WHY = st.sampled_from(["old", "new"]), st.sampled_from(["ann", "ben"]), st.sampled_from(["", "why"])
PROOF = st.sampled_from(["refused", "listed", "none"])
EVIDENCE = st.sampled_from([{}, None, {"milliseconds": 80}, {"milliseconds": "80"}, {"milliseconds": -1}])
VALUES = st.dictionaries(st.sampled_from(["x", "y", "evidence"]), EVIDENCE, max_size=3)


def shape(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: one if isinstance(one, st.SearchStrategy) else st.just(one)
                                  for name, one in fields.items()})  # fmt: skip


FINDING = st.sampled_from(["", "fp:1", "fp:2"])
FOUND = shape(credential=FINDING, rule="r", title="a key", provider=st.sampled_from([None, "stripe"]), mask="k…",
              traced=st.booleans(), places=st.integers(0, 3))  # fmt: skip
DATA: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "opened": shape(incident="inc", mode="drill", title="t", target=300, commander=WHO),
    "driver": shape(name=WHO, took_over=False),
    "closed": shape(state=st.sampled_from(["contained", "abandoned"]), reason=WHY),
    "input": shape(name=ITEM, value=st.integers(0, 3)),
    "subject": shape(
        slot=SLOT, kind="credential", name="k", key_id=ITEM, attributes={"p": "q"}, unknown_field=1, finding=FINDING
    ),
    "scan": shape(step=STEP, result=st.sampled_from([{}, {"findings": [], "findings_left": 2}])
                  | shape(findings=st.lists(FOUND, max_size=2), findings_left=st.integers(0, 3))),
    "learned": shape(slot=SLOT, key_id=ITEM, attributes=st.dictionaries(ITEM, WHO, max_size=2)),
    "consumer": shape(id=ITEM, kind="env-file", title="t", credential=SLOT, where="w", proof="health"),
    "consumer_state": shape(
        consumer=ITEM, stage=st.sampled_from(["stored", "loaded", "used", "failed"]), proof=PROOF, reason=WHY
    ),
    "facts": shape(values=st.dictionaries(st.sampled_from(["used_by_others", "power"]), WHO, max_size=2)),
    "decision": shape(order=WHO, rule=WHY),
    "tripwire": shape(reason=WHY),
    "step_started": shape(step=STEP, answers={}, attempt=1),
    "step_acted": shape(step=STEP, reason=WHY),
    "step_done": shape(step=STEP, reason=WHY),
    "step_failed": shape(step=STEP, status=st.sampled_from(["failed", "unknown"]), reason=WHY, manual=["by hand"]),
    "step_waiting": shape(step=STEP, until="2026-01-01T00:00:00Z", reason=WHY),
    "step_skipped": shape(step=STEP, reason=WHY),
    "step_reopened": shape(step=STEP, reason=WHY),
    "recorded": shape(step=STEP, item=ITEM, subject=SLOT, values=VALUES),
    "intent": shape(
        op=OP, step=STEP, item=ITEM, operation=st.sampled_from(["revoke", "rollout"]), subject=SLOT, what="w"
    ),
    "sending": shape(op=OP),
    "outcome": shape(op=OP, result=st.sampled_from(["done", "rejected", "not_sent", "unknown"]), reason=WHY),
    "cleared": shape(**{"op": OP, "as": st.sampled_from(["done", "not_done"]), "reason": WHY}),
    "new_credential": shape(slot=SLOT, op=OP, name="k2", key_id=ITEM, fingerprint="fp:1", mask="k…"),
    "verification": shape(
        slot=SLOT, side=SIDE, verdict=st.sampled_from(["dead", "alive", "undetermined"]), proof=PROOF, reason=WHY,
        evidence=EVIDENCE,
    ),
    "attested": shape(slot=SLOT, side=SIDE, by=WHO, what=WHY),
    "waiver": shape(line=st.sampled_from(["new:a", "new:b", "consumer:x", "old:a"]), name=WHO, reason=WHY),
    "note": shape(text="n", at=""),
    "exported": shape(path=WHO),
}  # fmt: skip
# These say something to the reader and change no state.
DATA |= {kind: st.just({}) for kind in ("resumed", "clock_step", "deliveries", "audit", "purged")}


@st.composite
def records(draw: st.DrawFn) -> list[Event]:
    kinds = draw(st.lists(st.sampled_from(sorted(DATA)), max_size=60))
    found = []
    for seq, kind in enumerate(kinds, 1):
        ts = f"2026-01-01T00:{seq // 60:02d}:{seq % 60:02d}.000000Z"
        found.append(Event(seq, ts, seq, "boot", "ann", kind, draw(DATA[kind])))
    return found


def test_every_kind_is_drawn() -> None:
    """A kind that is added to `KINDS` has to be drawn here too."""
    assert set(DATA) >= set(KINDS)


@settings(max_examples=300, deadline=None)
@given(record=records())
def test_fold_is_apply_one_by_one(record: list[Event]) -> None:
    """Promise: the state does not depend on whether a record was read at once or watched event by event."""
    before = deepcopy([event.data for event in record])
    state = IncidentState()
    steps = [state := apply(state, event) for event in record]
    assert fold(record) == state
    for at in {0, len(record) // 2, len(record)}:
        assert fold(record[at:], steps[at - 1] if at else None) == state
    assert [event.data for event in record] == before


@settings(max_examples=100, deadline=None)
@given(record=records())
def test_a_state_once_given_never_changes(record: list[Event]) -> None:
    """Promise: a state is a value; folding on from it leaves it as it was."""
    half = len(record) // 2
    state = fold(record[:half])
    known = deepcopy(state)
    fold(record[half:], state)
    for event in record[half:]:
        apply(state, event)
    assert state == known
