"""The steps in the order they are to be done, what is next, and why a step cannot run yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook_tui.foundation.clock import parse_instant
from runbook_tui.incident.findings import FOUND
from runbook_tui.incident.state import IncidentState
from runbook_tui.playbook.conditions import holds
from runbook_tui.playbook.model import Playbook, Step
from runbook_tui.playbook.values import Unresolved, lookup

FINISHED = frozenset({"done", "skipped"})
_ASKING = frozenset({"declare", "decide"})
_AFTERWARDS = frozenset({"audit", "search", "recover", "close"})


@dataclass(frozen=True, slots=True, repr=False)
class Next:
    """What the operator does now. `step` is None when nothing can be run: then `why` says what is awaited."""

    step: Step | None
    why: str = ""
    waiting: tuple[str, ...] = ()


def scope(state: IncidentState) -> dict[str, Any]:
    """What the playbook's references and conditions see."""
    steps = {name: {"status": step.status, **step.recorded} for name, step in state.steps.items()}
    subjects = {
        slot: subject.scope() for slot, subject in state.subjects.items() if "/" not in slot and ":" not in slot
    }
    taken = [subject for slot, subject in state.subjects.items() if slot.startswith(FOUND)]
    return {
        "found": [{"id": one.name, "slot": one.slot, "provider": one.provider} for one in taken],
        **state.inputs,
        **subjects,
        "facts": dict(state.facts),
        "steps": steps,
        "order": state.order,
        "mode": state.mode,
        "incident": state.incident,
    }


def plan(book: Playbook, state: IncidentState) -> list[Step]:
    """The steps that apply, in order.

    Steps named in `orders` stand where the first of them stands in the file, in the decided order; before a decision
    the playbook's own sequence without them is shown. A step whose `when` does not hold is left out, unless it has
    already been touched. A touched step of an order that is no longer followed stays in sight: before the decided ones
    when it is finished, after them when it is not, so that it never comes before what the new order wants now.
    """
    ordered = book.ordered_ids()
    chosen = book.orders.get(state.order, ())
    touched = set(state.steps)
    left = [step for step in book if step.id in (ordered & touched) - set(chosen)]
    over = [step for step in left if state.step(step.id).status in FINISHED]
    sequence: list[Step] = []
    placed = False
    for step in book:
        if step.id not in ordered:
            sequence.append(step)
        elif not placed:
            sequence += [*over, *(book.step(name) for name in chosen), *(step for step in left if step not in over)]
            placed = True
    visible = scope(state)
    found = [step for step in sequence if step.id in touched or holds(step.when, visible)]
    return _contain_now(found, state) if state.tripwire else found


def _contain_now(steps: list[Step], state: IncidentState) -> list[Step]:
    """With evidence of use in hand nothing is asked before containment: open questions stand after it."""
    later = [one for one in steps if one.phase in _ASKING and state.step(one.id).status not in FINISHED]
    others = [one for one in steps if one not in later]
    at = next((number for number, one in enumerate(others) if one.phase in _AFTERWARDS), len(others))
    return [*others[:at], *later, *others[at:]]


def what_is_next(book: Playbook, state: IncidentState, now: datetime) -> Next:
    """The one current step: the first unfinished one that can run."""
    if state.closed:
        return Next(None, f"the incident is closed: {state.closed.replace('_', ' ')}")
    steps = plan(book, state)
    waiting = tuple(step.id for step in steps if _still_waiting(state, step, now))
    for step in steps:
        status = state.step(step.id).status
        if status in FINISHED or step.id in waiting:
            continue
        if status == "running":
            return Next(None, f"step {step.id} is running", waiting)
        if _gave_way(step, status):
            continue
        if not why_not(book, state, step, now):
            return Next(step, "", waiting)
    gave_way = [step for step in steps if _gave_way(step, state.step(step.id).status)]
    left = [step for step in gave_way if not why_not(book, state, step, now)]
    if left:
        return Next(left[0], "", waiting)
    if waiting:
        return Next(None, f"waiting: {', '.join(waiting)}", waiting)
    blocked = [step for step in steps if state.step(step.id).status not in FINISHED]
    if blocked:
        return Next(None, f"{blocked[0].id}: {'; '.join(why_not(book, state, blocked[0], now))}", waiting)
    return Next(None, "every step is finished: close the incident")


def why_not(book: Playbook, state: IncidentState, step: Step, now: datetime) -> list[str]:
    """Every reason why `step` may not run now; empty when it may. The conductor asks this before it acts."""
    reasons: list[str] = []
    if state.closed:
        reasons.append("the incident is closed")
    here = {one.id for one in plan(book, state)}
    if step.id not in here:
        reasons.append(
            "it is not part of the decided order" if step.id in book.ordered_ids() else "its condition is not met"
        )
    for need in step.needs:
        # A need that the decided order leaves out is no gate.
        if need in here and state.step(need).status not in FINISHED:
            reasons.append(f"{need} comes first")
    if step.id in book.ordered_ids() and not state.order:
        reasons.append("the order is not decided yet")
    running = [name for name, one in state.steps.items() if one.status == "running"]
    if running:
        reasons.append(f"{running[0]} is running")
    for op in state.unknown_operations():
        # A step with a proof may run: it asks for the proof only and never sends the call again.
        if op.step == step.id and step.verify is None:
            reasons.append(f"the outcome of {op.operation} is unknown: clear it by proof or by your own look")
    if _still_waiting(state, step, now):
        reasons.append(f"it waits until {state.step(step.id).until}")
    if state.step(step.id).status in FINISHED:
        reasons.append("it is finished; reopen it first")
    return reasons


def only_proof(state: IncidentState, step: Step) -> bool:
    """Whether running the step now only looks: its action is done, or nobody knows. A batch goes on with its rest."""
    if state.step(step.id).acted:
        return True
    unknown = any(op.step == step.id for op in state.unknown_operations())
    return unknown and step.verify is not None and not step.for_each


def items(step: Step, state: IncidentState) -> list[tuple[str, Any]]:
    """The entries of a `for_each` step as (id, entry); one unnamed entry for any other step."""
    if not step.for_each:
        return [("", None)]
    try:
        found = lookup(step.for_each, scope(state))
    except Unresolved:
        return []
    named: dict[str, Any] = {}
    for index, entry in enumerate(found or []):
        name = item_id(entry, index)
        named[f"{name}#{index + 1}" if name in named else name] = entry  # one name, one call
    return list(named.items())


def item_id(entry: Any, index: int) -> str:
    """A name for one entry of a list: its `id`, or `provider/…/account`, or the text itself."""
    if isinstance(entry, Mapping):
        if "id" in entry:
            return str(entry["id"])
        between = [key for key in entry if key not in ("slot", "provider", "account")]
        return "/".join(str(entry[key]) for key in ("provider", *between, "account") if key in entry) or str(index + 1)
    return str(entry)


def _still_waiting(state: IncidentState, step: Step, now: datetime) -> bool:
    one = state.step(step.id)
    return one.status == "waiting" and bool(one.until) and now < parse_instant(one.until)


def _gave_way(step: Step, status: str) -> bool:
    """A step whose refuted or missing proof does not hold up the others (`gate: false`) is offered again at the end."""
    return status in ("refuted", "undetermined") and step.verify is not None and not step.verify.gate
