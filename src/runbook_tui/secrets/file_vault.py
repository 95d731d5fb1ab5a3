"""Credentials in one encrypted file, for machines without a keyring; only when the operator asks for it.

The file is JSON: the parameters of Argon2id (RFC 9106), a nonce, and AES-256-GCM over the padded list of items with
the parameters as associated data. Its length tells the number of credentials only to the kibibyte. The index beside it
lists names and bindings, so that listing needs no passphrase.
"""

from __future__ import annotations

import json
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from runbook_tui.foundation import strict_json
from runbook_tui.foundation.clock import RealClock, iso
from runbook_tui.foundation.errors import Exit
from runbook_tui.foundation.files import make_private_dir, write_atomic
from runbook_tui.foundation.ids import check_name
from runbook_tui.foundation.places import Places
from runbook_tui.secrets.index import Entry, Index, locked_file
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Binding, Credential, VaultError, no_such

_FORMAT = "runbook-vault-1"
_KDF = {"name": "argon2id", "memory_kib": 64 * 1024, "iterations": 3, "lanes": 4}
# A file from elsewhere may ask for any amount of memory and time, or for next to none.
_BOUNDS = {"memory_kib": (19 * 1024, 1024 * 1024), "iterations": (1, 10), "lanes": (1, 16)}
_MAX_BYTES = 16 * 1024 * 1024
_PAD = 1024
_SHORTEST = 10  # characters of a passphrase

Items = dict[str, dict[str, Any]]


class FileVault:
    """The encrypted file `vault.json` in the state folder.

    `ask(new)` gets the passphrase from the operator, at the first use that needs a secret; `new` is True when the file
    is about to be made, so that it is asked twice. The derived key is kept until the process ends.
    """

    kind = "file"
    durable = True

    def __init__(self, places: Places, ask: Callable[[bool], Secret]) -> None:
        self.path = places.state / "vault.json"
        self._index = Index(places.state / "file-index.json")
        self._ask = ask
        self._key: tuple[str, bytes] | None = None  # salt as in the file, derived key

    def check(self) -> None:
        probe = f"probe-{secrets.token_hex(6)}"
        self._change(lambda items: items.update({probe: {"secret": secrets.token_hex(16)}}))
        self._change(lambda items: items.pop(probe))

    def present(self) -> bool:
        """Whether the file is there; VaultError when it is not one this program writes. Asks for no passphrase."""
        return self._header() is not None

    def put(self, credential: Credential) -> None:
        check_name(credential.name, "credential")
        name, binding, secret = credential.name, credential.binding, credential.secret
        if not binding.created:
            binding = replace(binding, created=iso(RealClock().now()))
        if secret is None:
            if self._index.load().get(name, Entry(binding, False)).has_secret:
                self._change(lambda items: items.pop(name, None))
        else:
            item = {"secret": secret.expose(), "binding": binding.as_dict()}
            self._change(lambda items: items.update({name: item}))
        self._index.set(name, Entry(binding, has_secret=secret is not None))

    def get(self, name: str) -> Credential:
        entry = self._index.load().get(name)
        if entry is not None and not entry.has_secret:
            return Credential(name, None, entry.binding)
        item = self._read().get(name)
        if item is None:
            raise no_such(name, self.names())
        return Credential(name, Secret(item["secret"]), Binding.from_dict(item["binding"]))

    def describe(self, name: str) -> Binding:
        return self._index.entry(name).binding

    def names(self) -> list[str]:
        return sorted(self._index.load())

    def remove(self, name: str) -> None:
        if self._index.entry(name).has_secret:
            self._change(lambda items: items.pop(name, None))
        self._index.drop(name)

    def _change(self, edit: Callable[[Items], object]) -> None:
        """One locked read-modify-replace, read back and compared."""
        try:
            make_private_dir(self.path.parent)
            lock: AbstractContextManager[None] = locked_file(self.path.with_suffix(".lock"))
            with lock:
                items = self._read()
                edit(items)
                self._write(items)
                kept = self._read() == items
        except OSError as error:
            message = f"cannot write {self.path}: {error.strerror}"
            raise VaultError(message, "the old content is kept: check the disk and the permissions") from None
        if not kept:
            raise VaultError(f"{self.path} does not hold what was written", "do not rely on it: check the disk")

    def _read(self) -> Items:
        header = self._header()
        if header is None:
            return {}
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._unlock(header["kdf"])
        try:
            text = AESGCM(key).decrypt(header["nonce"], header["data"], _associated(header["kdf"]))
        except InvalidTag:
            self._key = None
            raise VaultError(
                "wrong passphrase, or the vault file was changed", f"try again; file: {self.path}"
            ) from None
        items: Items = json.loads(text)
        return items

    def _write(self, items: Items) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        header = self._header()
        kdf = header["kdf"] if header else {**_KDF, "salt": _b64(os.urandom(16))}
        key = self._unlock(kdf, new=header is None)
        text = json.dumps(items, ensure_ascii=False).encode()
        padded = text + b" " * (-len(text) % _PAD)
        nonce = os.urandom(12)
        data = AESGCM(key).encrypt(nonce, padded, _associated(kdf))
        document = {"format": _FORMAT, "kdf": kdf, "nonce": _b64(nonce), "data": _b64(data)}
        content = json.dumps(document).encode()
        if len(content) > _MAX_BYTES:  # it would never be read again
            message = f"the vault file would be larger than {_MAX_BYTES // 1024**2} MiB"
            raise VaultError(message, "nothing was changed: store the key, not the whole file", exit_code=Exit.USAGE)
        write_atomic(self.path, content)

    def _header(self) -> dict[str, Any] | None:
        """The file's checked content, None when there is no file."""
        try:
            with self.path.open("rb") as stream:
                raw = stream.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise VaultError(f"cannot read {self.path}: {error.strerror}", "it must belong to you") from None
        try:
            document = strict_json.loads(raw)
            if len(raw) > _MAX_BYTES or document["format"] != _FORMAT:
                raise ValueError("format")
            kdf = document["kdf"]
            if kdf["name"] != _KDF["name"] or len(b64decode(kdf["salt"], validate=True)) != 16:
                raise ValueError("kdf")
            for name, (least, most) in _BOUNDS.items():
                if type(kdf[name]) is not int or not least <= kdf[name] <= most:
                    raise ValueError(name)
            nonce, data = (b64decode(document[part], validate=True) for part in ("nonce", "data"))
        except (ValueError, KeyError, TypeError):
            raise VaultError(
                f"{self.path} is not a vault file this program would write", "restore it from a backup"
            ) from None
        if len(nonce) != 12:
            raise VaultError(f"{self.path} is damaged", "restore it from a backup")
        return {"kdf": {part: kdf[part] for part in (*_KDF, "salt")}, "nonce": nonce, "data": data}

    def _unlock(self, kdf: dict[str, Any], *, new: bool = False) -> bytes:
        if self._key is not None and self._key[0] == kdf["salt"]:
            return self._key[1]
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        passphrase = self._ask(new)
        if new and len(passphrase.expose()) < _SHORTEST:
            message = f"the passphrase is shorter than {_SHORTEST} characters"
            raise VaultError(message, "nothing was stored: use a few words", exit_code=Exit.USAGE)
        derive = Argon2id(
            salt=b64decode(kdf["salt"]),
            length=32,
            iterations=kdf["iterations"],
            lanes=kdf["lanes"],
            memory_cost=kdf["memory_kib"],
        )
        key = derive.derive(passphrase.expose_bytes())
        self._key = (kdf["salt"], key)
        return key


def _b64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def _associated(kdf: dict[str, Any]) -> bytes:
    return json.dumps([_FORMAT, kdf], sort_keys=True).encode()
