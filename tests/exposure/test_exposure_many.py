"""A whole `.env` at once: every value is found in every form, and none is taken for another."""

from __future__ import annotations

import base64
import json
import random
import string
import urllib.parse
from pathlib import Path

from git_builder import Repo

from runbook_tui.exposure.scan import scan
from runbook_tui.secrets.secret import Secret

LETTERS = string.ascii_letters + string.digits


def values() -> list[str]:
    """Thirty values as environment files have them, among them one that is a part of another."""
    chance = random.Random(7)

    def some(count: int, signs: str = LETTERS) -> str:
        return "".join(chance.choice(signs) for _ in range(count))

    made = [f"fake_{some(chance.randrange(20, 60))}" for _ in range(14)]
    made += [some(chance.randrange(16, 64), LETTERS + "+/") + "==" for _ in range(6)]
    made += [f"postgres://app:{some(18)}@db.example.com:5432/app?sslmode=require", f'{some(9)}"{some(9)}\\{some(4)}']
    made += [f"{some(10)}<&>{some(10)}", f"pässwörd-{some(12)}", f"two words {some(8)}", "%41%42" + some(12)]
    made += [some(700), f"{some(8)}-{some(4)}-{some(4)}", some(6) + "!", made[1] + "suffix"]
    assert len(set(made)) == 30
    return made


def written(value: str) -> dict[str, str | bytes]:
    """Form -> the value in it, where that is not the value itself."""
    forms: dict[str, str | bytes] = {
        "base64": base64.b64encode(b"x:" + value.encode() + b"\n").decode(),
        "hex": value.encode().hex(),
        "url": urllib.parse.quote(value, safe=""),
        "json": json.dumps(value)[1:-1],
    }
    return {form: text for form, text in forms.items() if text != value} | {"utf-16le": value.encode("utf-16-le")}


def test_thirty_values_in_every_form(tmp_path: Path) -> None:
    """One scan for thirty values: each form of each is found at its own place, line and path."""
    repo = Repo(tmp_path / "repo")
    everything = values()
    repo.commit({".env": "".join(f"V{number}={value}\n" for number, value in enumerate(everything))})
    expected = {(f"v{number}", "raw", ".env", number + 1) for number in range(30)}
    for number, value in enumerate(everything):
        for form, text in written(value).items():
            path = f"{number}/{form}"
            before = f"# {number}\n".encode()
            repo.write(path, (before.decode().encode("utf-16-le") if isinstance(text, bytes) else before)
                       + (text if isinstance(text, bytes) else text.encode()))  # fmt: skip
            expected.add((f"v{number}", form, path, 2))
    repo.git("add", "-A")
    repo.commit({}, "all")
    secrets = [(f"v{number}", Secret(value)) for number, value in enumerate(everything)]
    result = scan(secrets, [repo.path]).repositories[0]
    hits = [hit for hit in result.hits if hit.type != "file"]
    found = {(hit.credential, hit.form, path, hit.line) for hit in hits for path in hit.paths}
    assert expected - found == set()
    # The second value is a part of the last: found wherever that one is. Nothing else.
    assert {one[0] for one in found - expected} <= {"v1"}
    assert result.not_scanned == ()
