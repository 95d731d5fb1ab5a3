"""A vendor on loopback that does everything it is told once more when it is told once more, and answers as it likes."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEYS = 6
SETTLE = 2.0  # seconds; what the manifest promises. The vendor itself is done within _SLOWEST.
_SLOWEST = 0.5

_MANIFEST = f"""\
provider: 1
id: brink
name: Brink
docs: https://brink.example/docs
source: the vendor of these tests
checked_on: 2026-11-21
origins:
  api: {{ask: "Where is your Brink?", example: "https://brink.example"}}
overlap: parallel
credential:
  name: API key
  key_id: the key's id
  kinds:
    - {{id: API key, prefixes: [brink_live_], pattern: 'brink_live_[A-Za-z0-9]{{24}}'}}
auth:
  bearer: {{style: bearer}}
identities: {{credential: bearer, admin: bearer, new: bearer}}
error: message
operations:
  verify:
    title: Ask who the key is
    kind: read
    as: credential
    request: {{method: GET, path: /me}}
    verdict:
      - {{status: [200], is: alive}}
      - {{status: [401], is: dead, proof: refused}}
  inspect:
    title: Look the key up
    kind: read
    as: admin
    request: {{method: GET, path: /keys/$(credential.key_id)}}
    outputs: {{id: id}}
    verdict:
      - {{status: [404], is: dead, proof: listed, reason: there is no such key}}
      - {{status: [200], is: alive, proof: listed}}
  create:
    title: Make a new key
    kind: once
    as: admin
    request: {{method: POST, path: /keys, json: {{for: $(credential.key_id), call: $(call.id)}}}}
    effect: {{create: credential}}
    expect: {{status: [201]}}
    outputs: {{id: id}}
    new: {{secret: secret, key_id: id}}
    settle: {SETTLE:g}s
  revoke:
    title: Delete the key
    kind: once
    as: admin
    request: {{method: POST, path: /keys/$(credential.key_id)/end, json: {{call: $(call.id)}}}}
    effect: {{revoke: credential}}
    expect: {{status: [200]}}
    settle: {SETTLE:g}s
"""

_STEP = """\
  - id: revoke-{n}
    phase: contain
    title: Revoke key {n}
    needs: [capture]
    call: {{operation: revoke, on: $k{n}}}
    confirm: typed
    verify: {{credential: $k{n}.old, is: dead, within: 20s}}
"""

PLAYBOOK = f"""\
runbook: 1
id: six-keys
title: Six keys leaked
version: 1
target: 10m
inputs:
{"".join(f"  k{n}: {{type: credential, ask: Which is key {n}?}}{chr(10)}" for n in range(1, KEYS + 1))}
steps:
  - id: capture
    phase: capture
    title: Record what the keys are
    call: {{operation: inspect, on: $k1}}
    record: [id]
{"".join(_STEP.format(n=n) for n in range(1, 4))}
  - id: create
    phase: replace
    title: Make a new key for the fourth
    call: {{operation: create, on: $k4}}
    store: $k4.new
    verify: {{credential: $k4.new, is: alive, within: 20s}}
{"".join(_STEP.format(n=n) for n in range(4, KEYS + 1))}"""

ADMIN = "brink_live_" + "AdminFakeFakeFakeFakeFake"[:24]


class Vendor:
    """`done` counts what was executed: ("revoke", key id) and ("create", key id); `by_call` the same by call id."""

    def __init__(self, seed: int, *, calm: bool = False) -> None:
        self.url = ""
        self.calm = calm  # answers at once
        self.hold = threading.Event()  # while it is clear, a calm vendor's answers to changing calls are held back
        self.hold.set()
        self.stubborn = False  # shows a key as living that was revoked
        self.done: Counter[tuple[str, str]] = Counter()
        self.by_call: Counter[str] = Counter()
        self.live: set[str] = set()  # created for somebody and not deleted again: key ids
        self.made: dict[str, tuple[str, str]] = {}  # new key id -> (for which key, secret)
        self.moments: list[Callable[[str, str], None]] = []  # told of ("received" | "executed", key id)
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def workspace(self, folder: Path) -> None:
        """Make `folder` a workspace that knows this vendor."""
        (folder / "manifests").mkdir(parents=True, exist_ok=True)
        (folder / "manifests" / "brink.yaml").write_text(_MANIFEST)

    def inventory(self, incident: str) -> str:
        """The inventory of one incident: six keys of its own, known by their ids."""
        rows = "".join(
            f"  key-{n}: {{provider: brink, key_id: {incident}-k{n}, admin: admin, origins: {{api: {self.url}}}}}\n"
            for n in range(1, KEYS + 1)
        )
        return f"inventory: 1\ncredentials:\n{rows}  admin: {{provider: brink}}\n"

    def tell(self, moment: str, key: str) -> None:
        for told in list(self.moments):
            told(moment, key)

    def look(self, key: str) -> list[str]:
        """What somebody sees in the dashboard: the keys made for `key`; each is deleted at once."""
        with self._lock:
            found = [new for new, (owner, _) in self.made.items() if owner == key and new in self.live]
            self.live -= set(found)
            self.done["create", key] -= len(found)
            return found

    def answer(self, method: str, path: str, bearer: str, body: dict[str, str]) -> tuple[int, object] | None:
        """Status and document; None cuts the connection."""
        if path == "/me":
            return (200, {}) if any(secret == bearer for _, secret in self.made.values()) else (401, {"message": "no"})
        if bearer != ADMIN:
            return 401, {"message": "no"}
        key = path.removeprefix("/keys").strip("/").removesuffix("/end")
        if method == "GET":
            over = self.done["revoke", key] and not self.stubborn
            return (404, {"message": "no such key"}) if over else (200, {"id": key})
        return self._change(key or body["for"], body["call"], create=not key)

    def _change(self, key: str, call: str, *, create: bool) -> tuple[int, object] | None:
        with self._lock:
            mood = self._random.random()
            before, after = self._random.uniform(0, _SLOWEST), self._random.uniform(0, _SLOWEST)
        self.tell("received", key)
        self.hold.wait(60)
        if not self.calm:
            if mood < 0.05:
                return None  # lost on the way
            time.sleep(before if mood < 0.55 else 0)
        with self._lock:
            self.done["create" if create else "revoke", key] += 1
            self.by_call[call] += 1
            new = f"n{len(self.made)}-{key}"
            if create:
                self.made[new] = (key, f"brink_live_{len(self.made):024d}")
                self.live.add(new)
        self.tell("executed", key)
        if not self.calm:
            if mood > 0.92:
                return None  # done, and the answer lost
            if mood > 0.88:
                return 502, {"message": "bad gateway"}
            time.sleep(after if mood > 0.6 else 0)
        return (201, {"id": new, "secret": self.made[new][1]}) if create else (200, {"id": key})


@contextmanager
def run_vendor(seed: int, *, calm: bool = False) -> Iterator[Vendor]:
    vendor = Vendor(seed, calm=calm)

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            told = vendor.answer(self.command, self.path.partition("?")[0], bearer, json.loads(raw or b"{}"))
            if told is None:
                self.close_connection = True
                return
            content = json.dumps(told[1]).encode()
            self.send_response(told[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            """The other end was killed: that is what these tests do."""

    server = Server(("127.0.0.1", 0), Handler)
    vendor.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield vendor
    finally:
        vendor.hold.set()
        server.shutdown()
        server.server_close()
