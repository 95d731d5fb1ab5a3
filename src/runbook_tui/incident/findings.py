"""Credentials that a scan found by rule: what of them an event keeps, how they are told, which are still to be taken.

No value is here: a finding is known by its fingerprint. Taken into the incident, it becomes a subject of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runbook_tui.incident.model import Finding, IncidentState

FOUND = "found:"  # how the slot of a finding that was taken over begins; the rest is its name in the vault
MOST = 200  # findings that one event keeps
_PLACES = 5000  # places of findings that one event keeps
_FEWEST = 5  # places of each finding, however many findings there are
_PATHS = 3


def kept(result: dict[str, Any]) -> dict[str, Any]:
    """A scan's document as it is recorded: at most `MOST` findings, with a few of very many places.

    Each finding gets `places` (how many there are); `findings_left` counts those that are left out. Of a finding with
    very many places those stay that bring in another ref or way of being reached, so the clean-up advice is whole.
    """
    if not result.get("findings"):
        return result
    findings = result["findings"][:MOST]
    limit = max(_FEWEST, _PLACES // len(findings))
    left = result["findings"][MOST:]
    unlisted = {one["credential"] for one in left}
    counts: dict[str, int] = {}
    seen: dict[str, set[str]] = {}
    repositories = []
    for one in result["repositories"]:
        hits = []
        for hit in one["hits"]:
            name = hit["credential"]
            counts[name] = counts.get(name, 0) + 1
            ways = {*hit["refs"], *hit["remotes"], f"by {hit['reachable']}", f"in {hit['type']}"}
            known = seen.setdefault(name, set())
            if not hit.get("rule") or (name not in unlisted and (counts[name] <= limit or ways - known)):
                hits.append(hit)
            known |= ways
        repositories.append({**one, "hits": hits})
    shown = [{**one, "places": counts.get(one["credential"], 0)} for one in findings]
    credentials = [one for one in result["credentials"] if one["credential"] not in unlisted]
    return {
        **result,
        "repositories": repositories,
        "credentials": credentials,
        "findings": shown,
        "findings_left": len(left),
    }


def in_short(result: Mapping[str, Any]) -> str:
    """What a search gave, in one line."""
    found = result.get("findings")
    unseen = sum(len(one["not_scanned"]) for one in result["repositories"])
    parts = [f"{places(result)} places found"]
    if found is not None:
        count = len(found) + result.get("findings_left", 0)
        parts.append("no credential found by rule" if not count else f"{credentials(count)} found by rule")
    if unseen:
        parts.append(f"{unseen} things could not be seen")
    return ", ".join(parts)


def places(result: Mapping[str, Any]) -> int:
    """How many places a search found, those of findings that the event does not list included."""
    named: dict[str, int] = {one["credential"]: one.get("places", 0) for one in result.get("findings") or ()}
    hits = (hit for one in result.get("repositories") or () for hit in one.get("hits") or ())
    return sum(hit.get("credential") not in named for hit in hits) + sum(named.values())


def credentials(count: int) -> str:
    """`1 credential`, `3 credentials`."""
    return f"{count} credential{'' if count == 1 else 's'}"


def told(result: Mapping[str, Any]) -> Iterator[str]:
    """A line for each finding of a scan's event, and one that says how many more there are."""
    for one in result.get("findings") or ():
        yield _line(result, one)
    if left := result.get("findings_left", 0):
        yield f"… and {left} more findings, of less specific rules: `runbook scan --rules` lists them all"


def _line(result: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    name = one["credential"]
    hits = [hit for part in result["repositories"] for hit in part["hits"] if hit["credential"] == name]
    paths = list(dict.fromkeys(str(path) for hit in hits for path in hit["paths"] or [f"a {hit['type']}"]))
    more = f" and {len(paths) - _PATHS} more" if len(paths) > _PATHS else ""
    count = one.get("places", len(hits))
    where = f"{count} place{'' if count == 1 else 's'}: {', '.join(paths[:_PATHS])}{more}" if one["traced"] else ""
    starts = [str(one["earliest"]) for one in result["credentials"] if one["credential"] == name and one["earliest"]]
    since = f", since {starts[0]}" if starts else ""
    return f"found by rule: {name}, {one['title']} {one['mask']}, {where or 'not traced'}{since}"


def untaken(state: IncidentState) -> list[Finding]:
    """The findings that nobody has taken over and that are none of the incident's own credentials."""
    return [one for one in state.findings.values() if not owner(state, one)]


def owner(state: IncidentState, finding: Finding) -> str:
    """The slot of the subject that a finding is: taken over, or known before (`leaked`, or its new one); else ""."""
    if finding.slot:
        return finding.slot
    for slot, subject in state.subjects.items():
        if finding.fingerprint == subject.fingerprint:
            return slot
        if finding.fingerprint == subject.new_fingerprint:
            return f"{slot}.new"
    return ""


def label(finding: Finding) -> str:
    """A finding in a list to choose from."""
    where = f"{finding.places} place{'' if finding.places == 1 else 's'}" if finding.traced else "not traced"
    return f"{finding.fingerprint} {finding.mask}, {where}: {finding.title}"
