"""Promise: every mistake in a playbook is told with file:line:column and a hint, and none gets past the loader."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playbook_cases import GOOD, MISTAKES, broken

from runbook_tui.foundation import shape
from runbook_tui.foundation.errors import InputProblems, Problem
from runbook_tui.foundation.strict_yaml import load
from runbook_tui.playbook.lint import lint
from runbook_tui.playbook.loader import load_playbook
from runbook_tui.playbook.schema import SCHEMA
from runbook_tui.providers.catalogue import Catalogue


@pytest.fixture(scope="module")
def known() -> Catalogue:
    return Catalogue.load([])


def _problems(text: str, known: Catalogue) -> list[Problem]:
    try:
        document = load(text, "own.yaml")
    except InputProblems as error:
        return error.problems
    return shape.check(document, SCHEMA) or lint(document, known)


def test_the_good_one_is_good(known: Catalogue) -> None:
    """What every case below is a change of has no mistake and no warning."""
    assert _problems(GOOD, known) == []
    book = load_playbook(load(GOOD, "own.yaml"), known)
    assert [step.id for step in book] == ["declare", "capture", "decide", "create", "revoke"]
    assert book.target == 300


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told(name: str, known: Catalogue) -> None:
    """Each kind: what is wrong, where (on the line that was changed or its step), and what to do about it."""
    text = broken(name)
    problems = [one for one in _problems(text, known) if one.level == "error"]
    told = "\n".join(map(str, problems))
    assert MISTAKES[name][2] in told
    for one in problems:
        assert one.hint
        assert re.match(r"own\.yaml:[1-9]\d*:[1-9]\d*: error: [^\n]+\n  hint: [^\n]+$", str(one)), str(one)
        assert one.line <= text.count("\n") + 1
    with pytest.raises(InputProblems):
        load_playbook(load(text, "own.yaml"), known)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("unknown field", "confrim: typed"),
        ("duplicate key", "confirm: none"),
        ("unknown phase", "phase: contian"),
        ("unknown input", "on: $laeked"),
        ("unknown need", "declrae]"),
        ("two actions", "note: x"),
        ("wrong word of proof", "is: deceased"),
        ("alias", "*x"),
        ("tag", "!!python/name"),
        ("control character", "\x07"),
    ],
)
def test_the_place_is_exact(name: str, at: str, known: Catalogue) -> None:
    """Line and column of the mistake point at the key or the value that is wrong, not at the step it stands in."""
    text = broken(name)
    first = _problems(text, known)[0]
    assert text.split("\n")[first.line - 1][first.column - 1 :].startswith(at)


def test_every_mistake_at_once(known: Catalogue) -> None:
    """Mistakes of one kind do not hide each other: all of them are told, in file order."""
    text = GOOD.replace("phase: contain", "phase: contian").replace("confirm: typed", "confrim: typed")
    lines = [one.line for one in _problems(text, known)]
    assert len(lines) == 2
    assert lines == sorted(lines)


def test_a_missing_target_is_a_warning(known: Catalogue) -> None:
    """A step without a target time is worth a word, but runs."""
    text = GOOD.replace("    target: 30s\n", "")
    (one,) = _problems(text, known)
    assert (one.level, one.hint) == ("warning", "add `target: 45s`")
    assert load_playbook(load(text, "own.yaml"), known).step("capture").target is None


def test_a_rollout_may_be_proven_later(known: Catalogue) -> None:
    """Rolling out is proven by seeing the consumers use it, in the same step or a later one, or it is a mistake."""
    rollout = "  - {id: out, phase: roll_out, title: Out, rollout: {credential: $leaked, to: $users}, target: 9s}\n"
    seen = "  - {id: used, phase: prove, title: Used, verify: {consumers: $users, is: used, within: 9s}, target: 9s}\n"
    assert "proves nothing" in str(_problems(GOOD + rollout, known)[0])
    assert _problems(GOOD + rollout + seen, known) == []


def test_a_list_of_a_person_can_be_walked(known: Catalogue) -> None:
    """`for_each` takes a person's accounts and shared secrets, and an input with many values; nothing else."""
    step = (
        "  - {{id: gone, phase: contain, title: End $(each.account), needs: [capture], for_each: {0}, "
        "call: {{operation: offboard, on: $each}}, verify: {{account: $each, is: gone, within: 9s}}, target: 9s}}\n"
    )
    for good in ("$leaver.accounts", "$leaver.could_read", "$users"):
        assert _problems(GOOD + step.format(good), known) == []
    assert "is not a list" in str(_problems(GOOD + step.format("$leaver.name"), known)[0])


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "playbooks").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_shipped_playbook_has_no_mistake(path: Path, known: Catalogue) -> None:
    """Not even a warning."""
    assert _problems(path.read_text(encoding="utf-8"), known) == []
