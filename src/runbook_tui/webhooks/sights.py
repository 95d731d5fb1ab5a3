"""What an observer says about the cases of a bench, and whether it can be believed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from runbook_tui.webhooks.making import Made
from runbook_tui.webhooks.observer import Watch, checked


class Sights:
    """An observer that finds what nobody sent is not asked again."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._echoes = False

    def one(self, marker: str) -> bool | None:
        """One marker of the operator's, with all the time there is; ValueError when it cannot be looked for.

        None from an observer that also finds what nobody sent.
        """
        checked(marker)
        return None if self._repeats() else self._watch.acted(marker)

    def first(self, made: Sequence[Made]) -> bool | None:
        """Whether the first valid delivery had an effect, after a look for one that was never sent."""
        markers = _markers(made)
        if self._repeats() or not markers:
            return None
        return _together(list(self._watch.acted_all(markers).values()))

    def all(self, made: Mapping[str, Sequence[Made]]) -> dict[str, tuple[bool | None, int | None]]:
        """Case -> whether it had an effect, and how often where one delivery went out several times.

        One wait for all of them together. What has no marker cannot be told.
        """
        if self._echoes:
            return {}
        wanted = {name: _markers(each) for name, each in made.items()}
        found = self._watch.acted_all(sorted({marker for markers in wanted.values() for marker in markers}))
        told: dict[str, tuple[bool | None, int | None]] = {}
        for name, markers in wanted.items():
            acted = _together([found[marker] for marker in markers])
            counts = [self._watch.count(one) for one in markers if found[one]] if len(made[name]) > 1 else []
            known = [count for count in counts if count is not None]
            told[name] = acted, max(known) if known else 0 if acted is False else None
        return told

    def _repeats(self) -> bool:
        self._echoes = self._echoes or self._watch.acted(f"irtest_{secrets.token_hex(12)}", wait=0) is not False
        return self._echoes

    def doubt(self, *, seen: bool) -> str:
        """Why it cannot be believed, "" when it can; `seen`: it saw a valid delivery."""
        if self._echoes:
            return "the observer also finds what nobody sent: it cannot be believed"
        return "" if seen else "the observer saw no valid delivery: what it did not see proves nothing"


def _markers(made: Sequence[Made]) -> list[str]:
    return list(dict.fromkeys(marker for one in made for marker in one.markers))


def _together(words: Sequence[bool | None]) -> bool | None:
    """Seen under one of its markers is seen; not seen is what nobody doubts."""
    if True in words:
        return True
    return None if None in words or not words else False
