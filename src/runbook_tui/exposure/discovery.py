"""Finding credentials by rule: one pass that collects values, then each value is traced as a known one."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from runbook_tui.exposure.encoded import Decoder
from runbook_tui.exposure.expansion import one_account
from runbook_tui.exposure.gathering import MOST, Gatherer, Values, fewer
from runbook_tui.exposure.gitcall import SafeGit
from runbook_tui.exposure.model import Finding, Gap, Gaps, RepositoryScan, ScanResult
from runbook_tui.exposure.objects import BLOB, COMMIT, TAG, TREE, Part, open_objects
from runbook_tui.exposure.pace import Pace
from runbook_tui.exposure.pool import each
from runbook_tui.exposure.repository import Repository, modules, open_repository, stores
from runbook_tui.exposure.rulefile import Rule
from runbook_tui.exposure.ruleset import RuleSet
from runbook_tui.exposure.scan import scan
from runbook_tui.exposure.veil import Veil, plain_veil, veil
from runbook_tui.foundation.text import plain
from runbook_tui.secrets.fingerprint import fingerprint, mask
from runbook_tui.secrets.secret import Secret

TRACED = 200  # values that are followed through the history in one scan
_LONG = 256  # bytes; the forms of a longer value are many and slow to look for
_ENOUGH = 64
_RUN = re.compile(rb"[A-Za-z0-9+/_=.-]+")

Progress = Callable[[dict[str, Any]], None]
Gathered = tuple[Values, int, int]  # values, objects, bytes
_PHASE = "looking for credentials"


def scan_by_rules(
    rules: RuleSet,
    values: Sequence[tuple[str, Secret]],
    repositories: Sequence[Path],
    key: bytes,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    own_group: bool = True,
) -> ScanResult:
    """Find credentials by rule and say of each what `scan` says of a known value.

    A finding is a value, however often it stands somewhere; its name is its fingerprint under `key`. `values` (name,
    secret) are searched for too, under their own names. At most `TRACED` found values are traced, those of the most
    specific rules first; the others are findings that are not traced, and a gap says how many.
    Progress, errors and `own_group` as of `scan`; the first pass calls itself "looking for credentials".
    """
    stop = cancelled or (lambda: False)
    tell = progress or (lambda facts: None)
    found: Values = {}
    gaps: dict[str, Gaps] = {}
    hide = veil(values)
    for repository in _opened(repositories):
        noted = gaps[str(repository.path)] = Gaps()
        place = plain(hide(str(repository.path)), 4096)
        here = partial(_at, tell, place)
        here({"phase": _PHASE, "objects": 0, "total": 0})
        git = SafeGit(stores(repository, noted), repository.object_format, stop, own_group=own_group)
        with one_account():
            more = _gather(repository, git, rules, noted, here, stop)
        found = fewer(found | {value: min(index, found.get(value, index)) for value, index in more.items()})
    known = {secret.expose_bytes() for _, secret in values}
    ordered = sorted((index, value) for value, index in found.items() if value not in known)
    many = len(found) > MOST
    findings = [
        _finding(rules.rules[index], Secret(value), key, traced=number < TRACED)
        for number, (index, value) in enumerate(ordered[:MOST])
    ]
    traced = [
        (one.credential, Secret(_core(value))) for one, (_, value) in zip(findings, ordered, strict=False) if one.traced
    ]
    # What is not traced, or by a part of it, stands in names too.
    whole = plain_veil(
        [
            (one.credential, Secret(value))
            for one, (_, value) in zip(findings, ordered, strict=False)
            if not one.traced or len(value) > _LONG
        ]
    )
    result = scan([*values, *traced], repositories, progress, cancelled, own_group=own_group, further=whole)
    shown = veil([*values, *traced])
    return _told(result, findings, gaps, lambda text: shown(whole(text)), many=many)


def value_of(rule: Rule, data: bytes, wanted: str, key: bytes) -> Secret | None:
    """The value with this fingerprint that the rule finds in `data` (encoded, or in an archive), if it is there."""
    here = Gatherer(RuleSet([rule], fast=False), Decoder())
    here.blob(data)
    for value in here.found:
        secret = Secret(value)
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


def _at(tell: Progress, place: str, facts: dict[str, Any]) -> None:
    tell({"repository": place, **facts})


def _told(result: ScanResult, findings: list[Finding], gaps: dict[str, Gaps], hide: Veil, *, many: bool) -> ScanResult:
    """The result with each hit's rule, and with what the first pass could not read or the second did not trace."""
    by_name = {finding.credential: finding.rule for finding in findings}
    left = sum(not finding.traced for finding in findings)
    noted = {hide(path): [Gap(hide(gap.what), hide(gap.why)) for gap in of.all()] for path, of in gaps.items()}

    def told(part: RepositoryScan, first: bool) -> RepositoryScan:
        more = tuple(noted.get(part.path, ()))
        if left and first:
            more = (*more, Gap(f"{left} further values", f"found by rule, not traced: {TRACED} are at once"))
        if many and first:
            more = (*more, Gap("values of less specific rules", f"more than {MOST} different ones: they are not told"))
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


def _gather(
    repository: Repository, git: SafeGit, rules: RuleSet, gaps: Gaps, tell: Progress, cancelled: Callable[[], bool]
) -> Values:
    """The values in all objects of one store (contents, messages, file names) and in the files beside it."""
    decoder = Decoder()  # each process goes on with its own
    here = Gatherer(rules, decoder)
    failed = array("q")
    with git:
        objects = open_objects(git, rules.overlap, gaps)

        def work(part: Part) -> tuple[Gathered, array[int]]:
            one = Gatherer(rules, decoder)
            failed = one.part(objects, part)
            return (one.found, one.objects, one.size), failed

        parts = objects.parts((BLOB, COMMIT, TAG, TREE))
        pace = Pace(_PHASE, parts, len(objects), tell)
        shared = [part for part in parts if part.forks]
        for number, ((values, count, size), again) in each(work, shared, cancelled):
            here.merge(values)
            failed.extend(again)
            pace.took(shared[number], count, size)
        for part in (*(part for part in parts if not part.forks), *objects.again(failed)):
            count, size = here.objects, here.size
            here.part(objects, part)  # what even this way cannot be read is named by the second pass
            pace.took(part, here.objects - count, here.size - size)
        for _, ((values, _, _), _) in each(work, objects.copies(), cancelled):
            here.merge(values)
    here.files(repository, cancelled)
    return here.found
