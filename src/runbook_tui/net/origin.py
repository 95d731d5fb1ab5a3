"""Which addresses a credential may go to: an exact check of scheme, host, port and path prefix.

One spelling only: whatever two URL parsers could read differently (user information, backslash, dot segments, encoded
dots, numeric host tricks) is refused rather than interpreted.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from runbook_tui.net.fault import blocked

_URL = re.compile(r"(https?)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Target:
    """A parsed URL. `host` is lower case and without brackets; `path` starts with `/`; `query` keeps its `?`."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @property
    def place(self) -> str:
        """`https://host:port`, the default port left out: safe to show."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def covers(self, other: Target) -> bool:
        """True when `other` lies under this origin's scheme, host, port and path prefix."""
        if (self.scheme, self.host, self.port) != (other.scheme, other.host, other.port):
            return False
        prefix = self.path.rstrip("/")
        return other.path == prefix or other.path.startswith(prefix + "/")


def parse(url: str) -> Target:
    """The parts of `url`; NetFault `blocked` when it could be read in two ways."""
    match = _URL.fullmatch(url)
    if not match or not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise blocked("the address is not a plain http(s) URL")
    scheme, authority, path, query = match[1], match[2], match[3] or "/", match[4] or ""
    host, port = _authority(scheme, authority)
    _check_path(path)
    if scheme == "http" and not is_loopback_name(host):
        raise blocked(f"plain http is allowed to this machine only, not to {host}: use https")
    return Target(scheme, host, port, path, query)


def check(url: str, origins: Iterable[str]) -> Target:
    """`parse(url)` if it lies under one of `origins`; NetFault `blocked` otherwise."""
    target = parse(url)
    if any(parse(origin).covers(target) for origin in origins):
        return target
    raise blocked(f"the credential is not bound to {target.place}: nothing was sent")


def literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that `host` spells, or None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback_name(host: str) -> bool:
    """True for `localhost` and loopback literals."""
    address = literal(host)
    return host == "localhost" if address is None else address.is_loopback


def _authority(scheme: str, authority: str) -> tuple[str, int]:
    if "@" in authority or "%" in authority:
        raise blocked("the address carries user information or an encoded host")
    if authority.startswith("["):
        inside, closed, rest = authority[1:].partition("]")
        address = literal(inside)
        if not closed or not isinstance(address, ipaddress.IPv6Address) or address.ipv4_mapped or address.scope_id:
            raise blocked("the host is not a plain IPv6 address")
        host = str(address)
        if rest and not rest.startswith(":"):
            raise blocked("the host is not a plain IPv6 address")
        port_text = rest[1:] if rest else None
    else:
        host, colon, after = authority.lower().partition(":")
        port_text = after if colon else None
        _check_host(host)
    if port_text is None:
        return host, _DEFAULT_PORTS[scheme]
    if not _PORT.fullmatch(port_text) or int(port_text) > 65535:
        raise blocked("the port is not a number from 1 to 65535")
    return host, int(port_text)


def _check_host(host: str) -> None:
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise blocked("the host is not a plain name (no trailing dot, no empty part, ASCII only)")
    last = labels[-1]
    if last.isdigit() or last.startswith("0x"):
        # 2130706433, 0x7f.1 and 0177.0.0.1 all mean 127.0.0.1 to some resolvers.
        address = literal(host)
        if address is None or str(address) != host:
            raise blocked("the host is a number that is not a plain IPv4 address")


def _check_path(path: str) -> None:
    if "//" in path:
        raise blocked("the path has an empty segment")
    decoded = path
    for _ in range(3):
        decoded = unquote(decoded)
    if any(segment in (".", "..") for segment in re.split(r"[/\\]", decoded)):
        raise blocked("the path has a dot segment")
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in decoded):
        raise blocked("the path has a control character")
