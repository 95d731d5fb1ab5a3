"""A long incident for the benchmarks: the events of a real drill, taken again and again.

The drill (`runbook drill api-key-leaked --auto`, 68 events) is played by the real program. Its opening (the first 8
events: what is known, the inputs, who drives) stands once. Then come rounds, each with the 59 events from the first
step to the last and what a long incident adds: three notes of 180 characters, one step opened again, and one account
of a batch (intent, sending, outcome, what was recorded). Round N uses attempt numbers N, so that operations, recorded
values, finished batch items and our own calls to the provider grow: per 1,000 events about 75 operations, 15 batch
items and 150 calls.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from runbook_tui.foundation.clock import iso, parse_instant
from runbook_tui.incident.events import Event
from runbook_tui.journal import storage
from runbook_tui.journal.chain import START, Row, canonical, digest
from runbook_tui.journal.store import Journal

Said = tuple[str, str, dict[str, Any]]  # actor, kind, data
_OPENING = 8
_TALK = "Support says that 14 customers wrote in since the last note; the status page is updated, legal is told. "


@cache
def drill() -> tuple[Event, ...]:
    """The events of a drill that was just played, in a home of its own."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="runbook-benchmark-") as home:
        command = [sys.executable, "-m", "runbook_tui", "drill", "api-key-leaked", "--auto"]
        subprocess.run(command, env=os.environ | {"RUNBOOK_HOME": home}, capture_output=True, check=True, timeout=120)
        (path,) = Path(home).glob("state/incidents/*/journal.db")
        with closing(Journal.read(path)) as journal:
            return tuple(journal.events())


def said() -> Iterator[Said]:
    """What a long incident records, without end."""
    events = drill()
    incident = events[0].data["incident"]
    once, again = events[:_OPENING], [event for event in events[_OPENING:] if event.kind != "closed"]
    attempt = re.compile(rf"({re.escape(incident)}\.[\w-]+)\.1\b")
    texts = [(event.actor, event.kind, canonical(event.data)) for event in again]
    for event in once:
        yield event.actor, event.kind, event.data
    for number in itertools.count(1):
        for actor, kind, text in texts:
            yield actor, kind, json.loads(attempt.sub(rf"\g<1>.{number}", text))
        yield from _batch(incident, number)
        for note in range(3):
            yield "operator", "note", {"text": f"{number}.{note} {_TALK * 2}"[:180], "at": ""}
        yield "operator", "step_reopened", {"step": "prove-dead", "reason": "look again"}


def _batch(incident: str, number: int) -> Iterator[Said]:
    who, op = f"user-{number}", f"{incident}.offboard.{number}.user-{number}"
    step = {"step": "offboard", "item": who}
    evidence = {"request": f"DELETE https://vendor.example/v1/users/{who}", "status": 204, "milliseconds": 80}
    yield "root", "intent", {**step, "op": op, "operation": "offboard", "subject": "leaked", "what": f"remove {who}"}
    yield "root", "sending", {"op": op}
    yield "root", "outcome", {"op": op, "result": "done", "status": 204, "reason": "", "evidence": evidence}
    yield "root", "recorded", {**step, "subject": "leaked", "values": {"by": "root", "evidence": evidence}}


def events(count: int) -> list[Event]:
    """The first `count` events of the long incident, one every 2.7 seconds."""
    begun = parse_instant(drill()[0].ts)
    found = zip(range(1, count + 1), said(), strict=False)
    return [Event(seq, _instant(begun, seq), seq * 2_700_000_000, "boot", *rest) for seq, rest in found]


def write(path: Path, count: int) -> None:
    """A journal of `count` events as `Journal.append` would have written them, but in one transaction."""
    storage.create_files(path)
    with closing(storage.connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        head = (0, START)
        for event in events(count):
            salt, text = secrets.token_hex(16), canonical(event.data)
            fields = (event.seq, event.ts, event.mono_ns, event.boot_id, event.actor, event.kind)
            row = Row(*fields, digest(salt, text), head[1], "", salt, text).sealed()
            whole = (*fields, row.digest, row.prev, row.hash)
            connection.execute("INSERT INTO events VALUES(?,?,?,?,?,?,?,?,?)", whole)
            connection.execute("INSERT INTO payloads VALUES(?,?,?)", (event.seq, salt, text))
            head = (row.seq, row.hash)
        connection.execute("COMMIT")
    noted = storage.NotedHead(path)
    noted.write(head)
    noted.close()


def _instant(begun: datetime, seq: int) -> str:
    return iso(begun + timedelta(seconds=2.7 * seq))
