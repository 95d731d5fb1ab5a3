"""An operator at a line-by-line terminal."""

from __future__ import annotations

import getpass
import queue
import select
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TextIO

from runbook_tui.conductor.protocol import Client
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.text import plain
from runbook_tui.incident.actions import ACTIONS, Action, stopping, why_disallowed
from runbook_tui.incident.board import board, sentence, timeline
from runbook_tui.incident.details import details
from runbook_tui.incident.events import Event
from runbook_tui.incident.findings import label, untaken
from runbook_tui.incident.lines import open_lines
from runbook_tui.incident.prompts import Prompt, check_answer
from runbook_tui.plain.telling import Telling

_FEW = 5  # findings named once more where one is chosen
_STOP_WORD = "  type `stop` and Enter to stop the scan; it can be run again"
_GLANCE = 0.3  # seconds between two looks at what others do, while nobody types
# The words of the registry that a line-by-line operator can use.
_WORDS = {action.word: action for action in ACTIONS}


class _Closed(Exception):
    """Another terminal closed the incident."""


class _Left(Exception):
    """The operator leaves, or the input has ended."""


def run_plain(client: Client, source: TextIO | None = None, sink: TextIO | None = None) -> int:
    """Drive or watch `client` until the incident is closed or the operator leaves."""
    return _Front(client, source or sys.stdin, sink or sys.stderr).run()


class _Front:
    def __init__(self, client: Client, source: TextIO, sink: TextIO) -> None:
        self._client = client
        self._source, self._sink = source, sink
        self._pushes: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._telling = Telling()
        client.listen(self._pushes.put)

    def run(self) -> int:
        self._say(f"{self._now():%H:%M:%S} {self._board().mode} {self._client.state.incident}: {self._board().title}")
        try:
            while not self._client.state.closed:
                self._settle()
                self._show_next()
                self._command()
        except _Closed:
            return Exit.GOOD
        except _Left:
            return Exit.INCOMPLETE
        except KeyboardInterrupt:
            self._say("left; the incident stays open")
            return Exit.INTERRUPTED
        self._settle()
        return Exit.GOOD

    # -- showing

    def _board(self) -> Any:
        return board(self._client.book, self._client.state, self._now())

    def _now(self) -> datetime:
        return self._client.clock.now()

    def _say(self, text: str) -> None:
        self._sink.write(plain(text, 4000, keep_newlines=True) + "\n")
        self._sink.flush()

    def _show_next(self) -> None:
        seen = self._board()
        head = f"{seen.step_word}: {seen.next_title}" if seen.next_step else seen.next_title
        self._say(f"\n{self._now():%H:%M:%S} {head}. {seen.clock} of {seen.target}, {seen.left}. {seen.loop}.")
        for line in (*seen.alerts, *seen.next_lines):
            self._say(f"  {line}")

    def _settle(self) -> None:
        """Say what has happened; while a step runs, wait for it."""
        while True:
            try:
                push = self._pushes.get(timeout=0.2)
            except queue.Empty:
                if any(one.status == "running" for one in self._client.state.steps.values()):
                    self._hear_stop()
                    continue
                return
            self._take(push)
            self._hear_stop()

    def _hear_stop(self) -> None:
        """While a scan runs at a terminal, `stop` ends it. Of lines that are piped in each waits for its question."""
        client = self._client
        if not self._searching() or not select.select([self._source], [], [], 0)[0]:
            return
        if self._read("").lower() not in ("stop", "x"):
            self._say(_STOP_WORD)
            return
        try:
            client.request("stop")
        except RunbookError as error:  # another terminal drives
            self._say(f"  {error.message}")

    def _searching(self) -> bool:
        client = self._client
        return client.driving and self._source.isatty() and stopping(client.book, client.state) == "stop the scan"

    def _take(self, push: dict[str, Any]) -> None:
        if "lost" in push:
            self._say(f"{push['lost']}. The incident is safe: runbook resume {self._client.state.incident}")
            raise _Left
        if "event" in push:
            self._tell(push["event"])
        if "alarm" in push.get("progress", {}):
            self._say(push["progress"]["alarm"])
        elif said := self._telling.line(push.get("progress", {})):
            self._say(f"{self._now():%H:%M:%S} {said}")

    def _watch(self, prompt: str) -> None:
        """Until somebody types: say what another terminal or a waiting step does, and ask again below it."""
        if not self._source.isatty():
            return  # lines that were piped in are read as they stand
        self._sink.write(prompt)
        self._sink.flush()
        while not select.select([self._source], [], [], _GLANCE)[0]:
            if self._pushes.empty():
                continue
            self._say("")
            self._settle()
            if self._client.state.closed:
                raise _Closed
            self._show_next()
            self._sink.write(prompt)
            self._sink.flush()

    def _tell(self, event: Event) -> None:
        if said := sentence(event):
            self._say(f"{event.ts[11:19]} {said}")
        if event.kind == "step_started" and self._searching():
            self._say(_STOP_WORD)
        for line in details(event):
            self._say(f"         {line}")
        for line in event.data.get("manual", ()):
            self._say(f"         by hand: {line}")

    # -- asking

    def _read(self, prompt: str) -> str:
        self._sink.write(prompt)
        self._sink.flush()
        line = self._source.readline()
        if not line:
            self._say("\nthe input ended; the incident stays open")
            raise _Left
        return line.strip()

    def _read_secret(self, prompt: str) -> str:
        if self._source is sys.stdin and sys.stdin.isatty():
            try:
                return getpass.getpass(prompt)
            except EOFError:
                self._say("\nthe input ended; the incident stays open")
                raise _Left from None
        return self._read(prompt)

    def _command(self) -> None:
        allowed = [one for one in ACTIONS if not self._why(one) and one.name not in ("steps", "stop")]
        words = ", ".join(action.word for action in allowed)
        prompt = f"  {words}? "
        self._watch(prompt)
        word = self._read("" if self._source.isatty() else prompt).lower() or "run"
        if word in ("help", "?"):
            for one in ACTIONS:
                self._say(f"  {one.word:<9} {one.help}")
            return
        action = _WORDS.get(word)
        if action is None:
            self._say(f"  there is no {word!r}; one of: {words}")
            return
        if why := self._why(action):
            self._say(f"  not now: {why}")
            return
        try:
            self._act(action)
        except RunbookError as error:
            self._say(f"  {error.message}" + (f" ({error.hint})" if error.hint else ""))

    def _why(self, action: Action) -> str:
        client = self._client
        return why_disallowed(client.book, client.state, action.name, self._now(), driving=client.driving)

    def _act(self, action: Action) -> None:
        special: dict[str, Callable[[], None]] = {
            "run": self._run_step,
            "quit": self._leave,
            "steps": self._list,
            "timeline": self._timeline,
            "report": lambda: self._say(self._client.request("report")["markdown"]),
            "close": self._close,
        }
        if action.name in special:
            special[action.name]()
            return
        self._client.request(action.name, **self._asked(action))

    def _asked(self, action: Action) -> dict[str, str]:
        """The texts an action takes; what can be chosen is listed first."""
        seen = self._board()
        params: dict[str, str] = {}
        for name in action.asks:
            options: Iterable[str] = ()
            if name == "line":
                options = [line.id for line in open_lines(self._client.state)]
            elif name == "op":
                options = [op.op for op in self._client.state.unknown_operations()]
            elif name == "finding":
                found = untaken(self._client.state)
                options = [one.fingerprint for one in found][:_FEW]
                for one in found:
                    self._say(f"    {label(one)}")
            elif name == "as":
                options = ("done", "not_done")
            elif name == "step":
                options = [row.id for row in seen.rows if row.status != "pending"]
            hint = f" ({', '.join(options)})" if options else ""
            params[name] = self._read(f"    {name}{hint}: ")
        if action.name == "skip" and seen.next_step is not None:
            params["step"] = seen.next_step.id
        return params

    def _run_step(self) -> None:
        step = self._board().next_step
        told = self._client.request("prompts", step=step.id)
        preview = told.get("preview")
        if preview:
            self._say(f"  {preview.get('method', '')} {preview.get('url', '')}\n  {preview.get('sentence', '')}")
        if told.get("batch"):
            self._say(f"  for each of: {', '.join(told['batch'])}")
        acted = self._client.state.step(step.id).acted
        answers = {} if acted else {one["name"]: self._answer(one) for one in told["prompts"]}
        self._client.request("run", step=step.id, answers={name: text for name, text in answers.items() if text})

    def _answer(self, prompt: dict[str, Any]) -> str:
        """Ask until the answer fits; an empty one where there must be one leads back (RunbookError)."""
        if prompt["link"]:
            self._say(f"  open {prompt['link']}")
        for number, line in enumerate(prompt["help"], 1):
            self._say(f"  {number}. {line}")
        options = f" ({', '.join(prompt['options'])})" if prompt["options"] else ""
        default = f" [{prompt['default']}]" if prompt["default"] else "" if prompt["required"] else " [none]"
        ask = f"  {prompt['ask']}{options}{default}: "
        one = Prompt(**prompt)
        while True:
            text = self._read_secret(ask) if prompt["kind"] == "secret" else self._read(ask)
            try:
                check_answer(one, text)
            except RunbookError as error:
                if not text:
                    raise
                self._say(f"  {error.message}" + (f" ({error.hint})" if error.hint else "") + "; try again")
            else:
                return text

    def _close(self) -> None:
        left = open_lines(self._client.state)
        reason = ""
        if left:
            self._say("  still open: " + "; ".join(f"{line.id} ({line.state})" for line in left))
            reason = self._read("    why is it abandoned (empty: go back)? ")
            if not reason:
                return
        self._client.request("close", reason=reason, abandon=bool(left))

    def _leave(self) -> None:
        raise _Left

    def _list(self) -> None:
        for row in self._board().rows:
            self._say(f"  {row.number:>2} {row.status:<12} {row.title} {row.seconds} {row.reason}")
        for line in self._board().lines:
            self._say(f"  {'closed' if not line.is_open() else 'OPEN':<6} {line.what}: {line.state} ({line.proof})")

    def _timeline(self) -> None:
        for line in timeline(self._client.events):
            self._say(f"  {line}")
