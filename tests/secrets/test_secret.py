"""Promise: a `Secret` shows its value nowhere but through `expose`; fingerprints and masks say what they may."""

from __future__ import annotations

import ast
import copy
import dataclasses
import io
import json
import logging
import pickle
import sys
import traceback
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import runbook_tui
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.places import Places
from runbook_tui.secrets.fingerprint import FIXED_MASK, exportable, fingerprint, mask, state_key
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, SessionVault

CANARY = "canary-Zq8Xw2Lm9Kp4"


def _everything(secret: Secret) -> list[str]:
    """Every text a careless line of code could make of a secret."""
    credential = Credential("a", secret, Binding("p"))
    texts = [repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", f"{secret:>40}", "%s %r" % (secret, secret)]  # noqa: UP031
    texts += [f"{credential}", repr(dataclasses.asdict(credential)), repr([secret, {"k": secret}])]
    texts.append(repr(copy.deepcopy(credential)))
    for attempt in (
        lambda: json.dumps({"s": secret}),
        lambda: msgspec.json.encode(secret),
        lambda: msgspec.json.encode(credential),
        lambda: pickle.dumps(secret),
        lambda: pickle.dumps(credential),
        lambda: vars(secret),
        secret.__getstate__,
        lambda: hash(secret),
        lambda: {secret: 1},
        lambda: int(secret),  # type: ignore[call-overload]
        lambda: setattr(secret, "x", 1),
        lambda: secret + "x",  # type: ignore[operator]
    ):
        with pytest.raises((TypeError, AttributeError, NotImplementedError)) as caught:
            attempt()
        texts.append("".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()))
    stream = io.StringIO()
    logger = logging.getLogger("canary")
    logger.addHandler(logging.StreamHandler(stream))
    logger.error("%s %r", secret, credential)
    return [*texts, stream.getvalue()]


@pytest.mark.parametrize("value", [CANARY, CANARY.encode()])
def test_no_canary_in_any_text(value: str | bytes) -> None:
    for text in _everything(Secret(value)):
        # The traceback of the test's own frame holds the name, not the value.
        assert CANARY not in text.replace(f"CANARY = {CANARY!r}", "")


def test_bad_values_do_not_come_out_in_the_error() -> None:
    """Neither the message nor the chained exceptions of a refused value carry it."""
    for attempt in (lambda: Secret(CANARY + "\ud800"), lambda: Secret(CANARY.encode() + b"\xff").expose()):
        with pytest.raises(RunbookError) as caught:
            attempt()
        assert caught.value.__context__ is None
        assert CANARY not in str(caught.value)
    with pytest.raises(RunbookError):
        Secret("")


def test_equality_and_copies() -> None:
    assert Secret(CANARY) == Secret(CANARY.encode())
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY
    assert copy.copy(Secret(CANARY)) == Secret(CANARY)


@given(st.text(min_size=1))
def test_what_goes_in_comes_out(value: str) -> None:
    assert Secret(value).expose() == value
    assert Secret(value).expose_bytes() == value.encode()


def test_rooms_that_decide_or_draw_never_open_a_secret() -> None:
    """Only rooms that send, sign, search or store a value may call `expose`."""
    package = Path(runbook_tui.__file__).parent
    for room in ("foundation", "playbook", "incident", "report", "tui", "plain"):
        for file in (package / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                assert not (isinstance(node, ast.Attribute) and node.attr in ("expose", "expose_bytes")), file


def test_fingerprints() -> None:
    """Equal under one key for equal secrets, different under another; the form is fixed."""
    one, two = b"1" * 32, b"2" * 32
    assert fingerprint(Secret(CANARY), one) == fingerprint(Secret(CANARY), one)
    assert fingerprint(Secret(CANARY), one) != fingerprint(Secret(CANARY), two)
    assert fingerprint(Secret("value"), b"k" * 32) == "fp:b11beb1634e6"
    assert exportable(Secret("x" * 16))
    assert not exportable(Secret("x" * 15))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("short-password", FIXED_MASK),
        ("x" * 15, FIXED_MASK),
        ("abcdefghijklmnop", "…op"),
        ("sk_live_" + "a" * 20 + "9f3a", "sk_live_…9f3a"),
        ("sk_live_" + "a" * 14 + "9f", "sk_live_…9f"),
        ("sk_live_" + "abcdefgh", "sk_live_…"),
        ("a" * 23 + "\n", "…"),
    ],
)
def test_masks(value: str, shown: str) -> None:
    assert mask(Secret(value), ["sk_", "sk_live_", ""]) == shown


def test_mask_of_bytes_that_are_no_text() -> None:
    assert mask(Secret(b"\xff" * 32)) == FIXED_MASK


def test_state_key_is_made_once_and_private(tmp_path: Path) -> None:
    places = Places(tmp_path / "state", tmp_path / "config")
    key = state_key(places)
    assert len(key) == 32
    assert state_key(places) == key
    file = tmp_path / "state" / "fingerprint.key"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"short")
    with pytest.raises(RunbookError, match="damaged"):
        state_key(places)


def test_session_vault() -> None:
    """The in-memory vault keeps the contract: names sorted, absent names refused with what is known."""
    vault = SessionVault()
    vault.check()
    vault.put(Credential("b", Secret(CANARY), Binding("p", key_id="k1")))
    vault.put(Credential("a", None, Binding("p")))
    assert vault.names() == ["a", "b"]
    assert vault.get("b").secret == Secret(CANARY)
    assert vault.describe("b").key_id == "k1"
    vault.remove("a")
    for attempt in (vault.get, vault.remove, vault.describe):
        with pytest.raises(RunbookError, match="no credential 'a'") as caught:
            attempt("a")
        assert caught.value.hint == "known: b"
    with pytest.raises(RunbookError):
        vault.put(Credential("../x", None, Binding("p")))
    assert not vault.durable


def test_binding_survives_json() -> None:
    binding = Binding("stripe", {"api": "https://api.stripe.com"}, "k", {"region": "eu"}, "2026-01-01T00:00:00Z")
    assert Binding.from_dict(json.loads(json.dumps(binding.as_dict()))) == binding
    for bad in ({"provider": 1}, {"origins": []}, {"attributes": {"a": 1}}):
        with pytest.raises(ValueError):
            Binding.from_dict(bad)


def test_importing_the_room_loads_nothing_heavy() -> None:
    """`secret`, `vault` and `fingerprint` are imported by every command: no keyring, no cryptography."""
    import subprocess

    code = (
        "import sys, runbook_tui.secrets.vault, runbook_tui.secrets.fingerprint, runbook_tui.secrets.redaction;"
        "print([m for m in ('keyring', 'cryptography', 're2', 'pyperclip', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_state_key_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for state in (tmp_path / "file", tmp_path / "file" / "state"):
        with pytest.raises(RunbookError, match="cannot"):
            state_key(Places(state, tmp_path / "config"))
