"""A small vendor of our own on loopback, and the manifest a team would write for it: for live runs in journeys."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_MANIFEST = """\
provider: 1
id: acme
name: Acme
docs: https://acme.example/docs
source: the vendor of these tests
checked_on: 2026-11-21
origins:
  api: {ask: "Where is your Acme?", example: "https://acme.example"}
overlap: parallel
credential:
  name: API key
  key_id: the key's id
  kinds:
    - {id: API key, prefixes: [acme_live_], pattern: 'acme_live_[A-Za-z0-9]{24}'}
auth:
  bearer: {style: bearer}
identities: {credential: bearer, admin: bearer, new: bearer}
error: message
operations:
  verify:
    title: Ask who the key is
    kind: read
    as: credential
    request: {method: GET, path: /me}
    verdict:
      - {status: [200], is: alive}
      - {status: [401], is: dead, proof: refused}
  inspect:
    title: Look the key up
    kind: read
    as: admin
    request: {method: GET, path: /keys/$(credential.key_id)}
    outputs: {id: id, status: state}
    verdict:
      - {status: [404], is: dead, proof: listed, reason: there is no such key}
      - {status: [200], is: alive, proof: listed}
  create:
    title: Make a new key
    kind: once
    as: admin
    request: {method: POST, path: /keys, json: {name: "runbook-$(call.short)"}}
    effect: {create: credential}
    expect: {status: [201]}
    outputs: {id: id}
    new: {secret: secret, key_id: id}
  revoke:
    title: Delete the key
    kind: idempotent
    as: admin
    request: {method: DELETE, path: /keys/$(credential.key_id)}
    effect: {revoke: credential}
    expect: {status: [204]}
    already_done: {status: [404]}
    settle: 1s
  audit:
    title: List the calls of a key
    kind: read
    as: admin
    request: {method: GET, path: /calls}
    items: "@"
    outputs: {id: id, at: at, event: event}
"""


def secret(name: str) -> str:
    """An obviously fake key of this vendor."""
    return "acme_live_" + (name + "FakeFakeFakeFakeFakeFakeFake")[:24]


@dataclass
class Acme:
    """`keys` maps key id to secret; `heard` holds "METHOD path" of every request."""

    url: str = ""
    keys: dict[str, str] = field(default_factory=lambda: {"ak_leaked": secret("Leaked"), "ak_admin": secret("Admin")})
    heard: list[str] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None  # the vendor goes down

    def workspace(self, folder: Path, inventory: str = "inventory: 1\n") -> None:
        """Make `folder` a workspace that knows this vendor."""
        (folder / "manifests").mkdir(exist_ok=True)
        (folder / "manifests" / "acme.yaml").write_text(_MANIFEST)
        (folder / "inventory.yaml").write_text(inventory)

    def answer(self, method: str, path: str, bearer: str) -> tuple[int, object]:
        self.heard.append(f"{method} {path}")
        holder = next((name for name, value in self.keys.items() if value == bearer), "")
        if not holder:
            return 401, {"message": "no such key"}
        key = path.removeprefix("/keys/")
        if path == "/me":
            return 200, {"id": holder}
        if method == "POST" and path == "/keys":
            made = f"ak_new{len(self.heard)}"
            self.keys[made] = secret(f"New{len(self.heard)}")
            return 201, {"id": made, "secret": self.keys[made]}
        if path == "/calls":
            return 200, []
        if method == "DELETE":
            return (204, None) if self.keys.pop(key, None) else (404, {"message": "no such key"})
        return (200, {"id": key, "state": "active"}) if key in self.keys else (404, {"message": "no such key"})


@contextmanager
def run_acme() -> Iterator[Acme]:
    acme = Acme()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, body = acme.answer(self.command, self.path.partition("?")[0], bearer)
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = do

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    acme.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    acme.stop = stop
    try:
        yield acme
    finally:
        stop()
