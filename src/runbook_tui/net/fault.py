"""Why a request got no answer."""

from __future__ import annotations

KINDS = ("dns", "refused", "tls", "timeout", "cut", "garbled", "too_large", "blocked")


class NetFault(Exception):
    """No usable answer. The message names the host at most: never a path, a header or a body.

    `kind` is one of `KINDS`. `sent` is False only when the client never started to write the request, so that the
    provider cannot have executed it; True means that nobody knows.
    """

    def __init__(self, kind: str, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.sent = sent

    def __repr__(self) -> str:
        return f"NetFault({self.kind!r}, {self.message!r}, sent={self.sent})"


def blocked(message: str) -> NetFault:
    """A request that the guard refused; nothing was sent."""
    return NetFault("blocked", message, sent=False)
