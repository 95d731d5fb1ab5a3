"""Whether every name in a playbook stands for something, and for something of the right kind."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from typing import Any

from runbook_tui.foundation.errors import Problem
from runbook_tui.foundation.strict_yaml import Document, Path_
from runbook_tui.playbook import conditions, values

# Names every scope has besides the playbook's inputs.
BUILT_IN = frozenset({"facts", "steps", "order", "each", "incident", "mode", "found"})
_TEXTS = ("title", "why", "expect", "note")
_ACTS = ("call", "scan", "webhook", "rollout", "run", "store", "for_each", "verify")
# Where a reference stands -> the type of input it must name. `$each` stands for an entry of any list.
_KINDS = {
    ("call", "on"): "credential",
    ("scan", "credential"): "credential",
    ("scan", "repositories"): "path",
    ("webhook", "endpoint"): "endpoint",
    ("rollout", "credential"): "credential",
    ("rollout", "to"): "consumer",
    ("store",): "credential",
    ("verify", "credential"): "credential",
    ("verify", "consumers"): "consumer",
}
_LISTS_OF_A_PERSON = ("accounts", "could_read")


def near(word: str, known: Collection[str], mark: str = "") -> str:
    """`did you mean X?` when something is close to `word`, else what is known."""
    close = difflib.get_close_matches(word, sorted(known), 1, 0.6)
    if close:
        return f"did you mean {mark}{close[0]}?"
    return "known: " + (", ".join(f"{mark}{name}" for name in sorted(known)) or "none")


def check_names(document: Document) -> Iterator[Problem]:
    """Every reference and condition that points at nothing or at the wrong thing."""
    names = _Names(document)
    for index, step in enumerate(document.data["steps"]):
        yield from names.step(("steps", index), step)


class _Names:
    def __init__(self, document: Document) -> None:
        steps = document.data["steps"]
        self.document = document
        self.inputs: dict[str, Any] = document.data.get("inputs", {})
        self.ids = {step["id"] for step in steps}
        # The operator can state evidence of use at any moment, without being asked.
        self.facts = {"used_by_others"} | {name for step in steps for name in step.get("ask", ())}

    def step(self, path: Path_, step: dict[str, Any]) -> Iterator[Problem]:
        for key in (*_TEXTS, *_ACTS):
            if key not in step:
                continue
            for place, text in strings(step[key], (*path, key)):
                if (mistake := values.mistakes(text)) is not None:
                    yield self.document.problem(place, mistake, "such as $$5, $leaked or $(leaked.name)")
                for reference in values.references(text):
                    yield from self._known(place, f"${reference}", reference, "for_each" in step)
        if "when" in step and conditions.problem(step["when"]) is None:
            for reference in conditions.paths(step["when"]):
                yield from self._known((*path, "when"), f"the path {reference}", reference, each=False)
        yield from self._kinds(path, step)
        if "for_each" in step:
            yield from self._list(path, step["for_each"])

    def _known(self, place: Path_, shown: str, reference: str, each: bool) -> Iterator[Problem]:
        root, _, rest = reference.partition(".")
        second = rest.partition(".")[0]
        names = BUILT_IN | set(self.inputs)
        if root not in names:
            yield self.document.problem(place, f"{shown} refers to nothing", near(root, names, "$"))
        elif root == "each" and not each:
            yield self.document.problem(
                place, "$each stands in a step without for_each", "add for_each, or name the input"
            )
        elif root == "facts" and second not in self.facts:
            yield self.document.problem(place, f"{shown}: no step asks for that fact", near(second, self.facts))
        elif root == "steps" and second not in self.ids:
            yield self.document.problem(place, f"{shown}: there is no such step", near(second, self.ids))

    def _kinds(self, path: Path_, step: dict[str, Any]) -> Iterator[Problem]:
        for where, kind in _KINDS.items():
            value: Any = step
            for part in where:
                value = value.get(part, {}) if isinstance(value, dict) else {}
            if not isinstance(value, str) or value == "$each":
                continue
            root = value.removeprefix("$").partition(".")[0]
            if root in self.inputs and self.inputs[root]["type"] != kind:
                message = f"${root} is a {self.inputs[root]['type']}, and {'.'.join(where)} takes a {kind}"
                fitting = [name for name, one in self.inputs.items() if one["type"] == kind]
                yield self.document.problem((*path, *where), message, near(root, fitting, "$"))
        if "store" in step and not step["store"].endswith(".new"):
            yield self.document.problem((*path, "store"), "a new secret is stored as $NAME.new", "such as $leaked.new")

    def _list(self, path: Path_, reference: str) -> Iterator[Problem]:
        root, _, rest = reference.removeprefix("$").partition(".")
        one = self.inputs.get(root)
        if one is None or (not rest and one.get("many")) or (one["type"] == "person" and rest in _LISTS_OF_A_PERSON):
            return
        hint = "name an input with `many: true`, or $PERSON.accounts, $PERSON.could_read or $found"
        yield self.document.problem((*path, "for_each"), f"{reference} is not a list", hint)


def strings(value: Any, place: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    """Every text in a part of a document, with its place."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from strings(part, (*place, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from strings(part, (*place, index))
