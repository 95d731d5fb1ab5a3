"""`runbook scan --fleet`: many repositories, by a cluster; what it prints is the same as for a few."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli.door import redraw
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.files import make_private_dir

if TYPE_CHECKING:
    from runbook_tui.exposure.fleet import Cluster
    from runbook_tui.exposure.task import ByRules
    from runbook_tui.secrets.secret import Secret

_WITH = "it goes with --fleet LIST"


def options(command: Any) -> Any:
    """Adds the options of a fleet to `runbook scan`; `fleet_scan` takes what they give as keywords."""
    file = click.Path(path_type=Path)
    for option in (
        click.option("--state", type=file, metavar="FILE", help="With --fleet: where what is done is kept."),
        click.option("--cache", type=file, metavar="DIR", help="With --fleet: where mirrors of URLs are kept."),
        click.option("--tls", type=file, metavar="DIR", help="With --scheduler tls://…: ca.pem, cert.pem, key.pem."),
        click.option(
            "--plain-tcp", is_flag=True, help="With --scheduler tcp://…: also to another machine, unprotected."
        ),
        click.option("--workers", type=int, default=0, metavar="N", help="With --fleet: processes; else one a core."),
        click.option(
            "--scheduler", default="", metavar="URL", help="With --fleet: a Dask scheduler, tls:// or tcp://."
        ),
        click.option("--fleet", "listed", type=file, metavar="LIST", help="A file of repositories: paths, URLs."),
    ):
        command = option(command)
    return command


def check(repositories: Sequence[Path], chosen: dict[str, Any]) -> None:
    """click.UsageError when the options of a fleet and the arguments do not go together."""
    if chosen["listed"] is not None and repositories:
        raise click.UsageError("name repositories or --fleet LIST, not both")
    if chosen["listed"] is None:
        for name in ("scheduler", "workers", "tls", "plain_tcp", "cache", "state"):
            if chosen[name]:
                raise click.UsageError(f"--{name.replace('_', '-')}: {_WITH}")
        if not repositories:
            raise click.UsageError("Missing argument 'REPO...'.")


def cluster_of(chosen: dict[str, Any]) -> Cluster:
    """The cluster that is asked for; RunbookError when it cannot be had."""
    from runbook_tui.exposure.fleet import Cluster

    cluster = Cluster(chosen["workers"], chosen["scheduler"], str(chosen["tls"] or ""), chosen["plain_tcp"])
    cluster.check()
    return cluster


def fleet_scan(
    values: Sequence[tuple[str, Secret]],
    chosen: dict[str, Any],
    cluster: Cluster,
    by_rules: ByRules | None = None,
) -> dict[str, Any]:
    """Search what the list names, by rules too when there are some; return the document of `scan --json`."""
    from runbook_tui.cli.wiring import places
    from runbook_tui.exposure.fleet import sweep
    from runbook_tui.exposure.fleet_list import read_list
    from runbook_tui.exposure.fleet_state import FleetState, identity
    from runbook_tui.secrets.fingerprint import state_key

    sources = read_list(chosen["listed"])
    here = places()
    key = state_key(here)
    shown = json.dumps(by_rules.data()["rules"]) if by_rules is not None else ""
    values_id = identity(values, key, shown)
    path = chosen["state"]
    if path is None:
        which = identity(values, key, f"{chosen['listed'].absolute()}\0{shown}")
        path = make_private_dir(here.state / "fleet") / f"{which}.jsonl"
    cache = chosen["cache"]
    # On a scheduler's workers the default is their own machine's.
    folder = str(cache.absolute()) if cache else "" if cluster.scheduler else str(here.state / "mirrors")
    with FleetState(path.absolute(), values_id) as state, _Meter() as meter:
        done = sum(source.text in state.done for source in sources)
        if done:
            click.echo(f"{done} of {len(sources)} repositories were searched since {state.begun}: {path}", err=True)
        try:
            document = sweep(values, sources, state, cluster, folder, meter.show, by_rules=by_rules)
        except (KeyboardInterrupt, RunbookError):
            meter.end()
            if state.done:
                click.echo(f"{len(state.done)} results are kept: the same command goes on from {path}", err=True)
            raise
    if path.exists():
        click.echo(f"the same command tries only what failed; for all anew remove {path}", err=True)
    return document


class _Meter:
    """How far the sweep is, on standard error: one line that changes, or now and then a new one."""

    _EVERY = 20  # a line for so many repositories, where lines stay

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._live = self._stream.isatty()
        self._said = 0

    def __enter__(self) -> _Meter:
        return self

    def __exit__(self, *rest: object) -> None:
        self.end()

    def end(self) -> None:
        if self._live:
            redraw(self._stream, "")

    def show(self, facts: dict[str, Any]) -> None:
        counted = facts["done"] + facts["failed"]
        if not self._live and counted < self._said + self._EVERY and facts["left"]:
            return
        if not self._live and counted == self._said:
            return
        self._said = counted
        left = "" if facts["seconds_left"] is None or not facts["left"] else f", {_time(facts['seconds_left'])} left"
        text = (
            f"{facts['done']} done, {facts['failed']} failed, {facts['left']} left; "
            f"{facts['objects']} objects, {facts['bytes'] / 1e6:.1f} MB{left}"
        )
        if self._live:
            redraw(self._stream, text[:78])
        else:
            click.echo(text, err=True)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
