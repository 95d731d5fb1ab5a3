"""A scan in an incident: its rules, what terminals are told while it runs, and what it found when it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_tui.conductor.kit import Kit
from runbook_tui.foundation.clock import Clock
from runbook_tui.foundation.text import one_line
from runbook_tui.incident.details import hit_line
from runbook_tui.incident.findings import kept
from runbook_tui.secrets.secret import Secret

if TYPE_CHECKING:
    from runbook_tui.exposure.rulefile import Rule

Tell = Callable[[Mapping[str, Any]], None]

_EVERY = 250_000_000  # nanoseconds between two words of progress
_FOUND = 200  # findings told one by one; the event has all


def search(
    kit: Kit,
    values: Sequence[tuple[str, Secret]],
    repositories: Iterable[str],
    by_rules: bool,
    tell: Tell,
    stopped: Callable[[], bool],
) -> dict[str, Any]:
    """Scan in a process of its own: the document as it is recorded, or {error} when the operator stopped it.

    RunbookError as the scan raises it, and InputProblems when the workspace's own rules have mistakes.
    """
    from runbook_tui.exposure.child import run_child
    from runbook_tui.exposure.model import ScanCancelled
    from runbook_tui.exposure.task import ByRules

    paths = [Path(one) for one in repositories]
    rules = ByRules(rules_of(kit), kit.key, kit.cache) if by_rules else None
    watch = ScanWatch(tell, kit.redactor.text, kit.clock, len(paths))
    try:
        return kept(run_child(values, paths, watch.hear, stopped, rules))
    except ScanCancelled:
        return {"error": watch.stopped()}


def rules_of(kit: Kit) -> list[Rule]:
    """The most specific first: the workspace's own, the providers' formats, the shipped ones.

    InputProblems with every mistake in the workspace's files.
    """
    from runbook_tui.exposure.rulefile import known_rules, rule_files
    from runbook_tui.exposure.ruleset import finds

    own = [path for folder in kit.rules for path in rule_files(folder)]
    return known_rules(own, kit.catalogue.ids(), kit.catalogue.formats(), finds)


class ScanWatch:
    """Turns a scan's progress into pushes: `{"text": …}` now and then, `{"found": …}` for each finding at once."""

    def __init__(self, tell: Tell, hide: Callable[[str], str], clock: Clock, count: int) -> None:
        """`hide` takes secrets out of a text; `count` is how many repositories are searched."""
        self._tell, self._hide, self._clock, self._count = tell, hide, clock, count
        self._seen: dict[str, tuple[int, int]] = {}  # objects and bytes by repository
        self._last = -_EVERY
        self.found = 0

    def hear(self, facts: Mapping[str, Any]) -> None:
        """Take one report of the scan: a finding when it has `found` (or phase "found" and `hit`), else counts."""
        hit = facts.get("found") or facts.get("hit")
        if isinstance(hit, Mapping):
            self.found += 1
            if self.found <= _FOUND:
                self._tell({"found": self._safe(hit_line(hit))})
            return
        where = str(facts.get("repository", ""))
        before = self._seen.get(where, (0, 0))
        self._seen[where] = (
            max(before[0], int(facts.get("objects") or 0)),
            max(before[1], int(facts.get("bytes") or 0)),
        )
        now = self._clock.mono_ns()
        if now - self._last >= _EVERY or facts.get("phase") == "done":
            self._last = now
            self._tell({"text": self._safe(self._words(facts, where))})

    def _words(self, facts: Mapping[str, Any], where: str) -> str:
        total = int(facts.get("total") or 0)
        objects, size = self._seen[where]
        parts = [f"{objects:,} of {total:,} objects" if total else f"{objects:,} objects", f"{size / 1e6:,.1f} MB"]
        left = facts.get("seconds_left")
        if isinstance(left, int | float):
            parts.append(f"{round(left)} s left")
        if self.found:
            parts.append(f"{self.found} found")
        number = f" ({len(self._seen)} of {self._count})" if self._count > 1 else ""
        return f"{facts.get('phase', 'searching')}{number}: {', '.join(parts)}; {where}"

    def stopped(self) -> str:
        """Why a stopped scan has no result."""
        objects = sum(one for one, _ in self._seen.values())
        return (
            f"stopped by the operator after {objects:,} objects, {self.found} places found by then: "
            "an unfinished search proves nothing"
        )

    def _safe(self, text: str) -> str:
        return one_line(self._hide(text), 240)
