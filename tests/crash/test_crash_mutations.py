"""The simulator sees what it is there for: faults planted into the product's code are found within a few seeds."""

from __future__ import annotations

import pytest
from simulator_mutations import MUTATIONS
from simulator_world import simulate

_PATIENCE = 8_000  # seeds

# What the violation has to speak of.
_SEEN = {
    "intent_not_synced": "has no intent in the record",
    "sending_after_the_send": "is sent, and that is not in the record",
    "unknown_not_sticky": "is unknown and does not count as such",
    "no_settle_time": "was executed, and a proof says that it was not",
    "settled_by_the_wall_clock": "was executed, and a proof says that it was not",
    "retry_on_timeout": "sent twice",
    "claim_not_taken": "starts while",
    "started_after_the_reply": "starts while",
    "word_during_a_step": "was recorded while a step runs",
    "wrong_order": "goes before the new one was given out",
    "proof_from_5xx": "counts as dead and is accepted",
    "gone_without_proof": "is accepted",
    "recover_forgets": "was executed and counts as not_sent",
    "nothing_recovered": "",
    "failed_append_counts": "",
    "landed_events_missed": "was told of event",
    "outcome_before_new_credential": "nobody knows where its secret is",
    "always_not_sent": "was executed and counts as not_sent",
    "done_is_forgotten": "executes what",
    "two_drivers": "drive at once",
    "shown_before_recorded": "is shown, not recorded",
    "settled_while_at_work": "",
    "stuck_after_a_refusal": "no end is reached",
}


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_a_planted_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: the simulator's zero violations mean something: it finds each of these faults."""
    MUTATIONS[name](monkeypatch)
    seed, violation = next(
        ((seed, found) for seed in range(_PATIENCE) if (found := simulate(seed)[1])), (_PATIENCE, "")
    )
    assert violation, f"{MUTATIONS[name].__doc__} was not found in {seed} seeds"
    assert _SEEN[name] in violation, f"seed {seed}: {violation}"
