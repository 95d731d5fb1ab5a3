"""What a scan found: plain values, and the JSON document they become."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.foundation.text import one_line, plain

MAX_PATH = 4096
MAX_LISTED = 50  # paths, refs, first and last commits that one hit lists; it says how many more there are


class ScanCancelled(RunbookError):
    """The scan was stopped by its caller; nothing it found so far is returned."""

    exit_code = Exit.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("the scan was cancelled", "run it again to see the whole history")


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was not searched, and why. A scan with gaps is not a clean bill."""

    what: str
    why: str


class Gaps:
    """Collects gaps: each said once, in safe text, never more than a screen or two of them."""

    LIMIT = 200

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Gap] = {}

    def add(self, what: str, why: str) -> None:
        """Record one gap; both texts may hold foreign characters."""
        gap = Gap(one_line(what, 400), one_line(why, 400))
        if len(self._seen) < self.LIMIT:
            self._seen.setdefault((gap.what, gap.why), gap)
        else:
            self._seen[("", "")] = Gap("more", f"over {self.LIMIT} other things could not be read")

    def all(self) -> tuple[Gap, ...]:
        return tuple(self._seen.values())


@dataclass(frozen=True, slots=True)
class Mark:
    """A commit (or, for a hit in a tag's text, the tag object) as a point in time."""

    commit: str  # object name, hex
    author: str  # "Name <address>", foreign text
    time: int | None  # seconds since 1970 as the committer's (tagger's) clock had it; None when absurd


@dataclass(frozen=True, slots=True)
class Hit:
    """One value in one form in one object (or one file of the git directory).

    `first` are the commits that have the object while none of their parents does; `last` those that have it while none
    of their children does. `line` counts from 1 in the object's own text (headers included for commits and tags).
    `paths`, `first`, `last` and `refs` may be a part of many: see `listed`; `more` then has how many are left out.
    """

    credential: str
    form: str
    object: str  # hex name; empty for a file
    type: str  # blob | commit | tag | tree | file
    paths: tuple[str, ...]
    line: int
    first: tuple[Mark, ...] = ()
    last: tuple[Mark, ...] = ()
    refs: tuple[str, ...] = ()
    remotes: tuple[str, ...] = ()
    reachable: str = "none"  # ref | index | reflog | none
    pushed: bool | None = None
    rule: str = ""  # the rule that found the value; empty for one that was searched for
    more: tuple[tuple[str, int], ...] = ()

    def listed(self) -> Hit:
        """The hit with at most `MAX_LISTED` of each: a value that stays is in every branch and pull request since.

        Of refs some of every namespace, of first commits the earliest, of last ones the latest.
        """
        first, last = _outermost(self.first, 1), _outermost(self.last, -1)
        kept: dict[str, Any] = {
            "paths": self.paths[:MAX_LISTED],
            "first": first,
            "last": last,
            "refs": _of_each_kind(self.refs),
        }
        more = {name: len(getattr(self, name)) - len(some) for name, some in kept.items()}
        if not any(more.values()):
            return self
        return replace(self, **kept, more=tuple((name, count) for name, count in more.items() if count))

    def document(self) -> dict[str, Any]:
        """The hit as `scan --json` prints it: foreign text made safe."""
        return {
            "credential": self.credential,
            "rule": self.rule or None,
            "form": self.form,
            "object": self.object,
            "type": self.type,
            "paths": [plain(path, MAX_PATH) for path in self.paths],
            "line": self.line,
            "first": [
                {"commit": mark.commit, "author": plain(mark.author, 300), "time": instant(mark.time)}
                for mark in self.first
            ],
            "last": [{"commit": mark.commit, "time": instant(mark.time)} for mark in self.last],
            "refs": [plain(ref, MAX_PATH) for ref in self.refs],
            "remotes": [plain(remote, 300) for remote in self.remotes],
            "reachable": self.reachable,
            **{f"{name}_more": count for name, count in self.more},
        }


def _outermost(marks: tuple[Mark, ...], sign: int) -> tuple[Mark, ...]:
    """The earliest (`sign` 1) or latest (-1) of the marks, in the order they had."""
    if len(marks) <= MAX_LISTED:
        return marks
    by_time = sorted((mark.time is None, sign * (mark.time or 0), at) for at, mark in enumerate(marks))
    return tuple(marks[at] for at in sorted(at for _, _, at in by_time[:MAX_LISTED]))


def _of_each_kind(refs: Sequence[str]) -> tuple[str, ...]:
    """Some of every namespace (`refs/heads`, `refs/pull` …) of sorted refs: what is to be done differs by it."""
    if len(refs) <= MAX_LISTED:
        return tuple(refs)
    kinds: list[range] = []
    while not kinds or kinds[-1].stop < len(refs):
        start = kinds[-1].stop if kinds else 0
        kind = "/".join(refs[start].split("/")[:2])
        kinds.append(range(start, max(start + 1, bisect_left(refs, kind + "0", start))))  # 0 follows /
    rows = max(len(kind) for kind in kinds)
    by_row = (kind[row] for row in range(rows) for kind in kinds if row < len(kind))
    return tuple(refs[at] for at in sorted(at for at, _ in zip(by_row, range(MAX_LISTED), strict=False)))


@dataclass(frozen=True, slots=True)
class RepositoryScan:
    """What one repository gave."""

    path: str
    objects: int
    bytes: int
    seconds: float
    not_scanned: tuple[Gap, ...]
    hits: tuple[Hit, ...]

    def document(self) -> dict[str, Any]:
        return {
            "path": plain(self.path, MAX_PATH),
            "objects": self.objects,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "not_scanned": [{"what": gap.what, "why": gap.why} for gap in self.not_scanned],
            "hits": [hit.document() for hit in self.hits],
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """A value that a rule found. Nothing of it is shown but its mask."""

    credential: str  # its fingerprint, which its hits carry as their credential
    rule: str
    title: str  # "a Slack token"
    provider: str  # the manifest's id, or empty
    mask: str
    traced: bool  # whether the whole history was searched for it

    def document(self) -> dict[str, Any]:
        return {
            "credential": self.credential,
            "rule": self.rule,
            "title": plain(self.title, 200),
            "provider": self.provider or None,
            "mask": self.mask,
            "traced": self.traced,
        }


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What all repositories gave for all values. `findings` is None where no rules were looked for."""

    credentials: tuple[str, ...]
    repositories: tuple[RepositoryScan, ...] = field(default=())
    findings: tuple[Finding, ...] | None = None

    @property
    def found(self) -> bool:
        return bool(self.findings) or any(repository.hits for repository in self.repositories)

    @property
    def complete(self) -> bool:
        """True when nothing was left out."""
        return not any(repository.not_scanned for repository in self.repositories)

    def document(self) -> dict[str, Any]:
        """The document of `scan --json`."""
        by_rule = {} if self.findings is None else {"findings": [one.document() for one in self.findings]}
        return {
            "repositories": [repository.document() for repository in self.repositories],
            "credentials": [self._summary(name) for name in self.credentials],
            **by_rule,
        }

    def _summary(self, name: str) -> dict[str, Any]:
        hits = [hit for repository in self.repositories for hit in repository.hits if hit.credential == name]
        starts = [mark.time for hit in hits for mark in hit.first if mark.time is not None]
        ends = [mark.time for hit in hits for mark in hit.last if mark.time is not None]
        return {
            "credential": name,
            "earliest": instant(min(starts)) if starts else None,
            "latest": instant(max(ends)) if ends else None,
            "pushed": _any_of(hit.pushed for hit in hits),
        }


def _any_of(answers: Iterable[bool | None]) -> bool | None:
    """True when one is, False when all are known to be, None when it cannot be told (or there is nothing to tell)."""
    known = list(answers)
    if any(known):
        return True
    return False if known and None not in known else None


def instant(seconds: int | None) -> str | None:
    """`2026-11-21T22:04:06Z`; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
