"""A bench against the reference endpoint, with an observer of its own and without pauses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from delivery_kit import SCHEMES, Held, facts_of, held

from runbook_tui.drill.endpoint.acts import Acts
from runbook_tui.drill.endpoint.setup import Setup
from runbook_tui.drill.receiver import ReferenceReceiver
from runbook_tui.foundation.clock import RealClock
from runbook_tui.net.client import Network
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.bench import Bench
from runbook_tui.webhooks.observer import Sight, Watch, whole
from runbook_tui.webhooks.orders import Orders, origin
from runbook_tui.webhooks.outcome import Report
from runbook_tui.webhooks.scheme import Scheme
from runbook_tui.webhooks.transport import examine

_SCOPES = {"gitlab": "4711", "box": "4711", "twilio": "", "twilio-shared-key": ""}  # a form's is not looked at there
_TOKENS = {
    "new": "9f3a4c1ee21b4f2c8d76b0a3e9f128cc4a1b7d9e5f0c2a83",
    "old": "1b0d5c7e42a9f3866ec0217d9a54be38f7c6120d85e3b94a",
}


class ActsObserver:
    """Looks at what the endpoint did, as an operator's command would look at a table."""

    kind = "command"

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    def look(self, marker: str) -> Sight:
        pattern = whole(marker)
        count = sum(1 for act in self._acts.found(marker) if pattern.search(act.seen.encode()))
        return Sight(count > 0, count)

    def close(self) -> None:
        """Nothing is kept open."""


def scope_of(scheme: Scheme) -> str:
    """A project of one's own, where deliveries name one."""
    return _SCOPES.get(scheme.id, "own-project") if scheme.scope else ""


def owned(scheme: Scheme, whose: str) -> Held:
    """As `held`, and a path token is one that was made at random."""
    if scheme.kind == "url-token":
        return Held(Secret(_TOKENS[whose]), _TOKENS[whose])
    return held(scheme, whose)


@contextmanager
def endpoint(scheme: Scheme, *faults: str, **more: Any) -> Iterator[ReferenceReceiver]:
    setup = Setup(
        scheme,
        owned(scheme, "new").receiver,
        old=owned(scheme, "old").receiver,
        scope=scope_of(scheme),
        facts=facts_of(scheme),
        faults=frozenset(faults),
        **more,
    )
    with ReferenceReceiver(setup) as receiver:
        yield receiver


def bench(receiver: ReferenceReceiver, *, watched: bool = True, wait: float = 0.05, **orders: Any) -> Bench:
    scheme = receiver.setup.scheme
    network = Network()
    deadline = orders.pop("deadline", 5.0)
    more = {name: orders.pop(name) for name in ("progress", "vendor", "run", "pause") if name in orders}
    given = Orders(
        scheme,
        receiver.url,
        **{
            "new": owned(scheme, "new").sender,
            "old": owned(scheme, "old").sender,
            "scope": scope_of(scheme),
            "facts": facts_of(scheme),
            **orders,
        },
    )
    clock = RealClock()
    watch = Watch(ActsObserver(receiver.acts), clock, wait=wait, every=0.02) if watched else None
    return Bench(
        given,
        lambda request: network.send(request, [origin(scheme, receiver.url)], deadline=deadline, max_bytes=1 << 16),
        clock,
        watch=watch,
        **{"pause": 0.0, **more},
    )


def conduct(one: Bench) -> Report:
    scheme = one.orders.scheme
    past = scheme.tolerance.past if scheme.tolerance else None
    return one.run(
        lambda before: examine(
            one.orders.url,
            path_token=scheme.kind == "url-token",
            tolerance=past,
            clock=RealClock(),
            before_request=before,
        )
    )


def run(name: str, *faults: str, more: dict[str, Any] | None = None, **orders: Any) -> Report:
    with endpoint(SCHEMES.get(name), *faults, **(more or {})) as receiver:
        return conduct(bench(receiver, **orders))
