"""The conductor of one incident: takes requests from terminals, and lets them watch what is recorded."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from runbook_tui import __version__
from runbook_tui.conductor.findings import Takes
from runbook_tui.conductor.kit import Kit
from runbook_tui.conductor.logbook import Logbook, Push, Terminal
from runbook_tui.conductor.performer import Performer
from runbook_tui.conductor.purging import entries
from runbook_tui.conductor.steps import Start, Steps, on_a_thread
from runbook_tui.conductor.word import Word
from runbook_tui.foundation.clock import iso
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.events import Event
from runbook_tui.incident.procedure import recover
from runbook_tui.incident.state import IncidentState
from runbook_tui.journal.store import Journal, JournalError
from runbook_tui.playbook.model import Playbook, to_data
from runbook_tui.secrets.secret import Secret

# Beside free text a request can carry a secret: to the vault, or to be searched for. It is never recorded.
_NO_TEXT = {"run": "answers", "purge": "secret"}
_CALLED = {"text": "the note", "what": "what you saw", "at": "the time"}


class Conductor:
    """See the module. Thread-safe. `start` is how a step gets its worker."""

    def __init__(self, book: Playbook, journal: Journal, kit: Kit, actor: str, *, start: Start = on_a_thread) -> None:
        self.book = book
        self.kit = kit
        self.over = threading.Event()
        self._log = log = Logbook(journal, actor)
        performer = Performer(
            kit,
            record_sending=lambda op: log.record("sending", {"op": op}),
            look=lambda: log.state,
            report=self._markdown,
            progress=lambda progress: log.tell({"progress": dict(progress)}),
        )
        self._steps = Steps(book, kit, log, performer, start)
        word = Word(book, log, self._steps)
        self.record = log.record
        self.join, self.busy, self.tick = self._steps.join, self._steps.busy, self._steps.tick
        self._note = word.note
        self._takes = Takes(kit, log)
        self._methods: dict[str, Callable[..., dict[str, Any] | None]] = {
            "run": self._steps.run,
            "stop": self._steps.stop,
            "skip": word.skip,
            "attest": word.attest,
            "waive": word.waive,
            "tripwire": word.tripwire,
            "clear": word.clear,
            "reopen": word.reopen,
            "close": word.close,
            "purge": self._purge,
            "shutdown": self._shutdown,
        }

    @cached_property
    def book_data(self) -> dict[str, Any]:
        """The playbook as a terminal is told it."""
        return to_data(self.book)

    @property
    def state(self) -> IncidentState:
        """The incident as it is now."""
        return self._log.state

    @property
    def events(self) -> list[Event]:
        """Everything recorded so far."""
        return self._log.events

    def attach(self, name: str, role: str, push: Push) -> tuple[Terminal, dict[str, Any]]:
        """A terminal arrives; the first that wants to drive does, later ones watch until they take over."""
        with self._log.lock:
            terminal = Terminal("a terminal" if self.kit.guard.hits(name) else name, push)
            self._log.terminals.append(terminal)
            if role == "drive" and not any(other.driving for other in self._log.terminals):
                with contextlib.suppress(JournalError):  # the logbook has raised the alarm; it can still watch
                    self._let_drive(terminal, took_over=False)
            return terminal, {
                "events": self._log.portion(0),
                "last": self.state.seq,
                "driving": terminal.driving,
                "vault": self.kit.vault.kind,
                "playbook": self.book_data,
                "folder": str(self.kit.folder),
                "clock": iso(self.kit.clock.now()),
            }

    def detach(self, terminal: Terminal) -> None:
        """A terminal is gone; the incident goes on."""
        with self._log.lock:
            if terminal in self._log.terminals:
                self._log.terminals.remove(terminal)

    def needed(self) -> bool:
        """Whether somebody is connected, or a step runs or waits for its time."""
        waiting = any(one.status == "waiting" for one in self.state.steps.values())
        return bool(self._log.terminals) or self.busy() or waiting

    def finish(self, patience: float) -> None:
        """Begin nothing any more; wait for the call in flight and its outcome. The waiting for a proof is cut short."""
        with self._log.lock:
            self._steps.ending = True
        self._steps.stop()
        self.join(patience)

    def handle(self, terminal: Terminal, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request; RunbookError says why it is refused."""
        self._refuse_secrets(method, params)
        try:
            if method == "take_over":
                with self._log.lock:
                    self._let_drive(terminal, took_over=True)
                return {}
            if method == "note":
                self._note(terminal.name, **params)
                return {}
            if method == "events":
                return {"events": self._log.portion(int(params.get("since", 0)))}
            if method == "report":
                return {"markdown": self._markdown()}
            if method == "prompts":
                return self._steps.prompts(**params)
            if method == "take":
                return self._take(terminal, **params)
            if method not in self._methods:
                raise RunbookError(f"the conductor does not know {method!r}")
            with self._log.lock:  # else another could take over between the look and the deed
                self._check_driving(terminal)
                return self._methods[method](**params) or {}
        except TypeError as error:
            raise RunbookError(f"{method}: {error}") from None

    def _take(self, terminal: Terminal, finding: str) -> dict[str, Any]:
        """A found credential becomes one of the incident. Looking for its value takes a while: nobody waits for it."""
        self._check_free(terminal)
        found = self._takes.look(finding)
        with self._log.lock:
            self._check_free(terminal)
            return self._takes.keep(found)

    def _check_free(self, terminal: Terminal) -> None:
        with self._log.lock:
            self._check_driving(terminal)
            self._steps.idle()

    def _check_driving(self, terminal: Terminal) -> None:
        if not terminal.driving:
            raise RunbookError(f"{self.state.driver} drives this incident", "take over first (D)")

    def _refuse_secrets(self, method: str, params: Mapping[str, Any]) -> None:
        """Every text of every request passes the guard, here and nowhere else; `run` looks at its answers itself."""
        for name, value in params.items():
            self.kit.guard.refuse(name, "a parameter")
            if _NO_TEXT.get(method) != name:
                self.kit.guard.refuse(value, _CALLED.get(name, f"the {name}"))

    def _let_drive(self, terminal: Terminal, *, took_over: bool) -> None:
        self.record("driver", {"name": terminal.name, "took_over": took_over}, terminal.name)
        for other in self._log.terminals:
            if other.driving:
                other.driving = False
                other.push({"driving": False})
        terminal.driving = True
        terminal.push({"driving": True})

    def recover(self) -> None:
        """After a restart: attempts that were under way get their outcome, as far as it is known."""
        found = list(recover(self.state))
        for effect in found:
            self.record(effect.kind, effect.data)
        unknown = [op.op for op in self.state.unknown_operations()]
        self.record("resumed", {"open_operations": unknown})

    def _markdown(self) -> str:
        from runbook_tui.report.markdown import markdown

        now, head = self.kit.clock.now(), self._log.head()
        return markdown(self.book, self.state, self.events, tool=f"runbook {__version__}", now=now, head=head)

    def _purge(self, reason: str, events: Sequence[int] = (), secret: str = "") -> dict[str, Any]:
        if not reason.strip():
            raise RunbookError("it needs a reason")
        with self._log.lock:
            self._steps.idle()
            if secret:
                self.kit.register(Secret(secret), "purged")  # whoever writes it once more, writes a label
            found = entries(self.events, events, Secret(secret) if secret else None)
            event, clean = self._log.purge(found, reason)
        return {"events": [one["seq"] for one in found], "recorded": event.seq, "clean": clean}

    def _shutdown(self) -> dict[str, Any]:
        if self.busy():
            raise RunbookError("a step is running", "wait for it, or stop its waiting (x)")
        self.over.set()
        return {}
