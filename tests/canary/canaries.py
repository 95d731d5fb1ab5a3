"""The canaries: made-up secrets that stand nowhere else, and every form in which a piece of one could be written down.

Written without a look at the product's own redaction, so that both cannot be wrong in the same way.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import shlex
import urllib.parse
from collections.abc import Iterator

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
PIECE = 12  # characters of a value that nothing may show next to each other


def _made(seed: str, count: int) -> str:
    stream = b"".join(hashlib.sha256(f"{seed}:{n}".encode()).digest() for n in range(count // 32 + 1))
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in stream[:count])


def _pem() -> str:
    lines = [base64.b64encode(hashlib.sha384(f"pem{n}".encode()).digest()).decode() for n in range(6)]
    return "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"])


CANARIES = {
    "old": "acme_live_" + _made("old", 32),
    "new": "acme_live_" + _made("new", 32),
    "admin": "acme_live_" + _made("admin", 32),
    "pasted": "acme_live_" + _made("pasted", 32),
    "byhand": "acme_live_" + _made("byhand", 32),
    "passphrase": f"{_made('pass', 9)} horse {_made('phrase', 9)} battery",
    "hook": "whsec_" + base64.b64encode(hashlib.sha256(b"hook").digest()).decode(),
    "odd": f"acme_live_{_made('odd', 5)}\"&<'{_made('odder', 5)}>%+/\\${_made('oddest', 5)}`!#;={_made('end', 6)}",
    "pem": _pem(),
    "long": "acme_live_" + _made("long", 230),
}
PUBLIC = ("acme_live_", "whsec_")  # prefixes that a mask may show


def bodies(value: str) -> list[str]:
    """What is secret of a value: without its public prefix, without PEM's first and last line, line by line."""
    text = next((value[len(prefix) :] for prefix in PUBLIC if value.startswith(prefix)), value)
    return [line for line in text.split("\n") if not line.startswith("-----")]


def forms(body: str) -> Iterator[tuple[str, bytes, int]]:
    """(name, the body in that form, how many characters of it make a find)."""
    raw = body.encode()
    yield "raw", raw, PIECE
    yield "reversed", raw[::-1], PIECE
    yield "hex", raw.hex().encode(), 2 * PIECE
    yield "HEX", raw.hex().upper().encode(), 2 * PIECE
    yield "hex with colons", raw.hex(":").encode(), 3 * PIECE - 1
    yield "percent, every byte", "".join(f"%{byte:02X}" for byte in raw).encode(), 3 * PIECE
    yield "percent, every byte, lower case", "".join(f"%{byte:02x}" for byte in raw).encode(), 3 * PIECE
    yield "UTF-16", body.encode("utf-16-le"), 2 * PIECE
    once = json.dumps(body)[1:-1]
    escaped = {
        "percent": urllib.parse.quote(body, safe=""),
        "percent, lower case": _lowered(urllib.parse.quote(body, safe="")),
        "percent, form": urllib.parse.quote_plus(body),
        "percent, path": urllib.parse.quote(body),
        "JSON": once,
        "JSON twice": json.dumps(once)[1:-1],
        "HTML": html.escape(body),
        "HTML, decimal": html.escape(body).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        "repr": repr(body)[1:-1],
        "bytes repr": repr(raw)[2:-1],
        "shell": shlex.quote(body),
        "env file": "'" + body.replace("'", "'\\''") + "'",
    }
    for name, text in escaped.items():
        if text != body:
            yield name, text.encode(), PIECE
    for shift in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            coded = encode(b"\0" * shift + raw)
            first, last = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6  # what depends on the body alone
            yield f"{name} at {shift}", coded[first:last], 16


def _lowered(text: str) -> str:
    first, *rest = text.split("%")
    return first + "".join(f"%{part[:2].lower()}{part[2:]}" for part in rest)


def pieces() -> dict[bytes, tuple[str, str]]:
    """Every piece that makes a find -> (canary, form). Raw and reversed: any 12 neighbours; else every fourth place."""
    found: dict[bytes, tuple[str, str]] = {}
    for name, value in CANARIES.items():
        for body in bodies(value):
            for form, text, least in forms(body):
                step = 1 if least == PIECE else 4
                places = [*range(0, len(text) - least, step), len(text) - least] if len(text) >= least else []
                for at in places:
                    found.setdefault(text[at : at + least], (name, form))
    return found
