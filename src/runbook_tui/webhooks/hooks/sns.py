"""Amazon SNS: named fields of the message, each as its name and its value on a line; the signature is in the body.

Source: the validators of npm sns-validator and PyPI; SignatureVersion 1 signs with SHA-1, 2 with SHA-256. The receiver
fetches the certificate from SigningCertURL, which must be SNS's own host.
"""

from __future__ import annotations

from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.webhooks.draft import Draft

FACTS = ("cert_url",)

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_HANDSHAKE = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def prepare(draft: Draft) -> Draft:
    """Version and certificate are there in every message, also in one without a signature; other bodies stay."""
    try:
        data = draft.json()
    except RunbookError:
        return draft
    version = "1" if draft.scheme.alg == "rsa-sha1" else "2"
    return draft.with_json({**data, "SignatureVersion": version, "SigningCertURL": draft.values["cert_url"]})


def content(draft: Draft) -> bytes:
    data: dict[str, Any] = draft.json()
    names = _NOTIFICATION if data.get("Type") == "Notification" else _HANDSHAKE
    return "".join(f"{name}\n{data[name]}\n" for name in names if name in data).encode()


def place(draft: Draft, proof: str) -> Draft:
    return draft.with_json({**draft.json(), "Signature": proof})
