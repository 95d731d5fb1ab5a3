"""`runbook webhook bench`: proves at an endpoint that it accepts the new secret and refuses everything else."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import emit, json_option
from runbook_tui.foundation.errors import Exit, RunbookError

if TYPE_CHECKING:
    from runbook_tui.foundation.clock import Clock
    from runbook_tui.net.client import Network
    from runbook_tui.secrets.secret import Secret
    from runbook_tui.webhooks.bench import Bench
    from runbook_tui.webhooks.observer import Watch
    from runbook_tui.webhooks.orders import Orders
    from runbook_tui.webhooks.outcome import Report
    from runbook_tui.webhooks.scheme import Scheme
    from runbook_tui.webhooks.verdicts import Result

_MOST = 1 << 20  # bytes of standard input, of a body
_ANSWER = 1 << 20  # bytes of an answer
_EXITS = {"pass": Exit.GOOD, "warn": Exit.GOOD, "fail": Exit.BAD}


@dataclass(frozen=True)
class _Wishes:
    """How to go about it."""

    observe_url: str
    observe_command: str
    observe_log: str
    private: bool
    as_json: bool


@click.command("bench")
@click.argument("url")
@click.option("--scheme", "scheme_id", required=True, metavar="SCHEME", help="One of `runbook webhook schemes`.")
@click.option("--new", "new_name", metavar="NAME", help="The new secret's name in the vault.")
@click.option("--old", "old_name", metavar="NAME", help="The old secret's name in the vault.")
@click.option("--secrets-stdin", is_flag=True, help='Read {"new": ..., "old": ..., "other": ...} from standard input.')
@click.option("--observe-url", default="", metavar="URL", help="Asked what a delivery did; {marker} stands for its id.")
@click.option("--observe-command", default="", metavar="COMMAND", help="The same by a command, run without a shell.")
@click.option("--observe-log", default="", metavar="FILE", help="The same by a log file's new lines.")
@click.option("--overlap-until", metavar="TIME", help="The old secret may be accepted until then. After a leak: never.")
@click.option("--scope", default="", metavar="ID", help="Your own project, account or app, as deliveries name it.")
@click.option("--event", default="", metavar="NAME", help="An event your endpoint acts on, instead of a safe one.")
@click.option("--body", "body_file", metavar="FILE", help="Its body, JSON with {id} where the id belongs.")
@click.option("--variant", default="", metavar="NAME", help="Another envelope of the scheme.")
@click.option("--fact", "facts", multiple=True, metavar="NAME=VALUE", help="What else the scheme signs or asks for.")
@click.option(
    "--token-log", "logs", multiple=True, metavar="FILE", help="A local log that must not hold the URL token."
)
@click.option("--handshakes", is_flag=True, help="Also handshakes that may change a faulty endpoint.")
@click.option("--private", is_flag=True, help="The endpoint's name leads into a private network.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@click.option("--yes", is_flag=True, help="Send without asking.")
@json_option
def command(
    url: str,
    scheme_id: str,
    new_name: str | None,
    old_name: str | None,
    secrets_stdin: bool,
    overlap_until: str | None,
    scope: str,
    event: str,
    body_file: str | None,
    variant: str,
    facts: tuple[str, ...],
    logs: tuple[str, ...],
    handshakes: bool,
    dry_run: bool,
    yes: bool,
    **wishes: Any,
) -> int:
    """Test an endpoint: does it accept the new secret, and nothing else?

    At most 60 requests and two a second, safe events, after the plan was shown. Without an observer a status shows only
    that a delivery was refused, not that nothing was done. Ends with 0 when nothing failed, 1 when something did, 3
    when something stays open.
    """
    from runbook_tui.foundation.clock import RealClock, parse_instant
    from runbook_tui.net.client import Network
    from runbook_tui.webhooks.orders import Orders, own_event

    how = _Wishes(**wishes)
    if secrets_stdin and (new_name or old_name):
        raise click.UsageError("--secrets-stdin cannot be combined with --new or --old")
    scheme, given = _scheme_and_facts(scheme_id, facts)
    if event or body_file:
        scheme = own_event(scheme, event, _read(Path(body_file)) if body_file else None)
    secrets, more = _stdin_secrets() if secrets_stdin else (_vault_secrets(scheme, new_name, old_name), {})
    given |= {name: value for name, value in more.items() if name in scheme.facts}
    orders = Orders(
        scheme,
        url,
        secrets.get("new"),
        old=secrets.get("old"),
        other=secrets.get("other"),
        scope=scope,
        facts=given,
        variant=variant,
        until=parse_instant(overlap_until) if overlap_until else None,
        acting=handshakes,
        logs=tuple(Path(one) for one in logs),
    )
    network, clock = Network(), RealClock()
    watch = _watch(how, network, clock)
    try:
        bench = _bench(orders, how, network, clock, watch)
        if dry_run:
            _show_plan(bench, how)
            return Exit.GOOD
        _consent(bench, how, yes=yes)
        return _conduct(bench, how, clock)
    finally:
        if watch is not None:
            watch.close()


def _bench(orders: Orders, how: _Wishes, network: Network, clock: Clock, watch: Watch | None) -> Bench:
    from runbook_tui.cli.wiring import interactive, places
    from runbook_tui.net.client import Answer, Request
    from runbook_tui.secrets.fingerprint import exportable, fingerprint, state_key
    from runbook_tui.webhooks.bench import Bench
    from runbook_tui.webhooks.orders import origin, patience

    def send(request: Request) -> Answer:
        origins, deadline = [origin(orders.scheme, orders.url)], patience(orders.scheme)
        return network.send(request, origins, deadline=deadline, max_bytes=_ANSWER, private=how.private)

    key = state_key(places())
    return Bench(
        orders,
        send,
        clock,
        watch=watch,
        progress=(lambda _: None) if how.as_json else _tick,
        vendor=_ask_vendor if interactive() else None,
        fingerprint=lambda secret: fingerprint(secret, key) if exportable(secret) else "given",
    )


def _conduct(bench: Bench, how: _Wishes, clock: Clock) -> int:
    from runbook_tui.webhooks.transport import examine

    scheme = bench.orders.scheme
    tolerance = scheme.tolerance.past if scheme.tolerance else None
    token = scheme.kind == "url-token"
    try:
        report = bench.run(
            lambda before: examine(
                bench.orders.url,
                path_token=token,
                tolerance=tolerance,
                clock=clock,
                private=how.private,
                before_request=before,
            )
        )
        code = _EXITS.get(report.verdict, Exit.INCOMPLETE)
    except KeyboardInterrupt:
        bench.stopped = "interrupted"
        report, code = bench.report(), Exit.INTERRUPTED
    if how.as_json:
        emit(report.data())
    else:
        _show(report)
    return code


def _scheme_and_facts(scheme_id: str, facts: tuple[str, ...]) -> tuple[Scheme, dict[str, str]]:
    from runbook_tui.cli.webhook import facts_of, schemes_here

    scheme = schemes_here().get(scheme_id)
    return scheme, facts_of(scheme, facts)


def _stdin_secrets() -> tuple[dict[str, Secret], dict[str, str]]:
    """Secrets, and facts that are secret. A mistake's message repeats nothing of what was given."""
    from runbook_tui.secrets.secret import Secret

    try:
        data = json.loads(sys.stdin.buffer.read(_MOST))
    except (ValueError, RecursionError):
        data = None
    facts = data.pop("facts", {}) if isinstance(data, dict) else {}
    known = {"new", "old", "other"}
    if not (_texts(data) and _texts(facts) and set(data) <= known):
        raise RunbookError("standard input is not what --secrets-stdin takes", 'give {"new": "...", "old": "..."}')
    return {name: Secret(value) for name, value in data.items()}, facts


def _texts(data: Any) -> bool:
    return isinstance(data, dict) and all(isinstance(one, str) and one for one in data.values())


def _vault_secrets(scheme: Scheme, new: str | None, old: str | None) -> dict[str, Secret]:
    from runbook_tui.cli import wiring
    from runbook_tui.cli.webhook import stored

    found = {label: stored(name) for label, name in (("new", new), ("old", old)) if name}
    if "new" not in found and scheme.kind != "vendor-key":
        found["new"] = wiring.ask_secret("new webhook secret", instead="send both with --secrets-stdin")
        if "old" not in found and (typed := wiring.ask_secret_or_none("old webhook secret, Enter if unknown")):
            found["old"] = typed
    return found


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST)
    except OSError as error:
        raise RunbookError(f"cannot read the body {path}: {error.strerror}", "give a readable file") from None


def _watch(how: _Wishes, network: Network, clock: Clock) -> Watch | None:
    from runbook_tui.webhooks.observer import Observer, UrlObserver, Watch
    from runbook_tui.webhooks.observer_command import CommandObserver
    from runbook_tui.webhooks.observer_log import LogObserver

    if sum(map(bool, (how.observe_url, how.observe_command, how.observe_log))) > 1:
        raise click.UsageError("one observer at a time")
    observer: Observer
    if how.observe_url:
        observer = UrlObserver(how.observe_url, network, private=how.private)
    elif how.observe_command:
        observer = CommandObserver(how.observe_command)
    elif how.observe_log:
        observer = LogObserver(Path(how.observe_log))
    else:
        return None
    return Watch(observer, clock)


def _consent(bench: Bench, how: _Wishes, *, yes: bool) -> None:
    from runbook_tui.cli.wiring import interactive

    if not yes and not interactive():
        raise RunbookError("sending wants a confirmation", "add --yes; --dry-run shows what would be sent")
    if not how.as_json:
        _show_plan(bench, how)
    if not yes and not click.confirm(f"send up to {bench.plan.most} requests to {bench.orders.url}?", err=True):
        raise click.Abort


def _ask_vendor(instruction: str) -> str:
    text: str = click.prompt(instruction, default="", show_default=False, err=True)
    return text.strip()


def _show_plan(bench: Bench, how: _Wishes) -> None:
    if how.as_json:
        emit({"scheme": bench.orders.scheme.id, "url": bench.orders.url, **bench.plan.data()})
        return
    data = bench.plan.data()
    click.echo(f"{bench.orders.scheme.name} at {bench.orders.url}: at most {bench.plan.most} requests, two a second")
    for one in data["plan"]:
        left = f"left out: {one['left_out']}" if one["left_out"] else f"{one['requests']}x, {one['secret']} secret"
        click.echo(f"  {one['id']:<16} {one['title']}: {left}")
    if data["diagnostics"]:
        click.echo(f"  only if P1 is refused: {', '.join(one['title'] for one in data['diagnostics'])}")
    if data["example"]:
        click.echo(f"the body of P1 without its proof, where a value is new each time:\n  {data['example']}")


def _tick(result: Result) -> None:
    status = "" if result.status is None else f" {result.status}"
    click.echo(_line(result.verdict, result.id + status, f"{result.title}: {result.reason}"))


def _line(verdict: str, name: str, text: str) -> str:
    from runbook_tui.foundation.text import plain

    return plain(f"  {verdict.replace('_', ' '):<14} {name:<20} {text}", 400)


def _show(report: Report) -> None:
    """Everything once more with its final verdict, the worst last but one, then what it means."""
    click.echo("")
    ways = report.transport.findings if report.transport is not None else ()
    for finding in (*ways, *report.checks):
        if finding.verdict != "not_applicable":
            click.echo(_line(finding.verdict, finding.id, f"{finding.title}: {finding.reason}"))
    for result in report.results:
        if result.verdict != "not_applicable":
            _tick(result)
    for heading, lines in (
        ("likely causes", [f"{one.cause} -> {one.fix}" for one in report.diagnosis]),
        ("shown", report.proven),
        ("open", report.open),
    ):
        if lines:
            click.echo(f"{heading}:")
            for line in lines:
                click.echo(_line("", "", line).replace(" " * 36, "  ", 1))
    if report.stopped:
        click.echo(f"stopped: {report.stopped}")
    click.echo(f"verdict: {report.verdict} (the rotation alone: {report.rotation}), {report.requests} requests")
