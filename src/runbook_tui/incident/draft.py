"""A state while events are applied to it: what the rules of `state.py` write to, private until `finish`.

`apply` makes one for one event, `fold` one for all of them, so a rule is written once. A mapping or a value of the
state is copied when it is written for the first time and changed in place from then on: a fold over N events costs N
steps, whatever has piled up by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

from runbook_tui.incident.model import Consumer, Finding, IncidentState, Operation, StepState, Subject

V = TypeVar("V")
_set = object.__setattr__  # the one way to write to a frozen value: used on copies that nobody else has seen


class Table(Generic[V]):
    """One mapping of the state. Values that are read from it are to look at: a later `change` may alter them."""

    def __init__(self, base: Mapping[str, V]) -> None:
        self.now: Mapping[str, V] = base
        self.written: dict[str, V] | None = None  # the draft's own copy
        self._own: set[str] = set()  # values that were copied, too
        self.get = base.get
        self.touched = True  # set by every write; whoever derives something from the mapping resets it

    def put(self, key: str, value: V) -> None:
        """Keep `value`, which was just made and which nobody else keeps."""
        self._writable()[key] = value
        self._own.add(key)

    def update(self, values: Mapping[str, V]) -> None:
        """`put` many."""
        self._writable().update(values)
        self._own.update(values)

    def remove(self, key: str) -> None:
        self._writable().pop(key, None)

    def change(self, key: str, **fields: Any) -> None:
        """Write fields of the dataclass under `key`, which must be there."""
        if key in self._own:
            value = self.now[key]
            for name, new in fields.items():
                _set(value, name, new)
            self.touched = True
            return
        values = self._writable()
        values[key] = replace(values[key], **fields)  # type: ignore[type-var]
        self._own.add(key)

    def _writable(self) -> dict[str, V]:
        self.touched = True
        if self.written is None:
            self.now = self.written = dict(self.now)
            self.get = self.written.get
        return self.written


class Draft:
    """See the module. Use it once: after `finish` it must not be written to."""

    def __init__(self, state: IncidentState) -> None:
        self._base = state
        self.seq, self.last_at, self.boot = state.seq, state.last_at, state.boot
        self._fields: dict[str, Any] = {}  # plain fields of the state, as far as they are written
        self.inputs = Table(state.inputs)
        self.facts = Table(state.facts)
        self.subjects: Table[Subject] = Table(state.subjects)
        self.consumers: Table[Consumer] = Table(state.consumers)
        self.findings: Table[Finding] = Table(state.findings)
        self.steps: Table[StepState] = Table(state.steps)
        self.operations: Table[Operation] = Table(state.operations)
        self.waivers = Table(state.waivers)
        # What grows within one value, kept apart so that an entry costs one step:
        self._items: dict[str, set[str]] = {}  # step -> the finished entries of its batch
        self._recorded: dict[str, dict[str, Any]] = {}  # step -> what it recorded
        self._calls: dict[str, list[tuple[str, str]]] = {}  # slot -> our own calls

    def write(self, **fields: Any) -> None:
        """Write plain fields of the state."""
        self._fields.update(fields)

    def now(self, field: str) -> Any:
        """A plain field as it is now."""
        return self._fields[field] if field in self._fields else getattr(self._base, field)

    def step(self, step: str) -> StepState:
        """To look at (`items` and `recorded` have their own methods); a later change may alter it."""
        return self.steps.get(step) or StepState()

    def change_step(self, step: str, **fields: Any) -> None:
        if step not in self.steps.now:
            self.steps.put(step, StepState())
        self.steps.change(step, **fields)

    def items(self, step: str) -> set[str]:
        """The finished entries of a step's batch, to write to."""
        return self._grown(self._items, step, lambda one: set(one.items))

    def recorded(self, step: str) -> dict[str, Any]:
        """What a step recorded, to write to."""
        return self._grown(self._recorded, step, lambda one: dict(one.recorded))

    def _grown(self, known: dict[str, V], step: str, copied: Callable[[StepState], V]) -> V:
        if step not in known:
            known[step] = copied(self.step(step))
            self.change_step(step)  # it is there from now on, in its place
        return known[step]

    def called(self, slot: str, start: str, end: str) -> None:
        """Keep when we called the provider about this credential: the provider's log shows these calls too."""
        if slot not in self.subjects.now:
            return
        if slot not in self._calls:
            self._calls[slot] = list(self._base.own_calls.get(slot, ()))
        self._calls[slot].append((start, end))

    def finish(self) -> IncidentState:
        """The state with everything written to it."""
        for step, items in self._items.items():
            self.change_step(step, items=frozenset(items))
        for step, recorded in self._recorded.items():
            self.change_step(step, recorded=recorded)
        if self._calls:
            self.write(own_calls={**self._base.own_calls, **{slot: tuple(made) for slot, made in self._calls.items()}})
        for name in ("inputs", "facts", "subjects", "consumers", "findings", "steps", "operations", "waivers"):
            written = getattr(self, name).written
            if written is not None:
                self._fields[name] = written
        return replace(self._base, seq=self.seq, last_at=self.last_at, boot=self.boot, **self._fields)
