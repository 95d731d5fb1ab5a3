"""Recognises secrets in free text by their shape: the guard at every field where an operator may paste one by mistake.

It knows no vault and no provider; `Redactor` takes out what is known, this refuses what only looks like a secret.
Public ids (an AWS access key id, a fingerprint, a commit, an SSH public key) pass: a record has to name keys somehow.
A false alarm has one way on, and it is safe: other words. There is no switch to record it all the same.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from runbook_tui.foundation.errors import RunbookError

# (what it is, how it looks, whether it must also look random: a name in a program or a path can have the same shape)
_SHAPES: tuple[tuple[str, str, bool], ...] = (
    ("a private key", r"(?s)-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----.*", False),
    ("a private key of age", r"\bAGE-SECRET-KEY-1[A-Z0-9]{20,}", False),
    ("a Stripe key", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}", False),
    ("a webhook signing secret", r"\bwhsec_[A-Za-z0-9+/=_-]{16,}", False),
    ("an API key that starts with sk-", r"\bsk-[A-Za-z0-9_-]{20,}", True),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})", False),
    ("a GitLab token", r"\bgl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{16,}", False),
    ("a Slack token", r"\bxox[a-z]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}", False),
    ("a Slack webhook", r"hooks\.slack\.com/services/T[A-Za-z0-9_]+/B[A-Za-z0-9_]+/[A-Za-z0-9]{16,}", False),
    ("a Discord webhook", r"/api/webhooks/[0-9]+/[A-Za-z0-9_-]{40,}", False),
    ("a Discord bot token", r"\b[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}", True),
    ("a Vault or OpenBao token", r"\b(?:hv[sbr]|s)\.[A-Za-z0-9_-]{24,}", True),
    ("a Google API key", r"\bAIza[A-Za-z0-9_-]{30,}", False),
    ("a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}", True),
    ("a Telegram bot token", r"\b[0-9]{8,10}:[A-Za-z0-9_-]{35}", True),
    ("a PyPI or npm token", r"\b(?:pypi-[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{20,})", True),
    ("a JSON web token", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", False),
    ("a password in a URL", r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]*:[^\s/:@]{3,}@", False),
    ("a bearer token", r"(?i:\bbearer)\s+[A-Za-z0-9._~+/-]{20,}=*", True),
    ("a password in a header", r"(?i:\bauthorization[\"']?\s*[:=]\s*[\"']?basic)\s+[A-Za-z0-9+/]{8,}=*", False),
    ("an AWS secret access key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b[\s\S]{1,100}?[A-Za-z0-9/+]{40}", True),
    (
        "a long random value after a name like key or token",
        r"(?i:key|token|secret|passwo?r?d|pwd|credential)[\"']?\s*(?:[:=]|=>)\s*[\"']?[A-Za-z0-9+_=~-][A-Za-z0-9+/_=.~-]{31,}",
        True,
    ),
)
# Entropy a character: random base64 has about 5 bits over 32 characters, English about 3, random hexadecimal 3.7.
_BITS, _HEX_BITS = 3.5, 3.0
_HEX = frozenset("0123456789abcdefABCDEF")
_VALUE = re.compile(r"[A-Za-z0-9+/_=.~-]+$")
_WHOLE_TEXT = 200_000  # characters; a longer text is nothing that somebody typed, and is refused as too long


@dataclass(frozen=True, slots=True)
class Hit:
    """Something with the shape of a secret: what, and where in the text (characters, the end excluded)."""

    what: str
    start: int
    end: int


class Guard:
    """Finds values with the shape of a secret. `shapes` adds (what, RE2 of the whole value) to those known here."""

    def __init__(self, shapes: Iterable[tuple[str, str]] = ()) -> None:
        # A shape of a manifest has no boundaries of its own; one with a dot is also that of a name in a program.
        added = [(what, rf"(?:^|[^A-Za-z0-9_])(?:{shape})", "." in shape) for what, shape in shapes]
        self._shapes = (*_SHAPES, *added)
        self._compiled: list[tuple[str, Any, bool]] | None = None

    def hits(self, text: str) -> list[Hit]:
        """Everything with the shape of a secret, by place; empty for ordinary text."""
        shown = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate counts as one `?`
        found = [
            Hit(what, match.start(), match.end())
            for what, shape, random in self._patterns()
            for match in shape.finditer(shown)
            if not random or _looks_random(match[0])
        ]
        return sorted(found, key=lambda hit: (hit.start, -hit.end))

    def refuse(self, value: Any, where: str) -> None:
        """RunbookError when any text in `value` (what JSON can hold; about to be recorded) looks like a secret.

        The message says what and at which characters, and never shows any of it.
        """
        for place, text in _texts(value, where):
            if len(text) > _WHOLE_TEXT:
                raise RunbookError(
                    f"{place} has {len(text):,} characters", "nothing was recorded; attach a file instead"
                )
            if hits := self.hits(text):
                first = hits[0]
                at = f"characters {first.start + 1} to {first.end} of {len(text)}"
                raise RunbookError(
                    f"{place} looks like it holds a secret ({first.what}, {at})",
                    "nothing was recorded; name the key by its id or its last four characters instead. "
                    "If it is none, leave out its middle: there is no way to record it as it stands",
                )

    def _patterns(self) -> list[tuple[str, Any, bool]]:
        if self._compiled is None:
            import re2  # linear in the text, whatever a manifest of a workspace says

            options = re2.Options()
            options.log_errors = False
            self._compiled = [(what, re2.compile(shape, options), random) for what, shape, random in self._shapes]
        return self._compiled


@cache
def _own() -> Guard:
    return Guard()


def looks_secret(text: str) -> list[str]:
    """What in `text` has the shape of a secret, in words that can be shown; empty when nothing has."""
    return list(dict.fromkeys(hit.what for hit in _own().hits(text)))


def refuse_secret(text: str, where: str) -> None:
    """`Guard.refuse` with the shapes that are known without any provider."""
    _own().refuse(text, where)


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield f"a name in {where}", str(key)
            yield from _texts(item, f"{where}, {key}" if _is_name(str(key)) else where)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, where)


def _is_name(text: str) -> bool:
    return len(text) <= 40 and text.replace("_", "").replace("-", "").isalnum()


def _looks_random(match: str) -> bool:
    """Whether the value at the end of a match has a digit among its letters, and the entropy of chance."""
    found = _VALUE.search(match)
    value = found[0] if found else match
    digits = sum(char.isdigit() for char in value)
    return 0 < digits < len(value) and _entropy(value) >= (_HEX_BITS if set(value) <= _HEX else _BITS)


def _entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
