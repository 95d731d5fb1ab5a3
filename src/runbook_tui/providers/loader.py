"""From a YAML file to a Manifest; every mistake with file:line:column and a hint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runbook_tui.foundation import shape
from runbook_tui.foundation.clock import parse_duration
from runbook_tui.foundation.errors import InputProblems, Problem
from runbook_tui.foundation.strict_yaml import Document, load_file
from runbook_tui.providers.lint import lint
from runbook_tui.providers.manifest import (
    Argument,
    Attribute,
    Auth,
    Derived,
    Effect,
    Expect,
    Kind,
    Manifest,
    Manual,
    Match,
    New,
    Operation,
    OriginRule,
    Paginate,
    RateLimit,
    RequestTemplate,
    VerdictRule,
)
from runbook_tui.providers.schema import SCHEMA


def check(document: Document) -> list[Problem]:
    """Every mistake in a loaded document, in file order."""
    return shape.check(document, SCHEMA) or lint(document)


def load_manifest(document: Document) -> Manifest:
    """The manifest in a loaded document; InputProblems with every mistake."""
    problems = check(document)
    if problems:
        raise InputProblems(problems)
    return _build(document.data, document.file)


def read_manifest(path: Path) -> Manifest:
    """Load one file."""
    return load_manifest(load_file(path))


def _build(data: dict[str, Any], file: str) -> Manifest:
    credential = data["credential"]
    return Manifest(
        id=data["id"],
        name=data["name"],
        overlap=data["overlap"],
        origins={name: OriginRule(**entry) for name, entry in data["origins"].items()},
        operations={name: _operation(name, entry) for name, entry in data["operations"].items()},
        auth={name: Auth(**entry) for name, entry in data["auth"].items()},
        identities=dict(data["identities"]),
        credential_name=credential["name"],
        source=data["source"],
        checked_on=data["checked_on"],
        kinds=tuple(
            Kind(entry["id"], tuple(entry.get("prefixes", ())), entry.get("pattern", ""))
            for entry in credential.get("kinds", ())
        ),
        key_id=credential.get("key_id", ""),
        attributes={name: Attribute(**entry) for name, entry in credential.get("attributes", {}).items()},
        longest_overlap=_seconds(data, "longest_overlap"),
        headers=dict(data.get("headers", {})),
        rate_limit=RateLimit(**data.get("rate_limit", {})),
        error=data.get("error", ""),
        no_proof=data.get("no_proof", ""),
        derived=tuple(Derived(**entry) for entry in data.get("derived", ())),
        admin_from=tuple(data.get("admin_from", ())),
        docs=data.get("docs", ""),
        notes=tuple(data.get("notes", ())),
        file=file,
    )


def _operation(name: str, entry: dict[str, Any]) -> Operation:
    already = entry.get("already_done")
    manual = entry.get("manual")
    paginate = entry.get("paginate")
    return Operation(
        id=name,
        title=entry["title"],
        kind=entry.get("kind", "once" if manual else "read"),
        identity=entry.get("as", "credential"),
        request=_request(entry["request"]) if "request" in entry else None,
        manual=Manual(**{**manual, "steps": tuple(manual["steps"])}) if manual else None,
        args={key: Argument(**part) for key, part in entry.get("args", {}).items()},
        expect=_expect(entry.get("expect", {"status": [200]})),
        already_done=_expect(already) if already else None,
        verdict=tuple(_rule(part) for part in entry.get("verdict", ())),
        answer=entry.get("answer", "json"),
        items=entry.get("items", ""),
        match=tuple(Match(part["field"], part.get("equals", ""), "redacts" in part) for part in entry.get("match", ())),
        outputs=dict(entry.get("outputs", {})),
        learn=dict(entry.get("learn", {})),
        new=New(**entry["new"]) if "new" in entry else None,
        paginate=_paginate(paginate) if paginate else None,
        also=tuple(entry.get("also", ())),
        effects=tuple(Effect(verb, target) for verb, target in entry.get("effect", {}).items()),
        undo=entry.get("undo", ""),
        idempotency=entry.get("idempotency", ""),
        settle=_seconds(entry, "settle"),
        min_interval=_seconds(entry, "min_interval"),
        per=entry.get("per", ""),
        note=entry.get("note", ""),
        unproven=entry.get("unproven", ""),
    )


def _request(entry: dict[str, Any]) -> RequestTemplate:
    return RequestTemplate(**entry)


def _expect(entry: dict[str, Any]) -> Expect:
    return Expect(tuple(entry["status"]), entry.get("when"))


def _rule(entry: dict[str, Any]) -> VerdictRule:
    return VerdictRule(
        entry["is"],
        entry.get("proof", "none"),
        tuple(entry.get("status", ())),
        entry.get("when"),
        entry.get("reason", ""),
    )


def _paginate(entry: dict[str, Any]) -> Paginate:
    return Paginate(
        style=entry["style"],
        send=entry.get("send", ""),
        place=entry.get("in", "query"),
        source=entry.get("from", ""),
        more=entry.get("more", ""),
        most=entry.get("most", 20),
    )


def _seconds(entry: dict[str, Any], key: str) -> float:
    return parse_duration(entry[key]) if key in entry else 0.0
