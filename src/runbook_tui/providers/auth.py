"""How a secret is placed into a request."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Request
from runbook_tui.playbook.values import Unresolved, resolve
from runbook_tui.providers.drafting import Draft, Show, facts
from runbook_tui.providers.manifest import Auth, Manifest, Operation
from runbook_tui.secrets.vault import Credential

Token = Callable[[], str]


def signed(
    draft: Draft,
    manifest: Manifest,
    operation: Operation,
    holder: Credential | None,
    show: Show,
    token: Token,
    *,
    masked: bool,
) -> Request:
    """The finished request, signed by `holder`. `token` fetches an OAuth2 access token (names one, when `masked`)."""
    if holder is None or operation.identity == "none":
        return draft.finish()
    auth = manifest.auth[manifest.identities[operation.identity]]
    if auth.style == "sigv4":
        return _sigv4(draft, manifest, operation, holder, masked=masked)
    if auth.style == "oauth2_client_credentials":
        draft.headers.append(("Authorization", f"Bearer {token()}"))
        return draft.finish()
    if auth.style != "none":
        place_secret(draft, auth, manifest, holder, show(holder), masked=masked)
    return draft.finish()


def place_secret(
    draft: Draft, auth: Auth, manifest: Manifest, holder: Credential, secret: str, *, masked: bool
) -> None:
    """Put `secret` where the style wants it."""
    if auth.style == "bearer":
        draft.headers.append(("Authorization", f"{auth.prefix or 'Bearer '}{secret}"))
    elif auth.style == "header":
        draft.headers.append((auth.name, f"{auth.prefix}{secret}"))
    elif auth.style == "basic":
        draft.headers.append(("Authorization", _basic(str(own(manifest, holder, auth.user)), secret, masked=masked)))
    elif auth.style == "query":
        draft.query.append((auth.name, secret))
    else:
        fields: dict[str, Any] = {key: own(manifest, holder, value) for key, value in auth.fields.items()}
        fields[auth.name] = secret
        if auth.style == "form":
            draft.form = {**(draft.form or {}), **fields}
        else:
            draft.json = {**(draft.json or {}), **fields}


def own(manifest: Manifest, holder: Credential, template: Any) -> Any:
    """A template of the auth section: `$credential` there is whoever signs."""
    try:
        return resolve(template or "", {"credential": facts(manifest, holder, lambda _: "")})
    except Unresolved as error:
        fact = error.path.partition(".")[2]
        rule = manifest.attributes.get(fact)
        raise RunbookError(f"{fact} of {holder.name} is not known", rule.ask if rule else manifest.key_id) from None


def _basic(user: str, secret: str, *, masked: bool) -> str:
    # A secret without a user stands in the user's place, with an empty password.
    pair = f"{user}:{secret}" if user else f"{secret}:"
    return f"Basic base64({pair})" if masked else "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _sigv4(draft: Draft, manifest: Manifest, operation: Operation, holder: Credential, *, masked: bool) -> Request:
    request = draft.finish()
    template = operation.request
    assert template is not None
    region = str(own(manifest, holder, template.region or "us-east-1"))
    key_id = holder.binding.key_id
    if not key_id:
        raise RunbookError(f"the access key id of {holder.name} is not known", manifest.key_id)
    if masked:
        scope = f"{key_id}/…/{region}/{template.service}/aws4_request"
        shown = ("Authorization", f"AWS4-HMAC-SHA256 Credential={scope}, Signature=(made when it is sent)")
        return Request(request.method, request.url, [*request.headers, shown], request.body)
    from runbook_tui.providers.plugins.sigv4 import sign

    return sign(request, holder, service=template.service, region=region)
