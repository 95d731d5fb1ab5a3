"""Promise: a pasted secret is noticed before it is recorded, and ordinary notes pass."""

from __future__ import annotations

import pytest

from runbook_tui.secrets.patterns import looks_secret

BODY = "Zq8Xw2Lm9Kp4Rt7Vb1Nc6Hd3"


@pytest.mark.parametrize(
    "text",
    [
        f"the key is sk_live_{BODY}",
        f"sk-proj-{BODY}",
        f"AKIAABCDEFGHIJKLMNOP and its secret {BODY}{BODY[:16]}",
        f"ghp_{BODY}",
        f"github_pat_{BODY}",
        f"xoxb-{BODY}",
        f"whsec_{BODY}",
        f"hvs.{BODY}",
        f"s.{BODY}",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        f"eyJhbGciOiJIUzI1NiJ9.{BODY}.{BODY}",
        f"API_KEY={BODY}{BODY}",
        f'"token": "{BODY.lower()}{BODY}"',
        "postgres://admin:hunter22@db.example/x",
        f"Authorization: Bearer {BODY}",
    ],
)
def test_secrets_are_noticed(text: str) -> None:
    found = looks_secret(text)
    assert found
    assert BODY not in " ".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Called the vendor at 14:05, ticket 48213; they confirmed the key is gone.",
        "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904 in main",
        "see https://dashboard.example.com/keys/key_123?tab=usage",
        "token: please-rotate-all-of-the-tokens-that-we-have",
        "key = " + "-" * 40,
        "the sk- prefix, whsec_ and AKIA are public",
    ],
)
def test_ordinary_notes_pass(text: str) -> None:
    assert looks_secret(text) == []
