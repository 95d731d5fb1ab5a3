"""How long a scan takes beside git itself and beside the scanners that are installed, in interleaved rounds.

    .venv/bin/python benchmarks/exposure/compare.py [--rounds N] [--value] [--rules] REPOSITORY ...

Each round runs every program once, one after the other, so that a busy moment meets them all; printed are the minimum
and the median of wall and CPU seconds (user and system, with all children) and the ratio of ours to the peer by the
minimum. Whole processes are timed, start-up included, output thrown away, with a warm page cache (one untimed round).

ours        `runbook scan REPOSITORY --value-stdin --json`: one value, all forms, every object, commits, tags and trees
            (file names), what is missing is named; with hits the whole answer (paths, commits, refs, reachability)
rules       `runbook scan REPOSITORY --rules --json`
cat-file    `git cat-file --batch-all-objects --unordered --batch --buffer`: each object touched once
log -S      `git log --all -S VALUE`
kingfisher  one rule, `--turbo` (its fastest: no base64, no commit metadata); `kingfisher full` with commit metadata;
            `kingfisher rules` with its own rules
gitleaks, betterleaks   one rule, all refs

A peer that is not on the PATH is left out. The value is random (not there) unless `--value` reads one from standard
input. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import math
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

RUNBOOK = [sys.executable, "-m", "runbook_tui"]
_RULE = """[[rules]]
id = "leaked"
description = "leaked"
regex = '''({value})'''
keywords = ["{keyword}"]
"""


@dataclass
class Contender:
    """A program with the times it took."""

    name: str
    command: Callable[[Path], list[str]]
    stdin: bytes = b""
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def run(self, repository: Path, *, timed: bool) -> None:
        with tempfile.TemporaryFile() as given:
            given.write(self.stdin)
            given.seek(0)
            before, start = os.times(), time.perf_counter()
            subprocess.run(
                self.command(repository), stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
            )
            wall, after = time.perf_counter() - start, os.times()
        if timed:
            self.wall.append(wall)
            self.cpu.append(after.children_user - before.children_user + after.children_system - before.children_system)


def contenders(value: str, rule: Path, *, rules: bool) -> list[Contender]:
    """Those that are installed; ours first."""
    known = [
        Contender("ours", lambda r: [*RUNBOOK, "scan", str(r), "--value-stdin", "--json"], value.encode() + b"\n"),
        Contender(
            "git cat-file",
            lambda r: [
                *("git", "-C", str(r), "cat-file", "--batch-all-objects", "--unordered", "--batch", "--buffer"),
            ],
        ),
        Contender("git log -S", lambda r: ["git", "-C", str(r), "log", "--all", "--oneline", "-S", value]),
    ]
    king = ["scan", "--rules-path", str(rule), "--load-builtins=false", "--no-update-check"]
    leaks = ["git", "--config", str(rule), "--log-opts=--all", "--no-banner"]
    peers = [
        ("kingfisher", "kingfisher turbo", [*king, "--turbo"]),
        ("kingfisher", "kingfisher full", king),
        ("gitleaks", "gitleaks", leaks),
        ("betterleaks", "betterleaks", leaks),
    ]
    if rules:
        known.insert(1, Contender("ours, rules", lambda r: [*RUNBOOK, "scan", str(r), "--rules", "--json"]))
        peers.append(("kingfisher", "kingfisher rules", ["scan", "--no-update-check", "--no-validate"]))
    for program, name, arguments in peers:
        found = shutil.which(program)
        if found:
            known.append(Contender(name, lambda r, found=found, a=arguments: [found, *a, str(r)]))  # type: ignore[misc]
    return known


def measure(repository: Path, value: str, rounds: int, *, rules: bool) -> dict[str, float]:
    """Prints the table of one repository; the ratio of ours to each peer by wall time."""
    with tempfile.TemporaryDirectory() as folder:
        rule = Path(folder) / "rule.toml"
        rule.write_text(_RULE.format(value=value, keyword=value[:10].lower()))
        running = contenders(value, rule, rules=rules)
        for number in range(rounds + 1):
            for one in running:
                one.run(repository, timed=number > 0)
    ours = running[0]
    print(f"\n{repository}, {rounds} rounds; seconds, minimum (median)")
    print(f"{'':18}{'wall':>18}{'CPU':>18}{'ours/wall':>11}{'ours/CPU':>10}")
    ratios = {}
    for one in running:
        wall, cpu = min(ours.wall) / min(one.wall), min(ours.cpu) / max(min(one.cpu), 0.001)
        ratios[one.name] = wall
        print(f"{one.name:18}{_two(one.wall):>18}{_two(one.cpu):>18}{wall:>11.2f}{cpu:>10.2f}")
    return ratios


def _two(seconds: list[float]) -> str:
    return f"{min(seconds):.2f} ({statistics.median(seconds):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--value", action="store_true", help="read the value from standard input")
    parser.add_argument("--rules", action="store_true", help="also the search by rules")
    given = parser.parse_args()
    value = sys.stdin.readline().strip() if given.value else "AKcanary" + secrets.token_hex(16)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    found = [measure(one, value, given.rounds, rules=given.rules) for one in given.repository]
    if len(found) > 1:
        print("\ngeometric mean of ours/wall")
        for name in found[0]:
            print(f"{name:18}{math.exp(statistics.fmean(math.log(one[name]) for one in found)):>8.2f}")


if __name__ == "__main__":
    main()
