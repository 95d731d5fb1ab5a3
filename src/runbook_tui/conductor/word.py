"""The operator's word: skip, attest, waive, settle, reopen, note, close. Each is recorded with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbook_tui.conductor.logbook import Logbook
from runbook_tui.conductor.steps import Steps
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.lines import lines, open_lines
from runbook_tui.incident.notes import note_data
from runbook_tui.incident.plan import plan
from runbook_tui.playbook.model import Playbook


class Word:
    """What the operator says about one incident; RunbookError says why a word does not count.

    The conductor has looked for secrets in it before it comes here.
    """

    def __init__(self, book: Playbook, log: Logbook, steps: Steps) -> None:
        self._book, self._log, self._steps = book, log, steps

    def skip(self, step: str, reason: str) -> dict[str, Any]:
        _need(reason, "a reason")
        self._idle()
        if step not in {one.id for one in plan(self._book, self._log.state)}:
            raise RunbookError(f"{step!r} is not a step of this run")
        if self._log.state.step(step).status in ("done", "skipped"):
            raise RunbookError(f"{step} is finished already")
        self._log.record("step_skipped", {"step": step, "reason": reason})
        return {}

    def attest(self, line: str, what: str) -> dict[str, Any]:
        """A named person says what was seen; the grade stays `attested`."""
        _need(what, "what you saw")
        kind, _, name = self._open_line(line).partition(":")
        if kind == "consumer":
            said = f"{self._log.actor} saw: {what}"
            self._log.record("consumer_state", {"consumer": name, "stage": "used", "proof": "attested", "reason": said})
        elif kind == "operation":
            raise RunbookError("an unknown outcome is settled with clear")
        else:
            side = "new" if kind == "new" else "old"
            self._log.record("attested", {"slot": name, "side": side, "by": self._log.actor, "what": what})
        return {}

    def waive(self, line: str, name: str, reason: str) -> dict[str, Any]:
        _need(name, "a name")
        _need(reason, "a reason")
        self._log.record("waiver", {"line": self._open_line(line), "name": name, "reason": reason})
        return {}

    def _open_line(self, line: str) -> str:
        if self._log.state.closed:
            raise RunbookError("the incident is closed")
        if line not in {one.id for one in open_lines(self._log.state)}:
            known = ", ".join(one.id for one in open_lines(self._log.state)) or "none is open"
            raise RunbookError(f"{line!r} is not an open line", f"open: {known}")
        return line

    def tripwire(self, reason: str = "evidence of use by others") -> dict[str, Any]:
        """Evidence of use: from here on the rule is O1, contain first."""
        # It does not wait for a running step: seconds count.
        _need(reason, "a reason")
        if self._log.state.closed:
            raise RunbookError("the incident is closed")
        # A journal that failed in between has the evidence and not the order that follows from it.
        ordered = "contain_first" not in self._book.orders or self._log.state.order == "contain_first"
        if self._log.state.tripwire and ordered:
            raise RunbookError("it is contain-now already")
        if self._steps.deciding():
            raise RunbookError("the order is being decided", "say it again")
        if not self._log.state.tripwire:
            self._log.record("tripwire", {"reason": reason})
        if "contain_first" in self._book.orders:
            data = {"order": "contain_first", "recommended": "contain_first", "rule": "O1", "why": reason, "reason": ""}
            self._log.record("decision", {**data, "options": list(self._book.orders)})
        return {}

    def clear(self, op: str, reason: str, **verdict: Any) -> dict[str, Any]:
        _need(reason, "what you saw")
        settled = verdict.get("as", "")
        if settled not in ("done", "not_done"):
            raise RunbookError("`as` is done or not_done")
        if op not in {one.op for one in self._log.state.unknown_operations()}:
            raise RunbookError(f"{op!r} is not an unknown outcome")
        self._idle()
        self._log.record("cleared", {"op": op, "as": settled, "by": "operator", "reason": reason})
        return {}

    def reopen(self, step: str, reason: str = "") -> dict[str, Any]:
        self._idle()
        if self._log.state.step(step).status in ("pending", "running"):
            raise RunbookError(f"{step} is not finished")
        self._log.record("step_reopened", {"step": step, "reason": reason})
        return {}

    def close(self, reason: str = "", abandon: bool = False) -> dict[str, Any]:
        self._idle()
        still = open_lines(self._log.state)
        if still and not abandon:
            named = ", ".join(line.id for line in still)
            raise RunbookError(
                f"{len(still)} lines are open: {named}", "prove, attest or waive each; or abandon with a reason"
            )
        waived = any(line.is_waived() for line in lines(self._log.state))
        left = [step.id for step in plan(self._book, self._log.state) if self._log.state.step(step.id).status != "done"]
        state = "abandoned" if still else "complete_except" if waived or left else "contained"
        if still:
            _need(reason, "a reason")
        self._log.record("closed", {"state": state, "reason": reason})
        return {"state": state}

    def _idle(self) -> None:
        self._steps.idle()
        if self._log.state.closed:
            raise RunbookError("the incident is closed")

    def note(self, by: str, text: str, at: str = "", attached: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self._log.record("note", note_data(text, at, attached), by)
        return {}


def _need(text: str, what: str) -> None:
    """Free text that goes into the record: there has to be some."""
    if not text.strip():
        raise RunbookError(f"it needs {what}")
