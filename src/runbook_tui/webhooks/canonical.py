"""JSON written again with sorted keys, as NOWPayments signs it.

The vendor's help article shows Node code: parse the body, sort the keys of every object, `JSON.stringify`. So numbers
and text take JavaScript's form here. Published verifiers agree on flat ASCII bodies with integers and plain decimals
only; for arrays they disagree with each other (the article's own function turns `[a]` into `{"0":a}`), so a body with
an array is refused rather than signed in one of several ways.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from runbook_tui.foundation.errors import RunbookError

_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_INDEX = 2**32 - 2
_MAX_DEPTH = 100
_PLAIN_DIGITS = 21  # ECMA-262 Number::toString: larger powers of ten are written with an exponent


def sorted_json(body: bytes) -> bytes:
    """`body` with the keys of every object in order, compact; RunbookError when it is no such JSON."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_not_json, parse_int=float)
    except (ValueError, RecursionError):
        raise RunbookError("the body is not JSON", "this scheme signs a JSON object") from None
    if not isinstance(value, dict):
        raise RunbookError("the body is not a JSON object", "this scheme signs a JSON object")
    return _written(value, 0).encode("utf-8")


def _not_json(name: str) -> NoReturn:
    raise ValueError(name)


def _written(value: Any, depth: int) -> str:
    if depth > _MAX_DEPTH:
        raise RunbookError("the body is nested too deeply", f"at most {_MAX_DEPTH} levels can be signed")
    if isinstance(value, dict):
        entries = (f"{_text(key)}:{_written(value[key], depth + 1)}" for key in sorted(value, key=_key_order))
        return "{" + ",".join(entries) + "}"
    if isinstance(value, list):
        raise RunbookError(
            "the body holds an array, and the published verifiers of this scheme disagree about arrays",
            "sign a body without arrays",
        )
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return js_number(value)
    return json.dumps(value)  # true, false, null


def _key_order(key: str) -> tuple[int, int, bytes]:
    """JavaScript puts index-like keys first, by number; the rest is in order of UTF-16 code units."""
    if _INDEX.fullmatch(key) and int(key) <= _MAX_INDEX:
        return (0, int(key), b"")
    return (1, 0, key.encode("utf-16-be", "surrogatepass"))


def _text(value: str) -> str:
    quoted = json.dumps(value, ensure_ascii=False)
    return _SURROGATE.sub(lambda lone: f"\\u{ord(lone.group()):04x}", quoted)


def js_number(value: float) -> str:
    """A finite number as JavaScript prints it (ECMA-262, Number::toString); infinite ones become `null`."""
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    # `point` counts the digits before the decimal point; leading zeros of a fraction make it negative.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= _PLAIN_DIGITS:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= _PLAIN_DIGITS:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return f"{sign}{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}{power}"
