"""Promise: a name that leads into a private network is refused unless the operator bound it."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from runbook_tui.net.address import addresses
from runbook_tui.net.fault import NetFault


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    names: dict[str, str] = {}

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        return [(0, 0, 0, "", (names[host], port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:0a00:0001::1",
    ],
)
def test_a_public_name_must_lead_to_a_public_address(resolver: dict[str, str], address: str) -> None:
    resolver["api.example.com"] = address
    with pytest.raises(NetFault) as caught:
        addresses("api.example.com", 443, private=False, seconds=3)
    assert (caught.value.kind, caught.value.sent) == ("blocked", False)


def test_what_the_operator_bound_may_be_private_but_never_link_local(resolver: dict[str, str]) -> None:
    resolver["vault.internal"] = "10.0.0.1"
    assert addresses("vault.internal", 443, private=True, seconds=3) == ["10.0.0.1"]
    resolver["vault.internal"] = "169.254.169.254"
    with pytest.raises(NetFault):
        addresses("vault.internal", 443, private=True, seconds=3)


def test_public_and_written_out_addresses_pass(resolver: dict[str, str]) -> None:
    resolver["api.example.com"] = "93.184.216.34"
    assert addresses("api.example.com", 443, private=False, seconds=3) == ["93.184.216.34"]
    assert addresses("127.0.0.1", 443, private=False, seconds=3) == ["127.0.0.1"]


def test_localhost_must_be_this_machine(resolver: dict[str, str]) -> None:
    resolver["localhost"] = "93.184.216.34"
    with pytest.raises(NetFault):
        addresses("localhost", 80, private=True, seconds=3)
