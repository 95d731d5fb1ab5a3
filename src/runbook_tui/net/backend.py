"""The sockets under the HTTP client: checked addresses, one deadline for the whole call."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from runbook_tui.net.address import addresses
from runbook_tui.net.fault import NetFault, blocked
from runbook_tui.net.origin import Target

CONNECT_SECONDS = 3.0
READ_SECONDS = 30.0
WRITE_SECONDS = 10.0


class Call:
    """What is known about one call while it runs."""

    def __init__(self, target: Target, deadline: float, *, private: bool, only: tuple[str, int] | None) -> None:
        """`deadline` is seconds from now for everything: look-up, connection, request and answer."""
        self.target = target
        self.private = private
        self.only = only
        self.ends = time.monotonic() + deadline
        self.sent = False  # the first byte of the request was handed to the socket
        self.ended = False  # the other side closed its half
        self.reached: dict[str, float] = {}  # start, dns, connect, tls, first_byte -> when (monotonic) it was reached

    def mark(self, stage: str) -> None:
        """Note when `stage` was reached first."""
        self.reached.setdefault(stage, time.monotonic())

    def left(self, most: float) -> float:
        """Seconds a single wait may take; NetFault `timeout` when the call's time is up."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise self.late()
        return min(most, left)

    def late(self) -> NetFault:
        return NetFault("timeout", f"{self.target.host} did not answer in time", sent=self.sent)


class Backend(httpcore.NetworkBackend):
    """Opens the one connection of one call."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        call = self._call
        if call.only is not None and (host, port) != call.only:
            raise blocked(f"a drill talks to its own simulator only, not to {host}")
        trouble = NetFault("refused", f"{host} has no address to connect to", sent=False)
        call.mark("start")
        known = addresses(host, port, private=call.private, seconds=call.left(CONNECT_SECONDS))
        call.mark("dns")
        for address in known:
            try:
                connection = socket.create_connection((address, port), call.left(CONNECT_SECONDS))
            except TimeoutError:
                trouble = NetFault("timeout", f"{host} did not accept a connection in time", sent=False)
            except PermissionError:
                raise blocked(f"connecting to {host} is refused in this process") from None
            except OSError as error:
                trouble = NetFault("refused", f"no connection to {host}: {error.strerror or 'failed'}", sent=False)
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                call.mark("connect")
                return Stream(connection, call)
        raise trouble


class Stream(httpcore.NetworkStream):
    """A connection whose every wait counts against the call's deadline.

    httpcore's own timeouts start again with each byte, so that five bytes a second would live for ever.
    """

    def __init__(self, connection: socket.socket, call: Call) -> None:
        self._socket = connection
        self._call = call

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(self._call.left(READ_SECONDS))
        try:
            data = self._socket.recv(max_bytes)
        except TimeoutError:
            raise self._call.late() from None
        except OSError:
            host = self._call.target.host
            raise NetFault("cut", f"{host} broke the connection before the answer was complete", sent=True) from None
        self._call.ended = self._call.ended or not data
        if data:
            self._call.mark("first_byte")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        while rest:
            self._socket.settimeout(self._call.left(WRITE_SECONDS))
            self._call.sent = True
            try:
                rest = rest[self._socket.send(rest) :]
            except TimeoutError:
                raise self._call.late() from None
            except OSError:
                # httpcore goes on to read: a server may answer (413, 401) before it has read everything.
                raise httpcore.WriteError("the connection broke while writing") from None

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        host = self._call.target.host
        self._socket.settimeout(self._call.left(READ_SECONDS))
        try:
            secured = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except TimeoutError:
            self._socket.close()
            raise NetFault("timeout", f"{host} did not finish the TLS handshake in time", sent=False) from None
        except ssl.SSLCertVerificationError as error:
            self._socket.close()
            message = f"the certificate of {host} is not valid: {error.verify_message}"
            raise NetFault("tls", message, sent=False) from None
        except (OSError, ssl.CertificateError):
            self._socket.close()
            raise NetFault("tls", f"no secure connection to {host} could be made", sent=False) from None
        self._call.mark("tls")
        return Stream(secured, self._call)

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket):
            return self._socket
        return None
