"""From a YAML file to a Playbook; every mistake with file:line:column and a hint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runbook_tui.foundation import shape
from runbook_tui.foundation.clock import parse_duration
from runbook_tui.foundation.errors import InputProblems
from runbook_tui.foundation.strict_yaml import Document, load, load_file
from runbook_tui.playbook.lint import Catalogue, lint
from runbook_tui.playbook.model import Field, Playbook, Step, Verify
from runbook_tui.playbook.schema import ACTIONS, SCHEMA


def load_playbook(document: Document, catalogue: Catalogue | None = None) -> Playbook:
    """The playbook in a loaded document; InputProblems with every error (warnings pass)."""
    problems = shape.check(document, SCHEMA)
    if not problems:
        problems = [problem for problem in lint(document, catalogue) if problem.level == "error"]
    if problems:
        raise InputProblems(problems)
    return _build(document)


def read_playbook(path: Path, catalogue: Catalogue | None = None) -> Playbook:
    """Load one file."""
    return load_playbook(load_file(path), catalogue)


def from_source(source: str, name: str) -> Playbook:
    """The playbook an incident was opened with, from the text in its journal."""
    return load_playbook(load(source, name))


def _build(document: Document) -> Playbook:
    data = document.data
    return Playbook(
        id=data["id"],
        title=data["title"],
        target=parse_duration(data["target"]),
        steps=tuple(_step(entry) for entry in data["steps"]),
        version=data.get("version", 1),
        summary=data.get("summary", ""),
        inputs=tuple(_field(name, entry) for name, entry in data.get("inputs", {}).items()),
        orders={order: tuple(steps) for order, steps in data.get("orders", {}).items()},
        references=tuple(data.get("references", ())),
        source=document.source.decode(),
    )


def _field(name: str, entry: dict[str, Any]) -> Field:
    return Field(
        name=name,
        ask=entry["ask"],
        type=entry.get("type", "choice" if "options" in entry else "text"),
        options=tuple(entry.get("options", ())),
        default=entry.get("default"),
        required=entry.get("required", True),
        many=entry.get("many", False),
    )


def _step(entry: dict[str, Any]) -> Step:
    action = next((name for name in ACTIONS if name in entry), "")
    spec = entry.get(action, {})
    fields = tuple(_field(name, part) for name, part in spec.items()) if action == "ask" else ()
    return Step(
        id=entry["id"],
        phase=entry["phase"],
        title=entry["title"],
        action=action,
        spec=spec if isinstance(spec, dict) else {"value": spec},
        why=entry.get("why", ""),
        expect=entry.get("expect", ""),
        when=entry.get("when"),
        needs=tuple(entry.get("needs", ())),
        for_each=entry.get("for_each", "").removeprefix("$"),
        record=tuple(entry.get("record", ())),
        store=entry.get("store", "").removeprefix("$").removesuffix(".new"),
        verify=_verify(entry["verify"]) if "verify" in entry else None,
        confirm=entry.get("confirm") == "typed",
        target=parse_duration(entry["target"]) if "target" in entry else None,
        undo=entry.get("undo", ""),
        fields=fields,
    )


def _verify(entry: dict[str, Any]) -> Verify:
    within, gate = parse_duration(entry["within"]), entry.get("gate", True)
    if "credential" in entry:
        slot, _, side = entry["credential"].removeprefix("$").partition(".")
        return Verify(entry["is"], within, slot=slot, side=side, gate=gate)
    target = entry.get("account") or entry["consumers"]
    return Verify(entry["is"], within, list_of=target.removeprefix("$"), gate=gate)
