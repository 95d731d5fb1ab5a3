"""What a webhook bench costs, and the table fault x found, against the reference endpoint on loopback.

    .venv/bin/python benchmarks/bench_webhook.py [--faults] [SCHEME ...]

Timed is one whole bench without pauses: looking at the way, every request of the plan over a connection of its own,
asking an observer in this process (50 ms of waiting twice), judging, diagnosis. The endpoint runs in the same process,
so its time is inside. `paced` is what the same bench takes at two requests a second. The peer is the same number of
signed requests of the same size sent with http.client, without a plan and without verdicts.

Without SCHEME all shipped ones are run, and each that is not silent on a good endpoint is named. `--faults` prints for
one scheme of each kind and every fault the cases that fail (f) or warn (w), or the verdict where none does.
Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "webhooks"))

from bench_kit import SCHEMES, bench, conduct, endpoint, owned
from delivery_kit import send, signed

from runbook_tui.drill.endpoint.setup import FAULTS
from runbook_tui.webhooks import probing
from runbook_tui.webhooks.scheme import Case

KINDS = ("stripe", "github", "standard-webhooks", "fastpix", "zoom", "asana", "gitlab", "streampixel", "discord-events")


def good(names: list[str]) -> None:
    print(f"{'scheme':<28}{'requests':>9}{'wall s':>8}{'cpu s':>7}{'req/s':>7}{'peer/s':>8}{'paced s':>9}  not silent")
    total, wall_total, cpu_total = 0, 0.0, 0.0
    for name in names:
        scheme = SCHEMES.get(name)
        with endpoint(scheme) as receiver:
            one = bench(receiver)
            wall, cpu = time.perf_counter(), sum(os.times()[:2])
            report = conduct(one)
            wall, cpu = time.perf_counter() - wall, sum(os.times()[:2]) - cpu
            began = time.perf_counter()
            for number in range(report.requests):
                case = Case("p", "peer", delivery_id=f"irtest_peer_{number}")
                send(signed(scheme, case, receiver.url, owned(scheme, "new").sender))
            peer = report.requests / (time.perf_counter() - began)
        loud = [
            f"{each.id}:{each.verdict}" for each in report.results if each.verdict not in ("pass", "not_applicable")
        ]
        total, wall_total, cpu_total = total + report.requests, wall_total + wall, cpu_total + cpu
        rate, paced = report.requests / wall, report.requests * 0.5 + wall
        numbers = f"{report.requests:>9}{wall:>8.2f}{cpu:>7.2f}{rate:>7.0f}{peer:>8.0f}{paced:>9.1f}"
        print(f"{name:<28}{numbers}  {' '.join(loud)}")
    print(f"{'all':<28}{total:>9}{wall_total:>8.2f}{cpu_total:>7.2f}{total / wall_total:>7.0f}")


def found(names: list[str]) -> None:
    probing._ANSWER_SECONDS = 0.3
    for fault in FAULTS:
        for name in names:
            more = {"skew": 400.0} if fault == "skewed_clock" else {"slow": 0.06} if fault == "slow" else {}
            scheme = SCHEMES.get(name)
            scheme = replace(scheme, answer_within=0.05) if fault == "slow" else scheme
            with endpoint(scheme, fault, **more) as receiver:
                silent = fault in ("hangs", "trickles")
                report = conduct(bench(receiver, acting=True, deadline=0.5 if silent else 5.0))
            ways = report.transport.findings if report.transport else ()
            bad = [
                f"{one.id}:{one.verdict[0]}"
                for one in (*report.results, *report.checks, *ways)
                if one.verdict in ("fail", "warn") and not one.id.startswith("D-")
            ]
            shown = " ".join(bad[:6]) + (f" and {len(bad) - 6} more" if len(bad) > 6 else "")
            print(f"{fault:<24}{name:<20}{shown or report.verdict}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("scheme", nargs="*")
    given = parser.parse_args()
    print(datetime.now(UTC).date(), f"load {os.getloadavg()[0]:.1f}")
    if given.faults:
        found(given.scheme or list(KINDS))
    else:
        good(given.scheme or SCHEMES.ids())


if __name__ == "__main__":
    main()
