"""Rules look where values are looked for: encoded text, UTF-16 and archives; what they find there is traced."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from git_builder import Repo

from runbook_tui.exposure.discovery import scan_by_rules, value_of
from runbook_tui.exposure.encoded import Decoder, wide
from runbook_tui.exposure.rulefile import shipped_rules, spell_out
from runbook_tui.exposure.ruleset import RuleSet
from runbook_tui.secrets.fingerprint import fingerprint
from runbook_tui.secrets.secret import Secret

KEY = b"k" * 32
RULES = [rule for rule in shipped_rules() if rule.id in ("slack-token", "npm", "private-key", "password-in-url")]


def zipped(content: bytes, name: str = "inner/.env") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr(name, content)
    return packed.getvalue()


def tarred(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as writer:
        facts = tarfile.TarInfo("etc/app.env")
        facts.size = len(content)
        writer.addfile(facts, io.BytesIO(content))
    return packed.getvalue()


def lines(text: bytes, width: int, start: bytes) -> bytes:
    return b"".join(start + text[at : at + width] + b"\n" for at in range(0, len(text), width))


WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": lambda text: b"data:\n  token: " + base64.b64encode(text) + b"\n",
    "base64 of a line": lambda text: base64.b64encode(b"KEY=" + text + b"\n"),
    "base64 behind a slash": lambda text: b"https://h.example/v1/" + base64.b64encode(b"user:" + text + b" x"),
    "base64 in lines": lambda text: b"x:\n" + lines(base64.b64encode(b"Some text, " * 9 + text + b" end"), 64, b"  "),
    "base64 in CRLF lines": lambda text: base64.encodebytes(b"Some text, " * 9 + text).replace(b"\n", b"\r\n"),
    "base64url": lambda text: base64.urlsafe_b64encode(b"\xff\xfe?>" + text),
    "hex": lambda text: b"0x" + text.hex().encode(),
    "HEX": lambda text: text.hex().upper().encode() + b";",
    "percent": lambda text: b"".join(b"%%%02X" % byte for byte in text),
    "backslash x": lambda text: b'"' + b"".join(b"\\x%02x" % byte for byte in text) + b'"',
    "backslash u": lambda text: b'"' + b"".join(b"\\u%04x" % byte for byte in text) + b'"',
    "utf-16le": lambda text: ("key=" + text.decode() + "\r\n").encode("utf-16-le"),
    "utf-16be with mark": lambda text: b"\xfe\xff" + ("Schlüssel=" + text.decode() + "\r\n").encode("utf-16-be"),
    "zip": lambda text: zipped(b"K=" + text),
    "zip in zip": lambda text: zipped(zipped(b"K=" + text), "a.zip"),
    "base64 in zip": lambda text: zipped(b"K: " + base64.b64encode(text)),
    "gzip": lambda text: gzip.compress(b"K=" + text + b"\n"),
    "tar": lambda text: tarred(b"K=" + text + b"\n"),
}


def found(path: Path) -> dict[str, set[str]]:
    """Fingerprint -> the paths of its places."""
    document = scan_by_rules(RuleSet(RULES), (), [path], KEY).document()
    (repository,) = document["repositories"]
    places: dict[str, set[str]] = {one["credential"]: set() for one in document["findings"]}
    for hit in repository["hits"]:
        places[hit["credential"]] |= {name.partition("!")[0] for name in hit["paths"]}
    return places


@pytest.mark.parametrize("fast", [True, False], ids=["hyperscan", "without"])
def test_a_credential_is_found_in_every_writing_and_traced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fast: bool
) -> None:
    """Promise: a token that stands only encoded or only in an archive is a finding, traced to its file; also without
    hyperscan. Beside the objects too: a file of the git directory, an archive that LFS keeps."""
    if not fast:
        monkeypatch.setitem(sys.modules, "hyperscan", None)
    repo = Repo(tmp_path / "repo")
    tokens = {name: spell_out(f"npm_<mix:36>{'<>' * at}").encode() for at, name in enumerate(WRITERS)}
    repo.commit({f"f/{name}": WRITERS[name](token) for name, token in tokens.items()})
    message = spell_out("npm_<mix:36><><><>x")[:-1].encode()
    repo.commit({"other": "1"}, f"deploy\n\n{base64.b64encode(b'token ' + message).decode()}")
    kept = spell_out("xoxb-<digit:11>-<digit:11>-<mix:24>").encode()
    (repo.path / ".git/lfs").mkdir()
    (repo.path / ".git/lfs/large").write_bytes(zipped(b"S: " + base64.b64encode(kept)))
    places = found(repo.path)
    expected = {fingerprint(Secret(token), KEY): {f"f/{name}"} for name, token in tokens.items()}
    expected[fingerprint(Secret(message), KEY)] = {".git/COMMIT_EDITMSG"}  # and the commit, which has no path
    expected[fingerprint(Secret(kept), KEY)] = {".git/lfs/large"}
    names = {fingerprint(Secret(token), KEY): name for name, token in tokens.items()}
    assert {names.get(one, one): places.get(one) for one in expected} == {
        names.get(one, one): paths for one, paths in expected.items()
    }
    assert len(places) == len(expected)


def test_a_finding_in_any_writing_is_read_again() -> None:
    """Promise: an incident starts from a finding that stands only encoded or in an archive: its value is read again."""
    rule = next(rule for rule in RULES if rule.id == "npm")
    for at, (name, write) in enumerate(WRITERS.items()):
        token = spell_out(f"npm_<mix:36>{'<>' * at}").encode()
        wanted = fingerprint(Secret(token), KEY)
        secret = value_of(rule, write(token), wanted, KEY)
        assert secret is not None, name
        assert secret.expose_bytes() == token
        assert value_of(rule, write(token + b"x"), wanted, KEY) is None


def test_ordinary_text_is_no_encoded_text() -> None:
    """Promise: random bytes, long names, hashes and base64 of random bytes give no finding and no fault, with and
    without hyperscan alike."""
    luck = random.Random(3)
    rules = RuleSet(shipped_rules())
    parts = [luck.randbytes(3000), base64.b64encode(luck.randbytes(3000)), luck.randbytes(200).hex().encode(),
             b"a_long_name/of_a_file-in_a_folder/" * 9, b"%" * 90, b"\\u0041" * 20, b"=" * 99, b"A" * 41]  # fmt: skip
    for _ in range(40):
        text = luck.choice([b"\n", b" ", b'"', b""]).join(luck.choices(parts, k=5))
        with pytest.MonkeyPatch.context() as patch:
            texts = list(Decoder().texts(text))
            patch.setitem(sys.modules, "hyperscan", None)
            assert texts == list(Decoder().texts(text))
        assert [match for one in texts for match in rules.find(one)] == []
    assert wide(b"") == wide(b"\0") == wide(b"a\0b") == wide(luck.randbytes(500).replace(b"\0", b"x")) == b""


def test_hostile_encoded_text_is_read_in_linear_time() -> None:
    """Promise: long runs, many lines of one length and many escapes do not hold the search up (the suite's limit is
    the bound)."""
    hashes = b"".join(b"%040x\n" % number for number in range(40_000))
    runs = (b"A" * 2_000_000, (b"A" * 64 + b"\n") * 30_000, (b"A" * 40 + b"-" * 3) * 40_000)
    for text in (*runs, b"%41" * 600_000, b"\\u0041" * 300_000, hashes):
        assert sum(len(one) for one in Decoder().texts(text)) < 6 * len(text)


def test_no_output_holds_a_value(tmp_path: Path) -> None:
    """Promise (property): whatever stands where, in names too, neither document, SARIF nor table holds a found value,
    in any of its writings."""
    from runbook_tui.cli.scan_output import lines as table
    from runbook_tui.exposure.sarif import sarif

    luck = random.Random(23)
    for seed in range(3):
        repo = Repo(tmp_path / f"repo{seed}")
        tokens = [spell_out(f"npm_<mix:36>{'<>' * (20 * seed + at)}") for at in range(8)]
        for at, token in enumerate(tokens):
            write = luck.choice(list(WRITERS.values()))
            repo.commit(
                {f"d/{luck.choice([token, f'plain{at}'])}": write(token.encode())}, f"work {luck.choice(tokens)}"
            )
            repo.git("branch", f"b{at}-{luck.choice(tokens)}")
            repo.git("tag", "-a", f"t{at}", "-m", token)
        document = scan_by_rules(RuleSet(RULES), (), [repo.path], KEY).document()
        assert len(document["findings"]) == len(tokens)
        shown = "\n".join([json.dumps(document), json.dumps(sarif(document)), *table(document)])
        for token in tokens:
            raw = token.encode()
            forms = (token, raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode()[:40], token[4:40])
            assert [form for form in forms if form in shown] == []
