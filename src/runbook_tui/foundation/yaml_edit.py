"""Adds or changes one entry of a YAML file and leaves the rest of its text, comments included, as it was."""

from __future__ import annotations

from typing import Any

import yaml

from runbook_tui.foundation.errors import InputProblems
from runbook_tui.foundation.strict_yaml import Document, Path_, load


def set_fields(document: Document, section: str, entry: str, fields: dict[str, Any]) -> tuple[str, bool]:
    """The text with `fields` set in `section: entry:`, and whether comments and layout were kept.

    The edit is done on the lines and then checked by loading; when the layout is one this does not understand (flow
    style, say), the whole file is written anew and the comments are lost.
    """
    data = document.data if isinstance(document.data, dict) else {}
    old = (data.get(section) or {}).get(entry) or {}
    wanted = {**data, section: {**(data.get(section) or {}), entry: {**old, **fields}}}
    text = document.source.decode("utf-8")
    edited = _edited(document, text, section, entry, fields)
    try:
        if load(edited).data == wanted:
            return edited, True
    except InputProblems:
        pass  # not a layout that line editing understands: written anew below
    return _dump(wanted), False


def _dump(data: Any) -> str:
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1_000_000)
    return text


def _edited(document: Document, text: str, section: str, entry: str, fields: dict[str, Any]) -> str:
    lines = text.splitlines()
    places = document.places
    if (section,) not in places:
        return "\n".join([*lines, *_dump({section: {entry: fields}}).splitlines()]) + "\n"
    if (section, entry) not in places:
        siblings = [column for path, (_, column) in places.items() if len(path) == 2 and path[0] == section]
        at = _end(document, lines, (section,))
        lines[at:at] = _indented({entry: fields}, min(siblings, default=3) - 1)
        return "\n".join(lines) + "\n"
    inner = [column for path, (_, column) in places.items() if len(path) == 3 and path[:2] == (section, entry)]
    indent = min(inner, default=places[(section, entry)][1] + 2) - 1
    present = [name for name in fields if (section, entry, name) in places]
    # From the bottom up, so that the line numbers of what stands above stay right.
    for name in sorted(present, key=lambda name: places[(section, entry, name)], reverse=True):
        first = places[(section, entry, name)][0] - 1
        lines[first : _end(document, lines, (section, entry, name))] = _indented({name: fields[name]}, indent)
    added = {name: value for name, value in fields.items() if name not in present}
    if added:
        at = places[(section, entry)][0]
        lines[at:at] = _indented(added, indent)
    return "\n".join(lines) + "\n"


def _indented(data: dict[str, Any], columns: int) -> list[str]:
    return [" " * columns + line for line in _dump(data).splitlines()]


def _end(document: Document, lines: list[str], path: Path_) -> int:
    """The index of the line after the last one that belongs to `path`: comments and blank lines below stay out."""
    first, column = document.places[path]
    at = first
    last = first
    while at < len(lines):
        line = lines[at]
        if line.strip() and not line.lstrip().startswith("#"):
            inside = len(line) - len(line.lstrip()) >= column or line.lstrip().startswith("- ")
            if not inside or (line.lstrip().startswith("- ") and len(line) - len(line.lstrip()) < column - 1):
                break
            last = at + 1
        at += 1
    return last
