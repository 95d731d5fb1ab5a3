"""What a hostile client says to a conductor's socket, and what that costs the conductor."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

HELLO = b'{"id": 1, "method": "hello", "params": {"name": "x", "role": "drive"}}\n'

GARBAGE = [
    b"\xff\xfe\x00garbage\n" * 100,
    b"GET / HTTP/1.1\r\n\r\n",
    b"[" * 60_000 + b"\n",
    b'{"id": 1}\n',
    b"[]\n",
    b'{"id": 1, "method": "hello", "params": []}\n',
    HELLO + b"null\n",
    HELLO + b'{"id": 2, "method": ["run"], "params": {"step": {}}}\n',
    HELLO + b'{"id": 2, "method": "run", "params": {"step": ["x"], "answers": 7}}\n',
    HELLO + b'{"id": 2, "method": "note", "params": {"text": 5}}\n',
    HELLO + b'{"id": 2, "method": "note", "params": {"text": "\\ud800"}}\n',
    HELLO + b'{"id": 2, "method": "_let_drive", "params": {"self": 1}}\n',
    HELLO + b'{"id": 2, "method": "clear", "params": {"op": [], "reason": {}, "as": 1e999}}\n',
    HELLO + b'{"id": 2, "method": "events", "params": {"since": "x"}}\n',
    HELLO + b"[" * 3_000_000 + b"\n",
]


def connect(path: str) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(5)
    with contextlib.suppress(OSError):
        one.connect(path)
    return one


def send(path: str, rubbish: bytes) -> None:
    """Say it and listen until nothing comes any more."""
    with connect(path) as one, contextlib.suppress(OSError):
        one.settimeout(0.3)
        one.sendall(rubbish)
        while one.recv(65536):
            pass


@contextlib.contextmanager
def many_files() -> Iterator[None]:
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, usual[1]), usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, usual)


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def memory(pid: int) -> int:
    """Resident bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
