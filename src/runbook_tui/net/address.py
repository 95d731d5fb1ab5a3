"""Names to addresses: resolved once, checked, and never asked again for the same call."""

from __future__ import annotations

import ipaddress
import socket
import threading

from runbook_tui.net.fault import NetFault, blocked
from runbook_tui.net.origin import is_loopback_name, literal

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.ip_network("::/96")
# Credential services of clouds (AWS over IPv6, Alibaba, Oracle, Azure) that are not in the link-local range.
_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")
)
_MOST_ADDRESSES = 4


def addresses(host: str, port: int, *, private: bool, seconds: float, most: int = _MOST_ADDRESSES) -> list[str]:
    """The addresses of `host` that may be connected to, at most `most`.

    A name may lead to global addresses only, unless `private`: the operator bound this origin by hand. An address
    written out in a bound origin is allowed as it stands. Link-local addresses, where clouds keep their
    credential service, are never allowed.
    """
    spelled = literal(host)
    found = [spelled] if spelled else _resolve(host, port, seconds)
    for address in found:
        if spelled or is_loopback_name(host):
            allowed = _usable(address) and (bool(spelled) or address.is_loopback)
        else:
            allowed = _usable(address) and (private or _is_global(address))
        if not allowed:
            raise blocked(f"{host} leads to {address}, which is not a public address: bind the origin to allow it")
    return [str(address) for address in found[:most]]


def _usable(address: _Address) -> bool:
    inner = _inner(address)
    return not (inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner in _METADATA)


def _is_global(address: _Address) -> bool:
    return address not in _LOCAL_NAT64 and _inner(address).is_global


def _inner(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address only wraps (mapped, compatible, 6to4, NAT64), or the address itself."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    wrapped = address.ipv4_mapped or address.sixtofour
    if wrapped is None and (address in _NAT64 or address in _LOCAL_NAT64 or address in _COMPATIBLE):
        wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address if wrapped is None or address.is_loopback else wrapped


def _resolve(host: str, port: int, seconds: float) -> list[_Address]:
    """Ask the system's resolver, for `seconds` at most: it has no time limit of its own."""
    answer: list[_Address] = []
    failure: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                address = ipaddress.ip_address(str(where[0]).partition("%")[0])
                if address not in answer:
                    answer.append(address)
        except (OSError, UnicodeError) as error:
            failure.append(error)

    worker = threading.Thread(target=ask, name="resolve", daemon=True)
    worker.start()
    worker.join(max(0.0, seconds))
    if worker.is_alive():
        raise NetFault("dns", f"the name {host} was not resolved in time", sent=False)
    if failure and isinstance(failure[0], PermissionError):
        raise blocked(f"looking up {host} is refused in this process")
    if failure or not answer:
        raise NetFault("dns", f"the name {host} could not be resolved", sent=False)
    return answer
