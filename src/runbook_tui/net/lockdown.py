"""The drill's promise: this process talks to its simulator and to nobody else."""

from __future__ import annotations

import sys
from typing import Any


class LockedDown(PermissionError):
    """A connection or look-up that a drill refuses, whoever in this process tried it."""


def lock_down(host: str, *ports: int) -> None:
    """Refuse every network connection of this process except to `host` (an address) on `ports`.

    Works below every library, through the interpreter's audit events, and cannot be undone. UNIX sockets and
    listening stay allowed. Child processes are not covered: a drill starts none that has a reason to connect.
    """
    allowed = frozenset(ports)

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        if not event.startswith("socket."):
            return
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = args[1]
            if isinstance(address, tuple) and (address[0] != host or address[1] not in allowed):
                raise LockedDown(f"a drill does not connect to {address[0]}")
        elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr") and args[0] not in (
            host,
            host.encode(),
            None,
        ):
            raise LockedDown("a drill looks up no names")

    sys.addaudithook(refuse)
