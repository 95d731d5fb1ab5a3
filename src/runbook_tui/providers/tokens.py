"""OAuth2 access tokens by client credentials, kept in memory until they expire."""

from __future__ import annotations

from datetime import datetime, timedelta

from runbook_tui.foundation.clock import Clock
from runbook_tui.foundation.errors import Exit, RunbookError
from runbook_tui.net.client import Network
from runbook_tui.providers.answers import parse_answer, search
from runbook_tui.providers.auth import place_secret
from runbook_tui.providers.drafting import Draft, expose, place
from runbook_tui.providers.manifest import Auth, Manifest
from runbook_tui.secrets.secret import Secret
from runbook_tui.secrets.vault import Credential

_EARLY = timedelta(seconds=60)
_LONGEST = 86_400.0  # seconds; a token said to last longer, or for ever, is fetched anew for each call


class Tokens:
    """Fetches and keeps access tokens, one for each credential."""

    def __init__(self, network: Network, clock: Clock) -> None:
        self._network = network
        self._clock = clock
        self._kept: dict[tuple[str, str, str], tuple[Secret, Secret, datetime]] = {}

    def get(self, manifest: Manifest, auth: Auth, holder: Credential) -> str:
        """A valid access token of `holder`; RunbookError when the provider gives none, NetFault without an answer."""
        key = (manifest.id, holder.name, holder.binding.key_id)
        kept = self._kept.get(key)
        if kept and kept[0] == holder.secret and kept[2] > self._clock.now():
            return kept[1].expose()
        where = place(manifest, auth.origin, holder)
        draft = Draft("POST", where.base, auth.path, form={"grant_type": "client_credentials"})
        place_secret(draft, Auth("basic", user=auth.user), manifest, holder, expose(holder), masked=False)
        answer = self._network.send(draft.finish(), [where.base], private=where.bound, ca_file=where.ca_file)
        parsed = parse_answer(answer, "json")
        token, lasts = search("access_token", parsed.body), search("expires_in", parsed.body)
        if parsed.status != 200 or not isinstance(token, str) or not token:
            message = f"{manifest.name} gave {holder.name} no access token (status {parsed.status})"
            raise RunbookError(message, "check the client id and the secret", exit_code=Exit.INCOMPLETE)
        known = lasts if isinstance(lasts, int | float) and 0 < lasts < _LONGEST else 0
        ends = self._clock.now() + timedelta(seconds=known) - _EARLY
        assert holder.secret is not None
        self._kept[key] = (holder.secret, Secret(token), ends)
        return token
