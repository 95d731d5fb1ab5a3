"""What the reading of one part of a store brought in: small enough to travel between processes."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from runbook_tui.exposure.graph import NodeList


class Found(NamedTuple):
    """The first place of one form of one value in one object, or in one member of an archive that the object is."""

    needle: int
    form: str
    place: int
    kind: int
    line: int
    inner: str = ""  # the member's name
    names: tuple[bytes, ...] = ()  # tree: the entry names that hold the value


def _longs() -> array[int]:
    return array("q")


@dataclass(slots=True)
class Share:
    """All of one part."""

    objects: int = 0
    size: int = 0  # bytes read
    found: list[Found] = field(default_factory=list)
    other: list[Any] = field(default_factory=list)
    failed: array[int] = field(default_factory=_longs)  # places of what could not be read
    nodes: NodeList = field(default_factory=NodeList)
    edges: tuple[array[int], array[int]] = field(default_factory=lambda: (_longs(), _longs()))  # children, their trees
    missing: dict[bytes, str] = field(default_factory=dict)  # object -> who names it ("commit 1234…")
    gitlinks: set[bytes] = field(default_factory=set)  # file names under which trees hold a submodule
    lfs: set[bytes] = field(default_factory=set)  # SHA-256 of contents kept outside the repository
    gaps: list[tuple[str, str]] = field(default_factory=list)

    def miss(self, name: bytes, kind: str, by: bytes) -> None:
        """Note an object that is not there. Of all that name it one stays, the same on every run."""
        said = f"{kind} {by.hex()}"
        known = self.missing.get(name)
        if known is None or said < known:
            self.missing[name] = said

    def add(self, other: Share) -> None:
        """Take in another one."""
        self.objects += other.objects
        self.size += other.size
        self.found += other.found
        self.other += other.other
        self.nodes.extend(other.nodes)
        for mine, more in zip(self.edges, other.edges, strict=True):
            mine.extend(more)
        for name, said in other.missing.items():
            known = self.missing.get(name)
            if known is None or said < known:
                self.missing[name] = said
        self.gitlinks |= other.gitlinks
        self.lfs |= other.lfs
        self.gaps += other.gaps
