"""`runbook scan`: where in a repository's history a leaked value stands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import json_option
from runbook_tui.cli import scan_fleet as fleet
from runbook_tui.cli import scan_output as output
from runbook_tui.cli import scan_rules as by_rules
from runbook_tui.cli.door import redraw
from runbook_tui.foundation.errors import Exit, RunbookError

if TYPE_CHECKING:
    from runbook_tui.secrets.secret import Secret

_STDIN_LIMIT = 1 << 20


@click.command("scan")
@click.argument("repositories", metavar="REPO...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--credential", "names", metavar="NAME", multiple=True, help="A credential of the vault; may be repeated."
)
@click.option("--value-stdin", is_flag=True, help="Read values from standard input, one a line.")
@click.option("--vault", type=click.Choice(["keyring", "file"]), help="Default: the OS keyring, or init's choice.")
@click.option("--wait", is_flag=True, help="Give the keyring's unlock dialog up to 60 seconds.")
@by_rules.options
@fleet.options
@output.format_option
@json_option
def command(
    repositories: tuple[Path, ...],
    names: tuple[str, ...],
    value_stdin: bool,
    vault: str | None,
    wait: bool,
    form: str,
    as_json: bool,
    **chosen: Any,
) -> int:
    """Search git repositories' whole history for known values.

    Every blob, message, tag, note and file name is searched: of every ref, stash, reflog and of what nothing
    points at any more; as it is, and in base64, URL, hexadecimal, JSON and UTF-16 form. Nothing in the repository is
    run, nothing is written to it, and the network is not used.

    With --fleet LIST the repositories are read from a file, one a line, a path or a URL (which is mirrored first), and
    searched by several processes or a Dask cluster. What is done is kept: the same command goes on after Ctrl-C.

    With --rules credentials are found by how their vendors write them: as they stand, in UTF-16, in archives, and in
    base64, hexadecimal or escapes (once encoded, from 32 characters on); each is then searched for like a known
    value. They are named by fingerprints, never shown, and `runbook run PLAYBOOK --finding FILE` starts from one.

    Exit code: 0 nothing found and everything seen, 1 found, 2 bad input, 3 nothing found but not everything could be
    seen.
    """
    output.check(form, as_json)
    fleet.check(repositories, chosen)
    cluster = fleet.cluster_of(chosen) if chosen["listed"] is not None else None
    find = by_rules.wanted(chosen)
    values = [] if find and not names and not value_stdin else _values(names, value_stdin, vault, wait)
    if cluster is not None:
        search = by_rules.search_of(chosen["rules_files"], elsewhere=bool(cluster.scheduler)) if find else None
        document = fleet.fleet_scan(values, chosen, cluster, search)
    else:
        document = _scan(values, repositories, chosen["rules_files"] if find else None)
    output.write(document, form, as_json)
    if form == "text" and not as_json:
        for line in by_rules.rest(document):
            click.echo(line)
    if document.get("findings") or any(one["hits"] for one in document["repositories"]):
        return Exit.BAD
    return Exit.INCOMPLETE if any(one["not_scanned"] for one in document["repositories"]) else Exit.GOOD


def _scan(
    values: list[tuple[str, Secret]], repositories: tuple[Path, ...], rules_files: tuple[Path, ...] | None
) -> dict[str, Any]:
    from runbook_tui.exposure.scan import scan

    with _Meter() as meter:
        if rules_files is not None:
            return by_rules.rule_scan(values, repositories, rules_files, meter.show)
        return scan(values, repositories, meter.show).document()


def _values(names: tuple[str, ...], value_stdin: bool, kind: str | None, wait: bool) -> list[tuple[str, Secret]]:
    """The values to look for, by name. Without any option, asked for at the terminal."""
    found: list[tuple[str, Secret]] = []
    if names:
        from runbook_tui.cli.wiring import using_vault

        stored = using_vault(kind, wait, lambda vault: [(name, vault.get(name).secret) for name in names])
        for name, secret in stored:
            if secret is None:
                raise RunbookError(
                    f"the vault knows {name!r} only by its key id, not its value",
                    "send the value on standard input with --value-stdin",
                )
            found.append((name, secret))
    if value_stdin:
        found += _from_stdin()
    if not names and not value_stdin:
        from runbook_tui.cli.wiring import ask_secret

        instead = "send the value on standard input with --value-stdin"
        found.append(("typed", ask_secret("value to search for", instead=instead)))
    return found


def _from_stdin() -> list[tuple[str, Secret]]:
    from runbook_tui.exposure.forms import MIN_VALUE
    from runbook_tui.secrets.secret import Secret

    content = sys.stdin.buffer.read(_STDIN_LIMIT + 1)
    if len(content) > _STDIN_LIMIT:
        raise RunbookError("standard input is larger than 1 MiB", "send one value a line")
    found = []
    for number, line in enumerate(content.split(b"\n"), 1):
        value = line.removesuffix(b"\r")
        if not value:
            continue
        if len(value) < MIN_VALUE:
            raise RunbookError(
                f"the value on line {number} of standard input is shorter than {MIN_VALUE} bytes",
                "so short a text stands in any history by chance",
            )
        found.append((f"stdin:{number}", Secret(value)))
    if not found:
        raise RunbookError("standard input holds no value", "send one value a line")
    return found


class _Meter:
    """One line on standard error that says how far the scan is; nothing when that is not a terminal."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._on = self._stream.isatty()

    def __enter__(self) -> _Meter:
        return self

    def __exit__(self, *rest: object) -> None:
        self._write("")

    def show(self, facts: dict[str, Any]) -> None:
        total = facts.get("total", 0)
        if "objects" not in facts:  # a place that was found: the result names it
            return
        part = f" {100 * facts['objects'] // total}% of {total} objects" if total else ""
        self._write(f"{facts['phase']}{part}: {facts['repository']}"[:78])

    def _write(self, text: str) -> None:
        if self._on:
            redraw(self._stream, text)
