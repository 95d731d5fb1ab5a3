"""Fuzz one target: `python -m tests.fuzz yaml --seconds 600`.

The corpus grows in a folder outside the checkout (`--corpus`, by default below the user's cache folder) and is used
again by the next run. Ends with 0 when nothing was found; otherwise the input is kept beside the corpus, in `found/`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import sys
from pathlib import Path

from . import TARGETS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, default=_cache())
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--max-len", type=int, default=2048)
    given = parser.parse_args()
    import atheris

    with atheris.instrument_imports(include=["runbook_tui"]):
        target = importlib.import_module(f"{__package__}.{given.target}")
    corpus, found = given.corpus / given.target, given.corpus / "found" / given.target
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={given.seconds}",
        f"-max_len={given.max_len}",
        f"-seed={given.seed}",
        f"-artifact_prefix={found}/",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup(arguments, target.one)
    atheris.Fuzz()


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "runbook-tui-fuzz"


main()
