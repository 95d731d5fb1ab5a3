"""One planted set of repositories: the value in every place where git can keep it, and the whole answer for each.

Built once with real git, scanned once with the real command. `must` places have to be found with the right paths,
commits, refs, remotes and reachability; `stretch` places are outside what git calls an object, or need an archive to be
opened; `absent` ones are not in the clone and have to stand under `not_scanned`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from git_builder import VALUE
from planted_kit import NAME, Place, wrong
from planted_main import main_places
from planted_stores import store_places

from runbook_tui.exposure.scan import scan
from runbook_tui.secrets.secret import Secret

# Known limits, each with its reason; a place that is found after all has to leave this list.
NOT_FOUND = {
    "name over a folder's border": "each folder is an object of its own: a value with a slash stands in no single one",
}


class Planted:
    """The places, and what the command said about the repositories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places: list[Place] = [*main_places(root), *store_places(root)]
        repositories = dict.fromkeys(place.repo.partition("/")[0] for place in self.places)
        self.paths = [str(root / name) for name in repositories]
        done = self.scan([sys.executable, "-m", "runbook_tui"])
        self.code, self.said = done.returncode, done.stdout + done.stderr
        self.document: dict[str, Any] = json.loads(done.stdout)
        self.repositories: dict[str, dict[str, Any]] = {
            str(Path(one["path"]).relative_to(root)): one for one in self.document["repositories"]
        }

    def scan(self, program: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*program, "scan", "--json", "--value-stdin", *self.paths],
            input=f"{VALUE}\n{NAME}\n".encode(),
            capture_output=True,
            env=os.environ | {"RUNBOOK_HOME": str(self.root / "home")},
            check=False,
        )

    def problems(self, place: Place) -> list[str]:
        found = self.repositories[place.repo]
        if place.kind != "absent":
            return wrong(place, found["hits"])
        named = [f"{gap['what']}: {gap['why']}" for gap in found["not_scanned"]]
        return [] if any(place.gap in gap for gap in named) else [f"not among {named}"]


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return Planted(tmp_path_factory.mktemp("planted"))


def test_every_place(planted: Planted) -> None:
    """The table: each place found with the whole answer, or named as not there."""
    table = {place.name: planted.problems(place) for place in planted.places}
    assert len(table) == len(planted.places), "two places of one name"
    for place in planted.places:
        print(f"{'NO ' if table[place.name] else 'yes'}  {place.kind:8} {place.repo:10} {place.name}")
    expected = {place.name for place in planted.places if place.name not in NOT_FOUND}
    bad = {name: problems for name, problems in table.items() if problems and name in expected}
    assert not bad, json.dumps(bad, indent=1, ensure_ascii=False)
    assert {name for name, problems in table.items() if problems} == set(NOT_FOUND)


def test_the_set_is_whole(planted: Planted) -> None:
    """As many places as the comparison with other scanners had, and more."""
    kinds = Counter(place.kind for place in planted.places)
    assert kinds["must"] >= 93
    assert kinds["stretch"] >= 10
    assert kinds["absent"] >= 3


def test_nothing_is_found_that_was_not_planted(planted: Planted) -> None:
    """Every object with a hit is one of the places: no wrong alarm."""
    meant = {place.object for place in planted.places}
    found = {hit["object"] for one in planted.repositories.values() for hit in one["hits"] if hit["object"]}
    assert found - meant == set()


def test_no_value_is_shown(planted: Planted) -> None:
    """Neither value stands in the answer, though both stand in names of files, people and branches."""
    for value in (VALUE, NAME):
        assert value.encode() not in planted.said


def test_found_is_one(planted: Planted) -> None:
    """Found wins over incomplete: 1."""
    assert planted.code == 1


def test_summary_of_the_exposure_window(planted: Planted) -> None:
    """The earliest first commit and the latest last commit of all places, and that it was on a remote."""
    for number, name in enumerate(("stdin:1", "stdin:2")):
        hits = [hit for one in planted.repositories.values() for hit in one["hits"] if hit["credential"] == name]
        summary = planted.document["credentials"][number]
        assert summary["earliest"] == min(mark["time"] for hit in hits for mark in hit["first"])
        assert summary["latest"] == max(mark["time"] for hit in hits for mark in hit["last"])
    assert planted.document["credentials"][0]["pushed"] is True


def test_absent_alone_is_not_clean(planted: Planted) -> None:
    """A value that is in none of them: each repository with a gap ends with 3, each whole one with 0."""
    secret = Secret("not-in-any-of-these-repositories")
    names = dict.fromkeys(place.repo for place in planted.places if place.kind == "absent")
    for name in names:
        result = scan([("other", secret)], [planted.root / name])
        assert (result.found, result.complete) == (False, False), name
    whole = scan([("other", secret)], [planted.root / "packs", planted.root / "cruft", planted.root / "sha256"])
    assert (whole.found, whole.complete) == (False, True)


def test_the_same_answer_without_compiled_helpers(planted: Planted) -> None:
    """Without numpy, hyperscan, libdeflate and dulwich the scan is slower and says the same."""
    hidden = "import sys; sys.modules.update(dict.fromkeys(('numpy', 'hyperscan', 'deflate', 'dulwich')))"
    program = f"{hidden}\nfrom runbook_tui.cli import main\nmain()"
    plain = json.loads(planted.scan([sys.executable, "-c", program]).stdout)
    for one, other in zip(plain["repositories"], planted.document["repositories"], strict=True):
        for part in ("path", "objects", "bytes"):
            assert one[part] == other[part], one["path"]
        # git adds its own words about a store it could not open.
        assert [gap for gap in one["not_scanned"] if gap["what"] != "part of the object store"] == other["not_scanned"]
        assert sorted(map(json.dumps, one["hits"])) == sorted(map(json.dumps, other["hits"]))
    assert plain["credentials"] == planted.document["credentials"]
