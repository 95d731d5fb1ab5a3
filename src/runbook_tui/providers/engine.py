"""Calls providers: from an operation's name and its subjects to an outcome that never claims more than was seen.

`subjects`: "credential" is what the operation is about (its provider chooses the manifest; where it is absent, as when
a fresh secret is stored somewhere, the admin's does), "admin" signs administrative calls, "new" is a fresh secret.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runbook_tui.foundation.clock import Clock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.ids import new_operation_id
from runbook_tui.net.client import Network
from runbook_tui.playbook.values import resolve
from runbook_tui.providers import reading
from runbook_tui.providers.answers import rule_for
from runbook_tui.providers.calls import Call, Tools
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.drafting import Subjects, facts, masker
from runbook_tui.providers.guards import sentence
from runbook_tui.providers.manifest import Manifest, Operation
from runbook_tui.providers.pacing import Pacer, Waiting
from runbook_tui.providers.results import CallOutcome, ManualTask, Preview, Verdict
from runbook_tui.providers.tokens import Tokens

__all__ = ["CallOutcome", "Engine", "ManualTask", "Preview", "Verdict"]


class Engine:
    """One per process; everything it needs comes from outside."""

    def __init__(
        self,
        catalogue: Catalogue,
        network: Network,
        clock: Clock,
        *,
        pace_file: Path | None = None,
        waiting: Waiting | None = None,
        wake: threading.Event | None = None,
    ) -> None:
        """`pace_file` keeps rate limits over a restart; `waiting(seconds, why)` is told before a wait for one; setting
        `wake` ends such a wait, and the call is `not_sent`."""
        self._catalogue = catalogue
        self._tools = Tools(network, clock, Pacer(clock, pace_file, waiting), Tokens(network, clock), wake)

    def manifest(self, subjects: Subjects) -> Manifest:
        """The manifest that `subjects` call for."""
        about = subjects.get("credential") or subjects.get("admin")
        if about is None:
            raise RunbookError("no credential was named", "an operation is about a credential")
        return self._catalogue.get(about.binding.provider)

    def operation(self, name: str, subjects: Subjects) -> Operation:
        """The operation of that name; RunbookError with the known ones otherwise."""
        manifest = self.manifest(subjects)
        if name not in manifest.operations:
            known = ", ".join(manifest.operations)
            raise RunbookError(f"{manifest.name} has no operation {name!r}", f"known: {known}")
        return manifest.operations[name]

    def manual(self, name: str, subjects: Subjects, args: Mapping[str, Any] | None = None) -> ManualTask | None:
        """What to do by hand, or None when the operation is an API call. Unknown facts stand there as <name>."""
        manifest, operation = self.manifest(subjects), self.operation(name, subjects)
        if operation.manual is None:
            return None
        scope: dict[str, Any] = {role: facts(manifest, subject, masker(manifest)) for role, subject in subjects.items()}
        scope = reading.Lenient({**scope, "args": dict(args or {})})
        return ManualTask(
            operation.title,
            str(resolve(operation.manual.link, scope)),
            tuple(str(resolve(step, scope)) for step in operation.manual.steps),
            operation.manual.asks,
            operation.manual.note,
        )

    def preview(self, operation: str, subjects: Subjects, args: Mapping[str, Any] | None = None) -> Preview:
        """The request as it would be sent, every secret masked. Nothing is sent; the same refusals apply."""
        call = self._call(operation, subjects, args or {}, "0" * 32)
        request = call.request(call.draft(masked=True), masked=True)
        return Preview(
            request.method,
            request.url,
            request.headers,
            request.body.decode("utf-8", "replace"),
            sentence(call.manifest, call.operation, subjects, call.args, call.where.base),
            call.operation.destructive,
            call.operation.reversible,
        )

    def call(
        self,
        operation: str,
        subjects: Subjects,
        args: Mapping[str, Any] | None = None,
        *,
        operation_id: str = "",
        sending: Callable[[], None] | None = None,
    ) -> CallOutcome:
        """Make the call. `sending` runs before the first byte of a changing request; what it raises stops the call.

        Raises RunbookError before anything is sent (unknown fact, wrong subject, manual operation).
        """
        call = self._call(operation, subjects, args or {}, operation_id or new_operation_id())
        outcome = reading.outcome(call, call.run(sending))
        for other in call.operation.also:
            outcome = self._add(outcome, other, subjects) if outcome.result == "done" else outcome
        return outcome

    def _add(self, first: CallOutcome, other: str, subjects: Subjects) -> CallOutcome:
        """The outcome of a read, with what a second read adds; a failed second read is told in the reason."""
        about = subjects["credential"]
        known = replace(about, binding=first.learned or about.binding)
        second = self.call(other, {**subjects, "credential": known})
        reason = "; ".join(part for part in (first.reason, second.reason and f"{other}: {second.reason}") if part)
        added = {name: value for name, value in second.outputs.items() if first.outputs.get(name) is None}
        learned = second.learned or first.learned
        return replace(first, outputs={**first.outputs, **added}, learned=learned, reason=reason)

    def wait_for(self, operation: str, subjects: Subjects, args: Mapping[str, Any] | None = None) -> float:
        """Seconds until the provider's limits allow this call; 0 when it may be made now."""
        return self._tools.pacer.left(*self._call(operation, subjects, args or {}, "0" * 32).limits)

    def verify(
        self, subjects: Subjects, args: Mapping[str, Any] | None = None, *, operation: str = "verify"
    ) -> Verdict:
        """Ask the provider about `subjects["credential"]`, by the verdict table of `operation` (any that has one).

        Limits, failures of the server and of the network are undetermined.
        """
        manifest = self.manifest(subjects)
        found = manifest.operations.get(operation)
        if found is None or not found.verdict:
            return Verdict("undetermined", reason=manifest.no_proof or f"{manifest.name} offers no such proof")
        call = self._call(operation, subjects, args or {}, new_operation_id())
        heard = call.run(None)
        outcome = reading.outcome(call, heard)
        if heard.fault is not None or heard.last is None:
            return Verdict("undetermined", "none", outcome.reason, outcome.evidence)
        if not heard.last.readable:
            # A proxy or a captive portal answers with a page of its own, with any status.
            form = call.operation.answer.upper()
            reason = f"the answer {heard.last.status} is not {form}, so it may not be the API's"
            return Verdict("undetermined", "none", reason, outcome.evidence)
        rule = rule_for(call.operation, heard.last, outcome.outputs)
        if rule is None:
            reason = outcome.reason or f"the answer {heard.last.status} is in no rule"
            return Verdict("undetermined", "none", reason, outcome.evidence)
        reason = rule.reason or outcome.reason or f"the provider answered {heard.last.status}"
        return Verdict(rule.state, rule.proof, reason, outcome.evidence)

    def _call(self, name: str, subjects: Subjects, args: Mapping[str, Any], call_id: str) -> Call:
        manifest, operation = self.manifest(subjects), self.operation(name, subjects)
        if operation.request is None:
            task = self.manual(name, subjects, args)
            hint = " · ".join([task.link, *task.steps] if task else [])
            raise RunbookError(f"{manifest.name}: {operation.title} is done by hand", hint)
        return Call(self._tools, manifest, operation, subjects, args, call_id)
