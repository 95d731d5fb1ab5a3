"""A vendor on loopback that gives back what it was given: every header, error, name and redirect echoes the secret."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

from canaries import CANARIES

MANIFEST = """\
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
    - {id: API key, prefixes: [acme_live_], pattern: 'acme_live_[!-~]{32,}'}
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
    outputs: {id: id, name: name}
    verdict:
      - {status: [200], is: alive}
      - {status: [401], is: dead, proof: refused}
  inspect:
    title: Look the key up
    kind: read
    as: admin
    request: {method: GET, path: /keys/$(credential.key_id)}
    outputs: {id: id, status: state, name: name, owner: owner, scopes: scopes}
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
    outputs: {id: id, name: name}
    new: {secret: secret, key_id: id}
  revoke:
    title: Delete the key
    kind: idempotent
    as: admin
    request: {method: DELETE, path: /keys/$(credential.key_id)}
    effect: {revoke: credential}
    expect: {status: [204]}
    already_done: {status: [404]}
    settle: 0s
  audit:
    title: List the calls of a key
    kind: read
    as: admin
    request: {method: GET, path: /calls}
    items: "@"
    outputs: {id: id, at: at, event: event}
"""


@dataclass
class Vendor:
    """`keys`: key id -> secret. `mode` is how it answers: ok, refuse, redirect, garbage."""

    url: str = ""
    mode: str = "ok"
    keys: dict[str, str] = field(default_factory=dict)
    fresh: list[str] = field(default_factory=lambda: [CANARIES["new"], CANARIES["odd"]])  # what `create` gives out
    heard: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, bearer: str) -> tuple[int, object]:
        self.heard.append(f"{method} {path}")
        mine = path.removeprefix("/keys/")
        echo = f"{bearer} {quote(bearer, safe='')} {bearer.encode().hex()} {b64encode(b':' + bearer.encode()).decode()}"
        if path == "/health":
            return 200, {"running on": list(self.keys.values())}
        if path.startswith("/hooks"):
            return 400, {"message": f"bad signature, wanted {CANARIES['hook']}, got {echo}"}
        if self.mode == "redirect":
            return 307, {"message": echo}
        if self.mode == "garbage":
            return 200, f"<html>{echo}{bearer[::-1]}"
        if self.mode == "refuse" or bearer not in self.keys.values():
            return 401, {"message": f"no key {echo}", bearer: "in a JSON key", "nested": {bearer: [echo]}}
        told = {"name": f"key {bearer}", "owner": [echo, self.keys.get(mine, "")], "scopes": {bearer: echo}}
        if path == "/me":
            return 200, {"id": next(name for name, value in self.keys.items() if value == bearer), **told}
        if method == "POST" and path == "/keys":
            made = f"ak_new{len(self.heard)}"
            self.keys[made] = self.fresh.pop(0)
            return 201, {"id": made, "secret": self.keys[made], **told}
        if path == "/calls":
            return 200, [{"id": "c1", "at": "2026-11-21T22:00:00Z", "event": f"GET /me?key={quote(bearer)} {echo}"}]
        if method == "DELETE":
            return (204, None) if self.keys.pop(mine, None) else (404, {"message": echo})
        return (200, {"id": mine, "state": "active", **told}) if mine in self.keys else (404, {"message": echo})


@contextmanager
def run_vendor() -> Iterator[Vendor]:
    """Serve until the block ends."""
    vendor = Vendor(keys={"ak_old": CANARIES["old"], "ak_admin": CANARIES["admin"], "ak_long": CANARIES["long"]})
    vendor.keys["ak_pasted"] = CANARIES["pasted"]

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, body = vendor.answer(self.command, self.path.partition("?")[0], bearer)
            content = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status, f"Echo {bearer}")
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Echo", bearer)
            self.send_header("Set-Cookie", f"session={quote(bearer)}")
            self.send_header("Location", f"{vendor.url}/elsewhere?token={quote(bearer)}#{bearer}")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = do_PUT = do

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    vendor.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
