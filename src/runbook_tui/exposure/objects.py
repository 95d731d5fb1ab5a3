"""Every object of a store, whoever names it: the seam between reading and searching.

All objects of a store are numbered; an object's number is its *place*. What there is to read is handed out in parts, so
that several processes can share the work: whole objects, or the windows of one large blob.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from runbook_tui.exposure.gitcall import SafeGit
    from runbook_tui.exposure.model import Gaps
    from runbook_tui.exposure.names import Names

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4  # as packs number them: gitformat-pack(5)
KINDS = ("unknown", "commit", "tree", "blob", "tag")
NUMBERS = {name.encode(): number for number, name in enumerate(KINDS) if number}
WINDOW = 64 << 20  # bytes of one object that are handed out at once

#: An object, or one window of a large blob: (place, kind, data, where data starts in the object, where the next window
#: starts or None for the last one). The windows of one object follow each other and overlap. A plain tuple, because
#: millions are made.
Entry = tuple[int, int, bytes, int, int | None]


class Part(NamedTuple):
    """A share of the work."""

    weight: int  # stored bytes, for the time that is left
    forks: bool  # whether a forked process may read it; else only the one that opened the store
    source: Any  # for the store that made it
    entries: Any


class Objects(Protocol):
    """All objects of one repository's store."""

    @property
    def name_size(self) -> int: ...

    @property
    def names(self) -> Names | None:
        """The table of all names, where it is one."""
        ...

    @property
    def unreadable(self) -> dict[bytes, str]:
        """Name -> reason of every object that is listed or was asked for and cannot be read."""
        ...

    def __len__(self) -> int: ...

    def name(self, place: int) -> bytes: ...

    def kind(self, place: int) -> int: ...

    def find(self, joined: bytes) -> list[int]:
        """The place of each of these names (one after the other), -1 for those that the store does not list."""
        ...

    def parts(self, kinds: Collection[int]) -> list[Part]:
        """All objects of these kinds, each once."""
        ...

    def parts_of(self, places: Iterable[int]) -> list[Part]:
        """These objects."""
        ...

    def copies(self) -> list[Part]:
        """What stands under a name of which `parts` has another copy: nothing proves that they are the same."""
        ...

    def again(self, places: Collection[int]) -> list[Part]:
        """These objects, which `pieces` could not read, in another way."""
        ...

    def pieces(self, part: Part, failed: array[int]) -> Iterator[Entry]:
        """The contents of a part, in any order; the places of what cannot be read this way go to `failed`."""
        ...


def places_of(objects: Objects, names: Collection[bytes]) -> list[int]:
    """The place of each name, -1 for those that the store does not list; names may be of any length."""
    fitting = [name for name in names if len(name) == objects.name_size]
    found = objects.find(b"".join(fitting))
    if len(fitting) == len(names):
        return found
    known = dict(zip(fitting, found, strict=True))
    return [known.get(name, -1) for name in names]


def open_objects(git: SafeGit, overlap: int, gaps: Gaps) -> Objects:
    """The store by our own reader of packs where its compiled helpers are there, else by git.

    `overlap` is how many bytes two windows of one blob share. What cannot be listed becomes a gap.
    """
    # numpy starts a thread a core for linear algebra, which nobody does here: they cost more than its import.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from runbook_tui.exposure.packobjects import PackObjects
    except ImportError:
        from runbook_tui.exposure.gitobjects import GitObjects

        return GitObjects(git, overlap, gaps)
    return PackObjects(git, overlap, gaps)
