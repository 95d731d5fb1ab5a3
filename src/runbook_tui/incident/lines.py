"""The closed loop: every credential proven dead, every consumer proven live, or waived by name."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_tui.incident.state import IncidentState, old_is_closed


@dataclass(frozen=True, slots=True, repr=False)
class Line:
    """One thing that has to be proven before the run may close as contained."""

    id: str  # old:leaked | new:leaked | consumer:web | gone:SLOT | replaced:SLOT | operation:OP
    what: str
    closed: bool
    state: str
    proof: str
    waived_by: str = ""

    def is_waived(self) -> bool:
        """Whether only a waiver closes it."""
        return bool(self.waived_by) and not self.closed

    def is_open(self) -> bool:
        return not self.closed and not self.waived_by


# Kind of subject -> how its line's id begins, and the word for its end.
_KINDS = {"credential": ("old", "dead"), "account": ("gone", "gone"), "shared": ("replaced", "replaced")}


def lines(state: IncidentState) -> list[Line]:
    """Every line of the incident in the order it was known."""
    found: list[Line] = []
    for subject in state.subjects.values():
        prefix, word = _KINDS[subject.kind]
        old = subject.old
        shown = word if old.state == "dead" else "still works" if old.state == "alive" else "not proven"
        found.append(
            _line(state, f"{prefix}:{subject.slot}", f"{subject.name} {word}", old_is_closed(subject), shown, old.proof)
        )
        if subject.new_name:
            new = subject.new
            shown = "live" if new.state == "alive" else "refused" if new.state == "dead" else "not proven"
            found.append(
                _line(
                    state, f"new:{subject.slot}", f"{subject.new_name} accepted", new.state == "alive", shown, new.proof
                )
            )
    for consumer in state.consumers.values():
        used = consumer.stage == "used"
        found.append(
            _line(
                state,
                f"consumer:{consumer.id}",
                f"{consumer.title} on the new one",
                used,
                consumer.stage,
                consumer.proof,
            )
        )
    for op in state.unknown_operations():
        found.append(_line(state, f"operation:{op.op}", f"outcome of {op.what}", False, "unknown", "none"))
    return found


def open_lines(state: IncidentState) -> list[Line]:
    """What still stands between here and contained."""
    return [line for line in lines(state) if line.is_open()]


def counts(state: IncidentState) -> tuple[int, int, int, int]:
    """(old proven dead, old in all, consumers proven live, consumers in all)."""
    dead = sum(old_is_closed(subject) for subject in state.subjects.values())
    live = sum(consumer.stage == "used" for consumer in state.consumers.values())
    return dead, len(state.subjects), live, len(state.consumers)


def closed_loop(state: IncidentState) -> str:
    """`3 of 4 dead, 5 of 5 live`."""
    dead, all_dead, live, all_live = counts(state)
    words = {_KINDS[subject.kind][1] for subject in state.subjects.values()}
    word = words.pop() if len(words) == 1 else "closed" if words else "dead"
    return f"{dead} of {all_dead} {word}, {live} of {all_live} live"


def _line(state: IncidentState, line: str, what: str, closed: bool, shown: str, proof: str) -> Line:
    return Line(line, what, closed, shown, proof, state.waivers.get(line, ("", ""))[0])
