"""The second process: samples command line and environment of the processes of one site, and keeps what is new.

`python canary_watch.py FILE ROOT`: a process is of the site when its environment names ROOT or cannot be read. Appends
one JSON line [pid, cmdline, environ] each; ends when standard input closes.
"""

from __future__ import annotations

import json
import select
import sys
from pathlib import Path

PAUSE = 0.02
OFTEN = 12  # looks at one process: it may replace its program or its environment while it starts


def main() -> None:
    looks: dict[str, int] = {}
    known: set[tuple[str, bytes, bytes]] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        looks[entry.name] = OFTEN  # what ran before the test is not ours
    root = sys.argv[2].encode()
    with Path(sys.argv[1]).open("a") as notes:
        while not select.select([sys.stdin], [], [], PAUSE)[0]:
            for entry in Path("/proc").glob("[0-9]*"):
                looks[entry.name] = looks.get(entry.name, 0) + 1
                if looks[entry.name] > OFTEN:
                    continue
                seen = (entry.name, _read(entry / "cmdline"), _read(entry / "environ"))
                if seen not in known and (not seen[2] or root in seen[2]):
                    known.add(seen)
                    notes.write(json.dumps([seen[0], *(part.decode("latin-1") for part in seen[1:])]) + "\n")
                    notes.flush()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    main()
