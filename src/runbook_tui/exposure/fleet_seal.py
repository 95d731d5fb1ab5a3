"""Values on their way to a worker: sealed for that worker's own key, so what carries them cannot read them.

Each worker process makes an X25519 key pair in memory at its first task and tells the public half. The sender encrypts
the values once, under a random AES-256-GCM key, and seals that key for each worker (ephemeral X25519, HKDF-SHA256,
AES-256-GCM). So a scheduler, its dashboard, its logs and its memory hold ciphertext only.

Limit: a public key is believed to be a worker's because it comes through the scheduler. Who controls the scheduler
can put in a key of their own; they can also run programs on every worker.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.secrets.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

_NONCE = 12
_CONTEXT = b"runbook fleet v1"


class Sender:
    """The side that has the values."""

    def __init__(self, values: Sequence[tuple[str, Secret]]) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._own = X25519PrivateKey.generate()
        self._data_key = AESGCM.generate_key(256)
        self.public = self._own.public_key().public_bytes_raw()
        content = json.dumps([[name, secret.expose()] for name, secret in values]).encode()
        nonce = os.urandom(_NONCE)
        self._box = nonce + AESGCM(self._data_key).encrypt(nonce, content, _CONTEXT)
        self._keys: dict[str, str] = {}

    def admit(self, worker: str) -> None:
        """Let the worker with this public key (hex) open the box. RunbookError when it is no key."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            public = bytes.fromhex(worker)
            shared = self._own.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:
            raise RunbookError("a worker's key is no key", "restart the workers", exit_code=Exit.INCOMPLETE) from None
        nonce = os.urandom(_NONCE)
        sealed = AESGCM(_derived(shared, self.public, public)).encrypt(nonce, self._data_key, _CONTEXT)
        self._keys[worker] = (nonce + sealed).hex()

    def sealed(self) -> dict[str, Any]:
        """What travels: {"from", "box", "keys": {worker: sealed key}}, all hex."""
        return {"from": self.public.hex(), "box": self._box.hex(), "keys": dict(self._keys)}


class Receiver:
    """The side of a worker; one for the life of its process."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        self._own: X25519PrivateKey = X25519PrivateKey.generate()
        self.public = self._own.public_key().public_bytes_raw()

    def open(self, sealed: dict[str, Any]) -> list[tuple[str, Secret]] | None:
        """The values; None when this worker has not been admitted. RunbookError when they were tampered with."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        mine = sealed["keys"].get(self.public.hex())
        if mine is None:
            return None
        try:
            sender = bytes.fromhex(sealed["from"])
            shared = self._own.exchange(X25519PublicKey.from_public_bytes(sender))
            key, box = bytes.fromhex(mine), bytes.fromhex(sealed["box"])
            derived = _derived(shared, sender, self.public)
            data_key = AESGCM(derived).decrypt(key[:_NONCE], key[_NONCE:], _CONTEXT)
            content = AESGCM(data_key).decrypt(box[:_NONCE], box[_NONCE:], _CONTEXT)
            return [(str(name), Secret(str(value))) for name, value in json.loads(content)]
        except (InvalidTag, ValueError, TypeError):
            # Nothing of what was opened is repeated.
            raise RunbookError("the values did not arrive whole", "run it again", exit_code=Exit.INCOMPLETE) from None


def _derived(shared: bytes, sender: bytes, receiver: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_CONTEXT + sender + receiver).derive(shared)
