"""What to do with the copies a scan found: advice from its document alone, in the order it is to be followed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runbook_tui.foundation.text import one_line

_NAMED = 3
_BY_HOST = ("refs/pull/", "refs/pull-requests/", "refs/merge-requests/", "refs/changes/")


def advice(result: Mapping[str, Any]) -> list[str]:
    """One line a measure, [] when nothing was found. Names of refs in them are foreign text."""
    hits = [hit for one in result.get("repositories") or [] for hit in one.get("hits") or []]
    if not hits:
        return []
    refs = sorted({str(ref) for hit in hits for ref in hit.get("refs") or []})
    remotes = sorted({str(remote) for hit in hits for remote in hit.get("remotes") or []})
    pushed = any(one.get("pushed") is True for one in result.get("credentials") or [])
    return [
        "Rotate first, history second: a rewrite does not take back what was read; go on when the old value is dead.",
        *_in_refs(refs),
        *_unreached(hits),
        *_elsewhere(remotes, pushed=pushed or bool(remotes)),
    ]


def _in_refs(refs: Iterable[str]) -> Iterator[str]:
    left = list(refs)

    def taken(*prefixes: str) -> list[str]:
        found = [ref for ref in left if ref.startswith(prefixes)]
        left[:] = [ref for ref in left if ref not in found]
        return found

    branches = taken("refs/heads/", "refs/remotes/")
    tags, hosted, stashes = taken("refs/tags/"), taken(*_BY_HOST), taken("refs/stash")
    notes, replaced = taken("refs/notes/"), taken("refs/replace/", "refs/original/")
    if branches:
        yield (
            f"Branches ({_some(branches)}): rewrite them in a fresh clone (git filter-repo --replace-text), push them "
            "by force, and have everybody clone anew: one push from an old clone brings it back."
        )
    if tags:
        yield f"Tags ({_some(tags)}): make them anew on the rewritten commits and push them by force; signatures go."
    if hosted:
        yield f"Pull requests ({_some(hosted)}): no push changes these refs; ask the host's support to remove them."
    if stashes:
        yield f"Stashes ({_some(stashes)}): drop them in the clone that has them (git stash drop)."
    if notes:
        yield f"Notes ({_some(notes)}): remove the note and push the notes by force; their history keeps it otherwise."
    if replaced or left:
        yield f"Other refs ({_some([*replaced, *left])}): delete what nobody needs, locally and on the server."


def _unreached(hits: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    files = sorted({str(path) for hit in hits if hit.get("type") == "file" for path in hit.get("paths") or []})
    ways = {str(hit.get("reachable")) for hit in hits if hit.get("type") != "file"}
    if files:
        yield f"Files of the git directory ({_some(files)}): edit or remove them; git never sends them."
    if "index" in ways:
        yield "The index: unstage the file (git rm --cached), in every worktree."
    if ways & {"none", "reflog", "index"}:
        yield (
            "Objects no ref leads to: git reflog expire --expire=now --all, then git gc --prune=now, in this clone; "
            "a server keeps and shows them by id until it cleans up."
        )


def _elsewhere(remotes: list[str], *, pushed: bool) -> Iterator[str]:
    where = f" ({_some(remotes)})" if remotes else ""
    if pushed:
        yield f"Forks and clones{where}: they keep the old history; list the forks, ask the owners to remove them."
    else:
        yield "Forks and clones: whether it was pushed cannot be told from this clone; look for forks on the server."
    yield (
        "Caches: a rewrite cleans neither the host's pages of single commits nor mirrors, CI caches and logs, build "
        "artefacts, container layers and published packages; purge each, and ask the host for the first."
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(one_line(name, 80) for name in names[:_NAMED]) + more
