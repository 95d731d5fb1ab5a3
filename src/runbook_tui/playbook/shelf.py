"""Where the playbooks are, and what is on their covers. Light: `playbook list` has to answer at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from runbook_tui.foundation.clock import parse_duration
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.ids import check_name
from runbook_tui.foundation.places import shipped

# A plain scalar at the left margin: the form in which the shipped playbooks write their covers.
_COVER = re.compile(r"^(id|title|target): ([A-Za-z0-9][A-Za-z0-9 ,_-]*)$", re.MULTILINE)


class Cover(NamedTuple):
    """One playbook in a list. `target` is in seconds; 0 for a file with mistakes."""

    id: str
    title: str
    target: float
    file: str


def find_playbook(name: str, folders: list[Path]) -> Path:
    """A playbook by path or by id: own folders first, then the shipped ones."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return Path(name)
    check_name(name, "playbook")
    for folder in [*folders, shipped("playbooks")]:
        path = folder / f"{name}.yaml"
        if path.is_file():
            return path
    known = sorted(path.stem for path in list_playbooks(folders))
    import difflib

    close = difflib.get_close_matches(name, known, 1, 0.6)
    near = f"did you mean {close[0]}? " if close else ""
    raise RunbookError(f"there is no playbook {name!r}", f"{near}known: {', '.join(known)}; a file ends in .yaml")


def list_playbooks(folders: list[Path]) -> list[Path]:
    """Every playbook file; an own one hides a shipped one of the same name."""
    found: dict[str, Path] = {}
    for folder in [shipped("playbooks"), *reversed(folders)]:
        for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
            found[path.stem] = path
    return [found[name] for name in sorted(found)]


def cover(path: Path) -> Cover:
    """What a list says about a playbook; a file with mistakes says so."""
    if path.parent == shipped("playbooks"):
        # The tests load every shipped playbook: three lines of it can be read without loading YAML.
        found = dict(_COVER.findall(path.read_text(encoding="utf-8")))
        if len(found) == 3:
            return Cover(found["id"], found["title"], parse_duration(found["target"]), str(path))
    return _own_cover(path)


def _own_cover(path: Path) -> Cover:
    from runbook_tui.foundation import shape
    from runbook_tui.foundation.strict_yaml import load_file
    from runbook_tui.playbook.schema import SCHEMA

    try:
        document = load_file(path)
        if not shape.check(document, SCHEMA):
            data = document.data
            return Cover(data["id"], data["title"], parse_duration(data["target"]), str(path))
    except RunbookError:
        pass  # `runbook playbook check` lists each mistake
    return Cover(path.stem, "has mistakes: runbook playbook check", 0.0, str(path))
