"""The order advice: which rule fires on which facts, which comes first, and what a playbook without that order does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_world import START, World, key_book

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.order import Advice, advise, usable
from runbook_tui.incident.plan import plan, what_is_next
from runbook_tui.incident.prompts import check_answers, prompts_for
from runbook_tui.incident.state import Consumer, IncidentState, Subject

CALM = {"used_by_others": "no", "exposure": "internal", "power": "ordinary"}
PUBLIC = {**CALM, "exposure": "public"}
DISABLE = {"disable": "api"}


def state(facts: dict[str, str], consumers: int = 1, **subject: Any) -> IncidentState:
    known = {"slot": "leaked", "kind": "credential", "name": "k", "overlap": "parallel", **subject}
    users = {f"c{n}": Consumer(f"c{n}", "env-file", "c", "leaked", "w", "health") for n in range(consumers)}
    return IncidentState(facts=facts, subjects={"leaked": Subject(**known)}, consumers=users)


@pytest.mark.parametrize(
    ("facts", "more", "rule", "order"),
    [
        ({**CALM, "used_by_others": "yes"}, {}, "O1", "contain_first"),
        ({**PUBLIC, "power": "money"}, {}, "O2", "contain_first"),
        ({**PUBLIC, "power": "administration"}, {}, "O2", "contain_first"),
        ({**PUBLIC, "power": "personal data"}, {}, "O2", "contain_first"),
        (PUBLIC, {"attributes": {"verified_by": "us"}}, "O3", "receiver_first"),
        (PUBLIC, {"can": DISABLE}, "O4", "contain_first"),
        (CALM, {"can": DISABLE}, "O4", "contain_first"),
        (CALM, {"overlap": "none"}, "O5", "staged"),
        (PUBLIC, {}, "O6", "replace_first"),
        (PUBLIC, {"consumers": 0}, "O7", "replace_first"),
        ({**PUBLIC, "rollout_fits": "no"}, {}, "O7", "replace_first"),
        (CALM, {}, "O8", "replace_first"),
    ],
)
def test_each_rule_fires_on_its_facts(facts: dict[str, str], more: dict[str, Any], rule: str, order: str) -> None:
    """Promise: O1 to O8 as published; each says why."""
    advice = advise(state(facts, **more))
    assert (advice.rule, advice.order) == (rule, order)
    assert advice.why


def test_the_first_rule_that_matches_wins() -> None:
    """Promise: with everything true at once the rules fall away one by one, from O1 down."""
    attributes = {"verified_by": "us"}
    facts = {"used_by_others": "yes", "exposure": "public", "power": "money"}
    everything = state(facts, attributes=attributes, can=DISABLE, overlap="none")
    expected = ["O1", "O2", "O3", "O4", "O5", "O6", "O8"]
    steps: list[dict[str, Any]] = [
        {},
        {"facts": {"used_by_others": "no"}},
        {"facts": {"power": "ordinary"}},
        {"attributes": {}},
        {"can": {}},
        {"overlap": "parallel"},
        {"facts": {"exposure": "internal"}},
    ]
    now, fired = everything, []
    for change in steps:
        told = change.pop("facts", {})
        subject = replace(now.subjects["leaked"], **change)
        now = replace(now, facts={**now.facts, **told}, subjects={"leaked": subject})
        fired.append(advise(now).rule)
    assert fired == expected


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({}, "O2"),  # nothing is known: public, and of every power
        ({"used_by_others": "no"}, "O2"),
        ({"used_by_others": "no", "power": "ordinary"}, "O6"),  # exposure unknown: public
        ({"used_by_others": "no", "exposure": "unknown", "power": "ordinary"}, "O6"),
        ({**PUBLIC, "power": "unknown"}, "O2"),
        ({**PUBLIC, "used_by_others": "unknown"}, "O7"),  # nobody looked, so "no sign of use" does not hold
        ({**PUBLIC, "rollout_fits": "unknown"}, "O7"),
        ({**CALM, "power": "unknown"}, "O7"),  # internal, but not known to be of little power
        ({**CALM, "power": "money"}, "O7"),
    ],
)
def test_an_unknown_fact_counts_as_the_worse_case(facts: dict[str, str], rule: str) -> None:
    """Promise: no rule that relies on a good fact fires while that fact is unknown."""
    assert advise(state(facts)).rule == rule


def test_a_good_sign_never_makes_the_order_harsher_than_not_knowing() -> None:
    """Promise: replacing an unknown fact by its good value never turns replace-first into contain-first."""
    for used in ("no", "unknown"):
        for exposure in ("internal", "public"):
            known = advise(state({"used_by_others": used, "exposure": exposure, "power": "ordinary"}))
            vague = advise(state({"used_by_others": "unknown", "exposure": "unknown", "power": "unknown"}))
            assert (known.order == "contain_first") <= (vague.order == "contain_first")


def test_one_key_that_cannot_be_switched_off_again_decides_for_all() -> None:
    """Promise: with several keys the worst overlap and the least reversible one count."""
    both = {
        "a": Subject("a", "credential", "a", overlap="parallel", can=DISABLE),
        "b": Subject("b", "credential", "b", overlap="none"),
    }
    assert advise(IncidentState(facts=CALM, subjects=both)).rule == "O5"


@given(st.dictionaries(st.sampled_from(["used_by_others", "exposure", "power", "rollout_fits"]), st.text(max_size=8)))
def test_any_facts_give_an_advice(facts: dict[str, str]) -> None:
    """Promise: whatever was answered, there is one advice with a rule of the eight."""
    assert advise(state(facts)).rule in {f"O{number}" for number in range(1, 9)}


@pytest.mark.parametrize(
    ("order", "there", "expected"),
    [
        ("receiver_first", ["contain_first", "staged", "replace_first"], "staged"),
        ("receiver_first", ["contain_first", "replace_first"], "replace_first"),
        ("staged", ["contain_first", "replace_first"], "contain_first"),
        ("staged", ["replace_first"], "replace_first"),
        ("replace_first", ["contain_first"], "contain_first"),
        ("replace_first", ["staged"], "staged"),
        ("contain_first", ["replace_first", "contain_first"], "contain_first"),
        ("staged", [], "staged"),
    ],
)
def test_the_nearest_order_that_the_playbook_has(order: str, there: list[str], expected: str) -> None:
    """Promise: a playbook without the advised order gets the nearest one it has."""
    assert usable(Advice("O0", order, ""), there) == expected


def test_another_order_than_the_advised_one_needs_a_reason() -> None:
    """Promise: an override is taken with a reason only, and the record holds both orders and the rule."""
    world = World().open()
    world.record("facts", {"values": PUBLIC})
    step = world.book.step("decide")
    prompts = prompts_for(world.book, world.state, step)
    for reason in ("", "   "):
        with pytest.raises(RunbookError, match="needs a reason"):
            check_answers(prompts, {"order": "contain_first", "reason": reason})
    with pytest.raises(RunbookError, match="cannot be"):
        check_answers(prompts, {"order": "as_you_like"})
    world.run("declare", PUBLIC)
    world.run("decide", {"order": "contain_first", "reason": "the owner is away"})
    decision = world.of("decision")[0]
    assert (decision["order"], decision["recommended"], decision["rule"]) == ("contain_first", "replace_first", "O6")
    assert decision["reason"] == "the owner is away"


def test_new_evidence_of_use_switches_to_o1() -> None:
    """Promise: after the tripwire the advice is O1, whatever was stated before, and NEXT ends the key."""
    world = World().open()
    world.record("facts", {"values": CALM})
    assert advise(world.state).rule == "O8"
    world.record("decision", {"order": "staged", "rule": "O5"})
    for name in ("declare", "capture", "decide"):
        world.record("step_done", {"step": name})
    world.record("step_failed", {"step": "stage", "status": "failed", "reason": "half prepared"})
    world.record("tripwire", {"reason": "a call from abroad"})
    assert advise(world.state).rule == "O1"
    world.record("decision", {"order": "contain_first", "rule": "O1"})
    following = what_is_next(world.book, world.state, START).step
    assert following is not None
    assert following.id == "revoke-now"
    assert [step.id for step in plan(key_book(), world.state)].index("stage") > 3, "what was begun stays in sight"
