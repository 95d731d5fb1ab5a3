"""Finding credentials by rule: one pass that collects values, then each value is traced as a known one."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from runbook_tui.exposure.gitcall import SafeGit
from runbook_tui.exposure.model import Finding, Gap, Gaps, RepositoryScan, ScanCancelled, ScanResult
from runbook_tui.exposure.objects import BLOB, COMMIT, TAG, TREE, Objects, Part, open_objects
from runbook_tui.exposure.pool import each
from runbook_tui.exposure.reading import open_regular, walk_files
from runbook_tui.exposure.repository import Repository, modules, open_repository, stores
from runbook_tui.exposure.rulefile import Rule
from runbook_tui.exposure.ruleset import RuleSet
from runbook_tui.exposure.scan import scan
from runbook_tui.exposure.trees import entries
from runbook_tui.secrets.fingerprint import fingerprint, mask
from runbook_tui.secrets.secret import Secret

TRACED = 200  # values that are followed through the history in one scan
_LONG = 256  # bytes; the forms of a longer value are many and slow to look for
_ENOUGH = 64
_RUN = re.compile(rb"[A-Za-z0-9+/_=.-]+")
_WINDOW = 16 << 20
_MAX_FILES = 500_000
_ELSEWHERE = frozenset({"objects", "modules"})  # read as objects; repositories of their own

Progress = Callable[[dict[str, Any]], None]
Values = dict[bytes, int]  # value -> the place of its rule in the set; values stay in memory


def scan_by_rules(
    rules: RuleSet,
    values: Sequence[tuple[str, Secret]],
    repositories: Sequence[Path],
    key: bytes,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ScanResult:
    """Find credentials by rule and say of each what `scan` says of a known value.

    A finding is a value, however often it stands somewhere; its name is its fingerprint under `key`. `values` (name,
    secret) are searched for too, under their own names. At most `TRACED` found values are traced, those of the most
    specific rules first; the others are findings that are not traced, and a gap says how many. Errors as `scan`.
    """
    stop = cancelled or (lambda: False)
    tell = progress or (lambda facts: None)
    found: Values = {}
    gaps: dict[str, Gaps] = {}
    for repository in _opened(repositories):
        noted = gaps[str(repository.path)] = Gaps()
        tell({"phase": "looking for credentials", "repository": str(repository.path), "objects": 0, "total": 0})
        for more in (_objects(repository, rules, noted, stop), _files(repository, rules, noted, stop)):
            _merge(found, more)
    known = {secret.expose_bytes() for _, secret in values}
    ordered = sorted((index, value) for value, index in found.items() if value not in known)
    findings = [
        _finding(rules.rules[index], Secret(value), key, traced=number < TRACED)
        for number, (index, value) in enumerate(ordered)
    ]
    traced = [
        (one.credential, Secret(_core(value))) for one, (_, value) in zip(findings, ordered, strict=True) if one.traced
    ]
    result = scan([*values, *traced], repositories, progress, cancelled)
    return _told(result, findings, gaps)


def value_of(rule: Rule, data: bytes, wanted: str, key: bytes) -> Secret | None:
    """The value with this fingerprint that the rule finds in `data`, if it is there."""
    for match in RuleSet([rule], fast=False).find(data):
        secret = Secret(match.value)
        if fingerprint(secret, key) == wanted:
            return secret
    return None


def _core(value: bytes) -> bytes:
    """What a value is traced by: itself, or of a long one (a private key) the middle of the lines it is made of.

    So it is found however its lines are broken, and as fast as a short one; 48 random bytes are enough to know it by.
    """
    if len(value) <= _LONG:
        return value
    runs = [run for run in _RUN.findall(value) if len(run) >= _ENOUGH]
    run = runs[len(runs) // 2] if runs else value
    start = max(0, (len(run) - _ENOUGH) // 2)
    return run[start : start + _ENOUGH]


def _finding(rule: Rule, secret: Secret, key: bytes, *, traced: bool) -> Finding:
    name = fingerprint(secret, key)
    return Finding(name, rule.id, rule.title, rule.provider, mask(secret, rule.prefixes), traced)


def _told(result: ScanResult, findings: list[Finding], gaps: dict[str, Gaps]) -> ScanResult:
    """The result with each hit's rule, and with what the first pass could not read or the second did not trace."""
    by_name = {finding.credential: finding.rule for finding in findings}
    left = sum(not finding.traced for finding in findings)

    def told(part: RepositoryScan, first: bool) -> RepositoryScan:
        more = gaps[part.path].all() if part.path in gaps else ()
        if left and first:
            more = (*more, Gap(f"{left} further values", f"found by rule, not traced: {TRACED} are at once"))
        hits = tuple(replace(hit, rule=by_name.get(hit.credential, "")) for hit in part.hits)
        return replace(part, hits=hits, not_scanned=tuple(dict.fromkeys((*part.not_scanned, *more))))

    parts = tuple(told(part, number == 0) for number, part in enumerate(result.repositories))
    return replace(result, repositories=parts, findings=tuple(findings))


def _opened(paths: Sequence[Path]) -> Iterator[Repository]:
    """The repositories and their submodules' stores, each git directory once."""
    waiting = [open_repository(path) for path in paths]
    seen: set[Path] = set()
    while waiting:
        repository = waiting.pop(0)
        if repository.common.resolve() not in seen:
            seen.add(repository.common.resolve())
            waiting[:0] = modules(repository, Gaps())
            yield repository


def _objects(repository: Repository, rules: RuleSet, gaps: Gaps, cancelled: Callable[[], bool]) -> Values:
    """The values in all objects of one store: contents, messages, file names."""
    name_size = 32 if repository.object_format == "sha256" else 20
    git = SafeGit(stores(repository, gaps), repository.object_format, cancelled)
    found: Values = {}
    failed = array("q")
    with git:
        objects = open_objects(git, rules.overlap, gaps)

        def work(part: Part) -> tuple[Values, array[int]]:
            return _part(objects, part, rules, name_size)

        parts = objects.parts((BLOB, COMMIT, TAG, TREE))
        forked = (answer for _, answer in each(work, [part for part in parts if part.forks], cancelled))
        for values, again in chain(forked, (work(part) for part in parts if not part.forks)):
            _merge(found, values)
            failed.extend(again)
        for part in objects.again(failed):  # what even this way cannot be read is named by the second pass
            _merge(found, work(part)[0])
    return found


def _part(objects: Objects, part: Part, rules: RuleSet, name_size: int) -> tuple[Values, array[int]]:
    found: Values = {}
    failed = array("q")
    for _, kind, data, _, _ in objects.pieces(part, failed):
        if kind != TREE:
            _take(found, rules, data)
        elif rules.suspicious(data):  # the bytes of object names could match by chance: only file names count
            for _, name, _ in entries(data, name_size) or ():
                _take(found, rules, name)
    return found, failed


def _files(repository: Repository, rules: RuleSet, gaps: Gaps, cancelled: Callable[[], bool]) -> Values:
    """The values in the git directory's other files: configuration, hooks, logs, what LFS keeps."""
    found: Values = {}
    for path in walk_files(repository.common, gaps, _MAX_FILES, _ELSEWHERE):
        try:
            handle = open_regular(path, follow=False)
            if handle is None:
                continue
            kept = b""
            with os.fdopen(handle, "rb") as stream:
                while fresh := stream.read(_WINDOW):
                    if cancelled():
                        raise ScanCancelled
                    window = kept + fresh
                    _take(found, rules, window)
                    kept = window[max(0, len(window) - rules.overlap) :]
        except OSError as error:
            gaps.add(str(path.relative_to(repository.common)), (error.strerror or "cannot be read").lower())
    return found


def _take(found: Values, rules: RuleSet, data: bytes) -> None:
    for match in rules.find(data):
        _merge(found, {match.value: rules.places[match.rule.id]})


def _merge(found: Values, more: Values) -> None:
    """Take in values; of two rules for one value the more specific one stays."""
    for value, index in more.items():
        if index < found.get(value, index + 1):
            found[value] = index
