"""A scheme as plain data and in one paragraph: what it signs, covers and tolerates."""

from __future__ import annotations

from typing import Any

from runbook_tui.webhooks.scheme import PROOF_TOKENS, Handshake, Scheme


def as_data(scheme: Scheme) -> dict[str, Any]:
    """Plain data for `webhook schemes --json`."""
    tolerance = scheme.tolerance
    return {
        "id": scheme.id,
        "name": scheme.name,
        "kind": scheme.kind,
        "key": scheme.key,
        "key_prefix": scheme.key_prefix,
        "alg": scheme.alg,
        "signed": scheme.signed.source,
        "code": scheme.code,
        "enc": scheme.enc,
        "headers": {name: template.source for name, template in scheme.headers.items()},
        "several_signatures": scheme.rolls,
        "covers": list(scheme.covers),
        "delivery_id": scheme.delivery_id,
        "event": scheme.event,
        "scope": scheme.scope,
        "tolerance": None
        if tolerance is None
        else {"past": tolerance.past, "future": tolerance.future, "enforced": tolerance.enforced},
        "answers": {
            "ok": list(scheme.answers.ok.source),
            "duplicate": list(scheme.answers.duplicate.source),
            "bad": list(scheme.answers.bad.source),
        },
        "answer_within": scheme.answer_within,
        "roll_window": scheme.roll_window,
        "safe_event": scheme.safe_event.event,
        "variants": sorted(scheme.variants),
        "probes": [_handshake(probe) for probe in scheme.probes],
        "abuse": [_handshake(abuse) for abuse in scheme.abuse],
        "forms": list(scheme.forms),
        "facts": dict(scheme.facts),
        "min_token_bytes": scheme.min_token_bytes,
        "vectors": list(scheme.vectors),
        "unconfirmed": list(scheme.unconfirmed),
        "source": scheme.source,
        "checked_on": scheme.checked_on,
        "notes": scheme.notes,
    }


def in_words(scheme: Scheme) -> str:
    """Where the proof is, what it is made of, what it covers and how old it may be."""
    return f"{_proof(scheme)}; covers {_covers(scheme)}; {_time(scheme)}"


def _proof(scheme: Scheme) -> str:
    if scheme.kind == "url-token":
        return "the secret is in the URL's path, nothing is signed"
    headers = ", ".join(name for name, template in scheme.headers.items() if template.tokens & PROOF_TOKENS)
    where = headers or "the body"
    if scheme.kind == "bearer":
        return f"{where} holds the secret itself"
    what = f"over {scheme.signed.source}" if scheme.signed.parts else f"made by code ({scheme.code})"
    return f"{where}: {scheme.alg} {what}, key {scheme.key}"


def _covers(scheme: Scheme) -> str:
    parts = [part for part in scheme.covers if not part.startswith("fields:")]
    fields = len(scheme.covers) - len(parts)
    return ", ".join([*parts, *([f"{fields} fields of the body"] if fields else [])]) or "nothing"


def _time(scheme: Scheme) -> str:
    if scheme.tolerance is None:
        return "no limit on age enforced" if "ts" in scheme.covers else "no time signed"
    future = scheme.tolerance.future
    later = "" if future is None else f", at most {future} s in the future"
    return f"at most {scheme.tolerance.past} s old{later} ({scheme.tolerance.enforced})"


def _handshake(handshake: Handshake) -> dict[str, Any]:
    return {"name": handshake.name, "title": handshake.title, "signed": handshake.signed, "why": handshake.why}
