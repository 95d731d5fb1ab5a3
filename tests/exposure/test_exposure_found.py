"""What rules find in a repository whose author means harm: nothing of it is shown, overlooked, or too much."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from git_builder import Repo

from runbook_tui.exposure import discovery, gathering, ruleset
from runbook_tui.exposure.again import places_of_finding, seen_again
from runbook_tui.exposure.discovery import scan_by_rules
from runbook_tui.exposure.names import Names
from runbook_tui.exposure.rulefile import Rule, shipped_rules, spell_out
from runbook_tui.exposure.ruleset import RuleSet
from runbook_tui.secrets.secret import Secret

KEY = b"k" * 32
RULES = [rule for rule in shipped_rules() if rule.id in ("npm", "jwt", "private-key")]


def tokens(count: int) -> list[str]:
    return sorted(spell_out(f"npm_<mix:36>{'<>' * at}") for at in range(1, count + 1))


def searched(repo: Repo, *values: tuple[str, Secret]) -> dict[str, Any]:
    return scan_by_rules(RuleSet(RULES), values, [repo.path], KEY).document()


def test_a_value_in_what_could_not_be_searched_is_not_shown(tmp_path: Path) -> None:
    """Promise: the name of something that was not searched shows no value, found by rule or searched for."""
    repo = Repo(tmp_path / "repo")
    (token,) = tokens(1)
    other = "made-up-value-0815-4711"
    repo.commit({"k": f"{token}\n"})
    alternates = repo.path / ".git/objects/info/alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_text(f"/none/{token}/objects\n/none/{other}/objects\n")
    document = searched(repo, ("known", Secret(other)))
    missing = [gap["what"] for gap in document["repositories"][0]["not_scanned"] if "/none/" in gap["what"]]
    assert len(missing) == 2
    assert [value for value in (token, other) if value in json.dumps(document)] == []


def test_a_value_that_is_not_traced_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: of a finding that is not traced no name shows the value, and of a long one none shows a part."""
    monkeypatch.setattr(discovery, "TRACED", 2)
    repo = Repo(tmp_path / "repo")
    found = tokens(6)
    long = ".".join(spell_out(text) for text in ("eyJhbGciOiJIUzI1NiJ9", "eyJ<url:300>", "<url:43>"))
    repo.commit({f"d/{found[-1]}": f"{found[0]}\n{found[1]}\n", "k": f"{long}\n"}, long)
    repo.git("commit", "-q", "--amend", "--no-edit", "--author", f"{long} <a@b>")
    repo.commit({f"e/{one}": f"{found[0]}\n" for one in found}, "\n".join(found))
    repo.git("branch", f"b-{found[-1]}")
    document = searched(repo)
    assert {finding["traced"] for finding in document["findings"]} == {True, False}
    assert document["repositories"][0]["hits"]
    shown = json.dumps(document)
    assert [value for value in found if value in shown] == []
    assert [at for at in range(0, len(long) - 24, 12) if long[at : at + 24] in shown] == []


def test_every_copy_of_an_object_is_looked_through(tmp_path: Path) -> None:
    """Promise: of an object that is stored twice both copies are looked through for credentials."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": "clean\n"})
    repo.git("gc", "-q")
    name = repo.git("rev-parse", "HEAD:k")
    content = f"{tokens(1)[0]}\n".encode()
    path = repo.path / ".git/objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(b"blob %d\0" % len(content) + content))
    document = searched(repo)
    assert [hit["paths"] for hit in document["repositories"][0]["hits"]] == [["k"]]


def test_a_repository_of_nothing_but_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: of more different values than a search tells of, it keeps the first few and says so."""
    monkeypatch.setattr(gathering, "MOST", 10)
    monkeypatch.setattr(discovery, "MOST", 10)
    repo = Repo(tmp_path / "repo")
    found = tokens(40)
    repo.commit({f"f{at}": "\n".join(found[at : at + 10]) for at in range(0, 40, 10)})
    document = searched(repo)
    assert len(document["findings"]) == 10
    whys = [gap["why"] for gap in document["repositories"][0]["not_scanned"]]
    assert "more than 10 different ones: they are not told" in whys
    monkeypatch.setattr(gathering, "MOST", 40)
    monkeypatch.setattr(discovery, "MOST", 40)
    document = searched(repo)
    assert (len(document["findings"]), document["repositories"][0]["not_scanned"]) == (40, [])


def test_the_windows_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: what a search remembers of texts it looked at is bounded in bytes, however long those are."""
    monkeypatch.setattr(ruleset, "_CACHED_BYTES", 20_000)
    rules = RuleSet(RULES)
    values = tokens(50)
    for at, value in enumerate(values):
        text = f"{at} {' '.join([value] * 100)}".encode()
        assert {match.value.decode() for match in rules.find(text)} == {value}
        assert sum(len(window) for _, _, window in rules._cache) <= 20_000


def test_names_that_no_hash_made() -> None:
    """Promise: looking names up is right, and does not go through all of them, when they all begin alike."""
    luck = random.Random(3)
    for shared in (0, 3, 8, 19):
        known = sorted({bytes(shared) + bytes(luck.choices(range(4), k=20 - shared)) for _ in range(3000)})
        given = luck.sample(known, len(known))
        table = Names(np.frombuffer(b"".join(given), np.uint8).reshape(-1, 20))
        asked = [*known, *(bytes(shared) + bytes(luck.choices(range(5), k=20 - shared)) for _ in range(3000))]
        places = {name: place for place, name in enumerate(known)}
        assert table.find(b"".join(asked)).tolist() == [places.get(name, -1) for name in asked]


def test_many_matches_at_one_place_take_little_room() -> None:
    """Promise: a text that matches at every byte takes no more room than its windows, and its windows are the same."""
    rule = Rule("any", "anything", r"\b([a-z0-9_ ]{8,40})", shortest=8, longest=40)
    (value,) = tokens(1)
    text = b" ".join([b"." * 500, *[value.lower().encode()] * 500, b"." * 500])
    for fast in (True, False):
        rules = RuleSet([rule], fast=fast)
        assert 2 <= sum(map(len, rules._ends(text).values())) < len(text) // 20
    luck = random.Random(5)
    for _ in range(200):
        every = sorted(luck.choices(range(luck.choice([400, 4000])), k=60))
        ends = ruleset.Ends([2 * 20])
        for end in every if luck.random() < 0.7 else luck.sample(every, 60):
            ends.note(0, end)
        assert list(ruleset._windows(sorted(ends[0]), 20, 4000)) == list(ruleset._windows(every, 20, 4000))


def test_utf_16_behind_other_text(tmp_path: Path) -> None:
    """Promise: UTF-16 that stands in other text or in a program is looked through, both ways round."""
    found = tokens(4)
    repo = Repo(tmp_path / "repo")
    repo.commit(
        {
            "appended": b"# settings of the app\r\n" * 20 + f"TOKEN={found[0]}\r\n".encode("utf-16-le"),
            "marked": b"# settings\n" + f"\ufeffTOKEN={found[1]}".encode("utf-16-le"),
            "program": bytes(range(1, 250)) * 4 + f"\0{found[2]}\0".encode("utf-16-le") + bytes(range(250)),
            "turned": bytes(range(1, 250)) * 4 + f"token {found[3]}".encode("utf-16-be"),
        }
    )
    document = searched(repo)
    assert len(document["findings"]) == 4
    hits = {hit["paths"][0] for hit in document["repositories"][0]["hits"]}
    assert hits == {"appended", "marked", "program", "turned"}


@pytest.mark.parametrize("folder", [".git", "elsewhere"])
def test_a_finding_in_the_git_directory_is_read_again(tmp_path: Path, folder: str) -> None:
    """Promise: a value in a file of the git directory can be taken over, wherever that directory is."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": "clean\n"})
    git_dir = repo.path / ".git"
    if folder != ".git":
        git_dir = (repo.path / ".git").rename(tmp_path / folder)
        (repo.path / ".git").write_text(f"gitdir: {git_dir}\n")
    (token,) = tokens(1)
    (git_dir / "notes.txt").write_text(f"{token}\n")
    document = searched(repo)
    (finding,) = document["findings"]
    places = places_of_finding(document, finding["credential"])
    rule = next(rule for rule in RULES if rule.id == finding["rule"])
    secret = seen_again(places, rule, finding["credential"], KEY)
    assert secret is not None
    assert secret == Secret(token)
