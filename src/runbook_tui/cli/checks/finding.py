"""What a check finds, which promise it guards, and how checks are kept from hanging."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.harden import place
from runbook_tui.foundation.places import Places
from runbook_tui.foundation.text import one_line

LIMIT = 9.0  # seconds for all checks together

# The promises whose assumptions are looked at; docs/promises.md has them with their limits and tests.
KEPT = "an event shown as recorded is kept"
PRIVATE = "nobody but you may read a journal or steer an incident"
UNSPILT = "no secret gets out but to the host it is bound to"
STORED = "a secret is kept by the vault you chose, or you are told why not"
LASTS = "closing the terminal ends no incident"
EVIDENCE = "the times in a record can be relied on"
UNKNOWN = "a call whose outcome is unknown is never sent again"
SEARCHED = "nothing in a scanned repository is executed"
SHOWN = "what is asked and what happened can be read on the screen"


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `state` is ok, warn or bad. `protects` is the promise that would not hold otherwise."""

    check: str
    state: str
    detail: str
    hint: str = ""
    protects: str = ""


Look = Callable[[Places], Finding]


@dataclass(frozen=True)
class Check:
    """A look at one thing, under its name and with the promise it guards."""

    name: str
    protects: str
    look: Look


def good(detail: str) -> Finding:
    return Finding("", "ok", detail)


def warn(detail: str, hint: str = "") -> Finding:
    return Finding("", "warn", detail, hint)


def bad(detail: str, hint: str = "") -> Finding:
    return Finding("", "bad", detail, hint)


def run_checks(checks: Sequence[Check], here: Places, limit: float = LIMIT) -> list[Finding]:
    """All findings, in the order of `checks`; one that fails or does not end in `limit` seconds is a warning itself."""
    ended: queue.SimpleQueue[tuple[str, Finding]] = queue.SimpleQueue()
    for check in checks:
        threading.Thread(target=lambda one=check: ended.put((one.name, _looked(one, here))), daemon=True).start()
    found: dict[str, Finding] = {}
    deadline = time.monotonic() + limit
    while len(found) < len(checks):
        try:
            name, finding = ended.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[name] = finding
    slow = f"could not be checked: no answer after {limit:g} s"
    return [_named(check, found.get(check.name) or warn(slow, "look at it by hand")) for check in checks]


def _looked(check: Check, here: Places) -> Finding:
    try:
        return check.look(here)
    except RunbookError as error:
        return warn(f"could not be checked: {error.message}", error.hint)
    except OSError as error:
        why = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or type(error).__name__)
        return warn(f"could not be checked: {why}", "look at it by hand")
    except Exception as error:  # noqa: BLE001 - a check that is wrong must not hide what the others found
        return warn(f"could not be checked: {place(error)}", "this is a bug, please report this line")


def _named(check: Check, finding: Finding) -> Finding:
    detail, hint = one_line(finding.detail), one_line(finding.hint)
    return Finding(check.name, finding.state, detail, hint, check.protects)
