"""The pass over all objects: every form of every value is looked for, and what is missing is noticed."""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui.exposure.archives import OVERLAP, Left, expand, packed
from runbook_tui.exposure.matcher import Matcher
from runbook_tui.exposure.nodes import NodeReader
from runbook_tui.exposure.objects import BLOB, COMMIT, TAG, TREE, Objects, Part, places_of
from runbook_tui.exposure.pool import each
from runbook_tui.exposure.share import Found, Share
from runbook_tui.exposure.trees import TreeSearch

if TYPE_CHECKING:
    from runbook_tui.exposure.treebulk import BulkTrees

Progress = Callable[[dict[str, Any]], None]
Work = Callable[[Part], Share]
_LFS_LIMIT = 1024
_LFS_START = b"version "
_LFS_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n")
_PROGRESS_EVERY = 0.1  # seconds


class Sweep:
    """Reads a store in parts, and adds up what they brought in."""

    def __init__(
        self,
        objects: Objects,
        matcher: Matcher,
        shallow: Collection[bytes],
        cancelled: Callable[[], bool],
        tell: Progress,
    ) -> None:
        """`shallow`: commits whose parents were never fetched. `cancelled`, `tell`: see `scan`."""
        self.objects = objects
        self.all = Share()
        self._matcher = matcher
        self._shallow = {place for place in places_of(objects, list(shallow)) if place >= 0}
        self._cancelled = cancelled
        self._tell = tell
        self._hits: set[int] | None = None
        self._start = time.monotonic()
        self._told = 0.0
        self._done = self._total = 0  # stored bytes

    def run(self) -> None:
        """Search everything once. Afterwards `all` has what is found; with a hit also the edges of all trees."""
        contents, trees = self.objects.parts((BLOB, COMMIT, TAG)), self.objects.parts((TREE,))
        self._total = sum(part.weight for part in (*contents, *trees))
        for share in self.over(contents, self.contents):
            self.all.add(share)
        self._search_copies()
        self._hits = {found.place for found in self.all.found if found.kind == BLOB} or None
        for share in self.over(trees, self.trees):
            self.all.add(share)
        named = {found.place for found in self.all.found if found.kind == TREE}
        if named and self._hits is None:
            # Only names of files had it, and nobody knew when the trees were read.
            self._hits = named
            for share in self.over(trees, self.trees):
                self.all.edges[0].extend(share.edges[0])
                self.all.edges[1].extend(share.edges[1])

    def _search_copies(self) -> None:
        """Search what stands under a name a second time; what the first copy has too is not told twice.

        A copy that cannot be read is no gap: git too gives out the one that can.
        """
        known = {(one.place, one.needle, one.form, one.inner) for one in self.all.found}
        for _, share in each(self.copies, self.objects.copies(), self._cancelled):
            fresh = [one for one in share.found if (one.place, one.needle, one.form, one.inner) not in known]
            known.update((one.place, one.needle, one.form, one.inner) for one in fresh)
            share.found = fresh
            self.all.add(share)

    def copies(self, part: Part) -> Share:
        """Work: search further copies of objects as text; who holds an object its first copy tells."""
        share = Share()
        blobs = BlobSearch(self.objects, self._matcher, share)
        for place, _, data, _, _ in self.objects.pieces(part, share.failed):
            if self._matcher.suspicious(data):
                blobs.find(place, data, self.objects.kind(place))
            if packed(data):
                blobs.unpack(place, data)
        return share

    def over(self, parts: Sequence[Part], work: Work) -> Iterator[Share]:
        """`work` on every part: those that may be in forked workers, the rest (and what failed there) here."""
        shared = [part for part in parts if part.forks]
        failed = array("q")
        for number, share in each(work, shared, self._cancelled):
            failed.extend(share.failed)
            self._progress(share, shared[number])
            yield share
        for part in (*(part for part in parts if not part.forks), *self.objects.again(failed)):
            share = work(part)
            self._progress(share, part)
            yield share

    def read(self, parts: Sequence[Part]) -> Iterator[tuple[int, int, bytes]]:
        """(place, kind, content) of whole objects: for a few, as one list a part."""
        for share in self.over(parts, self._whole):
            yield from share.other

    def _whole(self, part: Part) -> Share:
        share = Share()
        share.other = [(place, kind, data) for place, kind, data, _, _ in self.objects.pieces(part, share.failed)]
        return share

    def contents(self, part: Part) -> Share:
        """Work: search blobs, commits and tags."""
        share = Share()
        blobs = BlobSearch(self.objects, self._matcher, share)
        nodes = NodeReader(self.objects, self._shallow)
        suspicious = self._matcher.suspicious
        count = total = 0
        for place, kind, data, offset, following in self.objects.pieces(part, share.failed):
            count += not offset
            total += len(data)
            if kind == BLOB:
                if offset or following is not None:
                    blobs.window(place, data, offset, following)
                else:
                    if suspicious(data):
                        blobs.find(place, data)
                    if len(data) <= _LFS_LIMIT:
                        blobs.pointer(data)
                    if packed(data):
                        blobs.unpack(place, data)
            else:
                if suspicious(data):
                    blobs.find(place, data, kind)
                nodes.add(place, kind, data, share)
        nodes.finish(share)
        share.objects, share.size = count, total
        return share

    def trees(self, part: Part) -> Share:
        """Work: search file names, and look up what trees name."""
        share = Share()
        reader = self._tree_reader()
        for place, _, data, _, _ in self.objects.pieces(part, share.failed):
            share.objects += 1
            share.size += len(data)
            reader.add(place, data, share)
        reader.finish(share)
        return share

    def _tree_reader(self) -> TreeSearch | BulkTrees:
        search = TreeSearch(self.objects, self._matcher, self._hits)
        if (names := self.objects.names) is None:
            return search
        from runbook_tui.exposure.treebulk import BulkTrees

        return BulkTrees(search, names, self._hits)

    def _progress(self, share: Share, part: Part) -> None:
        self._done += part.weight
        now = time.monotonic()
        if now - self._told < _PROGRESS_EVERY:
            return
        self._told = now
        spent = now - self._start
        left = spent * (self._total - self._done) / self._done if 0 < self._done <= self._total else None
        self._tell(
            {
                "phase": "searching",
                "objects": self.all.objects + share.objects,
                "total": len(self.objects),
                "bytes": self.all.size + share.size,
                "seconds_left": None if left is None else round(left, 1),
            }
        )


class BlobSearch:
    """Closer looks at the contents of one part."""

    def __init__(self, objects: Objects, matcher: Matcher, share: Share) -> None:
        self._objects = objects
        self._matcher = matcher
        self._share = share
        self._windowed = (-1, 0, 1)  # of a blob that comes in windows: place, where the next one starts, line there
        self._seen: set[tuple[int, int, str]] = set()

    def find(self, place: int, data: bytes, kind: int = BLOB, first_line: int = 1) -> None:
        """Note the first place of every form in an object, or in a window of one."""
        for match in self._matcher.find(data):
            key = (place, match.needle, match.form)
            if key not in self._seen:
                self._seen.add(key)
                line = first_line + data.count(b"\n", 0, match.start)
                self._share.found.append(Found(match.needle, match.form, place, kind, line))

    def window(self, place: int, data: bytes, offset: int, following: int | None) -> None:
        """Search one window of a large blob; the lines before it are counted."""
        known = self._windowed if offset else (place, 0, 1)
        line = known[2] if known[:2] == (place, offset) else 1
        if self._matcher.suspicious(data):
            self.find(place, data, BLOB, line)
        if following is not None:
            self._windowed = (place, following, line + data.count(b"\n", 0, following - offset))
        if not offset and packed(data):
            self._gap(place, "an archive too large to be opened")

    def pointer(self, data: bytes) -> None:
        """Take note of a pointer to content that git LFS keeps."""
        if data.startswith(_LFS_START) and (match := _LFS_POINTER.match(data)):
            self._share.lfs.add(match[1])

    def unpack(self, place: int, data: bytes) -> None:
        """Search what an archive holds."""
        seen = set()
        for item in expand(data, max(OVERLAP, self._matcher.overlap)):
            if isinstance(item, Left):
                self._gap(place, f"{item.what}: {item.why}" if item.what else item.why)
                continue
            inner, content = item
            if not self._matcher.suspicious(content):
                continue
            for match in self._matcher.find(content):
                key = (inner, match.needle, match.form)
                if key not in seen:
                    seen.add(key)
                    line = 1 + content.count(b"\n", 0, match.start)
                    self._share.found.append(Found(match.needle, match.form, place, BLOB, line, inner))

    def _gap(self, place: int, why: str) -> None:
        self._share.gaps.append((f"inside blob {self._objects.name(place).hex()}", why))


def lfs_missing(pointers: set[bytes], git_dir: Path) -> int:
    """How many of the contents that LFS pointers name are not in this clone."""
    store = git_dir / "lfs" / "objects"
    names = (pointer.decode("ascii") for pointer in pointers)
    return sum(not (store / name[:2] / name[2:4] / name).is_file() for name in names)
