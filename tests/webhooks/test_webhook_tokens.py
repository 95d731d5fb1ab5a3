"""Promise: a weak, misplaced, echoed or logged URL token is found; the right one is in no request that must fail."""

from __future__ import annotations

import base64
import gzip
import os
import secrets
from pathlib import Path

import pytest

from runbook_tui.net.client import Answer
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks import token_logs
from runbook_tui.webhooks.token_logs import Needle, finding, search
from runbook_tui.webhooks.tokens import echoed, form, judge, near_misses

URL = "https://endpoint.example/hooks/vendor"
NEW = "5f" + "0a1b9c3d7e2846" * 2 + "c0ffee11d2a34b5768"  # 48 hexadecimal digits
OLD = "b7e1" + "93d04c5a6f28" * 3 + "17ac52f0"


def verdicts(token: str, url: str = URL, old: str | None = None, least: int = 24) -> dict[str, str]:
    found = form(Secret(token), url, Secret(old) if old else None, least=least)
    assert all(token not in repr(one.data()) for one in found)
    return {one.id: one.verdict for one in found}


@pytest.mark.parametrize(
    ("token", "verdict"),
    [
        (NEW, "pass"),
        (NEW[:47], "fail"),
        (NEW[:32], "fail"),
        ("aB3-xY9_kQ2mN7pL5vR8tW1zC4dF6gH0", "pass"),
        ("aB3-xY9_kQ2mN7pL5vR8tW1zC4dF6gH", "fail"),
        ("7c9e6679-7425-40de-944b-e07fc1f90ae7", "fail"),
        ("k3v9x0m2q8w7r4t6y1u5i0o3p2a8s7d6", "fail"),
        ("83920174650192837465019283746501928374650192837465", "fail"),
    ],
)
def test_the_length_is_counted_in_random_bytes(token: str, verdict: str) -> None:
    """24 bytes are 48 hexadecimal digits or 32 characters of base64url; a UUID has 15, whatever its length."""
    assert verdicts(token)["token-length"] == verdict


def test_the_scheme_may_ask_for_fewer_bytes() -> None:
    assert verdicts(NEW[:32], least=16)["token-length"] == "pass"


@pytest.mark.parametrize(
    "token",
    [
        "deadbeef" * 6,
        "a" * 48,
        "0123456789abcdef0123456789abcdee4f1c9b7a2d3e5061",
        "abcdefghijklmnopqrstuvwxyz012345",
        "1111111111112222222222223333333333334444444444ff",
        "Zx9-aaaaaaaaQw7_Rt5yUi3oPl1kJh6g",
    ],
)
def test_a_token_with_a_pattern_is_not_random(token: str) -> None:
    assert verdicts(token)["token-random"] == "fail"


def test_random_tokens_are_never_blamed() -> None:
    """Silent on a good token: 1,000 of each usual form."""
    for _ in range(1000):
        for token in (secrets.token_hex(24), secrets.token_urlsafe(24), secrets.token_hex(32)):
            found = verdicts(token)
            assert set(found.values()) == {"pass"}, token


def test_an_alphabet_that_software_rewrites_is_a_warning() -> None:
    assert verdicts(NEW + ".x~y")["token-alphabet"] == "warn"


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        (URL, "pass"),
        (URL + "/{token}", "pass"),
        (URL + "/{token}?source=vendor", "pass"),
        (URL + "?key={token}", "fail"),
    ],
)
def test_the_token_belongs_in_the_path(url: str, verdict: str) -> None:
    assert verdicts(NEW, url)["token-place"] == verdict


@pytest.mark.parametrize("old", [NEW[:12] + OLD[12:], OLD[:-12] + NEW[-12:], NEW[:40], NEW + "00"])
def test_a_new_token_made_from_the_old_one_is_found(old: str) -> None:
    """And such an old token is not used for near-misses: they would show most of the new one."""
    assert verdicts(NEW, old=old)["token-fresh"] == "fail"
    assert not [miss for miss in near_misses(URL, Secret(NEW), Secret(old)) if miss.id.startswith("old")]
    assert verdicts(NEW, old=OLD)["token-fresh"] == "pass"


@pytest.mark.parametrize("url", [URL, URL + "/{token}", URL + "/{token}/in"])
@pytest.mark.parametrize("token", [NEW, "aB3-xY9_kQ2mN7pL5vR8tW1zC4dF6gH0", NEW + ".x"])
def test_no_near_miss_is_made_from_the_right_token(url: str, token: str) -> None:
    """Not even a piece of it: eight characters in a row are no accident."""
    misses = near_misses(url, Secret(token), Secret(OLD))
    assert [miss.id for miss in misses] == [
        "random", "short", "long", "deeper", "old-flipped", "old-half", "old-case", "base", "base-slash",
    ]  # fmt: skip
    pieces = [token[at : at + 8] for at in range(len(token) - 7)]
    for miss in misses:
        assert not [piece for piece in pieces if piece in miss.url]
        assert miss.url.startswith(URL)
        assert miss.url.removeprefix(URL + "/") != OLD
        assert miss.url not in repr(miss)
    assert len({miss.url for miss in misses}) == len(misses)


def test_near_misses_have_the_form_of_the_token() -> None:
    by_id = {miss.id: miss.url.removeprefix(URL + "/") for miss in near_misses(URL, Secret(NEW))}
    assert len(by_id["random"]) == 48
    assert set(by_id["random"]) <= set("0123456789abcdef")
    assert by_id["random"] != {miss.id: miss.url for miss in near_misses(URL, Secret(NEW))}["random"]
    assert len(by_id["short"]) == 24


def test_the_front_page_of_a_host_is_no_base_path() -> None:
    ids = [miss.id for miss in near_misses("https://endpoint.example/{token}", Secret(NEW))]
    assert "base" not in ids


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(404, "pass"), (410, "pass"), (401, "warn"), (405, "warn"), (400, "warn"), (200, "fail"), (204, "fail"),
     (302, "fail"), (500, "fail"), (429, "inconclusive"), (None, "inconclusive")],
)  # fmt: skip
def test_a_near_miss_is_answered_with_404(status: int | None, verdict: str) -> None:
    found = judge(near_misses(URL, Secret(NEW))[0], status)
    assert (found.id, found.verdict) == ("near-random", verdict)


@pytest.mark.parametrize(
    ("headers", "body", "place"),
    [
        ([], f'{{"path":"/hooks/vendor/{NEW}"}}'.encode(), "the body"),
        ([("location", f"https://endpoint.example/hooks/vendor/{NEW}/")], b"", "the header location"),
        ([("x-path", base64.b64encode(NEW.encode()).decode())], b"", "the header x-path"),
        ([], NEW[:20].encode(), "the body"),
        ([(f"x-{NEW}", "1")], b"", "the name of a header"),
        ([("x" * 300, NEW)], b"", f"the header {'x' * 40}…"),
    ],
)
def test_a_token_that_comes_back_is_found(headers: list[tuple[str, str]], body: bytes, place: str) -> None:
    found = echoed(Secret(NEW), [Answer(200, [], b"ok", 0.1), Answer(200, headers, body, 0.1)])
    assert (found.verdict, found.reason) == ("fail", f"repeated in {place}")


def test_other_text_is_no_echo() -> None:
    assert echoed(Secret(NEW), [Answer(200, [("x", OLD)], OLD.encode(), 0.1)]).verdict == "pass"
    assert echoed(Secret(NEW), []).verdict == "inconclusive"
    assert echoed(Secret("abc"), [Answer(200, [], b"abc", 0.1)]).verdict == "inconclusive"


def line(token: str) -> str:
    return f'203.0.113.9 - - [01/Jan/2026:00:00:00 +0000] "POST /hooks/vendor/{token}?x=1 HTTP/1.1" 200 2 "-"\n'


def test_a_token_in_local_logs_is_found_and_counted(tmp_path: Path) -> None:
    plain, packed, clean = tmp_path / "access.log", tmp_path / "access.log.2.gz", tmp_path / "clean.log"
    plain.write_text(line(OLD) + line(NEW) * 2 + f"see /hooks/vendor/{NEW}.\n")
    packed.write_bytes(gzip.compress(line(NEW).encode()))
    clean.write_text(line(OLD) + line(NEW[:-1]) + line(NEW.upper()))
    result = search([plain, packed, clean], Needle.of(Secret(NEW)))
    assert result.found == {str(plain): 3, str(packed): 1}
    assert (finding(result).verdict, result.missed) == ("fail", {})


def test_a_search_holds_nothing_of_the_token(tmp_path: Path) -> None:
    """The value is in no result, and the hash under a fresh key says nothing to who does not hold the key."""
    log = tmp_path / "access.log"
    log.write_text(line(NEW))
    one, two = Needle.of(Secret(NEW)), Needle.of(Secret(NEW))
    assert one.digest != two.digest
    shown = repr(one) + repr(search([log], one)) + repr(finding(search([log], one)))
    assert NEW not in shown
    assert one.digest.hex() not in shown


def test_what_cannot_be_searched_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, long, pipe = tmp_path / "broken.gz", tmp_path / "long.log", tmp_path / "pipe"
    broken.write_bytes(gzip.compress(b"x" * 1000)[:-12])
    long.write_text("x\n" * 3000 + line(NEW))
    os.mkfifo(pipe)
    monkeypatch.setattr(token_logs, "_BYTES", 2 << 10)
    result = search([broken, long, pipe, tmp_path / "absent"], Needle.of(Secret(NEW)))
    assert set(result.missed) == {str(path) for path in (broken, long, pipe, tmp_path / "absent")}
    assert finding(result).verdict == "inconclusive"
    assert finding(search([], Needle.of(Secret(NEW)))).verdict == "not_applicable"
    clean = tmp_path / "clean.log"
    clean.write_text(line(OLD))
    assert finding(search([clean], Needle.of(Secret(NEW)))).verdict == "pass"


@pytest.mark.parametrize("at", [*range(930, 1100, 7), 4000])
def test_a_token_is_found_wherever_a_chunk_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Between other text, and at the end of a run of characters much longer than a token."""
    monkeypatch.setattr(token_logs, "_CHUNK", 1000)
    needle = Needle.of(Secret(NEW))
    for filler in (" ", "x"):
        log = tmp_path / "access.log"
        log.write_text(filler * at + NEW + "\n" + "y" * 40 + "\n")
        assert search([log], needle).found == {str(log): 1}, filler
