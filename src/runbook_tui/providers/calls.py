"""One call while it is made: checked, sent, tried again where it only reads, its pages followed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runbook_tui.foundation.clock import Clock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import NetFault, Network, Request
from runbook_tui.providers.answers import Parsed, message, parse_answer, scrub
from runbook_tui.providers.auth import signed
from runbook_tui.providers.drafting import (
    Draft,
    Place,
    Show,
    Subjects,
    arguments,
    draft,
    expose,
    masker,
    place,
    placed_secrets,
)
from runbook_tui.providers.guards import check_roles
from runbook_tui.providers.heard import Heard
from runbook_tui.providers.manifest import Manifest, Operation
from runbook_tui.providers.pacing import Pacer, demanded
from runbook_tui.providers.paging import ForeignPage, next_page
from runbook_tui.providers.tokens import Tokens

_TRIES = 3  # of a read
_RETRY_STATUS = frozenset({429, 502, 503, 504})
_PATIENCE = 30.0  # seconds a read waits before it is tried again
_READ_DEADLINE = 20.0  # seconds for one read; a change may take a minute, since giving up leaves it unknown
_CHANGE_DEADLINE = 60.0


@dataclass(frozen=True)
class Tools:
    """What every call of one engine uses."""

    network: Network
    clock: Clock
    pacer: Pacer
    tokens: Tokens
    wake: threading.Event | None = None


class Call:
    """One call while it is made."""

    def __init__(
        self,
        tools: Tools,
        manifest: Manifest,
        operation: Operation,
        subjects: Subjects,
        args: Mapping[str, Any],
        call_id: str,
    ) -> None:
        """Checks everything that can be checked before a request; raises RunbookError."""
        request = operation.request
        assert request is not None
        self._tools = tools
        self.subjects = subjects
        self.id = call_id
        self.manifest = manifest
        self.operation = operation
        self.now = tools.clock.now()
        self.args = arguments(self.operation, args, self.now, call_id)
        self.holder = check_roles(self.manifest, self.operation, subjects)
        about = self.holder or subjects.get("credential") or subjects["admin"]
        self.where: Place = place(self.manifest, request.origin, about)
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
            return "<access token>" if masked else self._tools.tokens.get(self.manifest, auth, self.holder)

        return signed(made, self.manifest, self.operation, self.holder, show, token, masked=masked)

    def secrets(self) -> list[tuple[str, str]]:
        """Every known secret with its mask."""
        shown = masker(self.manifest)
        return [(expose(subject), shown(subject)) for subject in self.subjects.values() if subject.secret is not None]

    def run(self, sending: Callable[[], None] | None) -> Heard:
        """Send the request, and for a list the further pages."""
        made = self.draft(masked=False)
        heard = Heard(self._shown(), self.now)
        page = 1
        while True:
            parsed = self._exchange(made, heard, sending)
            if parsed is None:
                return heard
            heard.pages.append(parsed)
            paginate = self.operation.paginate
            if paginate is None or not parsed.fits(self.operation.expect):
                return heard
            try:
                following = next_page(self.operation, made, parsed, page)
            except ForeignPage:
                heard.complete = False
                return heard
            if following is None:
                return heard
            if page >= paginate.most:
                heard.complete = False
                return heard
            page, made = page + 1, following

    def _exchange(self, made: Draft, heard: Heard, sending: Callable[[], None] | None) -> Parsed | None:
        """One request, tried again when it only reads. None when no answer came; `heard.fault` says why."""
        tools, tries = self._tools, 0
        while True:
            tries += 1
            heard.tries += 1
            if not tools.pacer.wait(*self.limits, why=f"{self.manifest.name} limits its calls", wake=tools.wake):
                heard.fault = NetFault("timeout", "the wait was ended before the call", sent=False)
                return None
            last = tries >= _TRIES or self.operation.changes
            try:
                parsed = self._send(made, heard, sending)
            except NetFault as fault:
                heard.fault = fault
                if last or fault.kind in ("blocked", "tls", "too_large", "timeout"):
                    return None
                tools.clock.sleep(0.5 * 2**tries, tools.wake)
                continue
            heard.fault = None
            wanted = demanded(self.manifest.rate_limit, parsed.status, parsed.headers, tools.clock.now())
            if wanted > 0:
                tools.pacer.hold(self.limits[0], wanted)
            if last or parsed.status not in _RETRY_STATUS or tools.pacer.left(*self.limits) > _PATIENCE:
                return parsed
            tools.clock.sleep(0.5 * 2**tries, tools.wake)

    def _send(self, made: Draft, heard: Heard, sending: Callable[[], None] | None) -> Parsed:
        try:
            request = self.request(made, masked=False)
        except NetFault as fault:
            # The access token could not be fetched: the request itself never left.
            raise NetFault(fault.kind, f"no access token: {fault.message}", sent=False) from None
        if self.operation.min_interval:
            # Before the call: an attempt counts even if this process dies during it.
            self._tools.pacer.hold(self.limits[1], self.operation.min_interval)
        answer = self._tools.network.send(
            request,
            [self.where.base],
            deadline=_CHANGE_DEADLINE if self.operation.changes else _READ_DEADLINE,
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
