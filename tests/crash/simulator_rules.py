"""What has to hold in every simulated run, checked at every event against what is true at the vendor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator_vendor import Effect

from runbook_tui.conductor.logbook import Terminal
from runbook_tui.incident.events import Event
from runbook_tui.incident.plan import FINISHED

if TYPE_CHECKING:
    from simulator_world import World

_WORDS = frozenset({"step_skipped", "step_reopened", "closed"})  # not while a step runs
_ENDS = frozenset({"step_done", "step_failed", "step_waiting"})


class Crash(BaseException):
    """The program, or the machine, ended here."""


class Violation(BaseException):
    """A promise was broken. No `except Exception` of the product swallows it."""


@dataclass(frozen=True, slots=True)
class Acting:
    """On whose behalf the program runs just now."""

    terminal: Terminal | None
    method: str


@dataclass(slots=True)
class Attempt:
    """What the file says about one attempt."""

    step: str
    item: str
    operation: str
    subject: str
    sending: bool = False
    outcome: str = ""
    cleared: str = ""
    again: bool = False  # the operator reopened its step when it was known to be done


class Rules:
    """The file as the only witness of what was recorded, the vendor as the only witness of what was done."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.attempts: dict[str, Attempt] = {}
        self.made: set[str] = set()  # attempts whose new credential is recorded
        self._rules = {
            "intent": self._intent,
            "sending": self._sending,
            "outcome": self._outcome,
            "cleared": self._cleared,
            "verification": self._verification,
            "new_credential": self._new_credential,
            "step_done": self._step_done,
            "step_failed": self._step_failed,
            "step_reopened": self._step_reopened,
            "closed": self._closed,
        }

    def need(self, holds: object, why: str) -> None:
        if not holds:
            raise Violation(why)

    # -- the file

    def written(self, event: Event) -> None:
        """An event stands in the file."""
        world, kind = self._world, event.kind
        told = world.context[-1] if world.context else None
        if told is not None and told.terminal is not None and told.method not in ("take_over", "note"):
            self.need(told.terminal.driving, f"{told.terminal.name} does not drive, and its {told.method} was recorded")
        if kind in _WORDS or (kind == "cleared" and event.data["by"] == "operator"):
            self.need(not world.running(), f"{kind} was recorded while a step runs")
        if kind in _ENDS and told is not None and told.method == event.data["step"]:
            world.ended(told.method)  # by its own worker: what that does afterwards is nothing
        if rule := self._rules.get(kind):
            rule(event.data)

    def _intent(self, data: dict[str, Any]) -> None:
        self.need(data["op"] not in self.attempts, f"{data['op']} names two attempts")
        attempt = Attempt(data["step"], data["item"], data["operation"], data["subject"])
        self.attempts[data["op"]] = attempt

    def _attempt(self, data: dict[str, Any]) -> Attempt:
        self.need(data["op"] in self.attempts, f"{data['op']} has no intent in the record")
        return self.attempts[data["op"]]

    def _sending(self, data: dict[str, Any]) -> None:
        attempt = self._attempt(data)
        self.need(not attempt.sending and not attempt.outcome, f"{data['op']} is sent twice")
        attempt.sending = True

    def _outcome(self, data: dict[str, Any]) -> None:
        attempt, result, op = self._attempt(data), data["result"], data["op"]
        effect = self._world.vendor.executed(op)
        self.need(not effect or result not in ("not_sent", "rejected"), f"{op} was executed and counts as {result}")
        self.need(effect or result != "done", f"{op} was not executed and counts as done")
        if result == "done" and attempt.operation == "create":
            self.need(op in self.made, f"{op} counts as done, and nobody knows where its secret is")
        if attempt.outcome != "unknown":
            attempt.outcome = result

    def _cleared(self, data: dict[str, Any]) -> None:
        attempt, op = self._attempt(data), data["op"]
        self.need(attempt.outcome == "unknown", f"{op} is cleared and was not unknown")
        attempt.cleared = data["as"]
        if data["by"] == "operator":
            return
        vendor = self._world.vendor
        if data["as"] == "not_done":
            self.need(vendor.executed(op) is None, f"{op} was executed, and a proof says that it was not")
            return
        # A revocation does all that a switching-off does.
        enough = (attempt.operation, "revoke") if attempt.operation == "disable" else (attempt.operation,)
        same = [one for one in vendor.done if one.operation in enough and one.subject == attempt.subject]
        self.need(
            any(attempt.operation != "create" or one.op == op for one in same),
            f"{op} was not executed, and a proof says that it was",
        )

    def _verification(self, data: dict[str, Any]) -> None:
        if data["side"] == "old" and data["verdict"] == "dead" and data["proof"] != "none":
            self.need(
                not self._world.vendor.accepts_old(data["slot"]), f"{data['slot']} counts as dead and is accepted"
            )

    def _new_credential(self, data: dict[str, Any]) -> None:
        self.made.add(data.get("op", ""))

    def _step_done(self, data: dict[str, Any]) -> None:
        verify = self._world.plot.book.step(data["step"]).verify
        if verify is None or verify.wanted not in ("dead", "gone"):
            return
        slots = [verify.slot] if verify.slot else list(self._world.conductor.state.subjects)
        for slot in slots:
            self.need(not self._world.vendor.accepts_old(slot), f"{data['step']} is done, and {slot} is accepted")

    def _step_failed(self, data: dict[str, Any]) -> None:
        self.need(not data["reason"].startswith("a fault in the program"), data["reason"])

    def _step_reopened(self, data: dict[str, Any]) -> None:
        for attempt in self.attempts.values():
            if attempt.step == data["step"] and "done" in (attempt.outcome, attempt.cleared):
                attempt.again = True

    def _closed(self, data: dict[str, Any]) -> None:
        if data["state"] != "contained":
            return
        for slot in self._world.conductor.state.subjects:
            self.need(not self._world.vendor.accepts_old(slot), f"closed as contained, and {slot} is accepted")
        unknown = [op for op, one in self.attempts.items() if one.outcome == "unknown" and not one.cleared]
        self.need(not unknown, f"closed as contained with an unknown outcome: {unknown}")

    # -- the terminals

    def told(self, name: str, seen: int, event: dict[str, Any]) -> int:
        """A terminal is told of an event; returns the number of the last one it has seen."""
        file = self._world.journal.file
        seq = event["seq"]
        self.need(seq <= len(file) and file[seq - 1].kind == event["kind"], f"{event['kind']} is shown, not recorded")
        self.need(seq == seen + 1, f"{name} was told of event {seq} after {seen}")
        self.known(event)
        return seq

    def known(self, event: dict[str, Any]) -> None:
        """What is unknown by the file is unknown in the conductor's state."""
        state = self._world.conductor.state
        if state.seq < len(self._world.journal.file):
            return
        for op, attempt in self.attempts.items():
            if attempt.outcome == "unknown" and not attempt.cleared:
                one = state.operations.get(op)
                self.need(
                    one is not None and one.status == "unknown" and not one.cleared,
                    f"{op} is unknown and does not count as such after {event['kind']}",
                )

    def one_driver(self) -> None:
        driving = [one.name for one in self._world.terminals if one.driving]
        self.need(len(driving) < 2, f"{' and '.join(driving)} drive at once")

    # -- the vendor

    def sent(self, op: str) -> None:
        """A request has left."""
        attempt = self.attempts.get(op)
        self.need(attempt is not None, f"{op} is sent, and its intent is not in the record")
        assert attempt is not None
        self.need(attempt.sending, f"{op} is sent, and that is not in the record")

    def executing(self, effect: Effect) -> None:
        """The vendor does it (or will): nothing that is known or may have been done is done again."""
        world = self._world
        mine = self.attempts[effect.op]
        for other in world.vendor.done:
            theirs = self.attempts[other.op]
            same = (theirs.step, theirs.item) == (mine.step, mine.item) and other.what == effect.what
            if same and not other.undone and not theirs.again:
                state = theirs.cleared or theirs.outcome or "under way"
                raise Violation(f"{effect.op} executes what {other.op} has executed, which is {state}")
        if effect.operation not in ("revoke", "disable") or not world.plot.waits_for_roll_out:
            return
        state = world.conductor.state
        if state.tripwire or state.order == "contain_first":
            return
        self.need(state.step("roll-out").status in FINISHED, "the old one goes before the new one was given out")
