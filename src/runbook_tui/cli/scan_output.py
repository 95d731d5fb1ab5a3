"""What `runbook scan` prints: the JSON document, SARIF, or a summary of each value and a list of places for people."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from runbook_tui.cli import emit

_SHOWN_HITS = 50
_SHOWN_REFS = 3
_SHOWN_PATHS = 3
_REACHED = {"ref": "by a ref", "index": "by an index only", "reflog": "by a reflog only", "none": "by nothing any more"}


def format_option(function: Any) -> Any:
    """`--format`; `--json` is the same as `--format json`."""
    choice = click.Choice(["text", "json", "sarif"])
    return click.option("--format", "form", type=choice, default="text", help="How to print what was found.")(function)


def write(document: dict[str, Any], form: str, as_json: bool) -> None:
    """Print the document of `scan --json` on standard output, in one of the formats."""
    check(form, as_json)
    if form == "sarif":
        from runbook_tui.exposure.sarif import sarif

        emit(sarif(document))
    elif as_json or form == "json":
        emit(document)
    else:
        for line in lines(document):
            click.echo(line)


def check(form: str, as_json: bool) -> None:
    """click.UsageError when `--json` and another format are asked for."""
    if as_json and form not in ("text", "json"):
        raise click.UsageError(f"--json and --format {form}: choose one")


def lines(document: dict[str, Any]) -> list[str]:
    """The result for people: a summary for each value, then each repository's places."""
    repositories = document["repositories"]
    made = [line for summary in document["credentials"] for line in _summary(summary, document)]
    left = sum(len(one["not_scanned"]) for one in repositories)
    if left:
        made += ["", f"{left} things were not searched: what is not listed may still stand there"]
    for repository in repositories:
        made += ["", *_repository(repository)]
    return made


def _summary(summary: dict[str, Any], document: dict[str, Any]) -> list[str]:
    name = summary["credential"]
    what = next(
        (f", {one['title']} {one['mask']}" for one in document.get("findings") or () if one["credential"] == name), ""
    )
    found = [[hit for hit in one["hits"] if hit["credential"] == name] for one in document["repositories"]]
    hits = [hit for part in found for hit in part]
    if not hits:
        return [f"{name}{what}: not found"]
    where = sum(bool(part) for part in found)
    repositories = f" of {where} repositories" if len(found) > 1 else ""
    reached = Counter(hit["reachable"] for hit in hits if hit["type"] != "file")
    files = sum(hit["type"] == "file" for hit in hits)
    ways = [f"{reached[way]} {words}" for way, words in _REACHED.items() if reached[way]]
    ways += [f"{files} in files of the git directory"] if files else []
    forms = ", ".join(f"{form} {count}" for form, count in Counter(hit["form"] for hit in hits).most_common())
    return [
        f"{name}{what}: found in {len(hits)} places{repositories}",
        f"  exposed    {summary['earliest'] or 'not determined'} (first commit with it)",
        f"         to  {summary['latest'] or 'not determined'} (last commit with it)",
        f"  pushed     {_pushed(summary, hits)}",
        f"  reachable  {', '.join(ways)}",
        f"  forms      {forms}",
    ]


def _pushed(summary: dict[str, Any], hits: list[dict[str, Any]]) -> str:
    if summary["pushed"]:
        remotes = sorted({remote for hit in hits for remote in hit["remotes"]})
        return f"yes: was on {_some(remotes, _SHOWN_REFS)}" if remotes else "yes"
    return "not as far as this clone knows" if summary["pushed"] is False else "not determined"


def _repository(shown: dict[str, Any]) -> list[str]:
    made = [f"{shown['path']}: {shown['objects']} objects, {shown['bytes']} bytes, {shown['seconds']:.1f} s"]
    for hit in shown["hits"][:_SHOWN_HITS]:
        made += _hit(hit)
    if len(shown["hits"]) > _SHOWN_HITS:
        made.append(f"  and {len(shown['hits']) - _SHOWN_HITS} more places: --json lists all")
    if not shown["hits"]:
        made.append("  nothing found in what was searched" if shown["not_scanned"] else "  nothing found")
    if shown["not_scanned"]:
        made.append("  not searched:")
        made += [f"    {gap['what']}: {gap['why']}" for gap in shown["not_scanned"]]
    return made


def _hit(shown: dict[str, Any]) -> list[str]:
    where = _some(shown["paths"], _SHOWN_PATHS, shown.get("paths_more", 0)) or f"the {shown['type']} object itself"
    name = f" {shown['object'][:12]}" if shown["object"] else ""
    made = [f"  {shown['credential']} in {shown['type']}{name}, line {shown['line']}, as {shown['form']}: {where}"]
    for which, marks in (("first", shown["first"][:1]), ("last ", shown["last"][-1:])):
        for mark in marks:
            by = f" by {mark['author']}" if "author" in mark else ""
            when = mark["time"] or "at an unknown time"
            made.append(f"    {which} {mark['commit'][:12]} {when}{by}{_more(shown, which.strip())}")
    if shown["refs"]:
        made.append(f"    refs  {_some(shown['refs'], _SHOWN_REFS, shown.get('refs_more', 0))}")
    elif shown["type"] != "file":
        reach = {"index": "only the index keeps it", "reflog": "only a reflog leads to it"}
        made.append(f"    refs  none: {reach.get(shown['reachable'], 'nothing leads to it any more')}")
    return made


def _more(shown: dict[str, Any], which: str) -> str:
    count = len(shown[which]) - 1 + shown.get(f"{which}_more", 0)
    return f" (and {count} more)" if count else ""


def _some(items: list[str], count: int, left_out: int = 0) -> str:
    more = max(0, len(items) - count) + left_out
    return ", ".join(items[:count]) + (f" and {more} more" if more else "")
