"""What terminals and the conductor say to each other: one JSON object a line.

Request `{"id": 1, "method": "run", "params": {...}}`; reply `{"id": 1, "result": {...}}` or
`{"id": 1, "error": {"message", "hint", "exit_code"}}`; and, at any time after `hello`, pushes without an id:
`{"event": {seq, ts, mono_ns, boot_id, actor, kind, data}}` and `{"progress": {...}}`.

Methods and their parameters:

    hello      name, role: drive | watch          -> {events, last, driving, vault, playbook, folder}
    events     since                              -> {events}, the next thousand; `hello` gives the first
    prompts    step                               -> {prompts: [Prompt fields], preview: {...} | null, batch: [text]}
    run        step, answers                      -> {} at once; what happens arrives as events
    skip       step, reason
    note       text, at, attached: {name, size, sha256, text, left_out}
    attest     line, what
    waive      line, name, reason
    tripwire   reason
    clear      op, as: done | not_done, reason
    reopen     step, reason
    stop                                          the running step ends its waiting
    close      reason                             -> {state}
    purge      reason, events | secret            -> {events, recorded, clean: no byte is left in the journal}
    report     public                             -> {markdown}
    take_over                                     this terminal drives from now on
    shutdown                                      the conductor ends; the incident stays open

Answers to `secret` prompts travel in `answers` over the owner-only socket and go straight to the vault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from runbook_tui.foundation.clock import Clock
from runbook_tui.incident.events import Event
from runbook_tui.incident.state import IncidentState
from runbook_tui.playbook.model import Playbook

MAX_LINE = 4 << 20  # bytes of a request
PORTION = 1000  # events in one reply
SOCKET_NOTE = "socket"  # file in the incident's folder that says where the socket is


class Client(Protocol):
    """A terminal's view of a running incident, over a socket or in the same process."""

    book: Playbook
    state: IncidentState  # folded from every event so far; replaced as events arrive
    events: list[Event]
    driving: bool
    vault: str  # the kind of vault the conductor uses, for the status line
    clock: Clock

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask and wait for the reply; RunbookError when it is refused."""
        ...

    def listen(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Call back from a reader thread for every push, after `state` and `events` took it in.

        The pushes are `{"event": Event}`, `{"progress": dict}`, `{"driving": bool}` and, when the conductor is gone,
        `{"lost": reason}`.
        """
        ...

    def close(self) -> None:
        """Leave; the incident goes on."""
        ...
