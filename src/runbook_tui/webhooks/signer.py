"""Makes deliveries. Pure: what is signed, when and for whom all come in as arguments.

The bytes that are signed are the bytes that are sent; nothing is parsed and written again on the way. (NOWPayments
signs a re-written form of the body by design; the body itself is still sent as it came in. Adyen's payments, SNS,
Mailgun and Microsoft Graph carry their proof inside the body, so there the body is written with it.)
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.secrets.secret import Secret
from runbook_tui.webhooks.draft import Draft, compact, hook
from runbook_tui.webhooks.keys import signing_key, travelling_text
from runbook_tui.webhooks.pointers import changed
from runbook_tui.webhooks.proofs import other_prefix, signature, spoiled
from runbook_tui.webhooks.scheme import FORM, PROOF_TOKENS, Case, Delivery, Scheme
from runbook_tui.webhooks.template import Template, filled
from runbook_tui.webhooks.urls import with_token, without_token

_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_PREFIXED = PROOF_TOKENS - {"sigs"}  # in `sigs` the prefix stands before each signature
_UUID_SPACE = uuid.UUID("5b0ee9ba-3f6c-5d0c-9d0e-6f2f0a1d7c11")  # ours alone, so that ids of two programs never meet

Secrets = Secret | Sequence[Secret] | None


def build(scheme: Scheme, case: Case, secret: Secrets, body: bytes, at: datetime, url: str) -> Delivery:
    """The request of one case. `at` is an aware time; `url` is the endpoint without a path token.

    Several secrets, in the order of `case.secrets`, give several signatures where the scheme has room for them. An
    unsigned case needs no secret and leaves out every header, body part or path part that proves the sender.
    RunbookError when a secret has the wrong form (the message says which one is expected), when the scheme cannot be
    signed by anybody but the vendor and no test key is given, when a fact is missing, or when the body does not suit
    the scheme.
    """
    if case.proof and case.proof not in scheme.spoils:
        raise ValueError(f"{case.proof} spoils no proof of {scheme.id}: the delivery would be a right one")
    shown = _prepared(_draft(scheme, case, body, at, url))
    if not case.signed:
        target = without_token(url) if scheme.kind == "url-token" else shown.url
        return Delivery(case.method, target, _headers(shown, case), shown.body)
    secrets = (secret,) if isinstance(secret, Secret) else tuple(secret or ())
    if not secrets:
        raise RunbookError("a signed delivery needs the secret")
    if len(secrets) > 1 and not scheme.rolls:
        raise RunbookError(f"a delivery of {scheme.name} has room for one signature only")
    if scheme.carries_secret:
        proofs = [spoiled(travelling_text(scheme, secrets[0]), case.proof)]
        shown = shown.having(secret=proofs[0])
    else:
        proved = _prepared(_proved(shown, case, body, at, url))
        proofs = [_proof(proved, case, one) for one in secrets]
        shown = shown.having(**_signatures(scheme, case, proofs))
    if scheme.code and hasattr(hook(scheme.code), "place"):
        shown = hook(scheme.code).place(shown, proofs[0])
    target = with_token(url, proofs[0]) if scheme.kind == "url-token" else shown.url
    return Delivery(case.method, target, _headers(shown, case), shown.body)


def safe_body(scheme: Scheme, case: Case, at: datetime) -> bytes:
    """The safe event of the scheme, or of the case's variant, with the case's event and scope in their places.

    JSON as ASCII, compact, a fixed point of the usual JSON writers; a form where the scheme sends forms.
    """
    event = scheme.variants[case.variant] if case.variant else scheme.safe_event
    data = filled(event.body, values_of(scheme, case, at))
    for place, text in ((scheme.event, case.event), (event.scope or scheme.scope, case.scope)):
        if text and place.startswith("body:"):
            data = changed(data, place.removeprefix("body:"), text)
    if (case.content_type or scheme.content_type) == FORM:
        return urlencode(data).encode("ascii")
    return compact(data)


def _draft(scheme: Scheme, case: Case, body: bytes, at: datetime, url: str) -> Draft:
    used = {token for template in (*scheme.headers.values(), scheme.signed) for token in template.tokens}
    needed = [name for name in scheme.facts if not case.facts.get(name) and (scheme.code or name in used)]
    if needed:
        said = ", ".join(f"{name} ({scheme.facts[name]})" for name in needed)
        raise RunbookError(f"a delivery of {scheme.name} also needs {said}", "it is part of what is signed or shown")
    if not url and "url" in scheme.covers:
        raise RunbookError("this scheme signs the endpoint's URL too", "give the URL exactly as the vendor knows it")
    content_type = case.content_type or scheme.content_type
    return Draft(scheme, at, case.method, url, body, content_type, values_of(scheme, case, at))


def _proved(shown: Draft, case: Case, body: bytes, at: datetime, url: str) -> Draft:
    """What the proof is made for: the delivery itself, unless the case swaps the time, the id or the body."""
    proven = replace(case, delivery_id=case.signed_id or case.delivery_id)
    signed = body if case.signed_body is None else case.signed_body
    return _draft(shown.scheme, proven, signed, case.signed_at or at, url)


def _prepared(draft: Draft) -> Draft:
    code = draft.scheme.code
    if code and hasattr(hook(code), "prepare"):
        found: Draft = hook(code).prepare(draft)
        return found
    return draft


def values_of(scheme: Scheme, case: Case, at: datetime) -> dict[str, str]:
    """The tokens of a case's delivery that need no secret."""
    if at.tzinfo is None:
        raise ValueError("the time of a delivery must be aware")
    return {
        "id": case.delivery_id,
        "uuid": str(uuid.uuid5(_UUID_SPACE, case.delivery_id)),
        "ts": str(int(at.timestamp())),
        "ts_ms": str(round(at.timestamp() * 1000)),
        "ts_iso": at.isoformat(timespec="seconds"),
        "ts_z": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "event": case.event or scheme.safe_event.event,
        **{name: case.facts.get(name, "") for name in scheme.facts},
    }


def _headers(draft: Draft, case: Case) -> tuple[tuple[str, str], ...]:
    found = [("Content-Type", draft.content_type)]
    for name, template in draft.scheme.headers.items():
        proving = template.tokens & PROOF_TOKENS
        if not proving <= draft.values.keys():
            continue  # unsigned, or a second slot without a second secret
        if case.scope and draft.scheme.scope == f"header:{name}":
            found.append((name, case.scope))
            continue
        if proving and case.proof == "twice":
            junk = {token: spoiled(draft.values[token], "junk") for token in proving}
            found.append((name, template.text({**draft.values, **junk})))
        found.append((name, _written(template, draft.values, case)))
    for name, value in found:
        if not _HEADER_VALUE.fullmatch(value) and not (case.proof == "empty" and not value.strip()):
            raise RunbookError(
                f"the header {name} would be empty or hold characters that do not belong in a header",
                "use printable ASCII for the id, the event and the content type",
            )
    return tuple(found)


def _written(template: Template, values: Mapping[str, str], case: Case) -> str:
    """The template's text; a case that wants another version prefix gets it before each signature."""
    if case.proof != "prefix":
        return template.text(values)
    texts: list[str] = []
    for text, is_token in template.parts:
        if is_token and text in _PREFIXED:
            texts.append(other_prefix(texts.pop() if texts else ""))
        texts.append(values[text] if is_token else text)
    return "".join(texts)


def _proof(proved: Draft, case: Case, secret: Secret) -> str:
    scheme = proved.scheme
    if scheme.kind == "vendor-key" and scheme.alg == "none":
        raise RunbookError(
            f"only {scheme.name} can sign its deliveries", "trigger a test delivery in the vendor's dashboard"
        )
    if not scheme.code:
        return signature(scheme, case, secret, _signed_content(proved, secret))
    code: Any = hook(scheme.code)
    made = signature(scheme, case, secret, code.content(proved))
    return str(code.proof(proved, made)) if hasattr(code, "proof") else made


def _signed_content(draft: Draft, secret: Secret) -> bytes:
    texts = {name: value.encode() for name, value in draft.values.items()}
    texts |= {"url": draft.url.encode(), "method": draft.method.encode(), "body": draft.body}
    if "secret" in draft.scheme.signed.tokens:
        texts["secret"] = signing_key(draft.scheme, secret)
    return draft.scheme.signed.data(texts)


def _signatures(scheme: Scheme, case: Case, proofs: Sequence[str]) -> dict[str, str]:
    if scheme.sigs is not None:
        return {"sigs": scheme.sigs.join.join(_written(scheme.sigs.each, {"sig": one}, case) for one in proofs)}
    return dict(zip(("sig", "sig2"), proofs, strict=False))
