"""A bench before anything is sent: its plan, and every delivery made once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from runbook_tui.webhooks import tokens
from runbook_tui.webhooks.cases import diagnostics, plan
from runbook_tui.webhooks.making import Keys, Maker, random_like
from runbook_tui.webhooks.orders import Orders, check, knowledge
from runbook_tui.webhooks.planned import LIMIT, LOOKS, Planned, as_data, requests


class Rehearsal:
    """`cases` in the order of sending, `diagnostics` for the time after a refused first one."""

    def __init__(self, orders: Orders, now: datetime, run: str) -> None:
        """RunbookError for what cannot be sent: a wrong form of a secret shows before the first delivery leaves."""
        check(orders)
        self._orders = orders
        scheme = orders.scheme
        token = orders.new if scheme.kind == "url-token" else None
        misses = tokens.near_misses(orders.url, token, orders.old) if token else []
        keys = Keys(orders.new, orders.old, orders.other, random_like(scheme, orders.new))
        self.maker = Maker(scheme, orders.url, keys, run, orders.facts, misses)
        self.cases = plan(scheme, knowledge(orders, misses))
        self.diagnostics = diagnostics(scheme) if orders.new is not None else []
        for one in self.cases:
            if one.sends:
                self.maker.make(one, now)
        self._example = next((self._shown(one, now) for one in self.cases if one.id == "P1" and one.sends), "")

    def _shown(self, one: Planned, now: datetime) -> str:
        """Its body without what proves the sender: a valid proof that is only shown could be sent by others."""
        bare = replace(one, case=replace(one.case, signed=False))
        return self.maker.make(bare, now).delivery.body.decode("utf-8", "replace")

    @property
    def most(self) -> int:
        """How many requests a whole run makes at most."""
        asked = requests(self.cases) + len(self.diagnostics) + LOOKS + 1
        return min(asked, LIMIT)

    def data(self) -> dict[str, Any]:
        """What will be sent, as plain data without secrets.

        `example` is the body of the first valid delivery, without a secret or signature that stands in it.
        """
        scheme = self._orders.scheme
        return {
            "requests": self.most,
            "plan": [as_data(scheme, one) for one in self.cases],
            "diagnostics": [as_data(scheme, one) for one in self.diagnostics],
            "example": self._example,
        }
