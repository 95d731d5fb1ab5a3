"""A webhook bench in an incident: what it is asked to test, what terminals are told while it runs, what is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui.conductor.consumers import value_of
from runbook_tui.conductor.kit import Kit
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.text import one_line
from runbook_tui.secrets.fingerprint import exportable, fingerprint
from runbook_tui.secrets.secret import Secret

if TYPE_CHECKING:
    from runbook_tui.webhooks.observer import Watch
    from runbook_tui.webhooks.orders import Orders
    from runbook_tui.webhooks.verdicts import Result

Tell = Callable[[Mapping[str, Any]], None]

_ANSWER = 64 << 10  # bytes of an answer that are read


class _Stopped(RunbookError):
    """The operator ended the step."""


def try_endpoint(kit: Kit, endpoint: Mapping[str, Any], tell: Tell, stopped: Callable[[], bool]) -> dict[str, Any]:
    """Run the bench of an endpoint of the inventory: its document, with the cases as `results`.

    RunbookError when it cannot be begun: an unknown scheme, a secret that is not here or has the wrong form, facts
    missing. When the operator stops it the document says so, and what was not sent is inconclusive.
    """
    from runbook_tui.webhooks.bench import Bench
    from runbook_tui.webhooks.orders import origin, patience
    from runbook_tui.webhooks.transport import examine

    orders = _orders(kit, endpoint)
    scheme = orders.scheme

    def send(request: Any) -> Any:
        if stopped():
            raise _Stopped("stopped by the operator")
        return kit.network.send(request, [origin(scheme, orders.url)], deadline=patience(scheme), max_bytes=_ANSWER)

    done = 0

    def progress(result: Result) -> None:
        nonlocal done
        done += 1
        tell({"text": f"case {done} of {len(bench.plan.cases)}, {bench.requests} requests"})
        if result.verdict != "not_applicable":
            said = f"{result.verdict:<12} {result.id:<8} {result.title}: {result.reason}"
            tell({"case": one_line(kit.redactor.text(said), 240)})

    watch = _watch(kit, endpoint)
    try:
        bench = Bench(orders, send, kit.clock, watch=watch, progress=progress, fingerprint=lambda one: _named(kit, one))
        try:
            report = bench.run(
                lambda before: examine(
                    orders.url,
                    path_token=scheme.kind == "url-token",
                    tolerance=scheme.tolerance.past if scheme.tolerance else None,
                    clock=kit.clock,
                    only=kit.network.only,
                    before_request=before,
                )
            )
        except _Stopped as stop:
            bench.stopped = stop.message
            report = bench.report()
    finally:
        if watch is not None:
            watch.close()
    document = report.data()
    return {"results": document.pop("cases"), **document}


def _orders(kit: Kit, endpoint: Mapping[str, Any]) -> Orders:
    from runbook_tui.webhooks.orders import Orders

    def secret(name: str) -> Secret | None:
        known = str(endpoint.get(name) or "")
        return value_of(kit.credential(known)) if known else None

    return Orders(
        kit.schemes.get(str(endpoint["scheme"])),
        str(endpoint["url"]),
        secret("secret"),
        old=secret("old_secret"),
        scope=str(endpoint.get("scope") or ""),
        facts=dict(endpoint.get("facts") or {}),
        variant=str(endpoint.get("variant") or ""),
    )


def _watch(kit: Kit, endpoint: Mapping[str, Any]) -> Watch | None:
    from runbook_tui.webhooks.observer import UrlObserver, Watch
    from runbook_tui.webhooks.observer_log import LogObserver

    if endpoint.get("observe_url"):
        return Watch(UrlObserver(str(endpoint["observe_url"]), kit.network), kit.clock)
    if endpoint.get("observe_log"):
        return Watch(LogObserver(Path(str(endpoint["observe_log"])).expanduser()), kit.clock)
    return None


def _named(kit: Kit, secret: Secret) -> str:
    return fingerprint(secret, kit.key) if exportable(secret) else "given"
