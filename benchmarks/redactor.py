"""How fast known secrets are taken out of text, beside the plainest things that could do it.

    .venv/bin/python benchmarks/redactor.py [rounds]

Peers in the same run: one compiled `re` alternation over the raw values alone, and a loop of `str.replace`. They find
the raw value and nothing else; the redactor finds every form in `secrets/redaction.py`. CPU seconds of this process;
rounds are interleaved, the first one (it compiles the patterns) is dropped, and the minimum and the median are shown.
"""

from __future__ import annotations

import json
import random
import re
import statistics
import string
import sys
import time
from collections.abc import Callable

import recorded

from runbook_tui.secrets.redaction import Redactor
from runbook_tui.secrets.secret import Secret

_MEGABYTE, _EVENTS = 1_000_000, 500


def made_up(count: int) -> list[str]:
    """Secrets of 38 to 42 characters that are nobody's, in the dress of several providers, the same in every run."""
    chance = random.Random(20)
    letters = string.ascii_letters + string.digits
    prefixes = ("sk-fake-", "ghx_fake", "xoxz-fake-", "AKFAKE", "whsec_")
    return [prefixes[number % 5] + "".join(chance.choices(letters, k=32)) for number in range(count)]


def document(secrets: list[str]) -> str:
    """A megabyte of what a record holds: the data of a long incident, with one secret every 50 kB."""
    text = "\n".join(json.dumps(event.data) for event in recorded.events(_MEGABYTE // 180))[:_MEGABYTE]
    pieces = [text[at : at + 50_000] for at in range(0, len(text), 50_000)]
    return "".join(f"{piece} {secrets[number % len(secrets)]} " for number, piece in enumerate(pieces))


def ordinary() -> list[dict[str, str]]:
    """Events of about 500 bytes without a secret."""
    talk = "The provider's list shows the key as deleted; two customers wrote in about failed uploads since 03:12. "
    return [{"text": f"{number}: {talk * 5}"[:490], "at": ""} for number in range(_EVENTS)]


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"{rounds} rounds; CPU time, minimum and median; secrets of about 40 characters\n")
    print(f"{'':<44}{'1 MB: MB/s':>12}{'median':>9}{'500 bytes: us':>15}{'median':>9}")
    for count in (1, 20, 180):
        secrets = made_up(count)
        redactor = Redactor()
        for number, value in enumerate(secrets):
            redactor.add(Secret(value), f"key-{number}")
        text, events = document(secrets), ordinary()
        forms = re.compile("|".join(map(re.escape, secrets)))

        def replaced(told: str, values: list[str] = secrets) -> str:
            for value in values:
                told = told.replace(value, "«gone»")
            return told

        ways: dict[str, tuple[Callable[[str], str], Callable[[dict[str, str]], object]]] = {
            f"the redactor, {count} secrets, all forms": (redactor.text, redactor.data),
            f"  re alternation, {count} raw values": (
                lambda told, forms=forms: forms.sub("«gone»", told),
                lambda event, forms=forms: {name: forms.sub("«gone»", told) for name, told in event.items()},
            ),
            f"  str.replace, {count} raw values": (
                replaced,
                lambda event, replaced=replaced: {name: replaced(told) for name, told in event.items()},
            ),
        }
        found = {name: measure(rounds, text, events, *way) for name, way in ways.items()}
        for name, (whole, single) in found.items():
            figures = [len(text) / 1e6 / figure(whole) for figure in (min, statistics.median)]
            small = [figure(single) / _EVENTS * 1e6 for figure in (min, statistics.median)]
            print(f"{name:<44}{figures[0]:>12.1f}{figures[1]:>9.1f}{small[0]:>15.1f}{small[1]:>9.1f}")
        ours, peer, _ = ([min(one) for one in both] for both in found.values())
        big, little = (mine / theirs for mine, theirs in zip(ours, peer, strict=True))
        print(f"{'  redactor / re alternation, by CPU':<44}{big:>12.2f}{'':>9}{little:>15.2f}\n")


def measure(
    rounds: int, text: str, events: list[dict[str, str]], whole: Callable[[str], str], one: Callable[..., object]
) -> tuple[list[float], list[float]]:
    """(CPU seconds for the text, CPU seconds for all events), one of each per round."""
    readings = [(cpu(lambda: whole(text)), cpu(lambda: [one(event) for event in events])) for _ in range(rounds + 1)]
    long, short = zip(*readings[1:], strict=True)
    return list(long), list(short)


if __name__ == "__main__":
    main()
