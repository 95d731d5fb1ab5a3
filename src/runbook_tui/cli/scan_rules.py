"""`runbook scan --rules`: find credentials by the formats of their vendors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import wiring

if TYPE_CHECKING:
    from runbook_tui.exposure.rulefile import Rule
    from runbook_tui.exposure.task import ByRules
    from runbook_tui.secrets.secret import Secret


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--rules` and `--rules-file`, which arrive as `rules` and `rules_files`."""
    for option in (
        click.option(
            "--rules-file",
            "rules_files",
            multiple=True,
            type=click.Path(path_type=Path, dir_okay=False),
            help="Rules of your own (YAML) for --rules; may be repeated. A workspace's rules/ folder counts too.",
        ),
        click.option(
            "--rules", is_flag=True, help="Find credentials by their vendors' formats, and trace each that is found."
        ),
    ):
        command = option(command)
    return command


def wanted(chosen: dict[str, Any]) -> bool:
    """Whether rules are to be looked for."""
    if chosen["rules_files"] and not chosen["rules"]:
        raise click.UsageError("--rules-file goes with --rules")
    return bool(chosen["rules"])


def rules(files: Sequence[Path] = ()) -> list[Rule]:
    """The most specific first: those of `files` and of the workspace, the providers' formats, the shipped ones.

    InputProblems with every mistake in the workspace's rules and in `files`.
    """
    from runbook_tui.exposure.rulefile import known_rules, rule_files
    from runbook_tui.exposure.ruleset import finds

    known, here = wiring.catalogue(), wiring.workspace()
    own = [*files, *(rule_files(here.root / "rules") if here else ())]
    return known_rules(own, known.ids(), known.formats(), finds)


def search_of(files: Sequence[Path], *, elsewhere: bool = False) -> ByRules:
    """The rules and the key of this user's fingerprints. `elsewhere`: for other machines, which keep nothing."""
    from runbook_tui.exposure.task import ByRules
    from runbook_tui.secrets.fingerprint import state_key

    here = wiring.places()
    return ByRules(rules(files), state_key(here), None if elsewhere else here.state / "cache")


def rule_scan(
    values: list[tuple[str, Secret]],
    repositories: Sequence[Path],
    files: Sequence[Path],
    progress: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """The document of `scan --json` with `findings`: what the rules found, by fingerprint."""
    from runbook_tui.exposure.discovery import scan_by_rules

    search = search_of(files)
    return scan_by_rules(search.compiled(), values, repositories, search.key, progress).document()


def rest(document: dict[str, Any]) -> list[str]:
    """For people, what the summary of traced values leaves out: untraced findings, or that there are none at all."""
    if "findings" not in document:
        return []
    left = [one for one in document["findings"] if not one["traced"]]
    lines = [f"{one['credential']}, {one['title']} {one['mask']}: not traced (rule {one['rule']})" for one in left]
    return lines if document["findings"] else ["no rule found anything"]
