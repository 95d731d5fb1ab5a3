"""Tells what only stands in a credential's place: samples, templates, sequences, repetitions, words."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable

from runbook_tui.secrets.shapes import dense

_LEAST_BITS = 2.75  # random characters have more from sixteen on; what has less was typed
_TYPED = 16  # bytes; of a shorter value chance alone makes few different characters
_WORDS = (
    *(b"example", b"xxxx", b"changeme", b"change_me", b"change-me", b"placeholder", b"redacted", b"dummy", b"fake"),
    *(b"sample", b"your_", b"your-", b"yourkey", b"yourtoken", b"yoursecret", b"insert", b"replace", b"notreal"),
    *(b"not-a-", b"not_a_", b"foobar", b"qwerty", b"asdfgh", b"deadbeef", b"cafebabe", b"testtest", b"invalid"),
)
# What a template writes where the value will stand.
_TEMPLATES = (b"${", b"{{", b"#{", b"$(", b"%(", b"%{", b"<%", b"...", b"***", b"@@", b"${{", b"[[")
_WHOLE = re.compile(rb"<.*>|\{.*\}|\[.*\]|\$[A-Za-z_].*|%[A-Za-z_]+%?|:[a-z_]+|@[A-Za-z_]+@?|[*.x#-]+", re.DOTALL)
_RUN = re.compile(rb"[A-Za-z0-9]+")
_STEPS = 7  # characters of a sequence such as 1234567
_SAME = 7  # one character that often in a row
# SHA-256 of keys that vendors publish as samples: they work for nobody, or for everybody.
_PUBLISHED = frozenset(
    {
        "2cafc0970149a84f3b9e62eaf169f36f59907a3b3e31f7b82e68c69cd27f7326",  # Stripe's documentation
        "f2d6ca16515033e5dce14eba840b979d27b5cbae24bb3e5bf484339667f86397",  # Stripe's older documentation
        "0011cc25eb4320717494d2703e8cba85743e71b500283c21c8b88147992f9059",  # the Azure storage emulator
    }
)


def placeholder(value: bytes, words: Iterable[str] = ()) -> bool:
    """Whether `value` says itself that it is no credential. `words`: further texts that only a placeholder holds."""
    lower = value.lower()
    if any(word in lower for word in _WORDS) or any(word.lower().encode() in lower for word in words):
        return True
    if any(sign in value for sign in _TEMPLATES) or _WHOLE.fullmatch(value):
        return True
    runs = _RUN.findall(value)
    longest = max(runs, key=len, default=b"")
    if _sequence(lower) or _repeats(longest, len(value)) or _repeats(value, len(value)):
        return True
    return hashlib.sha256(value).hexdigest() in _PUBLISHED


def plausible(value: bytes, shortest: int, entropy: float) -> bool:
    """Whether `value` is long and random enough. With an `entropy` it also needs a digit among its letters."""
    if len(value) < shortest:
        return False
    text = value.decode("latin-1")
    if not entropy:
        return len(value) < _TYPED or dense(text, _LEAST_BITS)
    return any(char.isdigit() for char in text) and not text.isdigit() and dense(text, entropy)


def _sequence(value: bytes) -> bool:
    """Whether seven characters in a row are the same, or each follows or precedes the one before."""
    same = up = down = 1
    for before, after in itertools.pairwise(value):
        step = after - before
        # 90 goes on with 01, and 9 with a in hexadecimal
        same = same + 1 if step == 0 else 1
        up = up + 1 if step == 1 or (before, after) in _WRAPS else 1
        down = down + 1 if step == -1 else 1
        if same >= _SAME or up >= _STEPS or down >= _STEPS:
            return True
    return False


_WRAPS = frozenset({(ord("9"), ord("0")), (ord("9"), ord("a")), (ord("z"), ord("0")), (ord("z"), ord("a"))})


def _repeats(run: bytes, size: int) -> bool:
    """Whether `run`, at least half of the value, is one piece again and again, or made of very few characters."""
    if len(run) < 8 or 2 * len(run) < size:
        return False
    if len(set(run)) <= (4 if len(run) >= 12 else 2):
        return True
    return any(run[period:] == run[:-period] for period in range(1, len(run) // 2 + 1))
