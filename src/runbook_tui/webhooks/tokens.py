"""Checks of a secret that is a part of the endpoint's URL. Pure: a plan of addresses to ask, and what answers mean.

The right token never goes into a request that must be refused, not even altered: near-misses are made of a random token
of the same form and of the old one. So an endpoint that compares loosely (a prefix, another case) shows only on the old
token, while that is valid.
"""

from __future__ import annotations

import math
import re
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.text import one_line
from runbook_tui.net.client import Answer
from runbook_tui.secrets.redaction import Redactor
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.findings import Finding
from runbook_tui.webhooks.urls import PLACEHOLDER, with_token, without_token

RANDOM_BYTES = 24  # 48 hexadecimal digits, 32 characters of base64url
_SHARED = 12  # characters at an end that two independent tokens do not share by chance
_RUN = 8  # characters that go up, down or repeat
# Of 100,000 random tokens (hex of 32 to 64 digits, base64url of 32) none had less than 0.72 of the most that its length
# and alphabet allow: the lowest were 0.73 (hex, 32) and 0.78 (base64url).
_LEAST_ENTROPY = 0.70
_ALPHABETS = (  # the first that fits: pattern, name, bits a character, characters for a random one
    (r"[0-9]+", "digits", math.log2(10), "0123456789"),
    (r"[0-9a-f]+", "hexadecimal", 4.0, "0123456789abcdef"),
    (r"[0-9A-F]+", "hexadecimal", 4.0, "0123456789ABCDEF"),
    (r"[0-9a-fA-F]+", "hexadecimal", 4.0, "0123456789abcdefABCDEF"),
    (r"[0-9a-z_-]+", "small letters and digits", math.log2(36), "0123456789abcdefghijklmnopqrstuvwxyz"),
    (r"[0-9A-Z_-]+", "capital letters and digits", math.log2(36), "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    (
        r"[A-Za-z0-9_-]+",
        "base64url",
        6.0,
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    ),
)
_IN_A_PATH = re.compile(r"[A-Za-z0-9._~-]+")  # RFC 3986, unreserved
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UUID_BITS = 122  # RFC 9562, version 4; other versions have fewer
_TITLES = {
    "token-length": "The URL token has enough random bytes",
    "token-alphabet": "The URL token is hexadecimal or base64url",
    "token-random": "The URL token has no visible pattern",
    "token-fresh": "The new URL token has nothing of the old one",
    "token-place": "The URL token stands in the path, not in the query",
    "token-echo": "The answer to a valid delivery does not repeat the URL token",
}


@dataclass(frozen=True)
class NearMiss:
    """An address that must answer 404. Its URL may hold the old token, so `repr` does not show it."""

    id: str
    title: str
    url: str = field(repr=False)


def form(new: Secret, url: str, old: Secret | None = None, *, least: int = RANDOM_BYTES) -> list[Finding]:
    """What the token's text and its place say. `least` is in random bytes (`Scheme.min_token_bytes` or the default).

    `url` is the endpoint without its token, or with `{token}` in its place.
    """
    text = new.expose()
    name, per_character, _ = _alphabet(text)
    bits = _UUID_BITS if _UUID.fullmatch(text) else len(text) * per_character
    findings = [
        _finding(
            "token-length",
            "pass" if bits >= least * 8 else "fail",
            f"{len(text)} characters hold {int(bits // 8)} random bytes at most; {least} are asked for",
        ),
        _finding("token-alphabet", "pass" if name else "warn", name or "holds characters that some software rewrites"),
        _finding("token-random", "fail", "it repeats or counts, as a random one does not")
        if _patterned(text, per_character)
        else _finding("token-random", "pass", "none seen, which is no proof that it was made at random"),
    ]
    in_query = PLACEHOLDER in url.partition("?")[2]
    said = "proxies and analytics keep queries" if in_query else "in the path"
    findings.append(_finding("token-place", "fail" if in_query else "pass", said))
    if old is not None:
        shared = _shares(text, old.expose())
        said = "it begins or ends like the old one, which is known to others" if shared else "independent of it"
        findings.append(_finding("token-fresh", "fail" if shared else "pass", said))
    return findings


def near_misses(url: str, new: Secret, old: Secret | None = None) -> list[NearMiss]:
    """The addresses that must answer 404, none of which is made from the new token.

    The old token itself is not among them: it is the bench's own case. An old token that shares an end with the new
    one is not used. `url` as for `form`.
    """
    text = new.expose()
    characters = _alphabet(text)[2]
    random = "".join(secrets.choice(characters) for _ in text)
    half = max(1, len(random) // 2)
    found = {
        "random": ("another token of the same length", random),
        "short": ("another token, cut in half", random[:half]),
        "long": ("another token with one character more", random + secrets.choice(characters)),
        "deeper": ("another token and one more path segment", f"{random}/{random[:half]}"),
    }
    if old is not None:
        was = old.expose()
        if _IN_A_PATH.fullmatch(was) and not _shares(text, was):
            flipped = next(one for one in characters if one.lower() != was[-1].lower())
            found["old-flipped"] = ("the old token, its last character changed", was[:-1] + flipped)
            found["old-half"] = ("the old token, cut in half", was[: max(1, len(was) // 2)])
            if was.swapcase() != was:
                found["old-case"] = ("the old token in the other letter case", was.swapcase())
    misses = [NearMiss(name, title, with_token(url, token)) for name, (title, token) in found.items()]
    base = without_token(url)
    if base.partition("://")[2].partition("/")[2]:  # else it is the host's front page
        misses += [NearMiss("base", "the path without a token", base)]
        misses += [NearMiss("base-slash", "the path without a token, with a slash", f"{base}/")]
    return misses


def judge(miss: NearMiss, status: int | None) -> Finding:
    """What the answer to a near-miss says; `status` None: no answer came."""
    return Finding(f"near-{miss.id}", f"404 to {miss.title}", *_verdict(status))


def echoed(token: Secret, answers: Sequence[Answer]) -> Finding:
    """Whether an answer to a delivery with the right token repeats it, in any form that the redaction knows."""
    if not answers:
        return _finding("token-echo", "inconclusive", "no valid delivery was answered")
    try:
        redactor = Redactor()
        redactor.add(token, "token")
    except RunbookError:
        return _finding("token-echo", "inconclusive", "the token is too short or too plain to be searched for")
    places = set()
    for answer in answers:
        if _in(redactor, answer.body.decode("utf-8", "replace")):
            places.add("the body")
        for name, value in answer.headers:
            if _in(redactor, name):
                places.add("the name of a header")
            elif _in(redactor, f"{name}: {value}"):
                places.add(f"the header {one_line(name, 40)}")
    if places:
        return _finding("token-echo", "fail", f"repeated in {', '.join(sorted(places))}")
    return _finding("token-echo", "pass", "not in body or headers")


def _finding(name: str, verdict: str, reason: str) -> Finding:
    return Finding(name, _TITLES[name], verdict, reason)


def _verdict(status: int | None) -> tuple[str, str]:
    if status is None:
        return "inconclusive", "no answer came"
    if status in (404, 410):
        return "pass", f"answered {status}"
    if status in (408, 429) or status < 200:
        return "inconclusive", f"answered {status}: the endpoint did not judge the request"
    if 400 <= status < 500:
        return "warn", f"refused with {status}; 404 would not tell a stranger that something is here"
    return "fail", f"answered {status} where 404 was expected"


def _alphabet(text: str) -> tuple[str, float, str]:
    """Name ("" when it is none of the usual), bits a character at most, characters to make a similar token of."""
    for pattern, name, bits, characters in _ALPHABETS:
        if re.fullmatch(pattern, text):
            return name, bits, characters
    return "", 6.0, _ALPHABETS[-1][3]


def _patterned(text: str, bits: float) -> bool:
    """Repeats itself, counts up or down, or uses few of its characters."""
    if len(text) > 1 and text in (text + text)[1:-1]:
        return True
    steps = groupby(ord(after) - ord(before) for before, after in pairwise(text))
    if any(step in (-1, 0, 1) and sum(1 for _ in same) >= _RUN - 1 for step, same in steps):
        return True
    entropy = -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
    return entropy < _LEAST_ENTROPY * min(bits, math.log2(len(text)))


def _shares(one: str, other: str) -> bool:
    """The same beginning or end, or one within the other."""
    size = min(_SHARED, len(one), len(other))
    return one[:size] == other[:size] or one[-size:] == other[-size:] or one in other or other in one


def _in(redactor: Redactor, text: str) -> bool:
    return redactor.text(text) != text
