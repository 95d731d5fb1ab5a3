"""Runs steps: one at a time, each on a worker of its own."""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from runbook_tui.conductor.kit import Kit
from runbook_tui.conductor.logbook import Logbook
from runbook_tui.conductor.manual import manual_path
from runbook_tui.conductor.performer import Performer, said
from runbook_tui.foundation.clock import parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident import effects as do
from runbook_tui.incident.plan import items, only_proof, plan, scope, why_not
from runbook_tui.incident.procedure import Procedure, recover, run_step
from runbook_tui.incident.prompts import Prompt, check_answers, prompts_for, subject_of
from runbook_tui.journal.store import JournalError
from runbook_tui.playbook.model import Playbook, Step
from runbook_tui.playbook.values import Unresolved, resolve
from runbook_tui.secrets.secret import Secret

_LAST_BREATH = 5.0  # seconds a step's thread may take to end after it has recorded the step's end


class Worker(Protocol):
    """What runs a step."""

    def join(self, timeout: float | None = None) -> None: ...
    def is_alive(self) -> bool: ...


# Starts the work of a named step and returns at once.
Start = Callable[[str, Callable[[], None]], Worker]


def on_a_thread(name: str, work: Callable[[], None]) -> Worker:
    """The worker of a real run. A simulator decides itself when the work goes on."""
    thread = threading.Thread(target=work, name=f"step {name}", daemon=True)
    thread.start()
    return thread


class Steps:
    """The steps of one incident. Requests come from any thread."""

    def __init__(self, book: Playbook, kit: Kit, log: Logbook, performer: Performer, start: Start) -> None:
        self._book, self._kit, self._log, self._performer, self._start = book, kit, log, performer, start
        self._worker: Worker | None = None
        self.ending = False  # the conductor has been told to end: nothing new is begun

    def stop(self) -> None:
        """End the running step's waiting for its proof."""
        self._performer.stopped.set()

    def _step(self, name: str) -> Step:
        try:
            return self._book.step(name)
        except KeyError:
            raise RunbookError(f"there is no step {name!r} in this playbook") from None

    def _questions(self, step: Step) -> list[Prompt]:
        return prompts_for(self._book, self._log.state, step, partial(manual_path, self._kit))

    def prompts(self, step: str) -> dict[str, Any]:
        one = self._step(step)
        batch = [item for item, _ in items(one, self._log.state) if item]
        return {"prompts": [asdict(p) for p in self._questions(one)], "preview": self._preview(one), "batch": batch}

    def _preview(self, step: Step) -> dict[str, Any] | None:
        entries = items(step, self._log.state)
        subject = subject_of(step, self._log.state, entries[0][1] if entries else None)
        if step.action != "call" or subject is None or subject.can.get(step.spec["operation"]) != "api":
            return None
        try:
            args = resolve(dict(step.spec.get("args", {})), {**scope(self._log.state), "each": entries[0][1]})
        except (Unresolved, IndexError):
            args = {}
        try:
            return self._performer.preview(subject, step.spec["operation"], args)
        except RunbookError as error:
            return {"sentence": error.message}

    def run(self, step: str, answers: Mapping[str, Any] | None = None) -> dict[str, Any]:
        one = self._step(step)
        try:
            self._begin(one, answers)
        except JournalError as error:
            later = "Write it down with `runbook incident note --at TIME` when the journal is back."
            hint = " ".join(["by hand:", *(self._manual(one) or ["as the step says."]), later])
            raise RunbookError(f"no journal, no action: {error.message}", hint, exit_code=error.exit_code) from None
        return {}

    def _begin(self, one: Step, answers: Mapping[str, Any] | None) -> None:
        with self._log.lock:
            self._check_ready(one)
            self.join(_LAST_BREATH)  # it has recorded its end; what it was given must be gone before the next is taken
            given = {} if only_proof(self._log.state, one) else dict(answers or {})
            questions = self._questions(one)
            secret = {prompt.name for prompt in questions if prompt.kind == "secret"}
            self._kit.guard.refuse({name: said for name, said in given.items() if name not in secret}, "the answer")
            checked = check_answers(questions, given)
            self._take_secrets(one, checked)
            procedure = run_step(self._book, self._log.state, one, checked, self._log.actor)
            self._performer.stopped.clear()
            self._log.by_hand = partial(self._manual, one)
            # The first event is recorded before the reply: a second request already sees the step running.
            self._log.record(*_first(procedure))
            self._worker = self._start(one.id, partial(self._drive, one, procedure))

    def _check_ready(self, step: Step) -> None:
        if self.ending:
            raise RunbookError("the conductor is ending: nothing new is begun", "`runbook resume` goes on afterwards")
        if self._log.broken and not self.busy():  # a step at work settles itself
            self._try_journal()
        reasons = why_not(self._book, self._log.state, step, self._kit.clock.now())
        if reasons:
            raise RunbookError(f"{step.id} cannot run: {'; '.join(reasons)}")

    def _try_journal(self) -> None:
        """The journal could not be written: see whether it can be again, and settle what was cut off then."""
        self._log.catch_up()
        for effect in recover(self._log.state, "the journal could not be written"):
            self._log.record(effect.kind, effect.data)
        self._log.record("resumed", {"open_operations": [op.op for op in self._log.state.unknown_operations()]})
        self._log.broken = ""

    def _take_secrets(self, step: Step, answers: dict[str, Any]) -> None:
        for prompt in self._questions(step):
            if prompt.kind == "secret" and prompt.name in answers:
                value = answers[prompt.name]
                answers[prompt.name] = "(given)"
                secret = self._from_vault(value) if isinstance(value, Mapping) else Secret(str(value).strip())
                self._kit.register(secret, prompt.name)
                self._performer.pasted[prompt.name] = secret

    def _from_vault(self, value: Mapping[str, Any]) -> Secret:
        """`{credential: NAME}` in an answers file: a secret never stands in the file itself."""
        credential = self._kit.credential(str(value.get("credential", "")))
        if credential.secret is None:
            raise RunbookError(f"{credential.name} has no secret")
        return credential.secret

    def _drive(self, step: Step, procedure: Procedure) -> None:
        """Run a procedure to its end, on the step's own thread."""
        reply: Any = self._log.state
        try:
            while True:
                effect = procedure.send(reply)
                if isinstance(effect, do.Record):
                    reply = self._log.record(effect.kind, self._with_manual(step, effect))
                else:
                    reply = self._performer.perform(effect)
        except StopIteration:
            return
        except JournalError as error:
            # The logbook has raised the alarm. Below its reserve of space the journal still takes the step's end.
            self._fail(step, f"no journal, no action: {error.message}")
        except RunbookError as error:
            self._fail(step, said(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours ends the step, not the incident
            frame = traceback.extract_tb(error.__traceback__)[-1]
            self._fail(
                step, f"a fault in the program: {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
            )
        finally:
            self._performer.pasted.clear()

    def _fail(self, step: Step, reason: str) -> None:
        """End the step, and settle what it had begun: what was not sent, and what nobody knows."""
        # The logbook has raised the alarm. In one go: another request could settle it too, and start the step anew.
        with contextlib.suppress(JournalError), self._log.lock:
            self._log.catch_up()
            for effect in recover(self._log.state, reason):
                self._log.record(effect.kind, self._with_manual(step, effect))

    def _with_manual(self, step: Step, effect: do.Record) -> Mapping[str, Any]:
        """Every refusal prints the manual path."""
        if effect.kind != "step_failed" or step.action != "call":
            return effect.data
        return {**effect.data, "manual": self._manual(step)}

    def _manual(self, step: Step) -> list[str]:
        """How to do a call by hand, for each account that is left: link and clicks. [] for another step."""
        if step.action != "call":
            return []
        done = self._log.state.step(step.id).items
        left = [
            subject_of(step, self._log.state, entry) for item, entry in items(step, self._log.state) if item not in done
        ]
        manual: list[str] = []
        for subject in left:
            if subject is not None and subject.provider:
                try:
                    path = manual_path(self._kit, subject, step.spec["operation"])
                except RunbookError as error:
                    path = {"link": "", "steps": [f"The manual path cannot be looked up: {error.message}"]}
                manual += [one for one in (path["link"], *path["steps"]) if one and one not in manual]
        return manual

    def join(self, timeout: float | None = None) -> None:
        """Wait until the running step has ended."""
        worker = self._worker
        if worker is not None:
            worker.join(timeout)

    def busy(self) -> bool:
        """Whether a step is running."""
        # A thread that has recorded its step's end does nothing more.
        alive = self._worker is not None and self._worker.is_alive()
        return alive and any(one.status == "running" for one in self._log.state.steps.values())

    def idle(self) -> None:
        """RunbookError while a step runs; settles first what a failing journal cut off."""
        if self._log.broken and not self.busy():
            self._try_journal()
        if any(one.status == "running" for one in self._log.state.steps.values()):
            raise RunbookError("a step is running", "wait for it, or stop its waiting (x)")

    def deciding(self) -> bool:
        """Whether the order is being decided right now."""
        running = [name for name, one in self._log.state.steps.items() if one.status == "running"]
        return any(self._step(name).action == "decide" for name in running)

    def tick(self) -> None:
        """Go on with a waiting step whose time has come: only its proof, or the end of a wait, is left."""
        with self._log.lock:
            if self.busy() or self._log.state.closed:
                return
            if self._log.broken:
                if any(one.status == "running" for one in self._log.state.steps.values()):
                    self._try_journal()  # else the step that was cut off would seem to run for ever
                return
            now = self._kit.clock.now()
            for step in plan(self._book, self._log.state):
                one = self._log.state.step(step.id)
                due = one.status == "waiting" and bool(one.until) and now >= parse_instant(one.until)
                if due and (only_proof(self._log.state, step) or step.action in ("", "wait")):
                    self.run(step.id, {})
                    return


def _first(procedure: Procedure) -> tuple[str, Mapping[str, Any]]:
    effect = next(procedure)
    assert isinstance(effect, do.Record)
    return effect.kind, effect.data
