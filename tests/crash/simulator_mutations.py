"""Faults planted into the product's own code: what the simulator has to see. Each takes pytest's MonkeyPatch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

import pytest

from runbook_tui.conductor import core, steps
from runbook_tui.conductor.core import Conductor
from runbook_tui.conductor.logbook import Logbook
from runbook_tui.conductor.performer import Performer
from runbook_tui.conductor.steps import Steps
from runbook_tui.incident import effects as do
from runbook_tui.incident import plan, procedure, proof, state
from runbook_tui.incident.events import Event
from runbook_tui.incident.model import IncidentState
from runbook_tui.journal.storage import JournalError

Patch = pytest.MonkeyPatch


def intent_not_synced(patch: Patch) -> None:
    """An intent is only kept in memory until the next event is written."""
    real = Logbook.record

    def record(self: Logbook, kind: str, data: Mapping[str, Any], actor: str = "") -> IncidentState:
        if kind == "intent":
            self.state = state.apply(self.state, Event(self.state.seq, self.state.last_at, 0, "", "", kind, dict(data)))
            return self.state
        return real(self, kind, data, actor)

    patch.setattr(Logbook, "record", record)


def sending_after_the_send(patch: Patch) -> None:
    """`sending` is recorded when the answer is there."""
    real = Performer.perform

    def perform(self: Performer, effect: do.Effect) -> Any:
        record, late = self._record_sending, []
        self._record_sending = late.append  # type: ignore[method-assign]
        try:
            return real(self, effect)
        finally:
            self._record_sending = record  # type: ignore[method-assign]
            for op in late:
                record(op)

    patch.setattr(Performer, "perform", perform)


def unknown_not_sticky(patch: Patch) -> None:
    """Starting a step again forgets what was unknown of it."""
    real = state._RULES["step_started"]

    def rule(draft: Any, event: Event) -> None:
        real(draft, event)
        for op in list(draft.operations.now.values()):
            if op.step == event.data["step"] and op.status == "unknown":
                draft.operations.change(op.op, status="rejected")

    patch.setitem(state._RULES, "step_started", rule)


def no_settle_time(patch: Patch) -> None:
    """`not done` is believed at once."""
    patch.setattr(proof, "_unsettled", lambda *_: 0.0)


def settled_by_the_wall_clock(patch: Patch) -> None:
    """The settle time is told by a clock that can be set."""
    patch.setattr(proof, "_unsettled", _by_the_wall_clock)
    real = Performer.perform

    def perform(self: Performer, effect: do.Effect) -> Any:
        if isinstance(effect, do.Steady):
            return "", self._kit.clock.now().timestamp()
        return real(self, effect)

    patch.setattr(Performer, "perform", perform)


def _by_the_wall_clock(_: IncidentState, unknown: Any, settle: float, asked: tuple[str, float]) -> float:
    sent = [proof.parse_instant(op.sent_at or op.at).timestamp() for op in unknown]
    return max(sent, default=asked[1]) + settle - asked[1]


def retry_on_timeout(patch: Patch) -> None:
    """A call without an answer is made again."""
    real = Performer._call

    def call(self: Performer, effect: do.Call) -> Any:
        reply = real(self, effect)
        return real(self, effect) if reply["result"] == "unknown" else reply

    patch.setattr(Performer, "_call", call)


def claim_not_taken(patch: Patch) -> None:
    """A running step may be started."""
    patch.setattr(steps, "why_not", lambda *given: [one for one in plan.why_not(*given) if "is running" not in one])


def started_after_the_reply(patch: Patch) -> None:
    """The start of a step is recorded by its worker, not before the reply."""
    patch.setattr(steps, "_first", lambda _: ("note", {"text": "a step is to start", "at": ""}))


def word_during_a_step(patch: Patch) -> None:
    """Skip, settle and reopen do not wait for the running step."""
    patch.setattr(Steps, "idle", lambda self: None)


def wrong_order(patch: Patch) -> None:
    """What a step needs first is not asked."""
    patch.setattr(steps, "why_not", lambda *given: [one for one in plan.why_not(*given) if "comes first" not in one])


def proof_from_5xx(patch: Patch) -> None:
    """A failing server counts as a refusal of the key."""
    real = Performer._probe

    def probe(self: Performer, effect: do.Probe) -> Any:
        reply = real(self, effect)
        return {**reply, "state": "dead", "proof": "refused"} if "503" in reply["reason"] else reply

    patch.setattr(Performer, "_probe", probe)


def gone_without_proof(patch: Patch) -> None:
    """An answer that proves nothing counts as seen dead."""
    real = Performer._probe

    def probe(self: Performer, effect: do.Probe) -> Any:
        reply = real(self, effect)
        return {**reply, "proof": "refused"} if reply["state"] == "dead" else reply

    patch.setattr(Performer, "_probe", probe)


def recover_forgets(patch: Patch) -> None:
    """After a restart an attempt that was being sent is taken for refused."""

    def recover(known: IncidentState, why: str = "the program ended") -> Any:
        for effect in procedure.recover(known, why):
            unknown = effect.kind == "outcome" and effect.data["result"] == "unknown"
            yield do.Record(effect.kind, {**effect.data, "result": "not_sent"}) if unknown else effect

    patch.setattr(core, "recover", recover)


def nothing_recovered(patch: Patch) -> None:
    """After a restart nothing is settled."""
    patch.setattr(core, "recover", lambda _: ())


def failed_append_counts(patch: Patch) -> None:
    """What the journal refused is taken for recorded."""
    real = Logbook.record

    def record(self: Logbook, kind: str, data: Mapping[str, Any], actor: str = "") -> IncidentState:
        try:
            return real(self, kind, data, actor)
        except JournalError:
            event = Event(self.state.seq + 1, self.state.last_at, 0, "", "", kind, dict(data))
            self.state = state.apply(self.state, event)
            self.tell({"event": event.fields()})
            return self.state

    patch.setattr(Logbook, "record", record)


def landed_events_missed(patch: Patch) -> None:
    """What a refused append left in the file is not taken in."""
    patch.setattr(Logbook, "catch_up", lambda self: None)
    real = Logbook._take
    patch.setattr(Logbook, "_take", lambda self, news: real(self, news[-1:]))


def outcome_before_new_credential(patch: Patch) -> None:
    """The call counts as done before it is recorded where its secret is."""
    real = steps.run_step

    def run_step(*given: Any) -> Generator[do.Effect, Any, None]:
        inner, held, reply = real(*given), None, None
        while True:
            try:
                effect = inner.send(reply)
            except StopIteration:
                return
            kind = effect.kind if isinstance(effect, do.Record) else ""
            if kind == "new_credential":
                held, reply = effect, given[1]
                continue
            reply = yield effect
            if held is not None and kind == "outcome":
                reply, held = (yield held), None

    patch.setattr(steps, "run_step", run_step)


def always_not_sent(patch: Patch) -> None:
    """A refusal on our side counts as not sent, whenever it came."""
    real = Performer._call

    def call(self: Performer, effect: do.Call) -> Any:
        reply = real(self, effect)
        return {**reply, "result": "not_sent"} if "taken in" in reply["reason"] else reply

    patch.setattr(Performer, "_call", call)


def done_is_forgotten(patch: Patch) -> None:
    """A call that was done is made again when its proof is looked for again."""
    patch.setattr(state, "_action_done", lambda *_: None)
    patch.setitem(state._RULES, "step_acted", lambda draft, event: None)


def two_drivers(patch: Patch) -> None:
    """Taking over leaves the other at the wheel."""

    def let_drive(self: Conductor, terminal: Any, *, took_over: bool) -> None:
        self.record("driver", {"name": terminal.name, "took_over": took_over}, terminal.name)
        terminal.driving = True

    patch.setattr(Conductor, "_let_drive", let_drive)


def shown_before_recorded(patch: Patch) -> None:
    """A terminal is told of an event before it is durable."""
    real = Logbook.record

    def record(self: Logbook, kind: str, data: Mapping[str, Any], actor: str = "") -> IncidentState:
        self.tell({"event": Event(self.state.seq + 1, "", 0, "", "", kind, dict(data)).fields()})
        return real(self, kind, data, actor)

    patch.setattr(Logbook, "record", record)


def settled_while_at_work(patch: Patch) -> None:
    """With a failing journal a request settles a step whose worker is still there."""
    real = Steps._try_journal
    patch.setattr(Steps, "busy", lambda self: False)
    patch.setattr(Steps, "_try_journal", real)


def stuck_after_a_refusal(patch: Patch) -> None:
    """A journal that failed once is never tried again."""

    def refuse(self: Steps) -> None:
        raise JournalError("the journal failed")

    patch.setattr(Steps, "_try_journal", refuse)


MUTATIONS: dict[str, Callable[[Patch], None]] = {
    name: found
    for name, found in list(globals().items())
    if callable(found) and getattr(found, "__module__", "") == __name__ and not name.startswith("_")
}
