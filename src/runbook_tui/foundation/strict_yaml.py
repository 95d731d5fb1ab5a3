"""YAML without surprises: one way to write each thing, and a place for every mistake.

Built on PyYAML's events, so nothing is ever expanded. Refused with file:line:column: duplicate keys, anchors and
aliases, merge keys, tags, several documents, control and direction characters, files above 256 KiB, nesting above 20.
Scalars follow the YAML 1.2 core schema: `on`, `no` and `12:30` are strings; `true`, `3`, `1.5` and `null` are not.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runbook_tui.foundation.errors import InputProblems, Problem, RunbookError
from runbook_tui.foundation.text import one_line

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_NODES = 50_000
_HIDING = "control and direction characters hide text"
_YAML_HINT = "check the quotes, brackets and spaces on this line and the one before"

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)?\.[0-9]+([eE][-+]?[0-9]+)?")  # `010` and `1e5` stay text: ids look like that
# Control characters, what turns or hides text, and the rarer line ends: a terminal, an editor and we would each see
# other lines. Looked for twice, since a quoted scalar can write any of them as an escape.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)

Path_ = tuple[str | int, ...]


@dataclass
class Document:
    """A loaded file: plain data, and where each part of it stands.

    `places` maps a path such as `("steps", 2, "call")` to `(line, column)` counted from 1. The place of a mapping's
    key is under its path; a missing path falls back to its nearest parent.
    """

    file: str
    data: Any
    places: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    source: bytes = b""

    def problem(self, path: Path_, message: str, hint: str = "", level: str = "error") -> Problem:
        while path and path not in self.places:
            path = path[:-1]
        line, column = self.places.get(path, (1, 1))
        return Problem(self.file, line, column, message, hint, level)


def load_file(path: Path) -> Document:
    """Load one file; RunbookError when it cannot be read, InputProblems when it is not acceptable."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        shown = one_line(str(path))
        raise RunbookError(f"cannot read {shown}: {error.strerror}", "check the path and its permissions") from None
    return load(content, str(path))


def load(content: bytes | str, file: str = "<text>") -> Document:
    """Load YAML text; the result's data is made of dict, list, str, int, float, bool and None."""
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(raw) > MAX_BYTES:
        raise InputProblems([Problem(file, 1, 1, "the file is larger than 256 KiB", "split it")])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputProblems([Problem(file, line, 1, "the file is not UTF-8 text", "save it as UTF-8")]) from None
    found = _FORBIDDEN.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        message = f"the character U+{ord(found.group()):04X} is not allowed here"
        raise InputProblems([Problem(file, line, column, message, _HIDING)])
    return _Builder(file, raw, text).build()


class _Builder:
    """Turns parser events into data, refusing what the module's description lists."""

    def __init__(self, file: str, raw: bytes, text: str) -> None:
        self.document = Document(file, None, {}, raw)
        self.events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.nodes = 0

    def build(self) -> Document:
        try:
            self._expect(yaml.StreamStartEvent)
            event = self._next()
            if isinstance(event, yaml.StreamEndEvent):
                raise self._refuse(event, "the file is empty", "write `name: value` lines")
            self.document.data = self._node(self._next(), (), 0)
            self._expect(yaml.DocumentEndEvent)
            event = self._next()
            if not isinstance(event, yaml.StreamEndEvent):
                raise self._refuse(event, "only one document is allowed in a file", "remove the second `---`")
        except yaml.YAMLError as error:
            mark: Any = getattr(error, "problem_mark", None)
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            what = getattr(error, "problem", None) or "the text is not YAML"
            raise InputProblems(
                [Problem(self.document.file, line, column, f"not valid YAML: {what}", _YAML_HINT)]
            ) from None
        return self.document

    def _next(self) -> Any:
        return next(self.events)

    def _expect(self, kind: type) -> None:
        event = self._next()
        if not isinstance(event, kind):
            raise self._refuse(event, "the file is empty", "write `name: value` lines")

    def _refuse(self, event: Any, message: str, hint: str = "") -> InputProblems:
        mark = event.start_mark
        return InputProblems([Problem(self.document.file, mark.line + 1, mark.column + 1, message, hint)])

    def _node(self, event: Any, path: Path_, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self._refuse(event, f"more than {MAX_NODES} values in one file", "split it")
        if depth > MAX_DEPTH:
            raise self._refuse(event, f"nested deeper than {MAX_DEPTH} levels", "write it flatter")
        if isinstance(event, yaml.AliasEvent):
            raise self._refuse(event, "aliases (`*name`) are not allowed", "write the value out")
        if event.anchor is not None:
            raise self._refuse(event, "anchors (`&name`) are not allowed", "write the value out")
        if event.tag is not None and event.tag != "!":
            shown = one_line(event.tag, 60)
            raise self._refuse(event, f"the tag {shown} is not allowed", "use plain strings and numbers")
        mark: Any = event.start_mark
        self.document.places.setdefault(path, (mark.line + 1, mark.column + 1))
        if isinstance(event, yaml.ScalarEvent):
            self._check_text(event)
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, depth)
        return self._mapping(path, depth)

    def _check_text(self, event: Any) -> None:
        found = _FORBIDDEN.search(event.value)
        if found:
            raise self._refuse(event, f"the character U+{ord(found.group()):04X} is not allowed here", _HIDING)

    def _sequence(self, path: Path_, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items)), depth + 1))
        return items

    def _mapping(self, path: Path_, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag not in (None, "!"):
                raise self._refuse(event, "a key must be plain text", "write `name: value`")
            self._check_text(event)
            key = event.value
            if key == "<<":
                raise self._refuse(event, "merge keys (`<<`) are not allowed", "write the entries out")
            if key in entries:
                raise self._refuse(event, f"the key {key!r} stands here twice", "remove one of them")
            mark: Any = event.start_mark
            self.document.places[(*path, key)] = (mark.line + 1, mark.column + 1)
            entries[key] = self._node(self._next(), (*path, key), depth + 1)
        return entries


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.style or event.tag == "!":  # quoted or block style
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INTEGER.fullmatch(text):
        # A number too long for anybody's id arithmetic stays text (and keeps int() cheap).
        return int(text) if len(text) <= 18 else text
    if _FLOAT.fullmatch(text) and len(text) <= 40:
        number = float(text)
        return number if math.isfinite(number) else text  # 1.0e999 is no number that anything here can count with
    return text
