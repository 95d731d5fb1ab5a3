"""Recorded incidents and a client over them: what the screens are tested, measured and photographed with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runbook_tui.foundation.clock import FakeClock, iso
from runbook_tui.foundation.errors import RunbookError
from runbook_tui.incident.events import Event
from runbook_tui.incident.plan import items
from runbook_tui.incident.prompts import prompts_for
from runbook_tui.incident.state import apply, fold
from runbook_tui.playbook.loader import from_source
from runbook_tui.playbook.model import Playbook

START = datetime(2026, 11, 21, 22, 1, 55, tzinfo=UTC)
_PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"


def book(name: str = "api-key-leaked") -> Playbook:
    return from_source((_PLAYBOOKS / f"{name}.yaml").read_text(encoding="utf-8"), name)


class Recording:
    """Writes events with times of its own: `say("note", 5, text="…")` happens five seconds after the one before."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = START

    def say(self, kind: str, after: float = 1.0, /, **data: Any) -> Recording:
        self.now += timedelta(seconds=after)
        seq = len(self.events) + 1
        self.events.append(Event(seq, iso(self.now), seq * 1_000, "boot", "kim", kind, data))
        return self

    def step(self, name: str, seconds: float = 4.0, reason: str = "") -> Recording:
        self.say("step_started", 2, step=name, answers={}, attempt=1)
        return self.say("step_done", seconds, step=name, reason=reason)


def opened(mode: str = "drill", *, can: str = "api", title: str = "API key leaked") -> Recording:
    """An incident with one leaked key and two consumers, before its first step."""
    told = Recording().say("opened", 0, incident="2026-11-21-api-key-leaked-7f3a", mode=mode, title=title, playbook={},
                           target=300.0, tool="runbook", commander="kim", host="laptop", places={})  # fmt: skip
    calls = {"verify": "api", "inspect": "api", "create": can, "revoke": "api", "disable": "api", "audit": "api"}
    told.say("subject", 1, slot="leaked", kind="credential", name="stripe-live", provider="stripe",
             provider_name="Stripe", key_id="rk_live_7Q2x", fingerprint="fp:0a1b2c3d4e5f", mask="rk_live_…7Q2x",
             overlap="parallel", can=calls, has_secret=True, attributes={})  # fmt: skip
    for name, where in (("checkout", "/srv/checkout/.env"), ("billing", "kv/billing#STRIPE_KEY")):
        told.say("consumer", 0, id=name, kind="env-file", title=name, credential="leaked", where=where, proof="health")
    consumers = [{"id": "checkout"}, {"id": "billing"}]
    for name, value in (("consumers", consumers), ("repositories", ["shop.git"]), ("endpoint", {"url": "http://x"})):
        told.say("input", 0, name=name, value=value)
    return told.say("driver", 0, name="kim", took_over=False)


def halfway(mode: str = "drill", *, can: str = "api") -> Recording:
    """Declared, captured, decided, switched off: the new key is next."""
    told = opened(mode, can=can)
    told.say("step_started", 3, step="declare", answers={}, attempt=1)
    told.say("facts", 9, values={"exposure": "public", "used_by_others": "no", "power": "money"})
    told.say("step_done", 0, step="declare", reason="")
    told.step("capture", 2, "")
    told.say("note", 3, text="support told, status page says investigating", at="")
    told.say("decision", 6, order="contain_first", recommended="contain_first", rule="O2", why="money", reason="")
    told.step("decide", 1, "O2: contain first")
    told.say("step_started", 4, step="disable", answers={}, attempt=1)
    told.say("intent", 0, op="op-1", step="disable", item="", operation="disable", subject="leaked",
             what="disable stripe-live (rk_live_7Q2x)")  # fmt: skip
    told.say("sending", 0, op="op-1").say("outcome", 1, op="op-1", result="done", status=200, reason="")
    told.say("step_acted", 0, step="disable", reason="")
    told.say("verification", 3, step="disable", slot="leaked", side="old", verdict="alive", proof="none",
             reason="the provider still answers 200")  # fmt: skip
    told.say("step_failed", 20, step="disable", status="undetermined", reason="within 60 s no refusal was seen")
    return told


def left_unknown(mode: str = "live") -> Recording:
    """The program was killed while the revocation was under way."""
    told = halfway(mode).step("create", 6).step("roll-out", 20).step("prove-used", 9)
    told.say("new_credential", 0, slot="leaked", name="stripe-live-2", key_id="rk_live_9Zq1", fingerprint="",
             mask="rk_live_…9Zq1", stored_in="keyring")  # fmt: skip
    told.say("verification", 1, step="create", slot="leaked", side="new", verdict="alive", proof="refused", reason="")
    for name in ("checkout", "billing"):
        told.say("consumer_state", 1, consumer=name, stage="used", proof="health", reason="")
    told.say("step_started", 3, step="revoke", answers={}, attempt=1)
    told.say("intent", 0, op="op-2", step="revoke", item="", operation="revoke", subject="leaked",
             what="revoke stripe-live (rk_live_7Q2x)")  # fmt: skip
    told.say("sending", 0, op="op-2")
    told.say("outcome", 41, op="op-2", result="unknown", reason="the program ended while the call was under way")
    told.say("step_failed", 0, step="revoke", status="unknown", reason="it was running when the program ended")
    return told.say("resumed", 0, open_operations=["op-2"]).say("driver", 0, name="kim", took_over=False)


PREVIEW = {
    "method": "DELETE",
    "url": "https://api.stripe.com/v1/api_keys/rk_live_7Q2x",
    "headers": [["authorization", "Bearer rk_live_…9Zq1"]],
    "body": "",
    "sentence": "Revoke the key rk_live_7Q2x at Stripe: every request with it fails from then on.",
    "destructive": True,
    "reversible": False,
}


class RecordedClient:
    """A client without a conductor: answers prompts from the playbook, keeps what it was asked, pushes on demand."""

    def __init__(self, told: Recording, *, driving: bool = True, later: float = 5.0) -> None:
        self.book = book()
        self.events = list(told.events)
        self.state = fold(self.events)
        self.driving = driving
        self.vault = "keyring (SecretService)"
        self.clock = FakeClock(told.now + timedelta(seconds=later))
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refuse = ""
        self.markdown = "# Incident report\n\n| key | proof |\n|-----|-------|\n| stripe-live | refused |\n" * 12
        self.manual = {"link": "https://dashboard.example/keys", "steps": ["Open Developers", "Press Create key"]}
        self.batch: list[str] = []
        self._listeners: list[Callable[[dict[str, Any]], None]] = []

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        self.asked.append((method, params))
        if self.refuse:
            raise RunbookError(self.refuse, "try again")
        if method == "prompts":
            step = self.book.step(params["step"])
            prompts = prompts_for(self.book, self.state, step, lambda _subject, _operation: self.manual)
            batch = self.batch or [name for name, _ in items(step, self.state) if name]
            preview = PREVIEW if step.confirm else None
            return {"prompts": [asdict(prompt) for prompt in prompts], "preview": preview, "batch": batch}
        return {"markdown": self.markdown} if method == "report" else {}

    def listen(self, callback: Callable[[dict[str, Any]], None]) -> None:
        self._listeners.append(callback)

    def push(self, kind: str, /, **data: Any) -> None:
        """An event arrives from the conductor."""
        seq = len(self.events) + 1
        event = Event(seq, iso(self.clock.now()), seq * 1_000, "boot", "kim", kind, data)
        self.events.append(event)
        self.state = apply(self.state, event)
        self.tell({"event": event})

    def tell(self, push: dict[str, Any]) -> None:
        for callback in self._listeners:
            callback(push)

    def close(self) -> None:
        self._listeners.clear()
