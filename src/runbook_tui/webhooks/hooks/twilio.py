"""Twilio: the URL, then for a form its fields sorted by name, each name and value once; else a body hash in the URL.

Source: twilio-python 9.13, twilio/request_validator.py. The URL has to be the one Twilio calls: a proxy that changes
host, port or scheme is the usual reason for a refusal.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from urllib.parse import parse_qsl

from runbook_tui.webhooks.draft import Draft
from runbook_tui.webhooks.scheme import FORM


def prepare(draft: Draft) -> Draft:
    if draft.content_type == FORM:
        return draft
    joint = "&" if "?" in draft.url else "?"
    return replace(draft, url=f"{draft.url}{joint}bodySHA256={hashlib.sha256(draft.body).hexdigest()}")


def content(draft: Draft) -> bytes:
    if draft.content_type != FORM:
        return draft.url.encode()
    fields = parse_qsl(draft.body.decode("utf-8", "replace"), keep_blank_values=True)
    return "".join([draft.url, *(name + value for name, value in sorted(set(fields)))]).encode()
