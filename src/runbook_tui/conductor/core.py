"""The conductor of one incident: takes requests, runs one step at a time, and alone writes the journal."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runbook_tui import __version__
from runbook_tui.conductor.kit import Kit
from runbook_tui.conductor.performer import Performer
from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident import effects as do
from runbook_tui.incident.events import Event
from runbook_tui.incident.lines import lines, open_lines
from runbook_tui.incident.plan import items, plan, scope, why_not
from runbook_tui.incident.procedure import Procedure, recover, run_step
from runbook_tui.incident.prompts import Prompt, check_answers, is_manual, prompts_for, subject_of
from runbook_tui.incident.state import IncidentState, apply, fold
from runbook_tui.journal.store import Journal, JournalError
from runbook_tui.playbook.model import Playbook, Step
from runbook_tui.playbook.values import Unresolved, resolve
from runbook_tui.secrets.patterns import looks_secret
from runbook_tui.secrets.secret import Secret

Push = Callable[[dict[str, Any]], None]


@dataclass
class Terminal:
    """One connected terminal: its name, whether it drives, and how to tell it something."""

    name: str
    push: Push
    driving: bool = False


class Conductor:
    """See the module. Thread-safe: requests come from any thread, steps run on a thread of their own."""

    def __init__(self, book: Playbook, journal: Journal, kit: Kit, actor: str) -> None:
        self.book = book
        self.kit = kit
        self.actor = actor
        self._journal = journal
        self._lock = threading.RLock()
        self.events: list[Event] = journal.events()
        self.state: IncidentState = fold(self.events)
        self._terminals: list[Terminal] = []
        self._worker: threading.Thread | None = None
        self._broken = ""  # why the journal cannot be written: then nothing is done
        self.over = threading.Event()
        self._performer = Performer(kit, self._record_sending, lambda: self.state, self._markdown, self._tell_progress)
        self._methods: dict[str, Callable[..., dict[str, Any]]] = {
            "prompts": self._prompts,
            "run": self._run,
            "skip": self._skip,
            "attest": self._attest,
            "waive": self._waive,
            "tripwire": self._tripwire,
            "clear": self._clear,
            "reopen": self._reopen,
            "stop": self._stop,
            "close": self._close,
            "shutdown": self._shutdown,
        }

    # -- terminals

    def attach(self, name: str, role: str, push: Push) -> tuple[Terminal, dict[str, Any]]:
        """A terminal arrives; the first that wants to drive does, later ones watch until they take over."""
        with self._lock:
            terminal = Terminal(name, push)
            self._terminals.append(terminal)
            if role == "drive" and not any(other.driving for other in self._terminals):
                self._let_drive(terminal, took_over=False)
            told = [asdict(event) for event in self.events]
            return terminal, {
                "events": told,
                "driving": terminal.driving,
                "vault": self.kit.vault.kind,
                "playbook": self.book.source,
                "folder": str(self.kit.folder),
                "clock": iso(self.kit.clock.now()),
            }

    def detach(self, terminal: Terminal) -> None:
        """A terminal is gone; the incident goes on."""
        with self._lock:
            if terminal in self._terminals:
                self._terminals.remove(terminal)

    def handle(self, terminal: Terminal, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request; RunbookError says why it is refused."""
        try:
            if method == "take_over":
                with self._lock:
                    self._let_drive(terminal, took_over=True)
                return {}
            if method == "note":
                return self._note(terminal, **params)
            if method == "report":
                return {"markdown": self._markdown()}
            if method not in self._methods:
                raise RunbookError(f"the conductor does not know {method!r}")
            if method != "prompts" and not terminal.driving:
                raise RunbookError(f"{self.state.driver} drives this incident", "take over first (D)")
            return self._methods[method](**params)
        except JournalError as error:
            self._no_journal(error)
            raise
        except TypeError as error:
            raise RunbookError(f"{method}: {error}") from None

    def _let_drive(self, terminal: Terminal, *, took_over: bool) -> None:
        for other in self._terminals:
            if other.driving:
                other.driving = False
                other.push({"driving": False})
        self.record("driver", {"name": terminal.name, "took_over": took_over}, terminal.name)
        terminal.driving = True
        terminal.push({"driving": True})

    # -- the record

    def record(self, kind: str, data: Mapping[str, Any], actor: str = "") -> IncidentState:
        """Append an event and tell every terminal; raises JournalError when it is not durable."""
        with self._lock:
            event = self._journal.append(kind, dict(data), actor or self.actor)
            self.events.append(event)
            self.state = apply(self.state, event)
            for terminal in self._terminals:
                terminal.push({"event": asdict(event)})
            return self.state

    def recover(self) -> None:
        """After a restart: attempts that were under way get their outcome, as far as it is known."""
        found = list(recover(self.state))
        for effect in found:
            self.record(effect.kind, effect.data)
        unknown = [op.op for op in self.state.unknown_operations()]
        self.record("resumed", {"open_operations": unknown})

    def _record_sending(self, op: str) -> None:
        self.record("sending", {"op": op})

    def _tell_progress(self, progress: Mapping[str, Any]) -> None:
        with self._lock:
            for terminal in self._terminals:
                terminal.push({"progress": dict(progress)})

    def _markdown(self) -> str:
        from runbook_tui.report.markdown import markdown

        now, head = self.kit.clock.now(), self._journal.head()
        return markdown(self.book, self.state, self.events, tool=f"runbook {__version__}", now=now, head=head)

    def _no_journal(self, error: JournalError) -> None:
        self._broken = error.message
        self._tell_progress({"alarm": f"NO JOURNAL, NO ACTION: {error.message}"})

    # -- steps

    def _step(self, name: str) -> Step:
        try:
            return self.book.step(name)
        except KeyError:
            raise RunbookError(f"there is no step {name!r} in this playbook") from None

    def _questions(self, step: Step) -> list[Prompt]:
        manual: Mapping[str, Any] | None = None
        subject = subject_of(step, self.state)
        if subject is not None and is_manual(step, self.state):
            manual = self._performer.manual_path(subject, step.spec["operation"])
        return prompts_for(self.book, self.state, step, manual)

    def _prompts(self, step: str) -> dict[str, Any]:
        one = self._step(step)
        batch = [item for item, _ in items(one, self.state) if item]
        return {"prompts": [asdict(p) for p in self._questions(one)], "preview": self._preview(one), "batch": batch}

    def _preview(self, step: Step) -> dict[str, Any] | None:
        entries = items(step, self.state)
        subject = subject_of(step, self.state, entries[0][1] if entries else None)
        if step.action != "call" or subject is None or subject.can.get(step.spec["operation"]) != "api":
            return None
        try:
            args = resolve(dict(step.spec.get("args", {})), {**scope(self.state), "each": entries[0][1]})
        except (Unresolved, IndexError):
            args = {}
        try:
            return self._performer.preview(subject, step.spec["operation"], args)
        except RunbookError as error:
            return {"sentence": error.message}

    def _run(self, step: str, answers: Mapping[str, Any] | None = None) -> dict[str, Any]:
        one = self._step(step)
        with self._lock:
            self._check_ready(one)
            given = dict(answers or {})
            checked = {} if self.state.step(step).acted else check_answers(self._questions(one), given)
            self._take_secrets(one, checked)
            procedure = run_step(self.book, self.state, one, checked, self.actor)
            self._performer.stopped.clear()
            # The first event is recorded before the reply: a second request already sees the step running.
            self.record(*_first(procedure))
            self._worker = threading.Thread(target=self._drive, args=(one, procedure), name=f"step {step}", daemon=True)
            self._worker.start()
        return {}

    def _check_ready(self, step: Step) -> None:
        if self._broken:
            raise RunbookError(
                f"no journal, no action: {self._broken}",
                "do it by hand, and write it down with `runbook incident note --at TIME` when the journal is back",
            )
        reasons = why_not(self.book, self.state, step, self.kit.clock.now())
        if reasons:
            raise RunbookError(f"{step.id} cannot run: {'; '.join(reasons)}")

    def _take_secrets(self, step: Step, answers: dict[str, Any]) -> None:
        for prompt in self._questions(step):
            if prompt.kind == "text":
                _refuse_secret(str(answers.get(prompt.name, "")), prompt.name)
            if prompt.kind == "secret" and prompt.name in answers:
                value = answers[prompt.name]
                answers[prompt.name] = "(given)"
                secret = self._from_vault(value) if isinstance(value, Mapping) else Secret(str(value).strip())
                self.kit.register(secret, prompt.name)
                self._performer.pasted[prompt.name] = secret

    def _from_vault(self, value: Mapping[str, Any]) -> Secret:
        """`{credential: NAME}` in an answers file: a secret never stands in the file itself."""
        credential = self.kit.credential(str(value.get("credential", "")))
        if credential.secret is None:
            raise RunbookError(f"{credential.name} has no secret")
        return credential.secret

    def _drive(self, step: Step, procedure: Procedure) -> None:
        """Run a procedure to its end, on the step's own thread."""
        reply: Any = self.state
        try:
            while True:
                effect = procedure.send(reply)
                if isinstance(effect, do.Record):
                    reply = self.record(effect.kind, self._with_manual(step, effect))
                else:
                    reply = self._performer.perform(effect)
        except StopIteration:
            return
        except JournalError as error:
            self._no_journal(error)
        except RunbookError as error:
            self._fail(step, error.message)
        except Exception as error:  # noqa: BLE001 - a fault of ours ends the step, not the incident
            frame = traceback.extract_tb(error.__traceback__)[-1]
            self._fail(
                step, f"a fault in the program: {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
            )
        finally:
            self._performer.pasted.clear()

    def _fail(self, step: Step, reason: str) -> None:
        try:
            failed = do.Record("step_failed", {"step": step.id, "status": "failed", "reason": reason, "manual": []})
            self.record(failed.kind, self._with_manual(step, failed))
        except JournalError as error:
            self._no_journal(error)

    def _with_manual(self, step: Step, effect: do.Record) -> Mapping[str, Any]:
        """Every refusal prints the manual path."""
        if effect.kind != "step_failed" or step.action != "call":
            return effect.data
        done = self.state.step(step.id).items
        left = [subject_of(step, self.state, entry) for item, entry in items(step, self.state) if item not in done]
        manual: list[str] = []
        for subject in left:
            if subject is not None and subject.provider:
                path = self._performer.manual_path(subject, step.spec["operation"])
                manual += [one for one in (path["link"], *path["steps"]) if one and one not in manual]
        return {**effect.data, "manual": manual}

    def join(self, timeout: float | None = None) -> None:
        """Wait until the running step has ended."""
        worker = self._worker
        if worker is not None:
            worker.join(timeout)

    def busy(self) -> bool:
        """Whether a step is running."""
        return self._worker is not None and self._worker.is_alive()

    def tick(self) -> None:
        """Go on with a waiting step whose time has come: only its proof, or the end of a wait, is left."""
        with self._lock:
            if self.busy() or self._broken or self.state.closed:
                return
            now = self.kit.clock.now()
            for step in plan(self.book, self.state):
                one = self.state.step(step.id)
                due = one.status == "waiting" and bool(one.until) and now >= parse_instant(one.until)
                if due and (one.acted or step.action in ("", "wait")):
                    self._run(step.id, {})
                    return

    # -- the operator's word

    def _skip(self, step: str, reason: str) -> dict[str, Any]:
        _need(reason, "a reason")
        self._idle()
        if step not in {one.id for one in plan(self.book, self.state)}:
            raise RunbookError(f"{step!r} is not a step of this run")
        if self.state.step(step).status in ("done", "skipped"):
            raise RunbookError(f"{step} is finished already")
        self.record("step_skipped", {"step": step, "reason": reason})
        return {}

    def _attest(self, line: str, what: str) -> dict[str, Any]:
        """A named person says what was seen; the grade stays `attested`."""
        _need(what, "what you saw")
        kind, _, name = self._open_line(line).partition(":")
        if kind == "consumer":
            said = f"{self.actor} saw: {what}"
            self.record("consumer_state", {"consumer": name, "stage": "used", "proof": "attested", "reason": said})
        elif kind == "operation":
            raise RunbookError("an unknown outcome is settled with clear")
        else:
            side = "new" if kind == "new" else "old"
            self.record("attested", {"slot": name, "side": side, "by": self.actor, "what": what})
        return {}

    def _waive(self, line: str, name: str, reason: str) -> dict[str, Any]:
        _need(name, "a name")
        _need(reason, "a reason")
        self.record("waiver", {"line": self._open_line(line), "name": name, "reason": reason})
        return {}

    def _open_line(self, line: str) -> str:
        if line not in {one.id for one in open_lines(self.state)}:
            known = ", ".join(one.id for one in open_lines(self.state)) or "none is open"
            raise RunbookError(f"{line!r} is not an open line", f"open: {known}")
        return line

    def _tripwire(self, reason: str = "evidence of use by others") -> dict[str, Any]:
        """Evidence of use: from here on the rule is O1, contain first."""
        self._idle()
        if self.state.tripwire:
            raise RunbookError("it is contain-now already")
        self.record("tripwire", {"reason": reason})
        if self.state.order and "contain_first" in self.book.orders:
            data = {"order": "contain_first", "recommended": "contain_first", "rule": "O1", "why": reason, "reason": ""}
            self.record("decision", {**data, "options": list(self.book.orders)})
        return {}

    def _clear(self, op: str, reason: str, **verdict: Any) -> dict[str, Any]:
        _need(reason, "what you saw")
        settled = verdict.get("as", "")
        if settled not in ("done", "not_done"):
            raise RunbookError("`as` is done or not_done")
        if op not in {one.op for one in self.state.unknown_operations()}:
            raise RunbookError(f"{op!r} is not an unknown outcome")
        self._idle()
        self.record("cleared", {"op": op, "as": settled, "by": "operator", "reason": reason})
        return {}

    def _reopen(self, step: str, reason: str = "") -> dict[str, Any]:
        self._idle()
        if self.state.step(step).status == "pending":
            raise RunbookError(f"{step} is not finished")
        self.record("step_reopened", {"step": step, "reason": reason})
        return {}

    def _note(self, terminal: Terminal, text: str, at: str = "") -> dict[str, Any]:
        _need(text, "a text")
        _refuse_secret(text, "the note")
        self.record("note", {"text": text, "at": iso(parse_instant(at)) if at else ""}, terminal.name)
        return {}

    def _stop(self) -> dict[str, Any]:
        self._performer.stopped.set()
        return {}

    def _close(self, reason: str = "", abandon: bool = False) -> dict[str, Any]:
        self._idle()
        still = open_lines(self.state)
        if still and not abandon:
            named = ", ".join(line.id for line in still)
            raise RunbookError(
                f"{len(still)} lines are open: {named}", "prove, attest or waive each; or abandon with a reason"
            )
        waived = any(line.waived_by for line in lines(self.state))
        left = [step.id for step in plan(self.book, self.state) if self.state.step(step.id).status != "done"]
        state = "abandoned" if still else "complete_except" if waived or left else "contained"
        if still:
            _need(reason, "a reason")
        self.record("closed", {"state": state, "reason": reason})
        return {"state": state}

    def _shutdown(self) -> dict[str, Any]:
        if self.busy():
            raise RunbookError("a step is running", "wait for it, or stop its waiting (x)")
        self.over.set()
        return {}

    def _idle(self) -> None:
        if self.busy():
            raise RunbookError("a step is running", "wait for it, or stop its waiting (x)")
        if self.state.closed:
            raise RunbookError("the incident is closed")


def _first(procedure: Procedure) -> tuple[str, Mapping[str, Any]]:
    effect = next(procedure)
    assert isinstance(effect, do.Record)
    return effect.kind, effect.data


def _need(text: str, what: str) -> None:
    if not text.strip():
        raise RunbookError(f"it needs {what}")


def _refuse_secret(text: str, where: str) -> None:
    kinds = looks_secret(text)
    if kinds:
        what = f"{where} looks like it holds a secret ({kinds[0]})"
        raise RunbookError(what, "nothing was recorded; leave the secret out")
