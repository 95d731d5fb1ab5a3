"""What a well-formed playbook can still get wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

from runbook_tui.foundation.errors import Problem
from runbook_tui.foundation.strict_yaml import Document
from runbook_tui.playbook import conditions
from runbook_tui.playbook.model import CHANGES
from runbook_tui.playbook.names import check_names, near, strings
from runbook_tui.playbook.schema import ACTIONS
from runbook_tui.secrets.patterns import looks_secret

# Those that end the old credential: capture must come first, since they destroy evidence.
ENDS = frozenset({"rotate", "disable", "revoke", "offboard"})
# What only a call has; elsewhere it would be passed over in silence.
OF_A_CALL = ("record", "store", "confirm", "undo")

Path = tuple[str | int, ...]


class Catalogue(Protocol):
    """What the linter asks of the provider catalogue."""

    def operation_names(self) -> Collection[str]:
        """Every operation name that some manifest knows."""
        ...


def lint(document: Document, catalogue: Catalogue | None = None) -> list[Problem]:
    """Errors and warnings of a document that has the right shape."""
    rules: list[Callable[[Document], Iterator[Problem]]] = [
        _ids_and_needs,
        _orders,
        _actions,
        _verifications,
        _capture_first,
        check_names,
        _literal_secrets,
        _targets,
    ]
    problems = [problem for rule in rules for problem in rule(document)]
    if catalogue is not None:
        problems += _operations(document, catalogue)
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def _steps(document: Document) -> Iterator[tuple[Path, dict[str, Any]]]:
    for index, step in enumerate(document.data["steps"]):
        yield ("steps", index), step


def _ids_and_needs(document: Document) -> Iterator[Problem]:
    seen: set[str] = set()
    ids = {step["id"] for _, step in _steps(document)}
    for path, step in _steps(document):
        if step["id"] in seen:
            yield document.problem((*path, "id"), f"the step id {step['id']!r} is used twice", "ids are unique")
        for index, need in enumerate(step.get("needs", ())):
            if need not in ids:
                yield document.problem(
                    (*path, "needs", index), f"`needs` names an unknown step {need!r}", near(need, ids)
                )
            elif need not in seen:
                yield document.problem(
                    (*path, "needs", index), f"the step {need!r} comes later than {step['id']!r}", "a need comes before"
                )
        seen.add(step["id"])


def _orders(document: Document) -> Iterator[Problem]:
    orders = document.data.get("orders", {})
    steps = {step["id"]: step for _, step in _steps(document)}
    for order, names in orders.items():
        for index, name in enumerate(names):
            if name not in steps:
                yield document.problem(
                    ("orders", order, index), f"the order {order} names an unknown step {name!r}", near(name, steps)
                )
                continue
            late = [need for need in steps[name].get("needs", ()) if need in names[index + 1 :]]
            if late or name in names[:index]:
                why = f"{name!r} needs {late[0]!r}, which comes later" if late else f"{name!r} stands here twice"
                yield document.problem(
                    ("orders", order, index), f"the order {order} cannot run: {why}", "move or remove it"
                )
    if orders and not any("decide" in step for _, step in _steps(document)):
        yield document.problem(("orders",), "no step decides the order", "add a step with `decide: order`")


def _actions(document: Document) -> Iterator[Problem]:
    for path, step in _steps(document):
        actions = [name for name in step if name in ACTIONS]
        if len(actions) > 1:
            yield document.problem(
                (*path, actions[1]), f"the step has two actions: {actions[0]} and {actions[1]}", "split it"
            )
        if not actions and "verify" not in step:
            options = ", ".join(ACTIONS)
            yield document.problem(
                path, f"the step {step['id']!r} does nothing", f"give it one of {options}, or verify"
            )
        if "when" in step and (why := conditions.problem(step["when"])):
            yield document.problem(
                (*path, "when"), f"`when` is not a condition: {why}", "such as {path: mode, eq: live}"
            )
        for name in OF_A_CALL if "call" not in step else ():
            if name in step:
                yield document.problem((*path, name), f"`{name}` goes with `call` only", "remove it, or call something")
        if "scan" in step and "credential" not in step["scan"] and not step["scan"].get("rules"):
            hint = "add `credential: $leaked`, or `rules: true` to find any credential"
            yield document.problem((*path, "scan"), f"the step {step['id']!r} searches for nothing", hint)
        for name, field in step.get("ask", {}).items():
            if field.get("type") == "choice" and "options" not in field:
                yield document.problem(
                    (*path, "ask", name), f"the choice {name!r} has no options", "add `options: [one, two]`"
                )


def _verifications(document: Document) -> Iterator[Problem]:
    for path, step in _steps(document):
        operation = step.get("call", {}).get("operation")
        if (operation in CHANGES or "rollout" in step) and "verify" not in step and not _proven_later(document, step):
            hint = "add verify, such as {credential: $leaked.old, is: dead, within: 60s}"
            yield document.problem(path, f"the step {step['id']!r} changes something and proves nothing", hint)
        verify = step.get("verify")
        if verify is None:
            continue
        targets = [key for key in ("credential", "account", "consumers") if key in verify]
        if len(targets) != 1:
            yield document.problem(
                (*path, "verify"), "verify needs exactly one of credential, account, consumers", "split it"
            )
            continue
        words = {"credential": ("dead", "alive"), "account": ("gone",), "consumers": ("used",)}[targets[0]]
        if verify["is"] not in words:
            yield document.problem(
                (*path, "verify", "is"), f"{targets[0]} cannot be {verify['is']!r}", f"one of {', '.join(words)}"
            )
        if targets[0] == "credential":
            wanted = ".old" if verify["is"] == "dead" else ".new"
            if not verify["credential"].endswith(wanted):
                message = f"`{verify['is']}` is asked of $NAME{wanted}"
                yield document.problem((*path, "verify", "credential"), message, f"such as $leaked{wanted}")


def _proven_later(document: Document, step: dict[str, Any]) -> bool:
    return any(other.get("verify", {}).get("consumers") for _, other in _steps(document)) and "rollout" in step


def _capture_first(document: Document) -> Iterator[Problem]:
    """Revoking destroys evidence, and our own probe is a use of the key: both wait for the capture."""
    captures = {step["id"] for _, step in _steps(document) if step["phase"] == "capture"}
    for path, step in _steps(document):
        ends = step.get("call", {}).get("operation") in ENDS
        probes = str(step.get("verify", {}).get("credential", "")).endswith(".old")
        if (ends or probes) and not captures & _all_needs(document, step):
            what = "ends the credential" if ends else "calls the provider with the old credential"
            yield document.problem(
                path, f"the step {step['id']!r} {what} before it is captured", "add the capture step to its `needs`"
            )


def _all_needs(document: Document, step: dict[str, Any]) -> set[str]:
    by_id = {other["id"]: other for _, other in _steps(document)}
    seen: set[str] = set()
    open_needs = list(step.get("needs", ()))
    while open_needs:
        need = open_needs.pop()
        if need not in seen and need in by_id:
            seen.add(need)
            open_needs += by_id[need].get("needs", ())
    return seen


def _literal_secrets(document: Document) -> Iterator[Problem]:
    for path, text in strings(document.data):
        if looks_secret(text):
            yield document.problem(
                path, "this looks like a secret", "secrets live in the vault; name the credential instead"
            )


def _targets(document: Document) -> Iterator[Problem]:
    for path, step in _steps(document):
        acts = any(name in step for name in ("call", "rollout", "verify"))
        if acts and "target" not in step:
            yield document.problem(path, f"the step {step['id']!r} has no target time", "add `target: 45s`", "warning")
    for phase in {step["phase"] for _, step in _steps(document)}:
        count = sum(step["phase"] == phase for _, step in _steps(document))
        if count > 9:
            yield document.problem(
                ("steps",), f"{count} steps in phase {phase}", "5 to 9 are read; more are skipped", "warning"
            )


def _operations(document: Document, catalogue: Catalogue) -> Iterator[Problem]:
    known = catalogue.operation_names()
    for path, step in _steps(document):
        named = {("call", "operation"): step.get("call", {}).get("operation"), ("undo",): step.get("undo")}
        for place, operation in named.items():
            if operation and operation not in known:
                message = f"no provider knows the operation {operation!r}"
                yield document.problem((*path, *place), message, near(operation, known))
