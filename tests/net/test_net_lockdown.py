"""Promise: in a drill nothing in the process reaches another address, whatever library tries it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import socket, sys, threading
from runbook_tui.net.lockdown import lock_down
listener = socket.create_server(("127.0.0.1", 0)); port = listener.getsockname()[1]
other = socket.create_server(("127.0.0.1", 0)); elsewhere = other.getsockname()[1]
lock_down("127.0.0.1", port)
socket.create_connection(("127.0.0.1", port), 2).close()
left, right = socket.socketpair(); left.close(); right.close()
def refused(action):
    try:
        action()
    except PermissionError:
        return True
    return False
import httpx
from runbook_tui.net.client import NetFault, Network, Request
try:
    Network().send(Request("GET", f"http://127.0.0.1:{elsewhere}/", []), [f"http://127.0.0.1:{elsewhere}"])
    guarded = False
except NetFault as fault:
    guarded = fault.kind == "blocked" and not fault.sent
try:
    Network().send(Request("GET", "https://api.example.com/", []), ["https://api.example.com"])
    named = False
except NetFault as fault:
    named = fault.kind == "blocked" and not fault.sent
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(all([
    refused(lambda: socket.create_connection(("127.0.0.1", elsewhere), 2)),
    refused(lambda: socket.getaddrinfo("api.example.com", 443)),
    refused(lambda: datagram.sendto(b"x", ("127.0.0.1", 9))),
    refused(lambda: socket.socket(socket.AF_INET6).connect(("::1", port))),
    guarded, named,
]))
"""


def test_lock_down_refuses_below_every_library() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "True", done.stderr
