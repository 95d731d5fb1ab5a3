"""Run the simulator by hand: `simulate.py --seeds 1000000 --from 0`, or one seed with `--seed N --trace`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from simulator_world import simulate


def main() -> int:
    """0 when every seed holds."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=10_000)
    options.add_argument("--from", type=int, default=0, dest="first")
    options.add_argument("--seed", type=int)
    options.add_argument("--trace", action="store_true")
    options.add_argument("--most", type=int, default=20, help="violations that are printed")
    given = options.parse_args()
    if given.seed is not None:
        _, violation = simulate(given.seed, print if given.trace else None)
        print(f"seed {given.seed}: {violation or 'holds'}")
        return 1 if violation else 0
    begun, used = time.perf_counter(), time.process_time()
    sums: Counter[str] = Counter()
    for seed in range(given.first, given.first + given.seeds):
        world, violation = simulate(seed)
        sums.update(
            crashes=world.crashes,
            faults=world.faults,
            points=world.points,
            events=len(world.journal.file),
            executions=len(world.vendor.done),
            violations=bool(violation),
        )
        sums[f"plot {world.plot.name}"] += 1
        if violation and sums["violations"] <= given.most:
            print(f"seed {seed} ({world.plot.name}): {violation}")
    seconds = time.perf_counter() - begun
    used = time.process_time() - used
    print(
        f"{given.seeds} seeds in {seconds:.1f} s: {given.seeds / seconds:.0f} seeds/s, {used:.1f} s of processor time"
    )
    for name, count in sorted(sums.items()):
        print(f"  {name}: {count}")
    return 1 if sums["violations"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
