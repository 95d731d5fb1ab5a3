"""HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530): method, URL, content type and digest."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from runbook_tui.webhooks.draft import Draft

FACTS = ("key_id",)
TOKENS = ("content_digest", "signature_params")
_COMPONENTS = ("@method", "@target-uri", "content-type", "content-digest")


def prepare(draft: Draft) -> Draft:
    digest = base64.b64encode(hashlib.sha256(draft.body).digest()).decode("ascii")
    names = " ".join(f'"{name}"' for name in _COMPONENTS)
    params = f'({names});created={draft.values["ts"]};keyid="{draft.values["key_id"]}"'
    return draft.having(content_digest=f"sha-256=:{digest}:", signature_params=params)


def content(draft: Draft) -> bytes:
    values = (draft.method, draft.url, draft.content_type, draft.values["content_digest"])
    return signature_base(zip(_COMPONENTS, values, strict=True), draft.values["signature_params"])


def signature_base(components: Iterable[tuple[str, str]], params: str) -> bytes:
    """RFC 9421 section 2.5: a line for each component, and one for the parameters without a line end."""
    lines = [f'"{name}": {value}' for name, value in components]
    return "\n".join([*lines, f'"@signature-params": {params}']).encode()
