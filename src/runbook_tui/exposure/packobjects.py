"""`Objects` by our own readers: packs and loose objects directly, and git for what they leave."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runbook_tui.exposure import objects
from runbook_tui.exposure.gitcall import SafeGit
from runbook_tui.exposure.gitobjects import GitReader
from runbook_tui.exposure.loose import LooseDamaged, list_loose, loose_header, read_loose
from runbook_tui.exposure.model import Gaps
from runbook_tui.exposure.names import Names
from runbook_tui.exposure.objects import Entry, Part
from runbook_tui.exposure.packindex import PackDamaged
from runbook_tui.exposure.packs import Pack

_SMALLEST_PART = 256 << 10  # stored bytes
_LARGEST_PART = 8 << 20
_PARTS = 64
_LOOSE_PART = 500  # objects


@dataclass(slots=True)
class _Source:
    """A pack, and for each of its entries the place of its object; `own` marks what is read from this one, `copies`
    what was taken from elsewhere."""

    pack: Pack
    places: NDArray[np.int32]
    own: NDArray[np.bool_]
    copies: NDArray[np.bool_]


class PackObjects:
    """All objects of the stores of one repository."""

    def __init__(self, git: SafeGit, overlap: int, gaps: Gaps) -> None:
        """Opens and lists everything at once; what neither we nor git can list becomes a gap."""
        self._reader = GitReader(git, overlap, gaps)
        self.unreadable = self._reader.unreadable
        name_size = self.name_size = 32 if git.object_format == "sha256" else 20
        packs, doubtful = _open_packs(git.stores, name_size, gaps)
        loose = [found for store in git.stores for found in list_loose(store, name_size)]
        other = self._reader.list_all() if doubtful else {}
        rows = [pack.names for pack in packs]
        rows.append(_rows([name for name, _ in loose], name_size))
        rows.append(_rows(other, name_size))
        self.names = Names(*rows)
        given = self.names.places
        self.names.places = np.empty(0, np.int32)
        self.kinds = self.names.kinds
        self._sources = []
        start = 0
        for pack in packs:
            places = given[start : start + len(pack.names)][pack.take_rows()]
            own = self._claim(places, pack.kinds)
            self._sources.append(_Source(pack, places, own, (pack.kinds > 0) & ~own))
            start += len(pack.names)
        self._copies: list[tuple[int, Path]] = []  # loose objects whose names other copies have
        self._loose = self._claim_loose(loose, given[start:].tolist())
        self._by_git: list[int] = []
        for name, place in zip(other, given[start + len(loose) :].tolist(), strict=True):
            if not self.kinds[place]:
                self.kinds[place] = other[name]
                self._by_git.append(place)
        self._ask_for_kinds()

    def _claim(self, places: NDArray[np.int32], kinds: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Take those objects that no store before has; of one that stands twice in a pack, one."""
        own: NDArray[np.bool_] = (self.kinds[places] == 0) & (kinds > 0)
        if np.bincount(places[own], minlength=1).max() == 1:
            self.kinds[places[own]] = kinds[own]
            return own
        _, first = np.unique(places[own], return_index=True)
        chosen = np.zeros(len(places), bool)
        chosen[np.flatnonzero(own)[first]] = True
        self.kinds[places[chosen]] = kinds[chosen]
        return chosen

    def _claim_loose(self, loose: list[tuple[bytes, Path]], places: list[int]) -> dict[int, tuple[Path, int]]:
        claimed = {}
        for (_, path), place in zip(loose, places, strict=False):
            if not self.kinds[place]:
                kind, size, _ = loose_header(path)
                if kind:
                    self.kinds[place] = kind
                    claimed[place] = (path, size)
            else:
                self._copies.append((place, path))
        return claimed

    def _ask_for_kinds(self) -> None:
        """Objects that our readers can make nothing of: git may know another copy, or says that they are corrupt."""
        unknown = {self.name(place): place for place in np.flatnonzero(self.kinds == 0).tolist()}
        for source in self._sources:
            for place in source.places[source.pack.circular].tolist():
                if unknown.pop(self.name(place), None) is not None:
                    self.unreadable[self.name(place)] = "corrupt: its deltas lead in a circle"
        if unknown:
            kinds = self._reader.kinds(unknown)
            for name, kind in kinds.items():
                self.kinds[unknown[name]] = kind
                self._by_git.append(unknown[name])
            for name in unknown.keys() - kinds.keys():
                self.unreadable.setdefault(name, "corrupt")

    def __len__(self) -> int:
        return int((self.kinds > 0).sum())

    def name(self, place: int) -> bytes:
        return self.names.name(place)

    def kind(self, place: int) -> int:
        return int(self.kinds[place])

    def find(self, joined: bytes) -> list[int]:
        found: list[int] = self.names.find(joined).tolist()
        return found

    def parts(self, kinds: Collection[int]) -> list[Part]:
        return self._parts(np.isin(self.kinds, list(kinds)))

    def parts_of(self, places: Iterable[int]) -> list[Part]:
        wanted = np.zeros(len(self.names), bool)
        wanted[np.fromiter(places, np.int64)] = True
        return self._parts(wanted)

    def _parts(self, wanted: NDArray[np.bool_]) -> list[Part]:
        found: list[Part] = []
        for source in self._sources:
            found += _pack_parts(source, source.own & wanted[source.places])
        found += self._loose_parts([place for place in self._loose if wanted[place]])
        return found + self.again([place for place in self._by_git if wanted[place]])

    def _loose_parts(self, places: list[int]) -> Iterator[Part]:
        for start in range(0, len(places), _LOOSE_PART):
            batch = places[start : start + _LOOSE_PART]
            yield Part(sum(self._loose[place][1] for place in batch), True, self._loose, batch)

    def copies(self) -> list[Part]:
        found: list[Part] = []
        for source in self._sources:
            found += _pack_parts(source, source.copies)
        for start in range(0, len(self._copies), _LOOSE_PART):
            found.append(Part(0, True, self._copies, self._copies[start : start + _LOOSE_PART]))
        return found

    def again(self, places: Collection[int]) -> list[Part]:
        return [Part(0, False, None, list(places))] if places else []

    def pieces(self, part: Part, failed: array[int]) -> Iterator[Entry]:
        if isinstance(part.source, Pack):
            entries, places = part.entries
            return part.source.rebuild(entries, places.tolist(), failed)
        if not part.forks:
            return self._read_by_git(part.entries)
        copies = part.source is self._copies
        named = part.entries if copies else ((place, self._loose[place][0]) for place in part.entries)
        return self._read_loose(named, failed)

    def _read_loose(self, named: Iterable[tuple[int, Path]], failed: array[int]) -> Iterator[Entry]:
        for place, path in named:
            try:
                yield place, self.kind(place), read_loose(path), 0, None
            except LooseDamaged:
                failed.append(place)

    def _read_by_git(self, places: Iterable[int]) -> Iterator[Entry]:
        known = {self.name(place): place for place in places}
        for name, place in known.items():
            # git gives out as much as such an object states, and says nothing of the rest.
            if place in self._loose and loose_header(self._loose[place][0])[2] <= objects.WINDOW:
                self.unreadable[name] = "corrupt: it is not what its header says"
        for piece in self._reader.read(known):
            yield known[piece.name], piece.kind, piece.data, piece.offset, piece.following


def _pack_parts(source: _Source, chosen: NDArray[np.bool_]) -> Iterator[Part]:
    """Whole delta trees, so that no base is built twice: parts of about the same number of stored bytes."""
    pack = source.pack
    entries = pack.with_bases(np.flatnonzero(chosen))
    if not len(entries):
        return
    roots = pack.roots[entries]
    by_root = np.argsort(roots, kind="stable")
    entries, roots = entries[by_root].astype(np.int32), roots[by_root]
    before = np.cumsum(pack.stored()[entries])
    size = min(max(int(before[-1]) // _PARTS, _SMALLEST_PART), _LARGEST_PART)
    # A tree belongs to the part that its first byte falls into, were all trees laid end to end.
    first = np.flatnonzero(np.append(True, roots[1:] != roots[:-1]))
    shares = np.append(0, before)[first] // size
    cuts = first[np.append(True, shares[1:] != shares[:-1])].tolist()
    for start, end in zip(cuts, [*cuts[1:], len(entries)], strict=True):
        members = np.sort(entries[start:end])
        places = np.where(chosen[members], source.places[members], -1)
        yield Part(int(before[end - 1] - (before[start - 1] if start else 0)), True, pack, (members, places))


def _open_packs(stores: Sequence[Path], name_size: int, gaps: Gaps) -> tuple[list[Pack], bool]:
    """The packs we can read, and whether there are others, which git has to be asked about."""
    packs = []
    doubtful = False
    for store in stores:
        for index in sorted((store / "pack").glob("*.idx")):
            path = index.with_suffix(".pack")
            if not path.exists():  # named as a gap when the store was opened
                continue
            try:
                packs.append(Pack(path, name_size))
            except PackDamaged as reason:
                gaps.add(f"pack {path.name}", f"{reason}: git was asked for its objects")
                doubtful = True
                with contextlib.suppress(PackDamaged, OSError):
                    packs.append(Pack(path, name_size, damaged=True))
            except OSError as error:
                gaps.add(f"pack {path.name}", (error.strerror or "cannot be read").lower())
                doubtful = True
    return packs, doubtful


def _rows(names: Collection[bytes], name_size: int) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(names), np.uint8).reshape(-1, name_size)
