"""Recognises secrets in free text by their shape: the guard at every field where an operator may paste one by mistake.

It knows no vault and no provider; `Redactor` takes out what is known, this warns about what is not.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from runbook_tui.foundation.errors import RunbookError

_SHAPES = (
    ("a private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    ("a Stripe key", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    ("a webhook signing secret", r"\bwhsec_[A-Za-z0-9+/=_-]{16,}"),
    ("an API key that starts with sk-", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("an AWS access key id", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    ("a GitLab token", r"\bgl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{16,}"),
    ("a Slack token", r"\bxox[a-z]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}"),
    ("a Vault or OpenBao token", r"\b(?:hv[sbr]|s)\.[A-Za-z0-9_-]{24,}"),
    ("a Google API key", r"\bAIza[A-Za-z0-9_-]{30,}"),
    ("a PyPI or npm token", r"\b(?:pypi-[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{20,})"),
    ("a JSON web token", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    ("a password in a URL", r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/:@]{3,}@"),
    ("a bearer token", r"(?i:\bbearer\s+)[A-Za-z0-9._~+/-]{20,}"),
)
_KNOWN = tuple((what, re.compile(shape)) for what, shape in _SHAPES)
_ASSIGNED = re.compile(
    r"(?i:key|token|secret|passwo?r?d|pwd|credential)[\"']?\s*(?:[:=]|=>)\s*[\"']?([A-Za-z0-9+/_=.~-]{32,})"
)
_BITS = 3.5  # of entropy a character: random base64 has about 5 over 32 characters, English about 3, hexadecimal 3.7


def looks_secret(text: str) -> list[str]:
    """What in `text` has the shape of a secret, in words that can be shown; empty when nothing has."""
    found = [what for what, shape in _KNOWN if shape.search(text)]
    if not found and any(_entropy(match[1]) >= _BITS for match in _ASSIGNED.finditer(text)):
        found.append("a long random value after a name like key or token")
    return found


def refuse_secret(text: str, where: str) -> None:
    """RunbookError when `text`, which is about to be recorded, looks like it holds a credential."""
    kinds = looks_secret(text)
    if kinds:
        what = f"{where} looks like it holds a secret ({kinds[0]})"
        raise RunbookError(what, "nothing was recorded; name the key by its id or its last four characters instead")


def _entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
