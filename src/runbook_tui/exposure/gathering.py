"""Collecting the values that rules find: in text as it stands, in encoded text, and in what archives hold.

What cannot be looked at here (a damaged or enormous archive, an object that cannot be read) is named by the pass that
then traces the values: it reads the same objects in the same way.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

from runbook_tui.exposure.archives import OVERLAP, Left, expand, packed
from runbook_tui.exposure.encoded import Decoder, wide
from runbook_tui.exposure.model import Gaps
from runbook_tui.exposure.objects import BLOB, TREE, Objects, Part
from runbook_tui.exposure.repository import Repository
from runbook_tui.exposure.ruleset import RuleSet
from runbook_tui.exposure.sidefiles import search_side_files
from runbook_tui.exposure.trees import entries

Values = dict[bytes, int]  # value -> the place of its rule in the set; values stay in memory
MOST = 10_000  # different values that are told of; a repository may hold as many as its author likes


def fewer(found: Values) -> Values:
    """Those of the most specific rules: `MOST`, and one more when there were more."""
    ordered = sorted((index, value) for value, index in found.items())
    return {value: index for index, value in ordered[: MOST + 1]}


class Gatherer:
    """Takes in the values of one repository; a `Finder` of nothing for the search through side files."""

    def __init__(self, rules: RuleSet, decoder: Decoder) -> None:
        self.found: Values = {}
        self.overlap = rules.overlap
        self.objects = self.size = 0  # what `part` has read, and its bytes
        self._rules = rules
        self._decoder = decoder

    def find(self, data: bytes) -> Sequence[object]:
        """Take in what stands in `data`; says that nothing was found, as nobody has to trace it yet."""
        self.text(data)
        return ()

    def text(self, data: bytes, start: int = 0) -> None:
        """Take in what stands in `data`, and what is encoded in it from `start` on."""
        self._as_it_stands(data)
        for text in self._decoder.texts(data[start:]):
            self._as_it_stands(text)
        if plain := wide(data):
            self._as_it_stands(plain)

    def blob(self, data: bytes, *, whole: bool = True) -> None:
        """Take in what stands in a file or a window of it, and in what it holds when it is an archive."""
        self.text(data)
        if whole and packed(data):
            for item in expand(data, max(OVERLAP, self._rules.overlap)):
                if not isinstance(item, Left):
                    self.text(item[1])

    def part(self, objects: Objects, part: Part) -> array[int]:
        """Take in the values of a part of the objects; returns those that this way cannot read."""
        failed = array("q")
        for _, kind, data, offset, following in objects.pieces(part, failed):
            self.objects += not offset
            self.size += len(data)
            if kind == BLOB:
                self.blob(data, whole=not offset and following is None)
            elif kind != TREE:
                self.text(data, max(0, data.find(b"\n\n")))  # its head is no place for encoded text
            elif self._rules.suspicious(data):  # the bytes of object names could match by chance: only file names count
                for _, name, _ in entries(data, objects.name_size) or ():
                    self.text(name)
        return failed

    def files(self, repository: Repository, cancelled: Callable[[], bool]) -> None:
        """Take in the values of the git directory's other files: configuration, hooks, logs, what LFS keeps."""
        for _ in search_side_files(repository, self, Gaps(), cancelled):
            pass

    def merge(self, more: Values) -> None:
        """Take in values; of two rules for one value the more specific one stays."""
        for value, index in more.items():
            if index < self.found.get(value, index + 1):
                self.found[value] = index
        if len(self.found) > 2 * MOST:
            self.found = fewer(self.found)

    def _as_it_stands(self, text: bytes) -> None:
        for match in self._rules.find(text):
            self.merge({match.value: self._rules.places[match.rule.id]})
