"""First, last and containing refs agree with what git itself says, on histories with many merges."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from git_builder import VALUE, Repo, commits, only_hit


@pytest.mark.parametrize("seed", range(4))
def test_random_history_agrees_with_git(tmp_path: Path, seed: int) -> None:
    """A random graph of merges and octopuses whose trees take the value in and drop it at will."""
    rng = random.Random(seed)
    repo = Repo(tmp_path / "repo")
    blob, clean = repo.blob(VALUE.encode()), repo.blob(b"clean")
    trees: dict[tuple[bool, bool], str] = {}  # (holds the value, one folder deeper) -> tree
    for held, leaf in ((True, blob), (False, clean)):
        flat = repo.git("mktree", data=f"100644 blob {leaf}\tk\n".encode())
        trees[held, False] = flat
        trees[held, True] = repo.git("mktree", data=f"040000 tree {flat}\td\n".encode())
    parents: dict[str, list[str]] = {}
    holds: dict[str, bool] = {}
    for number in range(60):
        chosen = rng.sample(list(parents)[-8:], min(len(parents), rng.choice([0, 1, 1, 1, 2, 2, 3])))
        held = rng.random() < 0.4
        options = [part for parent in chosen for part in ("-p", parent)]
        repo.clock += 60
        name = repo.git("commit-tree", trees[held, rng.random() < 0.5], *options, "-m", str(number))
        parents[name], holds[name] = chosen, held
        if rng.random() < 0.3:
            repo.git("update-ref", f"refs/heads/b{number}", name)
    children: dict[str, list[str]] = {name: [] for name in parents}
    for name, chosen in parents.items():
        for parent in chosen:
            children[parent].append(name)
    holders = [name for name, held in holds.items() if held]
    found = only_hit(repo)
    assert set(commits(found["first"])) == {n for n in holders if not any(holds[p] for p in parents[n])}
    assert set(commits(found["last"])) == {n for n in holders if not any(holds[c] for c in children[n])}
    assert set(found["paths"]) <= {"k", "d/k"}
    containing = {
        ref for name in holders for ref in repo.git("for-each-ref", "--format=%(refname)", "--contains", name).split()
    }
    assert set(found["refs"]) == containing
