"""Promise: the encrypted file shows nothing without its passphrase, survives a full disk and refuses hostile files."""

from __future__ import annotations

import json
import os
import resource
from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.foundation.places import Places
from runbook_tui.secrets.file_vault import FileVault
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, VaultError

CANARY = "canary-Zq8Xw2Lm9Kp4"
BINDING = Binding("stripe", {"api": "https://api.stripe.com"}, "key_1")
PASSPHRASE = "fake passphrase of a test"


class _Operator:
    """Answers the passphrase prompt and remembers how often it was asked."""

    def __init__(self, answer: str = PASSPHRASE) -> None:
        self.answer = answer
        self.asked: list[bool] = []

    def __call__(self, new: bool) -> Secret:
        self.asked.append(new)
        return Secret(self.answer)


def _vault(folder: Path, operator: _Operator | None = None) -> FileVault:
    return FileVault(Places(folder / "state", folder / "config"), operator or _Operator())


def test_round_trip(tmp_path: Path) -> None:
    """One prompt for the whole process; another process needs the passphrase again."""
    operator = _Operator()
    vault = _vault(tmp_path, operator)
    vault.check()
    vault.put(Credential("a", Secret(CANARY), BINDING))
    vault.put(Credential("b", None, BINDING))
    assert operator.asked == [True]
    assert vault.get("a").secret == Secret(CANARY)

    second = _Operator()
    again = _vault(tmp_path, second)
    assert again.names() == ["a", "b"]
    assert again.describe("a").key_id == "key_1"
    assert second.asked == []
    found = again.get("a")
    assert (found.secret, replace(found.binding, created="")) == (Secret(CANARY), BINDING)
    assert second.asked == [False]
    assert again.get("b").secret is None
    again.put(Credential("a", None, BINDING))
    assert again.get("a").secret is None
    again.remove("a")
    again.remove("b")
    assert again.names() == []
    with pytest.raises(RunbookError, match="no credential 'a'"):
        again.get("a")


def test_nothing_readable_on_disk(tmp_path: Path) -> None:
    """Mode 0600, no canary in any file, and a length that does not tell the value's."""
    vault = _vault(tmp_path)
    vault.put(Credential("a", Secret(CANARY), BINDING))
    size = vault.path.stat().st_size
    vault.put(Credential("a", Secret(CANARY * 20), BINDING))
    assert vault.path.stat().st_size == size
    assert vault.path.stat().st_mode & 0o777 == 0o600
    for file in (tmp_path / "state").iterdir():
        assert b"canary" not in file.read_bytes()


def test_wrong_passphrase(tmp_path: Path) -> None:
    _vault(tmp_path).put(Credential("a", Secret(CANARY), BINDING))
    operator = _Operator("something else entirely")
    vault = _vault(tmp_path, operator)
    with pytest.raises(VaultError, match="wrong passphrase"):
        vault.get("a")
    operator.answer = PASSPHRASE
    assert vault.get("a").secret == Secret(CANARY)


def test_short_passphrase_is_refused(tmp_path: Path) -> None:
    vault = _vault(tmp_path, _Operator("short"))
    with pytest.raises(VaultError, match="shorter than"):
        vault.put(Credential("a", Secret(CANARY), BINDING))
    assert not vault.path.exists()
    assert vault.names() == []


@pytest.mark.parametrize(
    "change",
    [
        {"memory_kib": 64 * 1024 * 1024},
        {"memory_kib": 8},
        {"memory_kib": True},
        {"memory_kib": "65536"},
        {"iterations": 10_000_000},
        {"iterations": 0},
        {"lanes": 1000},
        {"name": "scrypt"},
        {"salt": "AAAA"},
        {"salt": 5},
    ],
)
def test_hostile_parameters_are_refused_before_they_cost_anything(tmp_path: Path, change: dict[str, object]) -> None:
    operator = _Operator()
    vault = _vault(tmp_path, operator)
    vault.put(Credential("a", Secret(CANARY), BINDING))
    document = json.loads(vault.path.read_bytes())
    document["kdf"].update(change)
    vault.path.write_text(json.dumps(document))
    other = _Operator()
    with pytest.raises(VaultError, match="not a vault file this program would write"):
        _vault(tmp_path, other).get("a")
    assert other.asked == []


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    """A flipped bit in the data, other parameters within bounds, a cut file, no JSON: each one clear error."""
    vault = _vault(tmp_path)
    vault.put(Credential("a", Secret(CANARY), BINDING))
    good = json.loads(vault.path.read_bytes())
    data = bytearray(b64decode(good["data"]))
    data[5] ^= 1
    for bad in (
        {**good, "data": b64encode(data).decode()},
        {**good, "kdf": {**good["kdf"], "iterations": 2}},
        {**good, "nonce": "AAAA"},
        {**good, "format": "x"},
        [],
    ):
        vault.path.write_text(json.dumps(bad))
        with pytest.raises(VaultError):
            _vault(tmp_path).get("a")
    vault.path.write_text("{")
    with pytest.raises(VaultError):
        _vault(tmp_path).get("a")


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    """The write fails, the error says so, and everything stored before is still there."""
    vault = _vault(tmp_path)
    vault.put(Credential("a", Secret(CANARY), BINDING))
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))
            vault.put(Credential("b", Secret(CANARY * 2), BINDING))
        except VaultError as error:
            code = 0 if "cannot write" in error.message and "kept" in error.hint else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert _vault(tmp_path).get("a").secret == Secret(CANARY)
    assert _vault(tmp_path).names() == ["a"]


def test_an_index_without_its_file(tmp_path: Path) -> None:
    """The file is gone but the list is there: a missing secret is an error, and it can be taken off the list."""
    vault = _vault(tmp_path)
    vault.put(Credential("a", Secret(CANARY), BINDING))
    vault.path.unlink()
    with pytest.raises(RunbookError, match="no credential 'a'"):
        _vault(tmp_path).get("a")
    _vault(tmp_path).remove("a")
    assert _vault(tmp_path).names() == []


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(VaultError, match="cannot"):
        _vault(tmp_path).put(Credential("a", Secret(CANARY), BINDING))
