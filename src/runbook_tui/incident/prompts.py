"""What has to be asked before a step may run: the same questions for the screen, plain text, answers file and drill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runbook_tui.foundation.clock import parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.order import advise, usable
from runbook_tui.incident.plan import items, only_proof
from runbook_tui.incident.state import IncidentState, Subject
from runbook_tui.playbook.model import Playbook, Step
from runbook_tui.playbook.values import references

ManualPath = Callable[[Subject, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, repr=False)
class Prompt:
    """One question. `kind`: text, choice, time, secret (not echoed, not recorded) or typed (must equal `expect`)."""

    name: str
    kind: str
    ask: str
    options: tuple[str, ...] = ()
    default: str = ""
    required: bool = True
    expect: str = ""
    help: tuple[str, ...] = ()  # what to do, line by line: link, clicks
    link: str = ""


def answer_name(name: str, item: str) -> str:
    """The name of a question about one entry of a step's list."""
    return f"{name}_{item}" if item else name


def subject_of(step: Step, state: IncidentState, item: Any = None) -> Subject | None:
    """The credential or account that a call acts on."""
    path = next(iter(references(step.spec.get("on", ""))), "")
    if path == "each" and isinstance(item, Mapping):
        return state.subjects.get(str(item.get("slot", "")))
    return state.subjects.get(path.split(".")[0])


def is_manual(step: Step, subject: Subject | None) -> bool:
    """Whether the provider offers this step's call only in its dashboard."""
    return step.action == "call" and subject is not None and subject.can.get(step.spec["operation"]) != "api"


def manual_subjects(step: Step, state: IncidentState) -> list[tuple[str, Subject]]:
    """What a `call` step leaves to the operator's hands: (item, subject) of each unfinished one."""
    found: list[tuple[str, Subject]] = []
    for item, entry in items(step, state) if step.action == "call" else ():
        subject = subject_of(step, state, entry)
        if subject is not None and is_manual(step, subject) and item not in state.step(step.id).items:
            found.append((item, subject))
    return found


def prompts_for(
    book: Playbook, state: IncidentState, step: Step, manual_path: ManualPath | None = None
) -> list[Prompt]:
    """The questions of a step. `manual_path` tells how a subject's operation is done by hand: {link, steps}."""
    asked: list[Prompt] = []
    if only_proof(state, step):
        return asked
    if step.action == "ask":
        asked += [
            Prompt(
                field.name,
                field.type,
                field.ask,
                field.options,
                str(state.facts.get(field.name) or field.default or ""),
                field.required,
            )
            for field in step.fields
        ]
    elif step.action == "decide":
        asked += _decide(book, state)
    elif step.action == "manual":
        asked.append(
            Prompt("seen", "text", step.spec["see"], help=tuple(step.spec["do"]), link=step.spec.get("link", ""))
        )
    elif step.action == "run":
        ask = f"which incident ran {step.spec['playbook']} for it, or why is none needed?"
        for item, _ in items(step, state):
            asked.append(Prompt(answer_name("handled", item), "text", f"{item}: {ask}" if item else ask.capitalize()))
    by_hand = manual_subjects(step, state)
    for item, subject in by_hand:
        asked.append(_manual_call(step, item, manual_path(subject, step.spec["operation"]) if manual_path else {}))
    if step.action == "rollout":
        asked += _manual_consumers(state)
    if step.confirm and step.action == "call" and len(by_hand) < len(items(step, state)):
        expect = confirmation(step, state)
        asked.append(Prompt("confirm", "typed", f"This changes something. Type  {expect}  to do it", expect=expect))
    return asked


def confirmation(step: Step, state: IncidentState) -> str:
    """What the operator types: the target's name, and the count before it when many are done in one batch."""
    batch = [item for _, item in items(step, state)]
    subject = subject_of(step, state, batch[0] if batch else None)
    if step.for_each:
        names = {one.name for one in state.subjects.values() if one.kind == "account"}
        whose = state.inputs.get(step.for_each.split(".")[0])
        several = str(whose["id"]) if isinstance(whose, Mapping) and "id" in whose else step.id
        return f"{len(batch)} {min(names) if len(names) == 1 else several}"
    # A mask has characters that no keyboard has.
    return ((subject.key_id or subject.name) if subject else step.id)[-24:]


def check_answers(prompts: list[Prompt], answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers with defaults filled in; RunbookError names the first that is missing or wrong."""
    unknown = sorted(set(answers) - {prompt.name for prompt in prompts})
    if unknown:
        known = ", ".join(prompt.name for prompt in prompts) or "this step asks nothing"
        raise RunbookError(f"there is no question {unknown[0]!r} here", known)
    checked: dict[str, Any] = {}
    for prompt in prompts:
        if value := check_answer(prompt, answers.get(prompt.name)):
            checked[prompt.name] = value
    if checked.get("order") and checked["order"] != prompts[0].default and not checked.get("reason"):
        raise RunbookError("another order than the advised one needs a reason", "answer `reason`")
    return checked


def check_answer(prompt: Prompt, given: Any) -> Any:
    """The answer to one question, its default, or ""; RunbookError when it is missing or wrong."""
    value = (given.strip() if isinstance(given, str) else given) or prompt.default
    if not value and prompt.required:
        raise RunbookError(f"{prompt.name} is not answered: {prompt.ask}", _allowed(prompt))
    if not value:
        return ""
    if prompt.kind == "choice" and value not in prompt.options:
        raise RunbookError(f"{prompt.name} cannot be {value!r}", _allowed(prompt))
    if prompt.kind == "typed" and value != prompt.expect:
        raise RunbookError("the typed text does not match: nothing was done", f"type exactly {prompt.expect}")
    if prompt.kind == "time":
        parse_instant(str(value))
    return value


def _allowed(prompt: Prompt) -> str:
    return f"one of {', '.join(prompt.options)}" if prompt.options else ""


def _decide(book: Playbook, state: IncidentState) -> list[Prompt]:
    advice = advise(state)
    recommended = usable(advice, book.orders)
    ask = f"{advice.rule} advises {recommended.replace('_', ' ')}: {advice.why}"
    return [
        Prompt("order", "choice", ask, tuple(book.orders), recommended),
        Prompt("reason", "text", "Why another order? (only when you change it)", required=False),
    ]


def _manual_call(step: Step, item: str, manual: Mapping[str, Any]) -> Prompt:
    steps, link = tuple(manual.get("steps", ())), str(manual.get("link", ""))
    if step.store:
        return Prompt("new_secret", "secret", "Paste the new secret (it is not shown)", help=steps, link=link)
    ask = f"The provider has no call for `{step.spec['operation']}` here. What do you see after doing it by hand?"
    return Prompt(answer_name("seen", item), "text", f"{item}: {ask}" if item else ask, help=steps, link=link)


def _manual_consumers(state: IncidentState) -> list[Prompt]:
    return [
        Prompt(f"loaded_{one.id}", "text", f"{one.title} ({one.where}): load the new one. What do you see?")
        for one in state.consumers.values()
        if one.kind == "manual" and one.stage in ("pending", "failed")
    ]
