"""Which of several sets of literals have a member in some bytes: one look instead of one for each literal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any


def smallest(literals: Collection[bytes]) -> set[bytes]:
    """The literals without those that hold another one, which say nothing more."""
    return {one for one in literals if not any(other in one for other in literals if other != one)}


def compiled(literals: Sequence[bytes]) -> Any:
    """A hyperscan database that tells each of the literals once in some bytes, by its number here.

    None where hyperscan is not there, or where there are too many for it.
    """
    try:
        import hyperscan
    except ImportError:
        return None
    # As hexadecimal escapes: its own literal mode stops at a NUL.
    expressions = [("\\x" + literal.hex(" ").replace(" ", "\\x")).encode() for literal in literals]
    database = hyperscan.Database()
    try:
        database.compile(
            expressions=expressions,
            ids=list(range(len(expressions))),
            elements=len(expressions),
            flags=[hyperscan.HS_FLAG_SINGLEMATCH] * len(expressions),
        )
        database.scratch = hyperscan.Scratch(database)
    except hyperscan.HyperscanError:
        return None
    return database


def standing(sets: Sequence[Collection[bytes]]) -> Callable[[bytes], list[int]] | None:
    """A function that gives the places of the sets of which a literal stands in some bytes, in order.

    None where hyperscan is not there, or where there are too many for it.
    """
    owners: dict[bytes, list[int]] = {}
    for place, literals in enumerate(sets):
        for literal in literals:
            owners.setdefault(literal, []).append(place)
    if not owners:
        return lambda data: []
    by_number = list(owners.values())
    database = compiled(list(owners))
    if database is None:
        return None
    struck: list[int] = []

    def note(number: int, start: int, end: int, flags: int, context: object) -> None:
        struck.append(number)

    def find(data: bytes) -> list[int]:
        database.scan(data, match_event_handler=note)
        found = sorted({place for number in struck for place in by_number[number]})
        struck.clear()
        return found

    return find
