"""How secrets look, as data: `shapes.yaml`, which the paste guard and the rules of a scan share."""

from __future__ import annotations

import math
import string
from collections import Counter
from dataclasses import dataclass
from functools import cache

from runbook_tui.foundation.places import shipped

# Entropy a character: random base64 has about 5 bits over 32 characters, English about 3, random hexadecimal 3.7.
BITS = 3.5
_HEX_LESS = 0.5
_HEX = frozenset("0123456789abcdefABCDEF")
_VALUE = string.ascii_letters + string.digits + "+/_=.~-"


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of secret: `what` it is in words, and its RE2. `random`: its value must also look random."""

    id: str
    what: str
    pattern: str
    random: bool = False


@cache
def known_shapes() -> dict[str, Shape]:
    """Every shape by its id, in the file's order."""
    from runbook_tui.foundation.strict_yaml import load_file

    data = load_file(shipped("secrets", "shapes.yaml")).data
    return {entry["id"]: Shape(**entry) for entry in data["shapes"]}


def looks_random(match: str, bits: float = BITS) -> bool:
    """Whether the value at the end of a match has a digit among its letters, and the entropy of chance."""
    value = match[len(match.rstrip(_VALUE)) :] or match
    digits = sum(char.isdigit() for char in value)
    return 0 < digits < len(value) and dense(value, bits)


def dense(value: str, bits: float) -> bool:
    """Whether `value` has `bits` of entropy a character; hexadecimal may have half a bit less."""
    return entropy(value) >= (bits - _HEX_LESS if set(value) <= _HEX else bits)


def entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
