"""The document of `scan --json` as SARIF 2.1.0, which code hosts and review tools take in.

One run for each repository. A place without a path (a message, a deleted branch's tag, an object nothing names) is
located at the usual address of its object. What was not searched is a warning of the run, and the run then says that
it was not successful: no reader may take it for a clean one. No value stands in it, as none stands in the document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from runbook_tui import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAX_RESULTS = 25_000  # of one run: what the largest code host takes
_KNOWN = "leaked-value"
_GAP = "not-searched"
_BASE = "SRCROOT"
_RELATED = 20
_MORE = ("paths_more", "first_more", "last_more", "refs_more")  # of each, how many a hit does not list


def sarif(document: Mapping[str, Any]) -> dict[str, Any]:
    """The SARIF log of a scan's document (design 4.5, with `findings` where rules were used)."""
    titles = {_KNOWN: "A credential stands in the history"}
    titles |= {one["rule"]: one["title"] for one in document.get("findings") or ()}
    runs = [_run(repository, titles) for repository in document["repositories"]]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}


def _run(repository: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    hits, gaps = repository["hits"], list(repository["not_scanned"])
    if len(hits) > MAX_RESULTS:
        gaps.append({"what": f"{len(hits) - MAX_RESULTS} more places", "why": "left out of this file: --json has all"})
    rules = sorted({_rule_id(hit) for hit in hits}) or [_KNOWN]
    return {
        "tool": {
            "driver": {
                "name": "runbook",
                "version": __version__,
                "rules": [_rule(name, titles.get(name, name)) for name in rules],
                "notifications": [{"id": _GAP, "shortDescription": {"text": "Something could not be searched"}}],
            }
        },
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {_BASE: {"description": _text(f"the repository {repository['path']}")}},
        "invocations": [
            {
                "executionSuccessful": not gaps,
                "toolExecutionNotifications": [
                    {
                        "descriptor": {"id": _GAP, "index": 0},
                        "level": "warning",
                        "message": _text(f"not searched: {gap['what']}: {gap['why']}"),
                    }
                    for gap in gaps
                ],
            }
        ],
        "results": [_result(hit, rules.index(_rule_id(hit))) for hit in hits[:MAX_RESULTS]],
        "properties": {name: repository[name] for name in ("objects", "bytes", "seconds")},
    }


def _rule_id(hit: Mapping[str, Any]) -> str:
    return hit["rule"] or _KNOWN


def _rule(name: str, title: str) -> dict[str, Any]:
    advice = (
        "Rotate the credential first: whoever could read the repository may have copied it, and removing it from the "
        "history takes nothing back. Clean the history afterwards."
    )
    return {
        "id": name,
        "shortDescription": _text(title),
        "help": {"text": advice},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "secret"], "precision": "very-high", "security-severity": "9.0"},
    }


def _result(hit: Mapping[str, Any], rule: int) -> dict[str, Any]:
    uris = [_uri(path) for path in hit["paths"]] or [_object_uri(hit["object"])]
    place = "\0".join((_rule_id(hit), hit["object"], hit["form"], uris[0], str(hit["line"])))
    digest = hashlib.sha256(place.encode()).hexdigest()[:32]
    facts = ("credential", "form", "object", "type", "reachable", "first", "last", "refs", "remotes")
    result = {
        "ruleId": _rule_id(hit),
        "ruleIndex": rule,
        "level": "error",
        "message": _text(_sentence(hit)),
        "locations": [_location(uris[0], hit)],
        "partialFingerprints": {"primaryLocationLineHash": f"{digest}:1", "place/v1": digest},
        "properties": {name: hit[name] for name in facts} | {name: hit[name] for name in _MORE if name in hit},
    }
    if len(uris) > 1:
        result["relatedLocations"] = [
            {"id": number, **_location(uri, hit), "message": {"text": "the same content"}}
            for number, uri in enumerate(uris[1 : _RELATED + 1], 1)
        ]
    return result


def _location(uri: str, hit: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": uri, "uriBaseId": _BASE},
            "region": {"startLine": max(1, hit["line"])},
        }
    }
    if hit["object"]:
        found["logicalLocations"] = [{"fullyQualifiedName": hit["object"], "kind": hit["type"]}]
    return found


def _sentence(hit: Mapping[str, Any]) -> str:
    """What a reviewer reads first."""
    parts = [f"{hit['credential']} stands in this {hit['type']} (as {hit['form']})"]
    if hit["first"]:
        one = hit["first"][0]
        parts.append(f"first with {one['commit'][:12]} ({one['time'] or 'at an unknown time'}) by {one['author']}")
    if hit["last"]:
        one = hit["last"][-1]
        parts.append(f"last with {one['commit'][:12]} ({one['time'] or 'at an unknown time'})")
    if hit["refs"]:
        parts.append(f"contained in {_some(hit['refs'], hit.get('refs_more', 0))}")
    elif hit["type"] != "file":
        kept = {"index": "only the index keeps it", "reflog": "only a reflog leads to it"}
        parts.append(kept.get(hit["reachable"], "no ref leads to it"))
    if hit["remotes"]:
        parts.append(f"was on {_some(hit['remotes'])}")
    return "; ".join(parts) + "."


def _some(items: Iterable[str], left_out: int = 0) -> str:
    listed = list(items)
    more = max(0, len(listed) - 3) + left_out
    return ", ".join(listed[:3]) + (f" and {more} more" if more else "")


def _text(text: str) -> dict[str, str]:
    """A message; braces and brackets of foreign text would be placeholders and links in it."""
    escaped = text.replace("\\", "\\\\").replace("{", "{{").replace("}", "}}")
    return {"text": escaped.replace("[", "\\[").replace("]", "\\]")}


def _uri(path: str) -> str:
    """A path as a relative reference that cannot leave the repository or be taken for a scheme or host."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    safe = ("%2E%2E%2F" if part == ".." else quote(part.encode("utf-8", "surrogateescape"), safe="") for part in parts)
    return "/".join(safe) or "%20"


def _object_uri(name: str) -> str:
    return f".git/objects/{name[:2]}/{name[2:]}"
