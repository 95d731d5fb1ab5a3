"""All rules at once: hyperscan says in one pass where something may be, RE2 then says what.

Both read in linear time whatever the pattern. Without hyperscan, or for a pattern that it does not take, RE2 alone
does both; it finds the same, slower.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import platform
import re
import string
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from runbook_tui.exposure.placeholders import placeholder, plausible
from runbook_tui.exposure.rulefile import Rule, pattern_mistake

if TYPE_CHECKING:
    from runbook_tui.exposure.rulecache import RuleCache

_BEFORE = 3  # bytes that may stand before a token and belong to no part of it: an escape
_CACHED = 50_000  # windows: most come again with every version of a file
_CACHED_BYTES = 32 << 20  # of all of them together: one may be a whole file
_MEMORY = 64 << 20  # bytes for one automaton: a set of patterns that has too few says "no match" instead of failing
# How a pattern may end: in something that may be missing ("={0,2}"), or in more than is needed ("{20,64}", "+").
_OPTIONAL_END = re.compile(r"(?:\\.|\[[^\[\]]+\]|[^\\()\[\]{}|*+?.^$])(?:\*|\?|\{0,\d*\})(\)*)$")
_OPEN_END = re.compile(r"(?<!\\)(?:\{(\d+),\d*\}|\+)(\)*)$")
_NAME = (string.ascii_letters + string.digits + "_-").encode()
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


class RuleMatch(NamedTuple):
    """One place of one credential: offsets of the secret itself in the searched bytes."""

    rule: Rule
    start: int
    end: int
    value: bytes


class Ends(dict[int, list[int]]):
    """Where matches of each rule may end. Of many near each other those between say nothing: the window is the same."""

    def __init__(self, joined: Sequence[int]) -> None:
        """`joined`: of each rule, up to how far apart two ends make one window."""
        super().__init__()
        self._joined = joined

    def note(self, index: int, end: int) -> None:
        known = self.setdefault(index, [])
        if len(known) > 1 and known[-2] <= known[-1] <= end <= known[-2] + self._joined[index]:
            known[-1] = end
        else:
            known.append(end)


class RuleSet:
    """Compiled rules. `fast`: use hyperscan when it is installed; `cache`: what it compiled before."""

    def __init__(self, rules: Sequence[Rule], *, fast: bool = True, cache: RuleCache | None = None) -> None:
        self.rules = tuple(rules)
        #: Rule id -> its place: the lower, the more specific.
        self.places = {rule.id: place for place, rule in enumerate(self.rules)}
        #: Bytes that two windows of one large object must share so that no match falls between them.
        self.overlap = max((rule.longest for rule in self.rules), default=0) + 2 * _BEFORE
        self._confirm: dict[int, Any] = {}  # made when first needed: most rules find nothing
        triggers = [_trigger(rule.pattern) for rule in self.rules]
        self._quick = _hyperscan(triggers, cache) if fast else None
        left = range(len(triggers)) if self._quick is None else self._quick.refused
        self._slow = _Slow({index: triggers[index] for index in left})
        self._cache: dict[tuple[int, bool, bytes], tuple[tuple[int, int], ...]] = {}
        self._cached = 0  # bytes of the windows in it

    def suspicious(self, data: bytes) -> bool:
        """Whether some rule's pattern stands in `data`; nothing is filtered yet."""
        return bool(self._ends(data))

    def find(self, data: bytes) -> list[RuleMatch]:
        """Every credential in `data`, by place. What several rules take for theirs is the most specific rule's."""
        found: list[RuleMatch] = []
        for index, ends in sorted(self._ends(data).items()):
            rule = self.rules[index]
            for low, high in _windows(sorted(ends), _around(rule), len(data)):
                for start, end in self._confirmed(index, low == 0, data[low:high]):
                    if not _goes_on(data, low + end):
                        found.append(RuleMatch(rule, low + start, low + end, data[low + start : low + end]))
        return _distinct(found)

    def _ends(self, data: bytes) -> Ends:
        ends = Ends([2 * _around(rule) for rule in self.rules])
        if self._quick is not None:
            self._quick.scan(data, ends)
        self._slow.scan(data, ends)
        return ends

    def _confirmed(self, index: int, first: bool, window: bytes) -> tuple[tuple[int, int], ...]:
        """The places of secrets in a window; its first byte only tells what stands before, unless it is the text's."""
        key = (index, first, window)
        known = self._cache.get(key)
        if known is None:
            if len(self._cache) >= _CACHED or self._cached + len(window) > _CACHED_BYTES:
                self._cache.clear()
                self._cached = 0
            self._cached += len(window)
            known = self._cache[key] = tuple(self._search(index, 0 if first else 1, window))
        return known

    def _search(self, index: int, start: int, window: bytes) -> Iterator[tuple[int, int]]:
        rule = self.rules[index]
        if rule.near and not any(word.lower().encode() in window.lower() for word in rule.near):
            return
        pattern = self._confirm.get(index)
        if pattern is None:
            pattern = self._confirm[index] = _compiled(rule.pattern)
        for match in pattern.finditer(window, start, len(window)):
            value = match.group(1)
            if rule.unless and _says(window, match.start(), match.start(1), rule.unless):
                continue
            if len(match.group()) > rule.longest + _BEFORE or not plausible(value, rule.shortest, rule.entropy):
                continue
            if not placeholder(value, rule.words):
                yield match.start(1), match.end(1)


def finds(rule: Rule, text: bytes) -> bool:
    """Whether this rule alone finds something in a text."""
    return bool(RuleSet([rule], fast=False).find(text))


def _says(window: bytes, start: int, end: int, words: Sequence[str]) -> bool:
    """Whether one of `words` stands before the secret: in the match, or in the name whose end the match starts with."""
    before = window[max(0, start - 32) : start]
    lead = window[start - len(before) + len(before.rstrip(_NAME)) : end].lower()
    return any(word.lower().encode() in lead for word in words)


def _around(rule: Rule) -> int:
    """Bytes before and behind the end of a match in which it stands whole, with what is next to it."""
    return rule.longest + _BEFORE + 1


def _windows(ends: list[int], around: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of the text in which a match that may end at one of `ends` stands whole, joined where they overlap."""
    low = high = -1
    for end in ends:
        if high >= 0 and end - around <= high:
            high = min(size, end + around)
            continue
        if high >= 0:
            yield low, high
        low, high = max(0, end - around), min(size, end + around)
    if high >= 0:
        yield low, high


def _goes_on(data: bytes, end: int) -> bool:
    """Whether the text goes on where a value ends: then it was a part of something longer."""
    return end < len(data) and data[end] in _WORD and data[end - 1] in _WORD


def _distinct(found: list[RuleMatch]) -> list[RuleMatch]:
    """One match for each place, in order: of overlapping ones that of the rule that comes first in the set."""
    taken: list[RuleMatch] = []  # by place; they never overlap
    for match in found:  # in the order of the rules
        at = bisect.bisect_left(taken, match.start, key=lambda other: other.end - 1)
        if at == len(taken) or taken[at].start >= match.end:
            taken.insert(at, match)
    return taken


def _trigger(pattern: str) -> str:
    """A pattern that matches wherever `pattern` does and reports it once: its open end is cut to the least."""
    short = pattern
    while found := _OPTIONAL_END.search(short):
        short = short[: found.start()] + found[1]
    if found := _OPEN_END.search(short):
        short = short[: found.start()] + (f"{{{found[1]}}}" if found[1] else "") + found[2]
    return pattern if pattern_mistake(short) else short


def _compiled(pattern: str) -> Any:
    import re2

    return re2.compile(pattern.encode(), re2_options())


def re2_options() -> Any:
    """For patterns of bytes: as linear as always, with room enough, and silent about foreign patterns."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _MEMORY
    return options


class _Slow:
    """RE2's set of patterns says which rules match at all; each of those is then searched alone."""

    def __init__(self, patterns: dict[int, str]) -> None:
        import re2

        self._indexes = list(patterns)
        self._patterns = {index: _compiled(pattern) for index, pattern in patterns.items()}
        self._set: Any = None
        if patterns:
            self._set = re2.Set.SearchSet(re2_options())
            for pattern in patterns.values():
                self._set.Add(pattern.encode())
            self._set.Compile()

    def scan(self, data: bytes, ends: Ends) -> None:
        if self._set is None:
            return
        for position in self._set.Match(data) or ():
            index = self._indexes[position]
            for match in self._patterns[index].finditer(data):
                ends.note(index, match.end())


class _Quick:
    """A hyperscan database of the patterns it takes; `refused` are the places of the others."""

    def __init__(self, hyperscan: Any, patterns: Sequence[str], cache: RuleCache | None) -> None:
        self.refused: list[int] = []
        self._database: Any = None
        facts = (hyperscan.__version__, platform.machine(), list(patterns))
        name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
        kept = cache.load(name) if cache is not None else None
        if kept is None or not self._take_back(hyperscan, kept):
            self._compile(hyperscan, patterns)
            if cache is not None and self._database is not None:
                cache.keep(name, json.dumps(self.refused).encode() + b"\n" + hyperscan.dumpb(self._database))
        if self._database is not None:
            self._database.scratch = hyperscan.Scratch(self._database)

    def _take_back(self, hyperscan: Any, kept: bytes) -> bool:
        head, _, content = kept.partition(b"\n")
        try:
            self._database = hyperscan.loadb(content, hyperscan.HS_MODE_BLOCK)
        except hyperscan.error:  # of another kind of processor
            return False
        self.refused = json.loads(head)
        return True

    def _compile(self, hyperscan: Any, patterns: Sequence[str]) -> None:
        flags = [0] * len(patterns)
        try:
            self._database = _database(hyperscan, patterns, range(len(patterns)), flags)
        except hyperscan.error:
            for index, pattern in enumerate(patterns):
                flags[index] = self._flag(hyperscan, index, pattern)
            taken = [index for index in range(len(patterns)) if index not in self.refused]
            found = [patterns[index] for index in taken], taken, [flags[index] for index in taken]
            self._database = _database(hyperscan, *found) if taken else None

    def _flag(self, hyperscan: Any, index: int, pattern: str) -> int:
        """0, or prefilter: an over-estimate, which RE2 puts right."""
        for flag in (0, hyperscan.HS_FLAG_PREFILTER):
            try:
                _database(hyperscan, [pattern], [0], [flag])
            except hyperscan.error:
                continue
            return int(flag)
        self.refused.append(index)
        return 0

    def scan(self, data: bytes, ends: Ends) -> None:
        if self._database is None:
            return

        def take(index: int, start: int, end: int, flags: int, context: Any) -> None:
            ends.note(index, end)

        self._database.scan(data, match_event_handler=take)


def _database(hyperscan: Any, patterns: Sequence[str], ids: Sequence[int], flags: Sequence[int]) -> Any:
    database = hyperscan.Database()
    raw = [pattern.encode() for pattern in patterns]
    database.compile(expressions=raw, ids=list(ids), elements=len(raw), flags=list(flags))
    return database


def _hyperscan(patterns: Sequence[str], cache: RuleCache | None) -> _Quick | None:
    try:
        import hyperscan
    except ImportError:
        return None
    return _Quick(hyperscan, patterns, cache)
