"""The typed playbook, and its form on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# Operations that change something at the provider and therefore need a verification.
CHANGES = frozenset({"create", "rotate", "disable", "restore", "revoke", "offboard"})


@dataclass(frozen=True, slots=True, repr=False)
class Verify:
    """How a step is proven. `slot`/`side` for a credential, `list_of` for accounts or consumers (a reference path)."""

    wanted: str  # dead | alive | gone | used
    within: float  # seconds
    slot: str = ""
    side: str = ""  # old | new
    list_of: str = ""
    gate: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Field:
    """One question of an `ask` step, or an input of the playbook."""

    name: str
    ask: str
    type: str = "text"
    options: tuple[str, ...] = ()
    default: Any = None
    required: bool = True
    many: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Step:
    """One line of a playbook. `action` is "" for a step that only verifies; `spec` is the action's content."""

    id: str
    phase: str
    title: str
    action: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    expect: str = ""
    when: Mapping[str, Any] | None = None
    needs: tuple[str, ...] = ()
    for_each: str = ""
    record: tuple[str, ...] = ()
    store: str = ""  # slot whose new secret the call makes
    verify: Verify | None = None
    confirm: bool = False  # typed
    target: float | None = None  # seconds
    undo: str = ""
    fields: tuple[Field, ...] = ()  # of an `ask`


@dataclass(frozen=True, slots=True, repr=False)
class Playbook:
    """A playbook as it is run. `source` is the file's text: what was reviewed is what runs."""

    id: str
    title: str
    target: float
    steps: tuple[Step, ...]
    version: int = 1
    summary: str = ""
    inputs: tuple[Field, ...] = ()
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    source: str = ""

    @property
    def sha256(self) -> str:
        """The hash of the file's bytes."""
        import hashlib

        return hashlib.sha256(self.source.encode()).hexdigest()

    def step(self, step_id: str) -> Step:
        """The step of that id; KeyError when there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def ordered_ids(self) -> frozenset[str]:
        """Steps that only an order brings in."""
        return frozenset(step for order in self.orders.values() for step in order)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)


def to_data(book: Playbook) -> dict[str, Any]:
    """The playbook as plain data, for a process that should not have to load YAML."""
    return asdict(book)


def from_data(data: Mapping[str, Any]) -> Playbook:
    """The playbook of `to_data`, also after JSON has turned its tuples into lists."""
    steps = tuple(
        Step(
            **{
                **step,
                "needs": tuple(step["needs"]),
                "record": tuple(step["record"]),
                "verify": Verify(**step["verify"]) if step["verify"] else None,
                "fields": _fields(step["fields"]),
            }
        )
        for step in data["steps"]
    )
    orders = {name: tuple(steps) for name, steps in data["orders"].items()}
    return Playbook(
        **{
            **data,
            "steps": steps,
            "inputs": _fields(data["inputs"]),
            "orders": orders,
            "references": tuple(data["references"]),
        }
    )


def _fields(data: list[dict[str, Any]]) -> tuple[Field, ...]:
    return tuple(Field(**{**one, "options": tuple(one["options"])}) for one in data)
