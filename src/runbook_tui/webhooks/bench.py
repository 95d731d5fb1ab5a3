"""Proves at an endpoint that it accepts the new secret and refuses everything else.

The way to it is looked at first, and nothing that carries a secret is sent before that passes. Then the plan's cases go
out one after the other, two a second at most, and an observer is asked what they did. See `cases` for the plan,
`verdicts` for what answers mean, `outcome` for the document that comes of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from runbook_tui.foundation.clock import Clock
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Answer
from runbook_tui.net.fault import NetFault
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.beside import beside
from runbook_tui.webhooks.findings import Finding
from runbook_tui.webhooks.handshakes import matches
from runbook_tui.webhooks.making import Made
from runbook_tui.webhooks.observer import Watch
from runbook_tui.webhooks.orders import Orders, origin
from runbook_tui.webhooks.outcome import Report
from runbook_tui.webhooks.planned import CONTROLS, LIMIT, Planned
from runbook_tui.webhooks.rehearsal import Rehearsal
from runbook_tui.webhooks.sights import Sights
from runbook_tui.webhooks.transport import Transport
from runbook_tui.webhooks.turns import Send, Turns
from runbook_tui.webhooks.urls import is_local
from runbook_tui.webhooks.verdicts import Heard, Result, Setting, judge, left_out

PAUSE = 0.5  # seconds between two requests
_CRASHES = "the endpoint failed twice in a row"
_WITHOUT_P1 = ("N1", "N3", "P2")  # what is still sent when the first valid delivery was refused

Examine = Callable[[Callable[[], None]], Transport]


class Bench:
    """One run. `plan` is what will be sent, to be shown before; `run` sends it; `report` tells, also half-way."""

    def __init__(
        self,
        orders: Orders,
        send: Send,
        clock: Clock,
        *,
        watch: Watch | None = None,
        pause: float = PAUSE,
        progress: Callable[[Result], None] = lambda _: None,
        vendor: Callable[[str], str] | None = None,
        fingerprint: Callable[[Secret], str] | None = None,
        run: str = "",
    ) -> None:
        """RunbookError before anything is sent: bad URL, a secret in the wrong form, old and new alike, facts missing.

        `send` goes through the guarded client, with `origin` as its only origin and `patience` as its deadline; it
        raises NetFault when there is no answer, and a redirect is an answer. `pause` below `PAUSE` is for this machine
        alone. `progress` hears of each case at once; an observer may change the verdict at the end. `vendor` asks the
        operator to trigger a delivery of the vendor's and returns a text by which the observer finds it.
        `fingerprint` names secrets in the evidence. `run` makes the ids of this run unlike all others.
        """
        if pause < PAUSE and not is_local(orders.url):
            raise RunbookError("only an endpoint on this machine may be asked faster than twice a second")
        self.orders = orders
        self.plan = Rehearsal(orders, clock.now(), run or secrets.token_hex(6))
        self._maker = self.plan.maker
        self._clock, self._turns = clock, Turns(send, clock, pause)
        self._sights = None if watch is None else Sights(watch)
        self._progress, self._vendor, self._fingerprint = progress, vendor, fingerprint
        self.transport: Transport | None = None
        self.stopped = ""  # why the rest was not sent
        self.watched = False
        self._heard: dict[str, Heard] = {}
        self._made: dict[str, list[Made]] = {}
        self._results: dict[str, Result] = {}
        self._nobody: Answer | None = None
        self._attested: dict[str, str] = {}  # control -> by what the observer saw the vendor's own delivery
        self._crashes = 0

    @property
    def requests(self) -> int:
        """How many were made by now, those on the way to the endpoint included."""
        return self._turns.requests

    # -- sending

    def run(self, examine: Examine) -> Report:
        """The whole bench. `examine` is `transport.examine` with everything but `before_request` filled in."""
        self.transport = examine(self._turns.wait)
        self._turns.requests += self.transport.requests
        self._maker = replace(self._maker, skew=self.transport.skew or 0.0)
        if not self.transport.safe_to_send:
            self.stopped = "the way to the endpoint is not safe, so nothing was sent"
        else:
            self._ask_nobody()
            for one in self.plan.cases:
                self._case(one)
            first = self._first()
            if isinstance(first, Answer) and 400 <= first.status < 500:
                for one in self.plan.diagnostics:
                    self._case(one)
        self._observe()
        return self.report()

    def report(self) -> Report:
        """What is known by now; cases that were not sent are inconclusive."""
        setting = self._setting()
        scheme = self.orders.scheme
        results = []
        for one in (*self.plan.cases, *(one for one in self.plan.diagnostics if one.id in self._heard)):
            known = self._results.get(one.id)
            if one.id in self._heard:
                known = self._judged(one, setting)
            results.append(known or left_out(scheme, one, "inconclusive", self._unsent(one)))
        return Report.of(
            scheme,
            self.orders.url,
            results,
            self.transport,
            self._checks(),
            watched=self.watched,
            observer="" if self._sights is None else self._sights.doubt(seen=self.watched),
            attested=len(self._attested) == len(CONTROLS),
            requests=self.requests,
            stopped=self.stopped,
            secrets=self._named(),
        )

    def _unsent(self, one: Planned) -> str:
        return f"not sent: {self.stopped or 'the run was ended before'}"

    def _case(self, one: Planned) -> None:
        scheme = self.orders.scheme
        if one.skip:
            self._settle(left_out(scheme, one, "not_applicable", one.skip))
        elif one.open:
            self._settle(self._by_vendor(one) or left_out(scheme, one, "inconclusive", f"not sent: {one.open}"))
        elif why := self._held_back(one):
            self._settle(left_out(scheme, one, "inconclusive", f"not sent: {why}"))
        elif self.requests + one.requests > LIMIT:
            self._settle(left_out(scheme, one, "inconclusive", f"not sent: {LIMIT} requests were made"))
        else:
            self._deliver(one)

    def _held_back(self, one: Planned) -> str:
        if self.stopped == _CRASHES and one.id == "P2":
            return ""  # it tells a crash on what must be refused from an endpoint that is down
        if self.stopped or not self._refused_first() or one.id.startswith("D-") or one.id in _WITHOUT_P1:
            return self.stopped
        return "the first valid delivery was not accepted"

    def _settle(self, result: Result) -> None:
        self._results[result.id] = result
        self._progress(result)

    def _deliver(self, one: Planned) -> None:
        try:
            made = self._deliveries(one)
        except RunbookError as error:  # a diagnosis that does not suit this secret
            self._settle(left_out(self.orders.scheme, one, "not_applicable", error.message))
            return
        self._made[one.id] = made
        sent = [each.request() for each in made]
        answers = self._turns.together(sent) if one.at_once else [self._turns.ask(request) for request in sent]
        mismatch = ""
        if made[0].answer is not None and isinstance(answers[0], Answer):
            mismatch = matches(made[0].answer, answers[0].status, answers[0].headers, answers[0].body)
        self._heard[one.id] = Heard(tuple(answers), mismatch=mismatch)
        if one.id == "P1":
            self._try_observer()
        self._mind(answers)
        self._settle(self._judged(one, replace(self._setting(), pending=self._sights is not None)))

    def _deliveries(self, one: Planned) -> list[Made]:
        if one.expect == "once":
            return [self._maker.make(one, self._turns.time())] * one.requests
        return [self._maker.make(one, self._turns.time(), number) for number in range(one.requests)]

    def _mind(self, answers: list[Answer | NetFault]) -> None:
        """The rules by which a run ends early."""
        for answer in answers:
            crashed = isinstance(answer, Answer) and answer.status >= 500
            self._crashes = self._crashes + 1 if crashed else 0
            if isinstance(answer, Answer) and answer.status == 429:
                self.stopped = "the endpoint asked for fewer requests (429)"
            elif self._crashes >= 2 and not self.stopped:
                self.stopped = _CRASHES
        if isinstance(self._first(), NetFault):
            self.stopped = self.stopped or "the first valid delivery got no answer"

    def _first(self) -> Answer | NetFault | None:
        heard = self._heard.get("P1")
        return heard.answers[0] if heard is not None else None

    def _refused_first(self) -> bool:
        first = self._first()
        return isinstance(first, Answer) and not 200 <= first.status < 300

    def _ask_nobody(self) -> None:
        answer = self._turns.ask(self._maker.lost())
        self._nobody = answer if isinstance(answer, Answer) else None

    # -- observing

    def _by_vendor(self, one: Planned) -> Result | None:
        """A delivery that only the vendor can make, shown by the observer; None when that was not possible."""
        if (
            one.id not in CONTROLS
            or self.orders.new is not None
            or self._vendor is None
            or self._sights is None
            or self.stopped
        ):
            return None
        name = self.orders.scheme.name
        marker = self._vendor(f"trigger a test delivery of {name}, and give a text that stands in it alone (its id)")
        if marker in self._attested.values():
            return left_out(self.orders.scheme, one, "inconclusive", "that is the vendor's first delivery once more")
        try:
            seen = bool(marker) and self._sights.one(marker) is True
        except ValueError:
            return left_out(self.orders.scheme, one, "inconclusive", "that is no text an observer can look for")
        self.watched = self.watched or seen
        if not seen:
            return left_out(self.orders.scheme, one, "inconclusive", "the vendor's delivery was not seen")
        self._attested[one.id] = marker
        said = "the vendor's own delivery was seen by the observer"
        return replace(left_out(self.orders.scheme, one, "pass", said), acted=True)

    def _try_observer(self) -> None:
        """It has to see the first valid delivery, and not to see one that nobody sent."""
        if self._sights is not None and not isinstance(self._first(), NetFault) and not self._refused_first():
            seen = self._sights.first(self._made["P1"])
            self.watched = seen is True
            self._heard["P1"] = replace(self._heard["P1"], acted=seen)

    def _observe(self) -> None:
        """What all cases did, after all had their time."""
        if self._sights is None or not self._heard:
            return
        for name, (acted, count) in self._sights.all({name: self._made[name] for name in self._heard}).items():
            self._heard[name] = replace(self._heard[name], acted=acted, count=count)
        valid = [one.id for one in self.plan.cases if one.id in self._heard and one.expect in _VALID]
        self.watched = self.watched or any(self._heard[name].acted for name in valid)

    # -- telling

    def _setting(self) -> Setting:
        first = self._first()
        answered = first if isinstance(first, Answer) else None
        until = self.orders.until
        return Setting(self._clock.now(), self.watched, until, first=answered, nobody=self._nobody)

    def _judged(self, one: Planned, setting: Setting) -> Result:
        result = judge(self.orders.scheme, one, self._heard[one.id], setting)
        delivery = self._made[one.id][0].delivery
        evidence = {
            "request": f"{delivery.method} {origin(self.orders.scheme, self.orders.url)}",
            "requests": one.requests,
            "headers": [name for name, _ in delivery.headers],
            "bytes": len(delivery.body),
            "secret": one.secret,
            "markers": [marker for made in self._made[one.id] for marker in made.markers][:6],
        }
        return replace(result, evidence=evidence)

    def _checks(self) -> list[Finding]:
        valid = [answer for one in self.plan.cases if one.expect in _VALID for answer in self._answers(one.id)]
        return beside(self.orders, valid)

    def _answers(self, name: str) -> list[Answer]:
        heard = self._heard.get(name)
        return [one for one in heard.answers if isinstance(one, Answer)] if heard else []

    def _named(self) -> dict[str, str]:
        known = {"new": self.orders.new, "old": self.orders.old, "other": self.orders.other}
        told = self._fingerprint or (lambda _: "given")
        return {label: told(secret) for label, secret in known.items() if secret is not None}


_VALID = ("accept", "bytes", "variant", "once")
