"""Searching the whole history of repositories for known values."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui.exposure.early import EarlyShare
from runbook_tui.exposure.expansion import one_account
from runbook_tui.exposure.forms import Forms
from runbook_tui.exposure.gitcall import SafeGit
from runbook_tui.exposure.mapping import HitMap
from runbook_tui.exposure.matcher import FormMatcher
from runbook_tui.exposure.model import Gaps, Hit, RepositoryScan, ScanCancelled, ScanResult
from runbook_tui.exposure.objects import KINDS, Objects, open_objects, places_of
from runbook_tui.exposure.refs import Pointers, read_pointers
from runbook_tui.exposure.repository import Repository, has_promisor_pack, modules, open_repository, stores
from runbook_tui.exposure.search import Sweep, lfs_missing
from runbook_tui.exposure.share import Found, Share
from runbook_tui.exposure.sidefiles import FileMatch, search_side_files
from runbook_tui.exposure.veil import Veil, veil, veiled
from runbook_tui.foundation.text import plain

if TYPE_CHECKING:
    from runbook_tui.secrets.secret import Secret

Progress = Callable[[dict[str, Any]], None]
_NAMED = 5  # broken objects that are named one by one


def scan(
    values: Sequence[tuple[str, Secret]],
    repositories: Sequence[Path],
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    own_group: bool = True,
    further: Veil | None = None,
) -> ScanResult:
    """Look for every value, in every form, in everything each repository holds.

    `values` are (credential name, secret). `progress` is told `{"repository", "phase", "objects", "total"}` now and
    then, and while objects are searched also `"bytes"` and `"seconds_left"` (None when that cannot be told); and of
    each place in an object, as soon as it is found, `"found"`: {"credential", "form", "type", "object", "line"}.
    `cancelled` is asked several times a second, and ScanCancelled is raised soon after it says True. RunbookError when
    a path is no readable repository (before any is searched), a value is too short, or git is missing. Nothing is
    written to the repositories and nothing in them is run. No value stands in the result, not even as a part of
    a name (`veil`); `further` hides there what else must not be seen. `own_group`: see `SafeGit`.
    """
    forms = Forms([secret.expose_bytes() for _, secret in values])
    names = [name for name, _ in values]
    known = veil(values)
    hide = known if further is None else lambda text: known(further(text))
    stop = cancelled or (lambda: False)
    opened = [open_repository(path) for path in repositories]
    done: dict[Path, RepositoryScan] = {}  # by git directory: two worktrees of one repository are one
    while opened:
        repository = opened.pop(0)
        key = repository.common.resolve()
        if key in done:
            continue
        gaps = Gaps()
        inner = modules(repository, gaps)
        opened[:0] = inner
        tell = _teller(repository, progress, hide)
        one = _RepositoryScan(repository, forms, names, gaps, tell, stop, own_group)
        with one_account():
            done[key] = veiled(one.run({module.path.name for module in inner}), hide)
    return ScanResult(tuple(dict.fromkeys(names)), tuple(done.values()))


def _teller(repository: Repository, progress: Progress | None, hide: Veil) -> Progress:
    def tell(facts: dict[str, Any]) -> None:
        if progress is not None:
            progress({"repository": plain(hide(str(repository.path)), 4096), **facts})

    return tell


class _RepositoryScan:
    """One repository, from opening its store to the list of hits."""

    def __init__(
        self,
        repository: Repository,
        forms: Forms,
        names: Sequence[str],
        gaps: Gaps,
        tell: Progress,
        cancelled: Callable[[], bool],
        own_group: bool,
    ) -> None:
        self._repository = repository
        self._forms = forms
        self._names = names
        self._gaps = gaps
        self._tell = tell
        self._cancelled = cancelled
        self._own_group = own_group

    def run(self, inner: set[str]) -> RepositoryScan:
        """Scan it; `inner` are the folder names of submodules that are scanned as repositories of their own."""
        start = time.monotonic()
        self._tell({"phase": "listing", "objects": 0, "total": 0})
        pointers = read_pointers(self._repository, self._gaps)
        directories = stores(self._repository, self._gaps)
        git = SafeGit(directories, self._repository.object_format, self._cancelled, own_group=self._own_group)
        with git:
            matcher = FormMatcher(self._forms)
            objects = open_objects(git, matcher.overlap, self._gaps)
            sweep = Sweep(objects, matcher, pointers.shallow, self._cancelled, self._tell)
            sweep.all = EarlyShare(lambda found: self._tell_found(objects, found))
            sweep.run()
            swept = sweep.all
            self._tell({"phase": "tracing", "objects": swept.objects, "total": len(objects), "bytes": swept.size})
            hits = self._hits(sweep, pointers)
        for gap in sorted(swept.gaps):
            self._gaps.add(*gap)
        files = list(search_side_files(self._repository, self._forms, self._gaps, self._cancelled))
        hits += [self._file_hit(found) for found in files]
        if self._cancelled():
            raise ScanCancelled
        self._note_unreadable(objects)
        self._note_missing(objects, swept, pointers, partial=has_promisor_pack(directories))
        self._note_elsewhere(swept, pointers, inner)
        self._tell({"phase": "done", "objects": swept.objects, "total": len(objects), "bytes": swept.size})
        seconds = time.monotonic() - start
        path = str(self._repository.path)
        return RepositoryScan(path, swept.objects, swept.size, seconds, self._gaps.all(), tuple(hits))

    def _tell_found(self, objects: Objects, found: Found) -> None:
        # No path and no member's name: the value may stand in them, and who else holds it is not known yet.
        place = {"type": KINDS[found.kind], "object": objects.name(found.place).hex(), "line": found.line}
        hit = {"credential": self._names[found.needle], "form": found.form, **place}
        self._tell({"phase": "found", "found": hit})

    def _hits(self, sweep: Sweep, pointers: Pointers) -> list[Hit]:
        if not sweep.all.found:
            return []
        traced = HitMap(self._repository, sweep, pointers, self._gaps)
        hits = [traced.hit(found, self._names[found.needle]).listed() for found in sweep.all.found]
        return sorted(hits, key=_by_time)

    def _file_hit(self, found: FileMatch) -> Hit:
        # git never sends these files; LFS sends the ones it keeps.
        pushed = None if "lfs/" in found.path else False
        name = self._names[found.match.needle]
        return Hit(name, found.match.form, "", "file", (found.path,), found.line, pushed=pushed)

    def _note_unreadable(self, objects: Objects) -> None:
        broken = sorted(objects.unreadable.items())
        for name, why in broken[:_NAMED]:
            self._gaps.add(f"object {name.hex()}", why)
        if len(broken) > _NAMED:
            self._gaps.add(f"{len(broken) - _NAMED} more objects", "corrupt")
        if not len(objects):
            self._gaps.add("the repository", "it has no objects: there was nothing to search")

    def _note_missing(self, objects: Objects, swept: Share, pointers: Pointers, *, partial: bool) -> None:
        missing = {name: by for name, by in swept.missing.items() if name not in objects.unreadable}
        lost = _absent(objects, pointers.refs.values()) - objects.unreadable.keys()
        for ref, name in pointers.refs.items():
            if name in lost:
                missing.setdefault(name, f"ref {ref}")
        if missing and (partial or self._repository.config.partial):
            self._gaps.add(f"{len(missing)} objects", "a partial clone: they were never fetched")
        elif missing:
            by = missing[min(missing)]
            self._gaps.add(f"{len(missing)} objects", f"missing from the store (one is named by {by})")
        if pointers.shallow:
            self._gaps.add(
                f"history before {len(pointers.shallow)} commits",
                "a shallow clone: older commits were never fetched",
            )
        gone = _absent(objects, {name for values in pointers.reflogs.values() for name in values})
        gone -= objects.unreadable.keys()
        if gone:
            self._gaps.add(f"{len(gone)} objects that only reflogs name", "already removed from the store")

    def _note_elsewhere(self, swept: Share, pointers: Pointers, inner: set[str]) -> None:
        for remote in sorted(self._repository.config.remotes):
            self._gaps.add(
                f"remote {remote}: branches, pull requests and forks that were never fetched",
                "they are not in this clone",
            )
        linked = swept.gitlinks | {path.rpartition(b"/")[2] for path in pointers.gitlinks}
        for name in sorted(raw.decode("utf-8", "replace") for raw in linked):
            if name not in inner:
                self._gaps.add(f"submodule {name}", "a repository of its own, not in this clone: scan it too")
        away = lfs_missing(swept.lfs, self._repository.common)
        if away:
            self._gaps.add(f"{away} large files", "kept by git LFS and not in this clone")


def _absent(objects: Objects, names: Collection[bytes]) -> set[bytes]:
    """Those of the names that the store does not list."""
    return {name for name, place in zip(names, places_of(objects, names), strict=True) if place < 0}


def _by_time(hit: Hit) -> tuple[float, str, str, str, tuple[str, ...]]:
    times = [mark.time for mark in hit.first if mark.time is not None]
    return min(times, default=float("inf")), hit.object, hit.form, hit.credential, hit.paths
