"""One answer out of many: the documents of single scans as the document of one scan of everything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from runbook_tui.exposure.model import MAX_PATH, Gap, Gaps
from runbook_tui.foundation.text import plain


def merge(documents: Iterable[dict[str, Any]], credentials: Sequence[str], *, by_rules: bool = False) -> dict[str, Any]:
    """The merged document. A credential's first, last and "was it pushed" count where it was found.

    With `by_rules` also the findings: of one that several repositories have, one.
    """
    repositories: list[dict[str, Any]] = []
    findings: dict[str, dict[str, Any]] = {}
    summaries: dict[str, list[dict[str, Any]]] = {name: [] for name in credentials}
    absent: dict[str, dict[str, Any]] = {}
    for document in documents:
        repositories += document["repositories"]
        for one in document.get("findings") or ():
            known = findings.setdefault(one["credential"], one)
            findings[one["credential"]] = known | {"traced": known["traced"] and one["traced"]}
        found = {hit["credential"] for one in document["repositories"] for hit in one["hits"]}
        for summary in document["credentials"]:
            name = summary["credential"]
            summaries.setdefault(name, [])
            if name in found:
                summaries[name].append(summary)
            else:
                absent.setdefault(name, summary)
    merged = [_one(name, of, absent.get(name)) for name, of in summaries.items()]
    found_by_rules = {"findings": list(findings.values())} if by_rules else {}
    return {"repositories": repositories, "credentials": merged, **found_by_rules}


def _one(name: str, found: list[dict[str, Any]], absent: dict[str, Any] | None) -> dict[str, Any]:
    if not found:
        return absent or {"credential": name, "earliest": None, "latest": None, "pushed": None}
    starts = [one["earliest"] for one in found if one["earliest"]]
    ends = [one["latest"] for one in found if one["latest"]]
    pushed = [one["pushed"] for one in found]
    return {
        **found[0],
        "earliest": min(starts, default=None),
        "latest": max(ends, default=None),
        "pushed": True if True in pushed else None if None in pushed else False,
    }


def failed(source: str, why: str) -> dict[str, Any]:
    """The document of a repository that could not be searched: nothing found, and the reason why that says nothing."""
    gaps = Gaps()
    gaps.add("the repository", why)
    gap: Gap = gaps.all()[0]
    entry = {
        "path": plain(source, MAX_PATH),
        "objects": 0,
        "bytes": 0,
        "seconds": 0.0,
        "not_scanned": [{"what": gap.what, "why": gap.why}],
        "hits": [],
    }
    return {"repositories": [entry], "credentials": []}
