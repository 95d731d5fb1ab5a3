"""Endpoint addresses, with and without the path token that some vendors use instead of a signature."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from runbook_tui.foundation.errors import RunbookError

PLACEHOLDER = "{token}"


def check_endpoint(url: str, *, carries_secret: bool) -> None:
    """RunbookError unless `url` is an endpoint a delivery may go to.

    A delivery that holds the secret itself goes over TLS, except to this machine. The message never repeats the URL.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise RunbookError("the endpoint is not a URL", "write it like https://example.com/webhooks/vendor") from None
    if (
        parts.scheme not in ("http", "https")
        or not host
        or not url.isascii()
        or any(c <= " " or c in '"\\' for c in url)
    ):
        raise RunbookError("the endpoint is not an http(s) URL", "write it like https://example.com/webhooks/vendor")
    if parts.username is not None or parts.password is not None:
        raise RunbookError("the endpoint's URL holds a user name or password", "remove the part before the @")
    if parts.fragment:
        raise RunbookError("the endpoint's URL holds a fragment (#)", "remove the part after the #")
    if carries_secret and parts.scheme != "https" and not _is_loopback(host):
        raise RunbookError("this scheme sends the secret itself, and the endpoint is not https", "use an https URL")


def is_local(url: str) -> bool:
    """Whether the endpoint is on this machine, by its name."""
    return _is_loopback(urlsplit(url).hostname or "")


def with_token(url: str, token: str) -> str:
    """`url` with the path token in place of `{token}`, or as a last path segment when there is no placeholder."""
    if token in url:
        raise RunbookError(
            "the endpoint's URL already holds the token",
            f"give the address without it, or write {PLACEHOLDER} in its place: the token belongs into the vault",
        )
    if PLACEHOLDER in url:
        return url.replace(PLACEHOLDER, token)
    path, mark, query = url.partition("?")
    return f"{path.rstrip('/')}/{token}{mark}{query}"


def without_token(url: str) -> str:
    """The base path: what is left of `url` before the token. Every address of a test lies under it."""
    return url.partition(PLACEHOLDER)[0].partition("?")[0].rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
