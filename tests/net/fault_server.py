"""A raw server on loopback that answers wrongly in every way a test asks for."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType

GOOD = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        chunk = connection.recv(65536)
        if not chunk:
            break
        body += chunk
    return head + b"\r\n\r\n" + body


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _trickle(connection: socket.socket, data: bytes) -> None:
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def _bomb() -> bytes:
    body = gzip.compress(b"\0" * 20_000_000)
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


ANSWERS: dict[str, bytes] = {
    "good": GOOD,
    "truncated": b'HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{"ok"',
    "truncated_head": b"HTTP/1.1 200 OK\r\nContent-",
    "garbage": b"\x00\x01\x02 not http at all\r\n\r\n",
    "redirect": b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n",
    "huge": b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000,
    "huge_head": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 300_000 + b"\r\n\r\n",
    "html": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
    "rate": b"HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nContent-Length: 2\r\n\r\n{}",
    "error": b"HTTP/1.1 503 Down\r\nContent-Length: 2\r\n\r\n{}",
}


class FaultServer:
    """`with FaultServer() as server: server.fault = "truncated"`; `server.seen` holds what arrived."""

    def __init__(self, wrap: Callable[[socket.socket], socket.socket] | None = None) -> None:
        self.fault = "good"
        self.seen: list[bytes] = []
        self._wrap = wrap
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultServer:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with self._wrap(connection) if self._wrap else connection as stream:
                self._play(stream)
        except OSError:
            return  # the client gave up, which is what many of these tests are about

    def _play(self, stream: socket.socket) -> None:
        fault = self.fault
        if fault == "reset_before":
            stream.recv(1)
            _reset(stream)
            return
        request = _read_request(stream)
        if request:
            self.seen.append(request)
        if fault == "reset_after":
            _reset(stream)
        elif fault == "silent":
            stream.recv(1)
        elif fault == "trickle":
            _trickle(stream, GOOD.replace(b"11", b"900000") + b"x" * 2000)
        elif fault == "trickle_head":
            _trickle(stream, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2000)
        elif fault == "bomb":
            stream.sendall(_bomb())
        elif fault != "close":
            stream.sendall(ANSWERS[fault])
