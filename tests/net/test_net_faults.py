"""Promise: every way a call can fail is one class of fault, and `sent` is False only if nothing was sent."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import pytest
from fault_server import FaultServer

from runbook_tui.net.client import NetFault, Network, Request


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def ask(server: FaultServer, fault: str, *, deadline: float = 5.0, path: str = "/v1/keys?key=hidden-value") -> NetFault:
    server.fault = fault
    with pytest.raises(NetFault) as caught:
        Network().send(Request("POST", server.url + path, [], b"{}"), [server.url], deadline=deadline)
    assert "hidden-value" not in repr(caught.value) + str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("reset_before", "cut"),
        ("reset_after", "cut"),
        ("close", "cut"),
        ("truncated", "cut"),
        ("truncated_head", "cut"),
        ("garbage", "garbled"),
        ("huge", "too_large"),
        ("huge_head", "garbled"),
        ("bomb", "garbled"),
    ],
)
def test_what_happens_after_sending_is_never_called_unsent(server: FaultServer, fault: str, kind: str) -> None:
    found = ask(server, fault)
    assert (found.kind, found.sent) == (kind, True)


@pytest.mark.parametrize("fault", ["trickle", "trickle_head", "silent"])
def test_the_deadline_holds_however_slowly_bytes_come(server: FaultServer, fault: str) -> None:
    found = ask(server, fault, deadline=0.6)
    assert (found.kind, found.sent) == ("timeout", True)


def test_a_refused_connection_was_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with pytest.raises(NetFault) as caught:
        Network().send(Request("GET", url, []), [url])
    assert (caught.value.kind, caught.value.sent) == ("refused", False)


def test_an_unknown_name_was_not_sent() -> None:
    with pytest.raises(NetFault) as caught:
        Network().send(Request("GET", "https://nowhere.invalid/", []), ["https://nowhere.invalid"])
    assert (caught.value.kind, caught.value.sent) == ("dns", False)


@pytest.mark.parametrize(("fault", "status"), [("redirect", 307), ("rate", 429), ("error", 503), ("html", 200)])
def test_a_complete_answer_is_an_answer(server: FaultServer, fault: str, status: int) -> None:
    """A redirect is reported and never followed."""
    server.fault = fault
    answer = Network().send(Request("POST", server.url + "/", [("X-Api-Key", "k")], b"{}"), [server.url])
    assert answer.status == status
    assert len(server.seen) == 1


def test_the_callback_comes_once_and_before_the_first_byte(server: FaultServer) -> None:
    seen_at_call: list[int] = []
    answer = Network().send(
        Request("POST", server.url + "/x", [], b"body"),
        [server.url],
        before_first_byte=lambda: seen_at_call.append(len(server.seen)),
    )
    assert seen_at_call == [0]
    assert answer.body == b'{"ok":true}'


def test_what_the_callback_raises_stops_the_call(server: FaultServer) -> None:
    """No journal, no action: the failure reaches the caller and no byte of the request leaves."""

    class NoJournalError(Exception):
        pass

    def fail() -> None:
        raise NoJournalError

    with pytest.raises(NoJournalError):
        Network().send(Request("POST", server.url + "/x", [], b"body"), [server.url], before_first_byte=fail)
    Network().send(Request("GET", server.url + "/after", []), [server.url])
    assert [request.split()[1] for request in server.seen] == [b"/after"]


def test_no_callback_without_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    called: list[int] = []
    url = f"http://127.0.0.1:{port}"
    with pytest.raises(NetFault):
        Network().send(Request("POST", url, []), [url], before_first_byte=lambda: called.append(1))
    assert called == []


def test_the_request_asks_for_no_compression_and_no_reuse(server: FaultServer) -> None:
    Network().send(Request("GET", server.url + "/x", [("X-Api-Key", "k")]), [server.url])
    head = server.seen[0].lower()
    assert b"accept-encoding: identity" in head
    assert b"connection: close" in head


def test_environment_proxies_are_ignored(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy from the environment would receive the credential of a plain request."""
    with FaultServer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        Network().send(Request("GET", server.url + "/x", []), [server.url])
        assert len(server.seen) == 1
        assert proxy.seen == []


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\x00b", "ä", " a"])
def test_header_values_cannot_carry_structure(server: FaultServer, value: str) -> None:
    with pytest.raises(NetFault) as caught:
        Network().send(Request("GET", server.url, [("X-Api-Key", value)]), [server.url])
    assert (caught.value.kind, caught.value.sent) == ("blocked", False)


def test_nothing_secret_is_logged_or_shown(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    network = Network()
    request = Request("GET", server.url + "/hidden-value?key=hidden-value", [("X-Api-Key", "hidden-value")], b"")
    with caplog.at_level(logging.DEBUG):
        answer = network.send(request, [server.url])
    assert "hidden-value" not in caplog.text + repr(request) + repr(answer)


def test_a_drill_network_reaches_its_simulator_only(server: FaultServer) -> None:
    network = Network(only=("127.0.0.1", server.port))
    assert network.send(Request("GET", server.url, []), [server.url]).status == 200
    with FaultServer() as other:
        for url in (other.url, "https://api.example.com", "http://localhost:9"):
            with pytest.raises(NetFault) as caught:
                network.send(Request("GET", url, []), [url])
            assert (caught.value.kind, caught.value.sent) == ("blocked", False)
        assert other.seen == []
