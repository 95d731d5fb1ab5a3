"""A hit lists a bounded part of what leads to it, and says how much more there is."""

from __future__ import annotations

import json
from pathlib import Path

from git_builder import VALUE, Repo, document

from runbook_tui.cli.scan_output import lines
from runbook_tui.exposure.model import MAX_LISTED, Hit, Mark
from runbook_tui.exposure.sarif import sarif


def made(**given: object) -> Hit:
    return Hit("c", "raw", "0" * 40, "blob", (), 1, **given)  # type: ignore[arg-type]


def test_of_thousands_of_refs_every_namespace_is_listed() -> None:
    """Promise: of many refs a hit lists some of each namespace and counts the rest; few stay as they are."""
    few = tuple(f"refs/heads/b{number:02}" for number in range(MAX_LISTED))
    assert made(refs=few).listed() == made(refs=few)
    heads, pulls = [f"refs/heads/b{n:05}" for n in range(9000)], [f"refs/pull/{n:05}/head" for n in range(9000)]
    refs = tuple(sorted(["HEAD", *heads, *pulls, "refs/stash", "refs/tags/v1"]))
    shown = made(refs=refs).listed().document()
    assert len(shown["refs"]) == MAX_LISTED
    assert shown["refs_more"] == len(refs) - MAX_LISTED
    assert shown["refs"] == sorted(shown["refs"])
    assert {"HEAD", "refs/stash", "refs/tags/v1", heads[0], pulls[0]} <= set(shown["refs"])
    assert {name for name in shown if name.endswith("_more")} == {"refs_more"}


def test_the_earliest_and_latest_commits_are_listed() -> None:
    """Promise: of many first commits the earliest are listed, of many last ones the latest."""
    marks = tuple(Mark(f"{n:040x}", "a", None if n % 7 == 0 else (n * 7919) % 1000) for n in range(1, 500))
    shown = made(first=marks, last=marks).listed()
    times = sorted(mark.time for mark in marks if mark.time is not None)
    assert sorted(mark.time or 0 for mark in shown.first) == times[:MAX_LISTED]
    assert sorted(mark.time or 0 for mark in shown.last) == times[-MAX_LISTED:]
    assert dict(shown.more) == {"first": 499 - MAX_LISTED, "last": 499 - MAX_LISTED}


def test_every_output_says_how_many_more(tmp_path: Path) -> None:
    """Promise: JSON, the table and SARIF say how many refs are left out of a hit."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"k": VALUE})
    head = repo.git("rev-parse", "HEAD").strip()
    with (repo.path / ".git/packed-refs").open("a") as packed:
        packed.writelines(f"{head} refs/tags/v{number:03}\n" for number in range(200))
    shown = document(repo.path)
    (hit,) = shown["repositories"][0]["hits"]
    total = len(hit["refs"]) + hit["refs_more"]
    assert (len(hit["refs"]), total >= 201) == (MAX_LISTED, True)
    assert f"and {total - 3} more" in "\n".join(lines(shown))
    (result,) = sarif(shown)["runs"][0]["results"]
    assert result["properties"]["refs_more"] == hit["refs_more"]
    assert f"and {total - 3} more" in result["message"]["text"]
    assert len(json.dumps(shown)) < 10_000
