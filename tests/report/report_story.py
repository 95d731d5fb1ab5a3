"""A whole response as events, for the tests of the report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_tui.foundation.clock import iso
from runbook_tui.incident.events import Event
from runbook_tui.incident.state import fold
from runbook_tui.playbook.model import Playbook, Step
from runbook_tui.report.markdown import markdown

START = datetime(2025, 11, 20, 9, 13, 10, tzinfo=UTC)
BOOK = Playbook(
    "api-key-leaked",
    "API key leaked",
    300,
    (
        Step("declare", "declare", "State what is known", target=30),
        Step("capture", "capture", "Record what the key is", target=45),
        Step("decide", "decide", "Decide the order", target=20),
        Step("create", "replace", "Make a new key", target=45),
        Step("revoke", "contain", "Revoke: the leaked key", target=5),
        Step("audit", "audit", "List what was done", target=120),
        Step("search", "search", "Search git history", target=120),
    ),
)


class Story:
    """Events, five seconds apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, kind: str, /, actor: str = "alice", **data: Any) -> Story:
        count = len(self.events)
        moment = START + timedelta(seconds=5 * count)
        self.events.append(Event(count + 1, iso(moment), count * 5_000_000_000, "boot", actor, kind, data))
        return self

    def report(self, book: Playbook | None = BOOK, **more: Any) -> str:
        now = START + timedelta(hours=1)
        return markdown(book, fold(self.events), self.events, tool="runbook-tui 0.1", now=now, **more)


def whole(t: str = "plain", mode: str = "live") -> Story:
    """Every kind of event once at least, `t` in every foreign field."""
    s = Story()
    s.add("opened", incident="inc-20251120-7k3f", mode=mode, title=t, target=300, tool="x", commander=t, host=t,
          playbook={"id": t, "sha256": t, "source": t}, places=t)  # fmt: skip
    s.add("driver", name=t, took_over=False).add("input", name="leaked", value=t)
    s.add("subject", slot="leaked", kind="credential", name=t, provider=t, provider_name=t, key_id=t, fingerprint=t,
          mask=t, overlap="parallel", can={"verify": "api"}, has_secret=True, attributes={"owner": t})  # fmt: skip
    s.add("consumer", id="web", kind="env", title=t, credential="leaked", where=t, proof="health")
    s.add("step_started", step="declare", answers={t: t}, attempt=1)
    stated = {"exposure": t, "used_by_others": t, "power": t, "detected_at": "2025-11-20T09:12:30Z",
              "exposed_since": "2025-11-20T08:40:00Z", "tlp": t, "how": t, t or "x": t}  # fmt: skip
    s.add("facts", values=stated).add("step_done", step="declare", reason=t)
    s.add("step_started", step="capture", answers={}, attempt=1)
    s.add("recorded", step="capture", item=t, values={"scopes": [t], "created_at": t, "last_used_at": t})
    s.add("step_done", step="capture", reason=t)
    s.add("decision", order="replace_first", recommended="contain_first", rule="O6", why=t, reason=t, options=[t, "b"])
    s.add("step_started", step="create", answers={}, attempt=1)
    s.add("intent", op="1", step="create", item="", operation="create", subject="leaked", what=t, request=t)
    s.add("sending", op="1").add("outcome", op="1", result="done", status=201, reason=t, evidence={"request": t})
    s.add("new_credential", slot="leaked", name=t, key_id=t, fingerprint=t, mask=t, stored_in=t)
    s.add("verification", step="create", slot="leaked", side="new", verdict="alive", proof="none", reason=t,
          evidence={"request": t, "status": 200})  # fmt: skip
    s.add("step_done", step="create", reason=t)
    s.add("consumer_state", consumer="web", stage="used", proof="health", reason=t, evidence={"request": t})
    s.add("step_started", step="revoke", answers={}, attempt=1)
    s.add("intent", op="2", step="revoke", item="", operation="revoke", subject="leaked", what=t, request=t)
    s.add("sending", op="2").add("outcome", op="2", result="unknown", status=None, reason=t, evidence={})
    s.add("cleared", op="2", **{"as": "done"}, by="operator", reason=t)
    s.add("verification", step="revoke", slot="leaked", side="old", verdict="dead", proof="refused", reason=t,
          evidence={"request": t, "status": 401})  # fmt: skip
    s.add("step_done", step="revoke", reason=t)
    s.add("tripwire", reason=t).add("step_waiting", step="audit", until="2025-11-20T09:20:00Z", reason=t)
    s.add("step_started", step="audit", answers={}, attempt=1)
    s.add("audit", step="audit", since=t, until=t, items=[{t or "x": t}, t], ours=t, limits=t, evidence={"request": t})
    s.add("step_failed", step="audit", status="failed", reason=t, manual=[t])
    hit = {"credential": t, "form": t, "paths": [t, t], "refs": [t], "reachable": t, "remotes": [t],
           "first": [{"commit": t, "author": t, "time": t}], "last": []}  # fmt: skip
    repository = {"path": t, "objects": 1, "not_scanned": [{"what": t, "why": t}], "hits": [hit]}
    summary = {"credential": t, "earliest": t, "latest": t, "pushed": True}
    s.add("scan", step="search", result={"repositories": [repository], "credentials": [summary]})
    delivery = {"id": t, "title": t, "expected": t, "status": 401, "verdict": "pass", "reason": t, "milliseconds": 3}
    s.add("deliveries", step="webhook", endpoint=t, scheme=t, results=[delivery])
    s.add("attested", slot="leaked", side="new", by=t, what=t).add("waiver", line="consumer:web", name=t, reason=t)
    s.add("waiver", line=t, name=t, reason=t)
    s.add("step_skipped", step="search", reason=t).add("step_reopened", step="audit", reason=t)
    for prefix in ("", "action: ", "well: ", "badly: ", "lucky: ", "told: "):
        s.add("note", text=prefix + t, at="2025-11-20T09:13:00Z" if prefix else t)
    s.add("clock_step", actor="journal", seconds=-3).add("resumed", actor=t, open_operations=[t])
    s.add("learned", slot="leaked", key_id=t, attributes={t or "x": t})
    s.add("step_acted", step="audit", reason=t)
    file = {"name": t, "size": 3, "sha256": t, "text": f"it says {t}", "left_out": ""}
    s.add("note", text=t, at="", attached=file)
    s.add("note", text=t, at="", attached={**file, "text": "", "left_out": t})
    s.add("purged", events=[{"seq": len(s.events), "data": {"text": t, "at": ""}}], reason=t)
    s.add("exported", path=t, sha256=t, format=t).add("closed", state="complete_except", reason=t)
    return s
