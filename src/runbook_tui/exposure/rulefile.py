"""Rules as data: YAML files of patterns for credentials, ours and the user's; every mistake with file:line:column.

Examples in these files are written with counts, such as `xoxb-<digit:11>-<mix:24>`, so that neither the paste guard nor
another scanner takes the file itself for a leak; `<>` is nothing, and parts what they would know. See `spell_out`.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook_tui.foundation import shape
from runbook_tui.foundation.errors import InputProblems, Problem, RunbookError
from runbook_tui.foundation.places import shipped
from runbook_tui.foundation.strict_yaml import Document, load_file
from runbook_tui.secrets.shapes import BITS, known_shapes

Check = Callable[["Rule", bytes], bool]  # whether the rule finds something in the text

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT, "minItems": 1}
_BYTES = {"type": "integer", "minimum": 6, "maximum": 16384, "description": "bytes, from 6 to 16384"}
_BITS = {"type": "number", "minimum": 0, "maximum": 6, "description": "bits a character, such as 3.5"}
_RULE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": r"^[a-z0-9][a-z0-9-]{0,59}$", "description": "such as acme-api-key"},
        "title": {**_TEXT, "description": "what it finds, with its article: an Acme API key"},
        "provider": {**_TEXT, "description": "the id of a provider manifest; left out where there is none"},
        "pattern": {**_TEXT, "description": "RE2; one capturing group marks the secret, without one it is all of it"},
        "shape": {**_TEXT, "description": "instead of a pattern: the id of a shape that the paste guard knows"},
        "prefixes": {**_TEXTS, "description": "public beginnings of the value, shown in its mask"},
        "near": {**_TEXTS, "description": "words of which one has to stand near the match"},
        "unless": {**_TEXTS, "description": "texts before the secret that say it is something else"},
        "shortest": {**_BYTES, "description": "bytes the secret has at least; 8 unless told"},
        "longest": {**_BYTES, "description": "bytes the whole match has at most; 256 unless told"},
        "entropy": {**_BITS, "description": "bits a character; the value then also needs a digit among its letters"},
        "words": {**_TEXTS, "description": "texts that only a placeholder holds"},
        "source": {**_TEXT, "description": "the vendor's page about the format"},
        "checked_on": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", "description": "such as 2026-11-22"},
        "examples": {**_TEXTS, "description": "texts it finds, such as acme_<mix:32>"},
        "counterexamples": {**_TEXTS, "description": "texts it leaves alone"},
    },
    "required": ["id", "title", "source", "examples", "counterexamples"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"rules": {"type": "array", "items": _RULE, "minItems": 1}},
    "required": ["rules"],
    "additionalProperties": False,
}

_B62 = string.ascii_letters + string.digits
ALPHABETS = {
    "digit": string.digits,
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "lower": string.ascii_lowercase + string.digits,
    "upper": string.ascii_uppercase + string.digits,
    "b32": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "mix": _B62,
    "url": _B62 + "-_",
    "b64": _B62 + "+/",
}
_COUNT = re.compile(r"<(" + "|".join(ALPHABETS) + r"):(\d{1,4})>")


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of credential and how a text shows it. `entropy` 0: only what is hardly random at all is left out."""

    id: str
    title: str
    pattern: str  # RE2; group 1 is the secret
    provider: str = ""
    prefixes: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    shortest: int = 8
    longest: int = 256
    entropy: float = 0.0
    words: tuple[str, ...] = ()
    source: str = ""
    checked_on: str = ""
    examples: tuple[str, ...] = field(default=(), repr=False)
    counterexamples: tuple[str, ...] = field(default=(), repr=False)


def from_format(provider: str, title: str, pattern: str, prefixes: tuple[str, ...], source: str) -> Rule:
    """The rule that a provider's manifest makes: its pattern is that of the whole value."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    # A pattern with a dot is also that of a name in a program.
    entropy = BITS if r"\." in pattern else 0.0
    whole = re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)  # its groups only group: all of it is the secret
    return Rule(f"manifest-{slug}", f"a {title}", _token(whole), provider, prefixes, entropy=entropy, source=source)


def shipped_rules() -> list[Rule]:
    """The rules that come with the program."""
    return [rule for path in sorted(shipped("exposure", "rules").glob("*.yaml")) for rule in _build(load_file(path))]


def read_rules(paths: Iterable[Path], providers: Collection[str], finds: Check) -> list[Rule]:
    """A user's rule files; InputProblems with every mistake of all of them, an example that does not fit included.

    `providers` are the manifests' ids; `finds` tries a rule on a text.
    """
    problems: list[Problem] = []
    rules: list[Rule] = []
    waiting = list(paths)
    seen = {rule.id for rule in shipped_rules()} if waiting else set()
    for path in waiting:
        try:
            document = load_file(path)
        except InputProblems as error:
            problems += error.problems
            continue
        wrong = check(document, providers, seen)
        found = [] if wrong else _build(document)
        problems += wrong or _examples(document, found, finds)
        rules += found
    if problems:
        raise InputProblems(problems)
    return rules


def known_rules(
    paths: Iterable[Path], providers: Collection[str], formats: Iterable[tuple[Any, ...]], finds: Check
) -> list[Rule]:
    """The most specific first: those of `paths`, those of the manifests' formats, the shipped ones.

    Arguments and errors as those of `read_rules`; a format is what `from_format` takes.
    """
    own = read_rules(paths, providers, finds)
    return [*own, *(from_format(*one) for one in formats), *shipped_rules()]


def rule_files(folder: Path) -> list[Path]:
    """The rule files of a workspace's `rules/` folder, by name."""
    return sorted(folder.glob("*.yaml")) if folder.is_dir() else []


def check(document: Document, providers: Collection[str], seen: set[str]) -> list[Problem]:
    """Every mistake of one file, in its order. `seen` takes in the ids."""
    problems = shape.check(document, SCHEMA)
    return problems or [
        problem
        for index, entry in enumerate(document.data["rules"])
        for problem in _mistakes(document, index, entry, providers, seen)
    ]


def _mistakes(
    document: Document, index: int, entry: dict[str, Any], providers: Collection[str], seen: set[str]
) -> Iterator[Problem]:
    place: tuple[str | int, ...] = ("rules", index)
    if entry["id"] in seen:
        yield document.problem((*place, "id"), f"there is a rule {entry['id']!r} already", "give it a name of its own")
    seen.add(entry["id"])
    if (provider := entry.get("provider")) and provider not in providers:
        known = ", ".join(sorted(providers))
        yield document.problem((*place, "provider"), f"there is no provider {provider!r}", f"known: {known}")
    if ("pattern" in entry) == ("shape" in entry):
        yield document.problem(place, "a rule needs either `pattern` or `shape`")
        return
    if "shape" in entry and entry["shape"] not in known_shapes():
        known = ", ".join(known_shapes())
        yield document.problem((*place, "shape"), f"there is no shape {entry['shape']!r}", f"known: {known}")
    if why := pattern_mistake(entry.get("pattern", "x")):
        yield document.problem((*place, "pattern"), why, "RE2 syntax: no look-around and no back-references")
    if entry.get("shortest", 8) > entry.get("longest", 256):
        yield document.problem((*place, "shortest"), "`shortest` is more than `longest`", "raise `longest`")


def pattern_mistake(pattern: str) -> str:
    """Why this cannot be a rule's pattern; empty when it can."""
    import re2

    options = re2.Options()
    options.log_errors = False  # it would print the foreign pattern
    options.encoding = re2.Options.Encoding.LATIN1
    try:
        compiled = re2.compile(pattern.encode(), options)
    except re2.error as error:
        return f"not a regular expression: {error}"
    if compiled.groups > 1:
        return "more than one capturing group: only one part is the secret"
    if compiled.search(b"") is not None:
        return "it matches an empty text"
    return ""


def marked(pattern: str) -> str:
    """The pattern with the secret in group 1. A whole token starts where a word does, or behind an escape."""
    if "(" not in pattern.replace("(?:", ""):
        return _token(pattern)
    import re2

    return pattern if re2.compile(pattern).groups else _token(pattern)


def _token(pattern: str) -> str:
    return rf"(?:\b|\\[nrt]|%[0-9A-Fa-f]{{2}})({pattern})"


def _build(document: Document) -> list[Rule]:
    return [_rule(entry) for entry in document.data["rules"]]


def _rule(entry: dict[str, Any]) -> Rule:
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    if found := known_shapes().get(given.pop("shape", "")):
        given["pattern"] = found.pattern
        given.setdefault("entropy", BITS if found.random else 0.0)
    given["pattern"] = marked(given["pattern"])
    return Rule(**given)


def _examples(document: Document, rules: list[Rule], finds: Check) -> Iterator[Problem]:
    for index, rule in enumerate(rules):
        for key, wanted in (("examples", True), ("counterexamples", False)):
            for position, text in enumerate(getattr(rule, key)):
                if finds(rule, spell_out(text).encode()) != wanted:
                    what = "is not found by the rule" if wanted else "is found by the rule"
                    place = ("rules", index, key, position)
                    yield document.problem(place, f"this text {what}", "change the pattern, the limits or the text")


def spell_out(text: str) -> str:
    """`tok_<mix:20>` with twenty made-up characters: always the same for the same text. `<>` is nothing."""
    luck = random.Random(text)  # noqa: S311 - not a secret, made up on purpose

    def letters(found: re.Match[str]) -> str:
        count = int(found[2])
        if count > 5000:
            raise RunbookError(f"{found[0]} is too long", "at most 5000 characters")
        return "".join(luck.choice(ALPHABETS[found[1]]) for _ in range(count))

    return _COUNT.sub(letters, text).replace("<>", "")
