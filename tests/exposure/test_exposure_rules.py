"""Rules find what their examples show and nothing else, with and without hyperscan, and mistakes in files are told."""

from __future__ import annotations

import random
import string
from pathlib import Path

import pytest

from runbook_tui.exposure import ruleset
from runbook_tui.exposure.placeholders import placeholder, plausible
from runbook_tui.exposure.rulecache import RuleCache
from runbook_tui.exposure.rulefile import (
    Rule,
    check,
    from_format,
    marked,
    pattern_mistake,
    read_rules,
    shipped_rules,
    spell_out,
)
from runbook_tui.exposure.ruleset import RuleSet, finds
from runbook_tui.foundation.errors import InputProblems
from runbook_tui.foundation.places import shipped
from runbook_tui.foundation.strict_yaml import load_file
from runbook_tui.providers.catalogue import Catalogue

CATALOGUE = Catalogue.load()
SHIPPED = shipped_rules()
RULES = [*(from_format(*one) for one in CATALOGUE.formats()), *SHIPPED]
FAST, PURE = RuleSet(RULES), RuleSet(RULES, fast=False)
MANIFEST_EXAMPLES = [
    *("ghp_<mix:36>", "gho_<mix:36>", "ghu_<mix:36>", "ghs_<mix:36>", "ghr_<mix:76>", "github_pat_<mix:22>_<mix:59>"),
    *("sk_live_<mix:24>", "rk_live_<mix:24>", "sk_org_<mix:24>", "whsec_<mix:32>"),
    *("sk-proj-<url:40>", "sk-svcacct-<url:40>", "sk-admin-<url:40>"),
]


def places(rules: RuleSet, text: bytes) -> list[tuple[str, int, int]]:
    return [(match.rule.id, match.start, match.end) for match in rules.find(text)]


def test_the_shipped_rules_have_no_mistake() -> None:
    """Promise: every shipped rule file fits the schema, its ids are unique and its providers are in the catalogue."""
    seen: set[str] = set()
    for path in shipped("exposure", "rules").glob("*.yaml"):
        assert check(load_file(path), CATALOGUE.ids(), seen) == []
    assert len(seen) == len(SHIPPED) > 120
    assert [rule.id for rule in RULES if pattern_mistake(rule.pattern)] == []


@pytest.mark.parametrize("rule", SHIPPED, ids=lambda rule: rule.id)
def test_examples(rule: Rule) -> None:
    """Promise: each rule finds its examples wherever they stand, and leaves its counter-examples."""
    for text in map(spell_out, rule.examples):
        for around in (text, f"x = '{text}'\n", f"a\n{text}\nb", "z" * 9000 + f" {text} " + "z" * 9000):
            assert finds(rule, around.encode()), text
            assert FAST.suspicious(around.encode())
        assert places(FAST, text.encode())
    assert [text for text in rule.counterexamples if finds(rule, spell_out(text).encode())] == []


@pytest.mark.parametrize("text", MANIFEST_EXAMPLES)
def test_the_formats_of_the_manifests_are_rules(text: str) -> None:
    """Promise: what a provider's manifest says about its values is looked for, and carries the provider's id."""
    (match,) = FAST.find(f"KEY={spell_out(text)}\n".encode())
    assert match.rule.provider in CATALOGUE.ids()
    assert match.value == spell_out(text).encode()


def test_without_hyperscan_the_findings_are_the_same() -> None:
    """Promise: RE2 alone finds exactly what hyperscan and RE2 find together."""
    luck = random.Random(5)
    examples = [spell_out(text) for rule in SHIPPED for text in (*rule.examples, *rule.counterexamples)]
    for _ in range(60):
        parts = luck.choices(examples, k=12)
        text = "".join(part + luck.choice(["\n", " ", '"', "'\n", "\\n", ";", "x"]) for part in parts).encode()
        assert places(FAST, text) == places(PURE, text)


def test_random_text_has_no_finding() -> None:
    """Promise: a megabyte of random letters, digits and signs, of words and of bytes is no credential."""
    luck = random.Random(7)
    signs = (string.ascii_letters + string.digits + "+/_-=.:,;\"' \n").encode()
    words = [b"token", b"secret", b"the", b"of", b"key", b"client", b"value_1", b"=", b":", b"\n", b"config", b"x2"]
    for text in (
        bytes(luck.choices(signs, k=1_000_000)),
        luck.randbytes(1_000_000),
        b" ".join(luck.choices(words, k=150_000)),
    ):
        assert places(FAST, text) == []


def test_hostile_text_is_read_in_linear_time() -> None:
    """Promise: texts made of beginnings of credentials do not hold the search up (the suite's limit is the bound)."""
    starts = ("-----BEGIN PRIVATE KEY-----\n", "eyJ-", "eyJhbGciOiJIUzI1NiJ9.", "api_key=", "x://a:")
    for piece in (*starts, "AKIAABCDEFGHIJKLMNOP "):
        FAST.find((piece * (200_000 // len(piece))).encode())


@pytest.mark.parametrize(
    "value",
    [
        *(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", b"changeme12345", b"${API_KEY}", b"<your token>"),
        *(
            b"{{ token }}",
            b"aaaaaaaaaaaaaaaaaaaa",
            b"abcdefghijklmnopqrst",
            b"01234567890123456789",
            b"XXXXXXXXXXXXXXXX",
        ),
        b"$PASSWORD",
        *(b"deadbeefdeadbeef1234", b"ghp_abc1abc1abc1abc1abc1", b"9876543210987654", b"a1b2a1b2a1b2a1b2a1b2", b"***"),
        b"sk_test_" + b"4eC39HqLyjWDarjtT1zdp7dc",  # of the vendor's documentation
    ],
)
def test_placeholders(value: bytes) -> None:
    """Promise: samples, templates, sequences, repetitions and published test keys are no findings."""
    assert placeholder(value)


def test_what_vendors_generate_is_no_placeholder() -> None:
    """Promise: of ten thousand generated keys fewer than ten are taken for placeholders or for not random enough."""
    luck = random.Random(11)
    alphabets = ("0123456789abcdef", string.ascii_letters + string.digits)
    keys = ["".join(luck.choices(alphabet, k=size)) for alphabet in alphabets for size in (24, 40) for _ in range(2500)]
    lost = [key for key in keys if placeholder(key.encode()) or not plausible(key.encode(), 8, 0)]
    assert len(lost) < 10


def test_a_value_is_whole() -> None:
    """Promise: a part of something longer is no value, and an escape before a value belongs to no part of it."""
    token = spell_out("npm_<mix:36>")
    assert places(FAST, f"{token}x".encode()) == []
    assert places(FAST, f"x{token}".encode()) == []
    assert FAST.find(f'"a\\n{token}\\n"'.encode())[0].value == token.encode()
    assert FAST.find(f"?t%3D{token}&x".encode())[0].value == token.encode()


USER = """rules:
  - id: acme
    title: an Acme key
    pattern: 'acme_[a-z0-9]{20}'
    source: https://docs.example.com/keys
    examples: ['acme_<lower:20>']
    counterexamples: ['acme_<lower:4>']
"""


def test_a_users_rule(tmp_path: Path) -> None:
    """Promise: a rule file of the user's own is read with the same schema, its examples tried."""
    path = tmp_path / "own.yaml"
    path.write_text(USER)
    (rule,) = read_rules([path], CATALOGUE.ids(), finds)
    assert finds(rule, spell_out("k: acme_<lower:20>").encode())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[a-z0-9]{20}'\n", "[a-z0-9'\n", "own.yaml:4:5: error: not a regular expression"),
        ("acme_[a-z0-9]{20}", "(?=x)acme", "own.yaml:4:5: error: not a regular expression"),
        ("acme_[a-z0-9]{20}", "(a)(b)", "own.yaml:4:5: error: more than one capturing group"),
        ("acme_[a-z0-9]{20}", "x*", "own.yaml:4:5: error: it matches an empty text"),
        ("id: acme\n", "id: npm\n", "own.yaml:2:5: error: there is a rule 'npm' already"),
        ("title: an Acme key\n", "title: x\n    provider: acme\n", "own.yaml:4:5: error: there is no provider 'acme'"),
        ("title: an Acme key\n", "titel: x\n", "own.yaml:3:5: error: unknown field `titel`"),
        ("acme_<lower:20>", "acme_x", "own.yaml:6:16: error: this text is not found by the rule"),
        ("acme_<lower:4>", "acme_<lower:20>", "own.yaml:7:23: error: this text is found by the rule"),
        ("    pattern: 'acme_[a-z0-9]{20}'\n", "    shape: nothing\n", "own.yaml:4:5: error: there is no shape"),
        ("    pattern: 'acme_[a-z0-9]{20}'\n", "", "a rule needs either `pattern` or `shape`"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Promise: a mistake in a rule file is refused with file, line and column."""
    path = tmp_path / "own.yaml"
    assert old in USER
    path.write_text(USER.replace(old, new))
    with pytest.raises(InputProblems) as refused:
        read_rules([path], CATALOGUE.ids(), finds)
    assert said in str(refused.value)


def test_compiled_rules_are_kept_for_the_next_scan(tmp_path: Path) -> None:
    """Promise: compiled rules are kept in a file of the user's alone; a damaged, foreign, readable or linked one, one
    under another key or another name, is as if it were not there; what is found is the same."""
    pytest.importorskip("hyperscan", reason="hyperscan is not installed")
    text = spell_out("a ghp_<mix:36> b\n").encode()
    rules = [rule for rule in RULES if "github" in rule.id]
    wanted = places(RuleSet(rules), text)
    assert wanted
    folder = tmp_path / "a/cache"
    RuleSet(rules, cache=RuleCache(folder, b"k" * 32))
    (kept,) = folder.iterdir()
    assert (kept.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    whole, name = kept.read_bytes(), kept.stem
    cache = RuleCache(folder, b"k" * 32)
    assert cache.load(name) == whole[32:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ruleset, "_database", None)  # nothing is compiled
        assert places(RuleSet(rules, cache=cache), text) == wanted
    assert RuleCache(folder, b"x" * 32).load(name) is None
    (folder / ("0" * 32 + ".rules")).write_bytes(whole)
    assert cache.load("0" * 32) is None
    for damaged in (b"", whole[:31], whole[:-1], whole + b"x", bytes([whole[0] ^ 1]) + whole[1:]):
        kept.write_bytes(damaged)
        assert cache.load(name) is None
        assert places(RuleSet(rules, cache=cache), text) == wanted
        assert kept.read_bytes() == whole
    kept.chmod(0o644)
    assert cache.load(name) is None
    kept.rename(tmp_path / "elsewhere")
    kept.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").chmod(0o600)
    assert cache.load(name) is None
    cache.keep(name, b"[]\nno database")
    assert places(RuleSet(rules, cache=cache), text) == wanted


def test_rules_work_where_nothing_can_be_kept(tmp_path: Path) -> None:
    """Promise: a folder that cannot be written costs time, nothing else."""
    (tmp_path / "file").write_text("")
    assert RuleSet(RULES[:3], cache=RuleCache(tmp_path / "file/cache", b"k" * 32)).suspicious(b"x") is False


@pytest.mark.parametrize("pattern", ["((?:a+)+)b", "x(?:(?:a|aa)+){1,200}b", "(?:a?){200}a{200}b", "(?:.*a){40}b"])
def test_a_users_pattern_cannot_hold_the_search_up(pattern: str) -> None:
    """Promise: patterns that take other engines for ever are read in linear time (the suite's limit is the bound)."""
    assert pattern_mistake(pattern) == ""
    rule = Rule("acme", "an Acme key", marked(pattern))
    for fast in (True, False):
        assert RuleSet([rule], fast=fast).find(b"x" + b"a" * 300_000) == []
