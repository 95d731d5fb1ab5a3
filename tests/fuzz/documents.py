# ruff: noqa: E501, PT017 - a finding is an exception, wherever it is raised
"""Whole files: playbook, manifest, inventory, scheme, scenario. Loaded, or mistakes with their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from runbook_tui.drill import scenario
from runbook_tui.drill.schema import SCHEMA as SCENARIO
from runbook_tui.foundation import inventory, shape
from runbook_tui.foundation.errors import InputProblems
from runbook_tui.foundation.strict_yaml import Document, load
from runbook_tui.playbook.lint import lint
from runbook_tui.playbook.loader import load_playbook
from runbook_tui.playbook.schema import SCHEMA as PLAYBOOK
from runbook_tui.providers.loader import load_manifest
from runbook_tui.webhooks.reader import read_scheme

_ROOT = Path(__file__).parents[2]
SMALL = b"""\
runbook: 1
id: small
title: Small
target: 5m
inputs: {leaked: {type: credential, ask: Which?}, who: {type: person, ask: Who?, many: true}}
orders: {contain_first: [off]}
steps:
  - {id: see, phase: capture, title: See $$5 of $(leaked.name), call: {operation: inspect, on: $leaked}, record: [id]}
  - {id: off, phase: contain, title: Off, when: {any: [{path: leaked.name, eq: x}, {not: {path: steps.see.id, exists: true}}]},
     needs: [see], call: {operation: revoke, on: $leaked}, verify: {credential: $leaked.old, is: dead, within: 60s}}
  - {id: each, phase: close, title: Each, for_each: $who, manual: {do: [x], see: what}}
"""


def seeds() -> Iterator[bytes]:
    yield b"p" + SMALL
    yield (
        b"i" + b"inventory: 1\ncredentials: {k: {provider: p, origins: {api: 'https://a.example'}, consumers: [c]}}\n"
        b"consumers: {c: {kind: env-file, path: .env, variable: K, used: {health: 'https://a.example/h'}}}\n"
        b"people: {ada: {accounts: [{provider: github, account: ada}], could_read: [k]}}\nrepositories: [.]\n"
    )
    for kind, folder in ((b"m", "providers/catalog"), (b"s", "webhooks/schemes"), (b"d", "drill/scenarios")):
        for path in sorted((_ROOT / "src/runbook_tui" / folder).glob("*.yaml"))[:6]:
            yield kind + path.read_bytes()


def _scenario(document: Document) -> Any:
    problems = shape.check(document, SCENARIO) or list(scenario._lint(document))
    if problems:
        raise InputProblems(problems)
    return scenario._build(document)


def _playbook(document: Document) -> Any:
    if not shape.check(document, PLAYBOOK):
        lint(document)
    return load_playbook(document)


READERS: dict[bytes, Callable[[Document], Any]] = {
    b"p": _playbook,
    b"m": load_manifest,
    b"i": inventory.parse,
    b"s": lambda document: read_scheme(document, "fuzz"),
    b"d": _scenario,
}


def one(data: bytes) -> None:
    read = READERS.get(data[:1], _playbook)
    try:
        read(load(data[1:], "fuzz.yaml"))
    except InputProblems as error:
        assert error.problems
        assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)
