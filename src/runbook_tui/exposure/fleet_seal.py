"""Values on their way to a worker: sealed for that worker's own key, so what carries them cannot read them.

So are rules to find credentials by, as the key of the fingerprints that findings are known by goes with them.

Each worker process makes an X25519 key pair in memory at its first task and tells the public half. The sender encrypts
the values once, under a random AES-256-GCM key, and seals that key for each worker (ephemeral X25519, HKDF-SHA256,
AES-256-GCM). So a scheduler, its dashboard, its logs and its memory hold ciphertext only.

Limit: a public key is believed to be a worker's because it comes through the scheduler. Who controls the scheduler
can put in a key of their own; they can also run programs on every worker.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from runbook_tui.exposure.task import ByRules
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.secrets.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

_NONCE = 12
_CONTEXT = b"runbook fleet v1"


class Sought(NamedTuple):
    """What a box holds: (name, secret), and rules when credentials are to be found by them."""

    values: list[tuple[str, Secret]]
    by_rules: ByRules | None = None


class Sender:
    """The side that has the values."""

    def __init__(self, values: Sequence[tuple[str, Secret]], by_rules: ByRules | None = None) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._own = X25519PrivateKey.generate()
        self._data_key = AESGCM.generate_key(256)
        self.public = self._own.public_key().public_bytes_raw()
        rules = by_rules.data() if by_rules is not None else None
        content = json.dumps([[[name, secret.expose()] for name, secret in values], rules]).encode()
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

    def open(self, sealed: dict[str, Any]) -> Sought | None:
        """What is sought; None when this worker has not been admitted. RunbookError when they were tampered with."""
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
            values, rules = json.loads(content)
            named = [(str(name), Secret(str(value))) for name, value in values]
            return Sought(named, ByRules.read(rules) if rules is not None else None)
        except (InvalidTag, ValueError, TypeError, KeyError):
            # Nothing of what was opened is repeated.
            raise RunbookError("the values did not arrive whole", "run it again", exit_code=Exit.INCOMPLETE) from None


def _derived(shared: bytes, sender: bytes, receiver: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_CONTEXT + sender + receiver).derive(shared)
