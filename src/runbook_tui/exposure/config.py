"""The few facts a scan needs from a repository's configuration, read without git and without following includes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SECTION = re.compile(r'\s*\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]')
_ENTRY = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*))?$")


@dataclass(frozen=True, slots=True)
class Config:
    """What the configuration says about formats, partial clones and remotes."""

    object_format: str = "sha1"
    ref_storage: str = "files"
    bare: bool = False
    partial: bool = False
    #: Remote -> where its fetches write, e.g. `refs/remotes/origin/*`.
    remotes: dict[str, tuple[str, ...]] = field(default_factory=dict)


def parse_config(content: bytes) -> Config:
    """Read a git configuration; lines that make no sense are passed over, as git's own meaning is not at stake."""
    values = list(_entries(content.decode("utf-8", "surrogateescape")))
    last = {(section, name, key): value for section, name, key, value in values}
    remotes: dict[str, list[str]] = {}
    partial = bool(last.get(("extensions", "", "partialclone")))
    for section, name, key, value in values:
        if section != "remote" or not name:
            continue
        target = remotes.setdefault(name, [])
        if key == "fetch" and ":" in value and not value.startswith("^"):
            target.append(value.rpartition(":")[2])
        partial |= key == "promisor" and _true(value)
    return Config(
        object_format=last.get(("extensions", "", "objectformat"), "sha1").lower() or "sha1",
        ref_storage=last.get(("extensions", "", "refstorage"), "files").lower() or "files",
        bare=_true(last.get(("core", "", "bare"), "false")),
        partial=partial,
        remotes={name: tuple(targets) for name, targets in remotes.items()},
    )


def _true(value: str) -> bool:
    return value.lower() in ("true", "yes", "on", "1", "")


def _entries(text: str) -> list[tuple[str, str, str, str]]:
    """(section, subsection, key, value) of every entry; section and key in lower case."""
    found = []
    section, name = "", ""
    for line in re.sub(r"\\\r?\n", "", text).splitlines():
        header = _SECTION.match(line)
        if header:
            section, name = header[1].lower(), re.sub(r"\\(.)", r"\1", header[2] or "")
        entry = _ENTRY.match(line[header.end() :] if header else line)
        if entry and section:
            found.append((section, name, entry[1].lower(), _value(entry[2] or "")))
    return found


def _value(text: str) -> str:
    """A value without quotes and comment."""
    out = []
    quoted = escaped = False
    for char in text.strip():
        if escaped:
            out.append(char)
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char in "#;" and not quoted:
            break
        else:
            out.append(char)
    return "".join(out).strip()
