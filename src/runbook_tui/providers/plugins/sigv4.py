"""AWS Signature Version 4, by botocore (the extra `aws`). The request itself goes through the guarded client."""

from __future__ import annotations

from runbook_tui.foundation.errors import RunbookError
from runbook_tui.net.client import Request
from runbook_tui.providers.drafting import expose
from runbook_tui.secrets.vault import Credential


def sign(request: Request, holder: Credential, *, service: str, region: str) -> Request:
    """`request` with its signature; the holder's key id is the access key id."""
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
    except ImportError:
        raise RunbookError("AWS requests need botocore", 'install the extra: pip install "runbook-tui[aws]"') from None
    draft = AWSRequest(method=request.method, url=request.url, data=request.body, headers=dict(request.headers))
    SigV4Auth(Credentials(holder.binding.key_id, expose(holder)), service, region).add_auth(draft)
    return Request(request.method, request.url, [(str(k), str(v)) for k, v in draft.headers.items()], request.body)
