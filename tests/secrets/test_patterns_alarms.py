"""The guard's false alarms and misses, measured: what people write in an incident passes, generated keys do not."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.providers.catalogue import Catalogue
from runbook_tui.secrets.patterns import Guard

ROOT = Path(__file__).parents[2]
GUARD = Guard(Catalogue.load().shapes())

ORDINARY = [
    "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904 and tree a94a8fe5ccb19ba61c4c0873d391e987982fbbd3 in main",
    "request 123e4567-e89b-12d3-a456-426614174000, trace 0af7651916cd43dd8448eb211c80319c",
    "the key fp:3f9a0c1b2d4e (AKIAIOSFODNN7EXAMPLE) of arn:aws:iam::123456789012:user/deploy/web-01 is gone",
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/payments/stripe-AbCdEf",
    "https://dashboard.example.com/keys/key_123?tab=usage&since=2025-11-20T09:12:30Z#top",
    "https://github.com/example/app/commit/4b825dc642cb6eb9a060e54bf8d69288fbee4904#diff-R12",
    "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC integrity of the script",
    "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8 is the host key's fingerprint",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl kim@laptop",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7vbqajDRy1KkqPpFhJ8x9dX2b6n0 ops@example.com",
    "-----BEGIN CERTIFICATE-----\nMIIB8TCCAZegAwIBAgIUQJ4k\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
    "kim.meier+incident@example.co.uk wrote at 14:05 (ticket OPS-48213, pid 12345, 10.0.0.7:8443)",
    "key_id k_1a2b3c4d5e, sk_live_…ab12, sk-proj-…, ghp_…, whsec_…: masks and prefixes are public",
    "the bearer authentication/authorization header was missing; Bearer <token> is what the vendor wants",
    "token: please-rotate-all-of-the-tokens-that-we-have; credential: kubernetes/prod/payments-api/stripe-webhook",
    "password: siehe Passwortmanager, Eintrag Zahlungsdienst; der Schlüssel wurde um 09:12 Uhr gesperrt",
    "Der alte Schlüssel endet auf 4f2a, er stand seit 2025-11-20 im öffentlichen Repository; Zugriffe: 14.",
    "self.assertIsInstanceOfSomethingRatherLong(value); s.some_long_python_attribute_name_here = 1",
    "arn:aws:s3:::bucket-with-a-long-name-0123456789/path/to/some/object/v2/report.json",
    "docker pull registry.example.com:5000/team/app@sha256:9b2a4d0c8f17e5a3b6d8c1f0e2a49b7d",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_what_people_write_passes(text: str) -> None:
    """Promise: commits, ids, addresses, digests, public keys, masks and prose in two languages raise no alarm."""
    assert [(hit.what, text[hit.start : hit.end]) for hit in GUARD.hits(text)] == []


def test_our_own_documents_pass() -> None:
    """Promise: no false alarm in any line of the documents, playbooks, manifests and programs here."""
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "src").rglob("*.yaml")]
    files += [*(ROOT / "playbooks").glob("*.yaml"), *(ROOT / "src" / "runbook_tui" / "conductor").glob("*.py")]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 3000
    assert [line for line in lines if GUARD.hits(line)] == []


ALPHABET = string.ascii_letters + string.digits
GENERATED: dict[str, tuple[Callable[[Callable[..., str]], str], float]] = {
    # what a vendor generates, and how many of a thousand may be missed
    "sk-": (lambda r: f"sk-{r(48)}", 1),
    "sk-proj-": (lambda r: f"sk-proj-{r(40, ALPHABET + '-_')}", 1),
    "GitHub": (lambda r: f"ghp_{r(36)}", 0),
    "GitHub, fine-grained": (lambda r: f"github_pat_{r(22)}_{r(59)}", 0),
    "Stripe": (lambda r: f"sk_live_{r(24)}", 0),
    "Stripe, organization": (lambda r: f"sk_org_{r(24)}", 0),
    "Stripe, webhook": (lambda r: f"whsec_{r(32)}", 0),
    "OpenBao": (lambda r: f"hvs.{r(90, ALPHABET + '_-')}", 1),
    "OpenBao, batch": (lambda r: f"hvb.{r(120, ALPHABET + '_-')}", 1),
    "AWS": (lambda r: f"AKIA{r(16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')}:{r(40, ALPHABET + '+/')}", 10),
    "Slack": (lambda r: f"xoxb-{r(11, string.digits)}-{r(24)}", 0),
    "Discord": (lambda r: f"M{r(23)}.{r(6)}.{r(27)}", 1),
    "Telegram": (lambda r: f"{r(10, string.digits)}:{r(35, ALPHABET + '_-')}", 10),
    "SendGrid": (lambda r: f"SG.{r(22)}.{r(43)}", 1),
    "hexadecimal after a name": (lambda r: f"api_key={r(32, '0123456789abcdef')}", 10),
    "base64 after a name": (lambda r: f'"client_secret": "{r(44, ALPHABET + "+/")}"', 30),
}


@pytest.mark.parametrize("vendor", GENERATED)
def test_generated_keys_are_seen(vendor: str) -> None:
    """Promise: of a thousand keys as vendors generate them, in the middle of a sentence, so many at most are missed."""
    make, allowed = GENERATED[vendor]
    luck = random.Random(vendor)
    draw = lambda count, of=ALPHABET: "".join(luck.choice(of) for _ in range(count))  # noqa: E731
    missed = sum(not GUARD.hits(f"Kim pasted {make(draw)} into the chat, it is live.") for _ in range(1000))
    assert missed <= allowed


def test_the_alarm_names_the_place_and_never_the_value() -> None:
    """Promise: the refusal says what it took for a secret and at which characters, and what to do: other words."""
    secret = "ghp_" + "Z7QW3XN5RT2YB4MDz7qw3xn5"  # of the form of a GitHub token, made up
    with pytest.raises(RunbookError) as refused:
        GUARD.refuse({"reason": ["fine", f"it was {secret}"]}, "the answer")
    assert refused.value.message == (
        f"the answer, reason looks like it holds a secret (a GitHub token, characters 8 to {7 + len(secret)} of "
        f"{7 + len(secret)})"
    )
    assert secret[:12] not in str(refused.value)
    assert "leave out its middle" in refused.value.hint
    GUARD.refuse(f"it was {secret[:6]}…{secret[-4:]}", "the note")


def test_a_hostile_text_does_not_hold_the_guard_up() -> None:
    """Promise: the guard reads in one pass; a text too long to be typed is refused."""
    for piece in ("a.", "eyJ-", "x://", "bearer ", "key=", "-----BEGIN PRIVATE KEY-----", "AKIAABCDEFGHIJKLMNOP "):
        GUARD.hits(piece * (100_000 // len(piece)))
    with pytest.raises(RunbookError, match="200,001 characters"):
        GUARD.refuse("x" * 200_001, "the note")
