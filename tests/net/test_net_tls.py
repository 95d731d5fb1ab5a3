"""Promise: a certificate that is expired, for another host or of an unknown authority stops the call unsent."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from fault_server import FaultServer

from runbook_tui.net.client import NetFault, Network, Request


def _wrap(certificate: trustme.LeafCert) -> Callable[[socket.socket], socket.socket]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return lambda connection: context.wrap_socket(connection, server_side=True)


def _send(certificate: trustme.LeafCert, ca_file: str | None) -> tuple[int, int]:
    with FaultServer(_wrap(certificate)) as server:
        url = f"https://127.0.0.1:{server.port}"
        answer = Network().send(Request("GET", url + "/v1", [("X-Api-Key", "k")]), [url], ca_file=ca_file)
        return answer.status, len(server.seen)


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    made = trustme.CA()
    path = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, str(path)


def test_a_bound_authority_is_trusted(authority: tuple[trustme.CA, str]) -> None:
    ca, ca_file = authority
    assert _send(ca.issue_cert("127.0.0.1"), ca_file) == (200, 1)


def test_an_unknown_authority_is_refused(authority: tuple[trustme.CA, str]) -> None:
    with pytest.raises(NetFault) as caught:
        _send(authority[0].issue_cert("127.0.0.1"), None)
    assert (caught.value.kind, caught.value.sent) == ("tls", False)


def test_expired_and_misdirected_certificates_are_refused(authority: tuple[trustme.CA, str]) -> None:
    ca, ca_file = authority
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = ca.issue_cert("127.0.0.1", not_before=yesterday - timedelta(days=9), not_after=yesterday)
    for certificate in (expired, ca.issue_cert("api.example.com")):
        with pytest.raises(NetFault) as caught:
            _send(certificate, ca_file)
        assert (caught.value.kind, caught.value.sent) == ("tls", False)


def test_a_missing_authority_file_is_a_clear_fault(tmp_path: Path) -> None:
    url, ca_file = "https://127.0.0.1:1", str(tmp_path / "absent.pem")
    with pytest.raises(NetFault) as caught:
        Network().send(Request("GET", url, []), [url], ca_file=ca_file)
    assert (caught.value.kind, caught.value.sent) == ("tls", False)


def test_a_server_without_tls_is_a_tls_fault() -> None:
    with FaultServer() as server:
        url = f"https://127.0.0.1:{server.port}"
        with pytest.raises(NetFault) as caught:
            Network().send(Request("GET", url, []), [url], deadline=2)
        assert (caught.value.kind, caught.value.sent) in (("tls", False), ("timeout", False))


def test_an_answer_says_where_its_time_went(authority: tuple[trustme.CA, str]) -> None:
    """The parts are there with TLS and without, and make up no more than the whole call."""
    ca, ca_file = authority
    with FaultServer(_wrap(ca.issue_cert("127.0.0.1"))) as server:
        url = f"https://127.0.0.1:{server.port}"
        over_tls = Network().send(Request("GET", url, []), [url], ca_file=ca_file)
    with FaultServer() as server:
        in_plain = Network().send(Request("GET", server.url, []), [server.url])
    for answer, secured in ((over_tls, True), (in_plain, False)):
        timing = answer.timing
        assert timing is not None
        assert (timing.tls is not None) == secured
        parts = [timing.dns, timing.connect, timing.tls or 0.0, timing.first_byte]
        assert min(parts) >= 0
        assert sum(parts) <= answer.seconds
