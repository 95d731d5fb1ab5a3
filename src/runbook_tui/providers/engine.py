"""Calls providers: from an operation's name and its subjects to an outcome that never claims more than was seen.

`subjects`: "credential" is what the operation is about (its provider chooses the manifest; where it is absent, as when
a fresh secret is stored somewhere, the admin's does), "admin" signs administrative calls, "new" is a fresh secret.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runbook_tui.foundation.clock import Clock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.ids import new_operation_id
from runbook_tui.net.client import NetFault, Network, Request
from runbook_tui.playbook.values import resolve
from runbook_tui.providers import reading
from runbook_tui.providers.answers import Parsed, message, parse_answer, rule_for, scrub
from runbook_tui.providers.auth import signed
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.providers.drafting import (
    Draft,
    Place,
    Show,
    Subjects,
    arguments,
    draft,
    expose,
    facts,
    masker,
    place,
    placed_secrets,
)
from runbook_tui.providers.guards import check_roles, sentence
from runbook_tui.providers.manifest import Manifest, Operation
from runbook_tui.providers.pacing import Pacer, Waiting, demanded
from runbook_tui.providers.paging import next_page
from runbook_tui.providers.results import CallOutcome, ManualTask, Preview, Verdict
from runbook_tui.providers.tokens import Tokens

__all__ = ["CallOutcome", "Engine", "ManualTask", "Preview", "Verdict"]

_TRIES = 3  # of a read
_RETRY_STATUS = frozenset({429, 502, 503, 504})
_PATIENCE = 30.0  # seconds a read waits before it is tried again


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
        self._network = network
        self._clock = clock
        self._pacer = Pacer(clock, pace_file, waiting)
        self._tokens = Tokens(network, clock)
        self._wake = wake

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
        call = _Call(self, operation, subjects, args or {}, "0" * 32)
        request = call.request(call.draft(masked=True), masked=True)
        return Preview(
            request.method,
            request.url,
            request.headers,
            request.body.decode("utf-8", "replace"),
            sentence(call.manifest, call.operation, subjects, call.where.base),
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
        call = _Call(self, operation, subjects, args or {}, operation_id or new_operation_id())
        return reading.outcome(call, call.run(sending))

    def wait_for(self, operation: str, subjects: Subjects, args: Mapping[str, Any] | None = None) -> float:
        """Seconds until the provider's limits allow this call; 0 when it may be made now."""
        return self._pacer.left(*_Call(self, operation, subjects, args or {}, "0" * 32).limits)

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
        call = _Call(self, operation, subjects, args or {}, new_operation_id())
        heard = call.run(None)
        outcome = reading.outcome(call, heard)
        if heard.fault is not None or heard.last is None:
            return Verdict("undetermined", "none", outcome.reason, outcome.evidence)
        rule = rule_for(call.operation, heard.last, outcome.outputs)
        if rule is None:
            reason = outcome.reason or f"the answer {heard.last.status} is in no rule"
            return Verdict("undetermined", "none", reason, outcome.evidence)
        reason = rule.reason or outcome.reason or f"the provider answered {heard.last.status}"
        return Verdict(rule.state, rule.proof, reason, outcome.evidence)


class _Call:
    """One call while it is made."""

    def __init__(self, engine: Engine, name: str, subjects: Subjects, args: Mapping[str, Any], call_id: str) -> None:
        self._engine = engine
        self.subjects = subjects
        self.id = call_id
        self.manifest = engine.manifest(subjects)
        self.operation = engine.operation(name, subjects)
        if self.operation.request is None:
            task = engine.manual(name, subjects, args)
            hint = " · ".join([task.link, *task.steps] if task else [])
            raise RunbookError(f"{self.manifest.name}: {self.operation.title} is done by hand", hint)
        self.now = engine._clock.now()
        self.args = arguments(self.operation, args, self.now, call_id)
        self.holder = check_roles(self.manifest, self.operation, subjects)
        about = self.holder or subjects.get("credential") or subjects["admin"]
        self.where: Place = place(self.manifest, self.operation.request.origin, about)
        self._check_placed()
        limit = f"{self.manifest.id}:{self.where.base}"
        attribute = about.binding.attributes.get(self.operation.per, "") if self.operation.per else about.name
        self.limits = (f"{limit}:{about.name}", f"{limit}:{self.operation.id}:{attribute}")

    def _check_placed(self) -> None:
        """A leaked secret inside a body or path goes only where its own binding says."""
        request = self.operation.request
        assert request is not None
        if "credential" in placed_secrets(self.operation):
            subject = self.subjects["credential"]
            if place(self.manifest, request.origin, subject).base != self.where.base:
                raise RunbookError(f"{subject.name} is not bound to {self.where.base}", "check the two bindings")

    def draft(self, *, masked: bool) -> Draft:
        show = masker(self.manifest) if masked else expose
        return draft(self.manifest, self.operation, self.subjects, self.args, self.where.base, show, self.id)

    def request(self, made: Draft, *, masked: bool) -> Request:
        """The finished request; fetches an access token where the provider wants one."""
        show: Show = masker(self.manifest) if masked else expose
        auth = self.manifest.auth[self.manifest.identities[self.operation.identity]] if self.holder else None

        def token() -> str:
            assert auth is not None
            assert self.holder is not None
            return "<access token>" if masked else self._engine._tokens.get(self.manifest, auth, self.holder)

        return signed(made, self.manifest, self.operation, self.holder, show, token, masked=masked)

    def secrets(self) -> list[tuple[str, str]]:
        """Every known secret with its mask."""
        shown = masker(self.manifest)
        return [(expose(subject), shown(subject)) for subject in self.subjects.values() if subject.secret is not None]

    def run(self, sending: Callable[[], None] | None) -> reading.Heard:
        """Send the request, and for a list the further pages."""
        made = self.draft(masked=False)
        heard = reading.Heard(self._shown(), self.now)
        page = 1
        while True:
            parsed = self._exchange(made, heard, sending)
            if parsed is None:
                return heard
            heard.pages.append(parsed)
            paginate = self.operation.paginate
            following = next_page(self.operation, made, parsed, page) if parsed.fits(self.operation.expect) else None
            if paginate is None or following is None:
                return heard
            if page >= paginate.most:
                heard.complete = False
                return heard
            page, made = page + 1, following

    def _exchange(self, made: Draft, heard: reading.Heard, sending: Callable[[], None] | None) -> Parsed | None:
        """One request, tried again when it only reads. None when no answer came; `heard.fault` says why."""
        engine, tries = self._engine, 0
        while True:
            tries += 1
            heard.tries += 1
            if not engine._pacer.wait(*self.limits, why=f"{self.manifest.name} limits its calls", wake=engine._wake):
                heard.fault = NetFault("timeout", "the wait was ended before the call", sent=False)
                return None
            last = tries >= _TRIES or self.operation.changes
            try:
                parsed = self._send(made, heard, sending)
            except NetFault as fault:
                heard.fault = fault
                if last or fault.kind in ("blocked", "tls", "too_large"):
                    return None
                engine._clock.sleep(0.5 * 2**tries, engine._wake)
                continue
            heard.fault = None
            wanted = demanded(self.manifest.rate_limit, parsed.status, parsed.headers, engine._clock.now())
            if wanted > 0:
                engine._pacer.hold(self.limits[0], wanted)
            if last or parsed.status not in _RETRY_STATUS or engine._pacer.left(*self.limits) > _PATIENCE:
                return parsed
            engine._clock.sleep(0.5 * 2**tries, engine._wake)

    def _send(self, made: Draft, heard: reading.Heard, sending: Callable[[], None] | None) -> Parsed:
        request = self.request(made, masked=False)
        if self.operation.min_interval:
            # Before the call: an attempt counts even if this process dies during it.
            self._engine._pacer.hold(self.limits[1], self.operation.min_interval)
        answer = self._engine._network.send(
            request,
            [self.where.base],
            before_first_byte=sending if self.operation.changes else None,
            private=self.where.bound,
            ca_file=self.where.ca_file,
        )
        heard.seconds += answer.seconds
        return parse_answer(answer, self.operation.answer)

    def _shown(self) -> str:
        made = self.draft(masked=True)
        return f"{made.method} {made.url}"

    def refusal(self, parsed: Parsed) -> str:
        """The status and the vendor's own words, without any secret they echo."""
        words = str(scrub(message(self.manifest, parsed), self.secrets()))
        return f"the provider answered {parsed.status}" + (f": {words}" if words else "")
