"""What valid deliveries show besides their verdicts: how soon they are answered, and the form and place of a secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runbook_tui.net.client import Answer
from runbook_tui.webhooks import token_logs, tokens
from runbook_tui.webhooks.findings import Finding
from runbook_tui.webhooks.orders import Orders
from runbook_tui.webhooks.speed import acknowledgement

_ECHO = "The answer to a valid delivery does not repeat the secret"


def beside(orders: Orders, valid: Sequence[Answer]) -> list[Finding]:
    """The findings on the answers to valid deliveries, the first of which was a warm-up; reads `orders.logs`."""
    scheme = orders.scheme
    good = [one for one in valid if 200 <= one.status < 300]
    found: list[Finding] = []
    if good:
        times = [one.timing for one in good[1:] if one.timing is not None]
        found += acknowledgement(times, scheme.answer_within)
    if orders.new is None or not scheme.carries_secret:
        return found
    echo = tokens.echoed(orders.new, valid)
    if scheme.kind != "url-token":
        return [*found, replace(echo, id="secret-echo", title=_ECHO)]
    least = scheme.min_token_bytes or tokens.RANDOM_BYTES
    found += [*tokens.form(orders.new, orders.url, orders.old, least=least), echo]
    if orders.logs:
        found.append(token_logs.finding(token_logs.search(orders.logs, token_logs.Needle.of(orders.new))))
    return found
