"""Searches local log files for a URL token, by a keyed hash of each path segment.

The token is needed once, to make a `Needle`; from then on there is only its hash under a key that lives as long as the
search. A result holds numbers and the names of the files searched.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import secrets
import stat
import string
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path

from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.findings import Finding

_CHUNK = 1 << 20
_BYTES = 256 << 20  # of one file, decompressed
_LONGEST = 128  # a longer run of token characters is looked at at both ends only
_CHARACTERS = string.ascii_letters.encode() + b"0123456789._~-"  # of a path token: RFC 3986, unreserved
_TITLE = "No local log holds the URL token"


@dataclass(frozen=True)
class Needle:
    """A token's length, and its hash under a random key."""

    length: int
    digest: bytes = field(repr=False)
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, token: Secret) -> Needle:
        key = secrets.token_bytes(32)
        value = token.expose_bytes()
        return cls(len(value), _hash(value, key), key)

    def count(self, text: bytes) -> int:
        """How often the token stands in `text` as a path segment, or as a part of a run of a segment's characters."""
        letters = re.escape(_CHARACTERS)
        return sum(
            1
            for run in re.finditer(rb"(?<![%s])[%s]{%d,}" % (letters, letters, self.length), text)
            for piece in self._pieces(run.group())
            if _hash(piece, self.key) == self.digest
        )

    def _pieces(self, run: bytes) -> Iterator[bytes]:
        last = len(run) - self.length
        starts = range(last + 1) if len(run) <= _LONGEST else (0, last)
        return (run[start : start + self.length] for start in starts)


@dataclass(frozen=True)
class LogSearch:
    """`found`: file -> how often. `missed`: file -> why it was not searched, or not to its end."""

    found: dict[str, int]
    missed: dict[str, str]
    searched: int  # files


def search(paths: Sequence[Path], needle: Needle) -> LogSearch:
    """Search each file, `.gz` decompressed, for 256 MiB at most; what cannot be read is named and ends nothing."""
    result = LogSearch({}, {}, len(paths))
    for path in paths:
        try:
            times, whole = _in_file(path, needle)
        except (OSError, EOFError, zlib.error) as error:
            result.missed[str(path)] = getattr(error, "strerror", None) or "damaged"
            continue
        if times:
            result.found[str(path)] = times
        if not whole:
            result.missed[str(path)] = f"only its first {_BYTES >> 20} MiB were searched"
    return result


def finding(result: LogSearch) -> Finding:
    """The search as one finding; not applicable when no file was named."""
    missed = "".join(f"; {path}: {why}" for path, why in result.missed.items())
    if result.found:
        places = ", ".join(f"{times} in {path}" for path, times in result.found.items())
        return Finding("token-logs", _TITLE, "fail", f"it was found: {places}{missed}")
    if not result.searched:
        return Finding("token-logs", _TITLE, "not_applicable", "no log was named")
    if result.missed:
        return Finding("token-logs", _TITLE, "inconclusive", f"not found in what was searched{missed}")
    return Finding("token-logs", _TITLE, "pass", f"{result.searched} searched, as it stands in a path")


def _in_file(path: Path, needle: Needle) -> tuple[int, bool]:
    """(how often, whether the whole file was searched)."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "not a regular file")
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return _in_stream(file, needle)


def _in_stream(file: BufferedIOBase, needle: Needle) -> tuple[int, bool]:
    times, left, rest = 0, _BYTES, b""
    while left > 0:
        data = file.read(min(_CHUNK, left))
        if not data:
            return times + needle.count(rest), True
        left -= len(data)
        text = rest + data
        end = len(text.rstrip(_CHARACTERS))
        if len(text) - end > _LONGEST:  # of a long run the ends count, and this may be the last but one piece of it
            times += needle.count(text)
            rest = text[1 - needle.length :] if needle.length > 1 else b""
            continue
        times += needle.count(text[:end])
        rest = text[end:]
    return times + needle.count(rest), not file.read(1)


def _hash(value: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=16, key=key).digest()
