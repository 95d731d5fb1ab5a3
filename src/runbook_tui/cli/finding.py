"""From a scan's result to the leaked credential of an incident: one the vault knows by name, or one a rule found.

A scan writes no value down. What a rule found is taken from the place in the repository that the result names, and
counts only when its fingerprint is the finding's; where the place is gone the operator is asked for the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_tui.cli import wiring
from runbook_tui.foundation import strict_json
from runbook_tui.foundation.errors import RunbookError

if TYPE_CHECKING:
    from runbook_tui.secrets.secret import Secret

_BY_RULE = "fp:"


@dataclass(frozen=True)
class ScanFinding:
    """One credential that a scan found. `rule` is empty for one that was searched for by its name in the vault."""

    credential: str
    earliest: str
    pushed: bool
    holding: tuple[str, ...]  # the repositories that hold it
    rule: str = ""
    title: str = ""
    provider: str = ""
    places: tuple[tuple[str, str, str], ...] = ()  # (repository, object or empty, path) where it stands as it is


def read_finding(path: Path, chosen: str, *, ask: bool) -> ScanFinding:
    """The finding that an incident is opened for: `chosen` (`fp:…`), the only one, or at a terminal the one picked.

    RunbookError when the file is no result of a scan, or holds nothing that an incident can start from.
    """
    try:
        document = strict_json.loads(path.read_bytes())
        found = [_finding(document, one) for one in document["credentials"] if _any_hit(document, one["credential"])]
    except OSError as error:
        raise RunbookError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RunbookError(f"{path} is not a scan's result", "write it with `runbook scan --json`") from None
    named = [one for one in found if not one.credential.startswith(("stdin:", "typed"))]
    if not named:
        what = "the scan found nothing" if not found else "the scan's value came from standard input and has no name"
        raise RunbookError(what, "scan with --credential NAME, or paste the value: run without --finding")
    if chosen.startswith(_BY_RULE):
        named = [one for one in named if one.credential == chosen]
        if not named:
            raise RunbookError(f"{path} has no traced finding {chosen}", "the scan's result lists them by fingerprint")
    by_rule = [one for one in named if one.rule]
    if len(by_rule) < len(named) or len(named) == 1:
        return next((one for one in named if not one.rule), named[0])
    listed = "\n".join(f"  {one.credential}  {one.title}" for one in named)
    if not ask:
        raise RunbookError(f"{path} has {len(named)} findings", f"choose one: --input NAME=fp:…\n{listed}")
    click.echo(listed, err=True)
    picked: str = click.prompt("Which one", type=click.Choice([one.credential for one in named]), err=True)
    return next(one for one in named if one.credential == picked)


def _any_hit(document: Any, credential: str) -> bool:
    return any(hit["credential"] == credential for one in document["repositories"] for hit in one["hits"])


def _finding(document: Any, summary: Any) -> ScanFinding:
    from runbook_tui.exposure.again import places_of_finding

    name = str(summary["credential"])
    found = document.get("findings") or ()
    rule: dict[str, Any] = next((one for one in found if one["credential"] == name), {})
    hits = [(str(one["path"]), hit) for one in document["repositories"] for hit in one["hits"]]
    mine = [(path, hit) for path, hit in hits if hit["credential"] == name]
    return ScanFinding(
        name,
        str(summary["earliest"] or ""),
        bool(summary["pushed"]),
        tuple(dict.fromkeys(path for path, _ in mine)),
        str(rule.get("rule") or ""),
        str(rule.get("title") or ""),
        str(rule.get("provider") or ""),
        tuple(places_of_finding(document, name)),
    )


def value_of(finding: ScanFinding, *, ask: bool) -> Secret:
    """The value that a rule found: read again where the scan saw it, or asked for, with the same fingerprint."""
    from runbook_tui.secrets.fingerprint import fingerprint, state_key

    key = state_key(wiring.places())
    if (secret := _again(finding, key)) is not None:
        return secret
    if not ask:
        raise RunbookError(
            f"{finding.credential} is no longer where the scan found it", "scan again, or run without --headless"
        )
    secret = wiring.ask_secret(f"value of {finding.credential}, {finding.title}")
    if fingerprint(secret, key) != finding.credential:
        raise RunbookError(f"that is not {finding.credential}: its fingerprint is another", "nothing was started")
    return secret


def _again(finding: ScanFinding, key: bytes) -> Secret | None:
    from runbook_tui.cli.scan_rules import rules
    from runbook_tui.exposure.child import run_child_value
    from runbook_tui.exposure.task import ByRules

    rule = next((one for one in rules() if one.id == finding.rule), None)
    if rule is None:  # of a rule file that is not the workspace's
        return None
    return run_child_value(finding.credential, finding.places, ByRules([rule], key))
